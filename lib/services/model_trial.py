"""Trying a model before it is saved: one small real call with exactly what was typed, and what to do when it fails."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from lib.access import Principal
from lib.errors import ProviderError
from lib.pricing import Price
from lib.providers import ModelInfo, default_endpoint
from lib.registry.draft import DraftModel
from lib.routing import Candidate, Router
from lib.services.calls import addressed_by, alias_of, options_of
from lib.services.key_trial import TestResult, ask
from lib.services.reach import Reach
from lib.usage import KeyScope, Ledger

_LIST_SECONDS = 10.0
_NAMED = 5
_LISTING_HELPS = frozenset({"model-incompatible", "bad-request", "unknown"})
_STARTING = frozenset({502, 503})


def try_model(
    ledger: Ledger,
    reach: Reach,
    principal: Principal,
    draft: DraftModel,
    api_key: SecretStr | None,
    scope: KeyScope | None,
    price: Price | None,
) -> TestResult:
    """Ask the model for a word. Nothing is learned: what was typed says nothing lasting about a model."""
    router = Router(ledger, None, reach.candidate)
    target = draft.target
    name = str(draft.values.get("display_name") or draft.upstream_id)
    candidate = Candidate(
        *(str(draft.values.get("model_key") or draft.upstream_id), name, draft.upstream_id, target.kind, target.slug, target.display_name),
        default_endpoint(target.kind),
        provider_id=target.id or None,
        base_url=target.base_url,
        api_key=api_key,
        key_scope=scope,
        price=price,
        options=options_of(target, draft.values.get("max_output_tokens")),
        why="connection test",
        addressed_by="person" if draft.owner_id is not None and draft.base_url else addressed_by(target),
        alias=alias_of(target, None) if draft.owner_id is not None else None,
    )
    try:
        result = ask(router, principal, candidate)
    except ProviderError as error:  # before anything was sent: an address or key nobody could call with
        return TestResult(False, str(error), error=error)
    return result if result.error is None else _explained(reach, result, result.error, candidate)


def _explained(reach: Reach, result: TestResult, error: ProviderError, candidate: Candidate) -> TestResult:
    if candidate.kind == "huggingface" and error.status in _STARTING:
        sentence = "It is reachable and still starting the model. The first call after a pause takes a minute or more; test again then."
        return replace(result, reachable=True, sentence=sentence)
    if error.kind in _LISTING_HELPS and (listed := _listed(reach, candidate)) is not None:
        ids = [model.id for model in listed]
        if ids and candidate.upstream_id not in ids:
            rest = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
            offers = f"{', '.join(ids[:_NAMED])}{rest}"
            return replace(
                result,
                offers=tuple(ids),
                sentence=f"The endpoint answers but does not know {candidate.upstream_id}; it offers: {offers}.",
            )
    if error.kind == "network" and error.status is None:
        return replace(result, sentence=f"{result.sentence} Check that it runs and that the base URL is right: {candidate.base_url}")
    return result


def _listed(reach: Reach, candidate: Candidate) -> list[ModelInfo] | None:
    """Return what the endpoint offers; None where it does not say."""
    try:
        return reach.candidate(candidate, timeout=_LIST_SECONDS).models()
    except ProviderError:
        return None
