"""Trying a key before it is stored: one small real call, written to the ledger like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from pydantic import SecretStr

from lib.access import Principal
from lib.chat import Message, TextDelta, Usage
from lib.errors import ProviderError
from lib.providers import default_endpoint
from lib.registry import Model, Provider
from lib.routing import Candidate, Router
from lib.services.calls import ChatCall, addressed_by, alias_of, candidate_of, options_of, routed_call
from lib.services.reach import Reach
from lib.usage import Attempt, Ledger

_WORDS = "Reply with the word OK."
_MAX_TOKENS = 64  # reasoning models answer nothing within one token
_MODELS = 3


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a provider did with a typed key: its first words and what they took, or in a sentence why not.

    ``reachable`` says of a failure that it passes by itself, ``offers`` which models the endpoint names instead.
    """

    ok: bool
    sentence: str
    model: str | None = None
    text: str = ""
    latency_ms: int | None = None
    usage: Usage | None = None
    cost_nano_usd: int | None = None
    error: ProviderError | None = None
    reachable: bool = False
    offers: tuple[str, ...] = ()


def try_key(
    ledger: Ledger, reach: Reach, principal: Principal, provider: Provider, models: Sequence[Model], api_key: str, base_url: str | None
) -> TestResult:
    """Ask the provider's cheapest model for a word with exactly this key.

    A model that the key may not use gives way to the next, up to three. Nothing is learned: a typed key says nothing
    lasting about a model.
    """
    router = Router(ledger, None, reach.candidate)
    secret = SecretStr(api_key.strip()) if api_key.strip() else None
    asked = [replace(model, provider=provider) for model in _cheapest_first(models)[:_MODELS]]  # with settings typed, not saved yet
    known = [candidate_of(model, secret, None, base_url=base_url, why="key test") for model in asked]
    try:
        candidates = known or [_listed(reach, provider, secret, base_url)]
        for candidate in candidates:
            result = ask(router, principal, candidate)
            if result.error is None or result.error.kind != "model-incompatible":
                break
    except ProviderError as error:  # before anything was sent: an address or key nobody could call with
        return TestResult(False, str(error), error=error)
    return result


def ask(router: Router, principal: Principal, candidate: Candidate) -> TestResult:
    """Ask one candidate for a word; raise ProviderError when not even an attempt could be made."""
    call = ChatCall([Message("user", _WORDS)], max_tokens=_MAX_TOKENS, source="test")
    text = ""
    last: Attempt | None = None
    error: ProviderError | None = None
    try:
        for item in router.stream(routed_call(principal, call, (candidate,))):
            if isinstance(item, Attempt):
                last = item
            elif isinstance(item, TextDelta):
                text += item.text
    except ProviderError as failure:
        if last is None:
            raise
        error = failure
    return TestResult(
        ok=error is None,
        sentence=f"{candidate.provider_name} answered." if error is None else str(error),
        model=candidate.model_name,
        text=text.strip(),
        latency_ms=last.latency_ms if last else None,
        usage=last.usage if last else None,
        cost_nano_usd=last.cost_nano_usd if last else None,
        error=error,
    )


def _listed(reach: Reach, provider: Provider, api_key: SecretStr | None, base_url: str | None) -> Candidate:
    """Return the first model that a provider without models of its own in the registry lists upstream."""
    listed = reach.provider(provider, api_key, base_url=base_url).models()
    if not listed:
        raise ProviderError(f"{provider.display_name} lists no model to test with. Add a model, or save without a test.", kind="unknown")
    upstream_id = listed[0].id
    name = listed[0].display_name or upstream_id
    return Candidate(
        *(upstream_id, name, upstream_id, provider.kind, provider.slug, provider.display_name, default_endpoint(provider.kind)),
        provider_id=provider.id,
        base_url=base_url or provider.base_url,
        api_key=api_key,
        options=options_of(provider, None),
        why="key test",
        addressed_by=addressed_by(provider, base_url),
        alias=alias_of(provider, None) if provider.owner_id is not None else None,
    )


def _cheapest_first(models: Sequence[Model]) -> list[Model]:
    """Order models by what they charge, those seen upstream before the others and those without a price last."""

    def rank(model: Model) -> tuple[bool, bool, Decimal]:
        price = model.price
        rates = [rate for rate in (price.input, price.output) if rate is not None] if price else []
        return not model.is_available, not rates, sum(rates, Decimal(0))

    return sorted(models, key=rank)
