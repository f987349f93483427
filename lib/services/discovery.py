"""Discovery: what connected providers offer, compared with the registry and taken over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass, replace

from lib.access import Principal, Role, require
from lib.errors import ModeldeckError, NotFound, ProviderError
from lib.logs import get_logger, redact
from lib.net import within
from lib.pricing import catalogue as price_catalogue
from lib.providers import ModelInfo, all_models
from lib.providers.azure import LISTING_VERSION
from lib.registry import Model, Provider
from lib.registry.builtin_models import FIRST_DEMO_ORDER
from lib.registry.discovery import DiscoveryPlan, PlannedModel, plan, references
from lib.registry.discovery_write import changes, still_new
from lib.registry.seeding import Catalogue
from lib.services.discovery_results import Look, ProviderResult, Refreshed, detail, found
from lib.services.services import Services
from lib.store import runs
from lib.store.runs import Item, Run, RunStatus

KIND = "models"
"""What its runs are recorded as."""
PATIENCE_S = 30.0
"""Seconds a provider has for its whole list."""
_TOGETHER = 6
_MODELS = "llm_models"
_STOPPED = "It was stopped before it had asked everybody."
_NOT_TOLD = "Azure tells nobody with a key what is deployed here. Add each deployment by its name."

Progress = Callable[[int, int, str], None]
"""Called with how many providers have answered, how many are asked, and who answered last ("" before the first)."""


def unseen(_done: int, _total: int, _name: str) -> None:
    """Show progress to nobody."""


def is_connected(provider: Provider, models: Sequence[Model]) -> bool:
    """Whether the provider is set up here: it has a key, or needs none and is given an address or has a model on."""
    if provider.info is None or not provider.is_active:
        return False
    if provider.key.source in ("stored", "environment", "unreadable"):
        return True
    return provider.key.source == "none needed" and (provider.own_base_url is not None or any(model.is_active for model in models))


def can_be_asked(provider: Provider) -> bool:
    """Whether a provider has a list of its own: the demo's models come with Modeldeck."""
    return provider.info is not None and provider.info.protocol != "demo" and provider.owner_id is None


def _named(providers: Sequence[Provider], slugs: Sequence[str]) -> list[Provider]:
    by_slug = {provider.slug: provider for provider in providers}
    for slug in slugs:
        if slug not in by_slug:
            raise NotFound(f"There is no provider named {slug[:100]!r} here for everyone.")
    return [by_slug[slug] for slug in dict.fromkeys(slugs)]


@dataclass(frozen=True)
class DiscoveryDesk:
    """Everyone's models as their providers list them, under one principal's identity; everything here needs an admin."""

    services: Services
    principal: Principal
    catalogue: Catalogue = price_catalogue.read
    patience_s: float = PATIENCE_S

    def look(self, slug: str) -> Look:
        """Ask one provider and plan what taking over its list would do; nothing is changed."""
        return self.look_all([slug])[0]

    def look_all(self, slugs: Sequence[str] | None = None, progress: Progress = unseen, *, record: bool = True) -> list[Look]:
        """Ask providers side by side, all connected ones unless named; one that fails keeps none of the others.

        ``record`` notes each as a run, for ``last_runs``. Raises NotFound for a slug that nobody has.
        """
        require(self.principal, Role.ADMIN)
        registry = self.services.registry(self.principal)
        if not self.services.store(self.principal).count(_MODELS):
            registry.seed()
        models = [model for model in registry.models() if model.owner_id is None]
        everyones = [provider for provider in registry.providers() if provider.owner_id is None]
        theirs = {p.id: [m for m in models if m.provider.id == p.id] for p in everyones}
        chosen = [p for p in everyones if can_be_asked(p) and is_connected(p, theirs[p.id])] if slugs is None else _named(everyones, slugs)
        run_ids = {p.id: self._begin(p) for p in chosen} if record else {}
        try:
            answers = self._ask(chosen, progress)
        except BaseException:  # stopped: nobody waits for an end of these any more
            for begun in run_ids.values():
                runs.finish(self.services.engine, begun, "interrupted", {"sentence": _STOPPED}, self.services.clock())
            raise
        listed = {p.id: answer for p in chosen if isinstance(answer := answers[p.id], list)}
        known = self._known({name for p in chosen if p.id in listed for name in references(p, listed[p.id], theirs[p.id])})
        seen, taken = self._seen(listed), {model.model_key for model in models}
        looks = []
        for provider in chosen:
            answer, look = answers[provider.id], Look(provider.slug, provider.display_name, run_id=run_ids.get(provider.id))
            try:
                if isinstance(answer, Exception):
                    raise answer
                made = plan(provider, answer, theirs[provider.id], seen=seen, taken=taken, known=known)
                taken |= {row.model_key for row in made.rows}
                look = replace(look, plan=made)
            except Exception as error:
                untold = provider.kind == "azure" and isinstance(error, ProviderError) and error.status in (400, 404, 405, 410)
                look = replace(look, not_told=_NOT_TOLD) if untold else replace(look, error=_explained(look.provider, error))
            self._note(look)
            looks.append(look)
        return looks

    def apply(self, look: Look, chosen: Collection[str] | None = None, *, accept: bool = False) -> ProviderResult:
        """Take over what one provider lists, in one transaction, and say what came of it.

        ``chosen`` are upstream ids, of all that is sure unless given; a list that looks wrong is taken over only with
        ``accept``, a person's yes. A failure is part of the result.
        """
        require(self.principal, Role.ADMIN)
        made = look.plan
        result = ProviderResult(look.provider, look.provider_name, error=look.error, not_told=look.not_told)
        if made is None:
            return result
        rows = [row for row in made.rows if (row.sure if chosen is None else row.upstream_id in chosen)]
        waiting = tuple(row.name for row in made.rows if not row.sure and row not in rows)
        result = replace(result, listed=made.listed, waiting=waiting, left_out=made.left_out)
        if made.doubt and not accept:
            return self._end(look, replace(result, held=made.doubt))
        try:
            written = self._write(made, rows)
        except Exception as error:
            return self._end(look, replace(result, error=f"Nothing was saved. {_explained(look.provider, error)}"))
        done = {action: sum(row.action == action for row in written) for action in made.counts}
        return self._end(look, replace(result, counts=done), written)

    def refresh(self, slugs: Sequence[str] | None = None, progress: Progress = unseen, *, accept: bool = False) -> Refreshed:
        """Ask providers and take over all that is sure."""
        return Refreshed(tuple(self.apply(look, accept=accept) for look in self.look_all(slugs, progress)))

    def last_runs(self) -> dict[str, Run]:
        """Return how each provider was asked last, by its slug."""
        require(self.principal, Role.ADMIN)
        return runs.last_runs(self.services.engine, KIND)

    def _ask(self, providers: Sequence[Provider], progress: Progress) -> dict[int, list[ModelInfo] | Exception]:
        answers: dict[int, list[ModelInfo] | Exception] = {}
        progress(0, len(providers), "")
        if not providers:
            return answers
        with ThreadPoolExecutor(min(_TOGETHER, len(providers)), thread_name_prefix="modeldeck-discovery") as pool:
            # in copies of this context: who may stop this may stop them
            asked: dict[Future[list[ModelInfo]], Provider] = {pool.submit(copy_context().run, self._list, p): p for p in providers}
            for done, answer in enumerate(as_completed(asked), start=1):
                provider = asked[answer]
                try:
                    answers[provider.id] = answer.result()
                except Exception as error:  # a defect of ours with one list must not cost the others
                    answers[provider.id] = error
                progress(done, len(providers), provider.display_name)
        return answers

    def _list(self, provider: Provider) -> list[ModelInfo]:
        """Return what a provider lists under everyone's key; nobody's own says what there is for all."""
        if provider.unreachable is not None:
            raise ProviderError(f"{provider.unreachable}.", kind="bad-request", provider=provider.slug)
        key = self.services.keys.resolve(provider)
        if provider.kind == "azure":
            provider = replace(provider, settings={**provider.settings, "api_version": LISTING_VERSION})
        with within(self.patience_s):
            return all_models(self.services.reach.provider(provider, key.api_key))

    def _known(self, wanted: Collection[str]) -> dict[str, price_catalogue.CataloguePrice]:
        try:
            return dict(self.catalogue(sorted(wanted), self.services.clock())) if wanted else {}
        except Exception as error:  # without prices the lists are still worth taking over; the next look adds them
            get_logger("discovery").error("models.no_catalogue", exc_info=error)
            return {}

    def _seen(self, provider_ids: Collection[int]) -> frozenset[int]:
        if not provider_ids:
            return frozenset()
        columns = ("id", "last_synced_at")
        rows = self.services.store(self.principal).select(_MODELS, columns=columns, where={"provider_id": sorted(provider_ids)})
        return frozenset(row["id"] for row in rows if row["last_synced_at"] is not None)

    def _write(self, made: DiscoveryPlan, rows: Sequence[PlannedModel]) -> list[PlannedModel]:
        store = self.services.store(self.principal)
        columns = ("model_key", "upstream_id", "provider_id", "display_order")
        there = store.select(_MODELS, columns=columns, where={"owner_id": None})
        here = {row["upstream_id"] for row in there if row["provider_id"] == made.provider_id}
        last = max((row["display_order"] for row in there if row["display_order"] < FIRST_DEMO_ORDER), default=0)
        fitting = still_new(rows, made.provider, here, {row["model_key"] for row in there})
        wanted = changes(made, fitting, self.services.clock(), self.principal.name, last)
        if wanted:
            store.apply(wanted)
        return fitting

    def _begin(self, provider: Provider) -> int:
        return runs.start(self.services.engine, KIND, provider.slug, self.principal.name, self.services.clock())

    def _note(self, look: Look) -> None:
        """Write to the run what was found; applying it writes over that."""
        if look.run_id is None:
            return
        waits = look.plan is not None and (look.plan.rows or look.plan.doubt)
        status: RunStatus = "failed" if look.error else "held" if waits else "ok"
        sentence = look.error or look.not_told or (found(look.plan) if look.plan else "")
        runs.finish(self.services.engine, look.run_id, status, {"sentence": sentence}, self.services.clock())

    def _end(self, look: Look, result: ProviderResult, written: Sequence[PlannedModel] = ()) -> ProviderResult:
        passed_over = look.plan is not None and look.plan.rows and not written and not result.error
        status: RunStatus = "failed" if result.error else "held" if passed_over else "ok"
        sentence = found(look.plan) if look.plan and passed_over else result.sentence
        summary = {"sentence": sentence, "listed": result.listed, **result.counts, "left_out": dict(result.left_out)}
        items = [Item(row.model_key, row.action, detail=detail(row)) for row in written]
        if look.run_id is not None:
            runs.finish(self.services.engine, look.run_id, status, summary, self.services.clock(), items)
        get_logger("discovery").info("models.refreshed", provider=look.provider, status=status, result=result.sentence)
        return result


def _explained(slug: str, error: Exception) -> str:
    if isinstance(error, ModeldeckError):
        return redact(str(error))
    get_logger("discovery").error("models.defect", provider=slug, exc_info=error)
    return f"Modeldeck failed ({type(error).__name__}); the log says more."
