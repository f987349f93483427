"""What works with which model: endpoints and parameters as calls and hints have shown them, and who rests at the moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.filters import NO_FILTERS, Filters
from lib.analytics.memory import remembered
from lib.analytics.plan import span
from lib.analytics.ranges import Range, Scope
from lib.analytics.sources import Question, ask
from lib.providers import KINDS
from lib.sample import SampleHint, sample_hints
from lib.store.faults import store_faults
from lib.store.schema import hint_events, llm_models, llm_providers, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.usage.values import own_key

State = Literal["works", "broken", "learned", "untested"]
LOOKED_AT = 100
"""How many of a model's newest calls in the range speak for its endpoints."""
BROKEN_FROM = 5
"""So many faults of the model itself among them, with no success since, mean that an endpoint does not work."""
_OF_THE_PAIR = ("model-incompatible", "unknown")


@dataclass(frozen=True, slots=True)
class Cell:
    """How one endpoint or parameter does with one model, in a sentence why, and its last failure if one is known."""

    state: State
    evidence: str
    last_failure_at: datetime | None = None
    last_failure: str | None = None


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One model at one provider; endpoints its provider does not have are not among ``endpoints``.

    ``last_error`` is the last failure noted of it in whatever way it was called.
    """

    provider: str
    provider_label: str
    model: str
    label: str
    endpoints: Mapping[str, Cell]
    parameters: Mapping[str, Cell]
    is_blacklisted: bool
    reason: str | None
    manual_state: str | None
    preferred_endpoint: str | None
    error_count: int
    success_count: int
    last_error_type: str | None
    last_error: str | None
    last_error_at: datetime | None
    is_sample: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """Models by endpoint and by parameter; every row has a cell for each parameter, "untested" where nothing was learned."""

    endpoints: tuple[str, ...]
    parameters: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A model that is left alone until a moment because of a fault that passes; ``remaining_s`` is at least 0."""

    provider: str
    model: str
    label: str
    reason: str
    until: datetime
    remaining_s: float
    count: int


def compatibility_matrix(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> Matrix:
    """Return what is known of every model that was called in the range or has a hint; one person's scope is told nothing.

    What the router learned and an admin decided is as of now; what calls showed is of the range: the newest
    ``LOOKED_AT`` of each model.
    """
    return Matrix((), (), ()) if scope.user_id is not None else _matrix(engine, scope, range_, filters)


def cooldowns(engine: Engine, scope: Scope, now: datetime, filters: Filters = NO_FILTERS) -> list[Cooldown]:
    """Return who cools down at a moment, the longest rest first; one person's scope is told of none."""
    hints = model_compatibility_hints.c
    if scope.user_id is not None or filters.sample:
        return []
    query = sa.select(hints.provider, hints.model, hints.cooldown_reason, hints.cooldown_until, hints.cooldown_count)
    with store_faults(), engine.connect() as connection:
        rows = connection.execute(query.where(hints.cooldown_until > now)).all()
        labels = model_labels(connection)
    found = [
        Cooldown(
            provider, model, labels.get((provider, model), model), reason or "cooling down", until, (until - now).total_seconds(), count
        )
        for provider, model, reason, until, count in rows
        if concerns(filters, provider, model)
    ]
    return sorted(found, key=lambda c: (-c.remaining_s, c.provider, c.model))


def concerns(filters: Filters, provider: str, model: str) -> bool:
    """Whether filters by model and provider let a pair through."""
    return (not filters.models or model in filters.models) and (not filters.providers or provider in filters.providers)


def model_labels(connection: Connection) -> dict[tuple[str, str], str]:
    """Return the display name of every model by provider slug and model key; of somebody's own what the log has instead."""
    models, providers = llm_models.c, llm_providers.c
    query = sa.select(providers.slug, models.model_key, models.display_name).join(llm_providers)
    found = {(slug, key): name for slug, key, name in connection.execute(query.where(models.owner_id.is_(None)))}
    own = sa.select(models.id, providers.id, providers.slug, providers.owner_id).select_from(llm_models).join(llm_providers)
    for model, provider, slug, owner in connection.execute(own.where(models.owner_id.is_not(None))):
        found[own_key(provider) if owner else slug, own_key(model)] = f"Private model {model}"
    return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the newest calls of a model showed of one endpoint."""

    calls: int
    ok: int
    faults: int
    """Of the model itself, since the last success."""
    failed_at: datetime | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class _Model:
    id: int
    provider: str
    provider_label: str
    kind: str
    key: str
    label: str


@remembered
def _matrix(engine: Engine, scope: Scope, range_: Range, filters: Filters) -> Matrix:
    with store_faults(), engine.connect() as connection:
        known = _models(connection)
        hints = {} if filters.sample else _hints(connection)
        firsts = _first_successes(connection)
        called = {row[1] for row in ask(connection, Question("usage", scope, filters, (span(0, range_.start, range_.end),), "model"))}
        pairs = {pair for pair in hints if concerns(filters, *pair)}
        pairs |= {pair for pair, model in known.items() if model.key in called and concerns(filters, *pair)}
        seen = {pair: _seen(connection, known[pair].id, range_, filters) if pair in known else {} for pair in pairs}
    samples = {(h.provider, h.model): h for h in sample_hints(engine)} if filters.sample is not False else {}
    pairs |= {pair for pair in samples if concerns(filters, *pair)}
    rows = []
    for pair in pairs:
        model = known.get(pair) or _Model(0, pair[0], pair[0], "", pair[1], pair[1])
        hint = hints.get(pair) or (_as_row(samples[pair]) if pair in samples else _NO_HINT)
        if not hints.get(pair) and pair not in samples and not seen.get(pair):
            continue  # another provider's model of the same key was called
        rows.append(
            _row(model, hint, seen.get(pair, {}), firsts.get(pair, frozenset()), is_sample=pair in samples or model.kind == "sample")
        )
    parameters = sorted({name for row in rows for name in row.parameters})
    unsaid = Cell("untested", "Nothing was learned about it.")
    full = [replace(row, parameters={name: row.parameters.get(name, unsaid) for name in parameters}) for row in rows]
    order = sorted(full, key=lambda r: (r.provider_label.casefold(), r.label.casefold(), r.model))
    return Matrix(tuple(sorted({name for row in rows for name in row.endpoints})), tuple(parameters), tuple(order))


def _models(connection: Connection) -> dict[tuple[str, str], _Model]:
    models, providers = llm_models.c, llm_providers.c
    columns = (models.id, providers.slug, providers.display_name, providers.kind, models.model_key, models.display_name)
    query = sa.select(*columns).join_from(llm_models, llm_providers).order_by(models.owner_id.is_(None))
    return {(row[1], row[4]): _Model(*row) for row in connection.execute(query)}  # everyone's outranks one person's


def _hints(connection: Connection) -> dict[tuple[str, str], Mapping[str, Any]]:
    rows = connection.execute(sa.select(model_compatibility_hints)).mappings()
    return {(row["provider"], row["model"]): dict(row) for row in rows}


def _first_successes(connection: Connection) -> dict[tuple[str, str], frozenset[str]]:
    events = hint_events.c
    query = sa.select(events.provider, events.model, events.detail).where(events.event == "first_success")
    found: dict[tuple[str, str], set[str]] = {}
    for provider, model, detail in connection.execute(query):
        if detail.get("endpoint"):
            found.setdefault((provider, model), set()).add(detail["endpoint"])
    return {pair: frozenset(endpoints) for pair, endpoints in found.items()}


def _seen(connection: Connection, model_id: int, range_: Range, filters: Filters) -> dict[str, _Seen]:
    log = llm_usage_log.c
    query = sa.select(log.endpoint, log.status, log.error_class, log.error_message, log.started_at).where(
        log.model_id == model_id, log.started_at >= range_.start, log.started_at < range_.end, log.status != "open"
    )
    wanted = ((log.source, filters.sources), (log.status, filters.statuses), (log.error_class, filters.error_classes))
    for column, values in wanted:
        if values:
            query = query.where(column.in_(values))
    if filters.sample is not None:
        query = query.where(log.is_sample == filters.sample)
    if filters.users:
        named = log.user_id.in_([user for user in filters.users if user])
        query = query.where(sa.or_(named, log.user_id.is_(None)) if "" in filters.users else named)
    rows = connection.execute(query.order_by(log.started_at.desc(), log.id.desc()).limit(LOOKED_AT)).all()
    return {name: _summed([row for row in rows if row.endpoint == name]) for name in {row.endpoint for row in rows} if name}


def _summed(rows: Sequence[Any]) -> _Seen:
    failed = next((row for row in rows if row.status == "error"), None)
    since = list(takewhile(lambda row: row.status != "ok", rows))
    return _Seen(
        calls=len(rows),
        ok=sum(row.status == "ok" for row in rows),
        faults=sum(row.error_class in _OF_THE_PAIR for row in since),
        failed_at=failed.started_at if failed else None,
        failure=failed.error_message or failed.error_class if failed else None,
    )


def _row(model: _Model, hint: Mapping[str, Any], seen: Mapping[str, _Seen], firsts: frozenset[str], *, is_sample: bool) -> MatrixRow:
    kind = KINDS.get(model.kind)
    names = {*(kind.endpoints if kind else ()), *hint["supported_endpoints"], *hint["unsupported_endpoints"], *seen}
    names |= {hint["preferred_endpoint"]} if hint["preferred_endpoint"] else set()
    return MatrixRow(
        provider=model.provider,
        provider_label=model.provider_label,
        model=model.key,
        label=model.label,
        endpoints={name: _endpoint(name, hint, seen.get(name), name in firsts) for name in sorted(names)},
        parameters={name: _parameter(name, learned) for name, learned in sorted(hint["learned_parameters"].items())},
        is_blacklisted=hint["is_blacklisted"],
        reason=hint["blacklist_reason"],
        manual_state=hint["manual_state"],
        preferred_endpoint=hint["preferred_endpoint"],
        error_count=hint["error_count"],
        success_count=hint["success_count"],
        last_error_type=hint["last_error_type"],
        last_error=hint["last_error_message"],
        last_error_at=hint["last_error_time"],
        is_sample=is_sample,
    )


def _endpoint(name: str, hint: Mapping[str, Any], seen: _Seen | None, succeeded: bool) -> Cell:
    failure = (seen.failed_at, seen.failure) if seen else (None, None)
    counts = "" if seen is None else f"{seen.ok:,} of its newest {seen.calls:,} calls in the range came through"
    others = [one for one in hint["unsupported_endpoints"] if one != name]
    if name in hint["unsupported_endpoints"]:
        instead = hint["preferred_endpoint"]
        return Cell("broken", "The provider refused it" + (f"; {instead} is used instead." if instead else "."), *failure)
    if name == hint["preferred_endpoint"]:
        why = f"{others[0]} was refused, this one answered" if others else "An admin chose it"
        return Cell("learned", ", ".join([why, *([counts] if counts else [])]) + ".", *failure)
    if seen and (seen.faults >= BROKEN_FROM or (seen.faults and hint["is_blacklisted"] and hint["manual_state"] is None)):
        return Cell("broken", f"{counts}, none after the last {seen.faults:,} faults of the model itself.", *failure)
    if (seen and seen.ok) or succeeded or name in hint["supported_endpoints"]:
        return Cell(
            "works", f"{counts}." if seen and seen.ok else "It has answered before; no call of the range came through on it.", *failure
        )
    return Cell("untested", f"{counts}." if seen else "It was never called this way in the range.", *failure)


def _parameter(name: str, learned: Mapping[str, Any]) -> Cell:
    at = datetime.fromisoformat(learned["at"]) if learned.get("at") else None
    evidence, state = learned.get("evidence") or "", learned.get("state")
    if state == "rejected":
        return Cell("untested", "An admin rejected what was learned: it is sent as asked.", at, evidence)
    kept = " An admin accepted it." if state == "accepted" else ""
    if learned.get("action") == "rename":
        return Cell("learned", f"It is sent as {learned.get('to')}.{kept}", at, evidence)
    return Cell("broken", f"The model does not take it: it is left out.{kept}", at, evidence)


_NO_HINT: dict[str, Any] = {
    **{"supported_endpoints": (), "unsupported_endpoints": (), "learned_parameters": {}, "preferred_endpoint": None},
    **{"is_blacklisted": False, "blacklist_reason": None, "manual_state": None, "error_count": 0, "success_count": 0},
    **{"last_error_type": None, "last_error_message": None, "last_error_time": None},
}


def _as_row(sample: SampleHint) -> Mapping[str, Any]:
    return _NO_HINT | {name: getattr(sample, name) for name in _NO_HINT if hasattr(sample, name)}
