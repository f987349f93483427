"""What the router spared people and where it sent them: attempts avoided, time saved, and fallback paths."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.compatibility import concerns, model_labels
from lib.analytics.filters import NO_FILTERS, Filters
from lib.analytics.memory import remembered
from lib.analytics.ranges import Range, Scope
from lib.store.faults import store_faults
from lib.store.schema import hint_events
from lib.store.types import shared
from lib.store.usage_tables import FAILED, llm_usage_log

LOOKED_BACK = timedelta(days=90)
LOOKED_AT = 1_000
"""How many of a pair's newest failures, and how far back from the range's end, tell how long one takes."""


_KINDS = ("blacklisted", "cooling", "key")  # why a candidate was passed over; one that is not usable was never one
# In the words of the index on failures, so that only those are read and not every call of the range.
_FAILED_TRY = re.sub(r"\b(status|error_class|error_message)\b", r"failed_try.\1", FAILED)


@dataclass(frozen=True, slots=True)
class Avoided:
    """Attempts that were not made with one model because it was blacklisted, cooled down, or its key had been refused.

    ``failing_ms`` is how long a failure of it takes, the median; with it comes ``saved_ms``. Both are None when it
    never failed in the log, as one that an admin blacklisted at once: nothing is known, which is not the same as nothing.
    """

    provider: str
    model: str
    label: str
    blacklisted: int
    cooling: int
    key_refused: int
    failing_ms: float | None
    saved_ms: float | None

    @property
    def attempts(self) -> int:
        """All attempts avoided."""
        return self.blacklisted + self.cooling + self.key_refused


@dataclass(frozen=True, slots=True)
class FallbackPath:
    """Requests that went on from one model to another: ``answered`` of them there; ``classes`` say what had failed, most first."""

    from_provider: str
    from_model: str
    from_label: str
    to_provider: str
    to_model: str
    to_label: str
    requests: int
    answered: int
    classes: tuple[tuple[str, int], ...]


def avoided(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> list[Avoided]:
    """Return what skipping spared in a range, the most attempts first; one person's scope is told nothing.

    Only filters by model and provider apply, and sample data has none. A candidate that was put last and tried after
    all was not avoided.
    """
    if scope.user_id is not None or filters.sample:
        return []
    return _avoided(engine, range_, filters)


def fallback_paths(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> list[FallbackPath]:
    """Return from where to where requests fell back, the most frequent first; one person's scope is told nothing.

    A step counts where the attempt that failed began in the range; a filter by model or provider asks for either end.
    """
    return [] if scope.user_id is not None else _paths(engine, range_, filters)


@remembered
def _avoided(engine: Engine, range_: Range, filters: Filters) -> list[Avoided]:
    events, log = hint_events.c, llm_usage_log.c
    kind = events.detail["kind"].as_string()
    tried = sa.exists().where(
        *(log.request_id == events.request_id, log.provider == shared(events.provider), log.model_key == shared(events.model))
    )
    query = (
        sa.select(events.provider, events.model, kind, sa.func.count())
        .where(events.event == "skipped", kind.in_(_KINDS), events.at >= range_.start, events.at < range_.end, sa.not_(tried))
        .group_by(events.provider, events.model, kind)
    )
    counts: dict[tuple[str, str], Counter[str]] = {}
    with store_faults(), engine.connect() as connection:
        for provider, model, why, count in connection.execute(query):
            if concerns(filters, provider, model):
                counts.setdefault((provider, model), Counter())[why] += count
        labels = model_labels(connection) if counts else {}
        times = {pair: _failing_ms(connection, *pair, range_) for pair in counts}
    found = [
        Avoided(*pair, labels.get(pair, pair[1]), by["blacklisted"], by["cooling"], by["key"], ms, None if ms is None else ms * by.total())
        for pair, by in counts.items()
        for ms in (times[pair],)
    ]
    return sorted(found, key=lambda a: (-a.attempts, a.provider, a.model))


def _failing_ms(connection: Connection, provider: str, model: str, range_: Range) -> float | None:
    log = llm_usage_log.c
    query = sa.select(log.latency_ms).where(
        *(log.started_at >= range_.end - LOOKED_BACK, log.started_at < range_.end, sa.text(FAILED)),
        *(log.status == "error", log.provider == provider, log.model_key == model, log.latency_ms.is_not(None)),
    )
    times = list(connection.scalars(query.order_by(log.started_at.desc(), log.id.desc()).limit(LOOKED_AT)))
    return float(median(times)) if times else None


@remembered
def _paths(engine: Engine, range_: Range, filters: Filters) -> list[FallbackPath]:
    failed, following = llm_usage_log.alias("failed_try"), llm_usage_log.alias("next_try")
    a, b = failed.c, following.c
    conditions: list[Any] = [sa.text(_FAILED_TRY), a.started_at >= range_.start, a.started_at < range_.end, a.status == "error"]
    conditions.append(sa.or_(a.model_key != b.model_key, a.provider != b.provider))
    for name, values in (("model_key", filters.models), ("provider", filters.providers)):
        if values:
            conditions.append(sa.or_(a[name].in_(values), b[name].in_(values)))
    for column, chosen in ((a.source, filters.sources), (a.error_class, filters.error_classes), (b.status, filters.statuses)):
        if chosen:
            conditions.append(column.in_(chosen))
    if filters.sample is not None:
        conditions.append(a.is_sample == filters.sample)
    if filters.users:
        named = a.user_id.in_([user for user in filters.users if user])
        conditions.append(sa.or_(named, a.user_id.is_(None)) if "" in filters.users else named)
    ends = (a.provider, a.model_key, b.provider, b.model_key)
    answered = sa.func.sum(sa.case((b.status == "ok", 1), else_=0))
    query = (
        sa.select(*ends, a.error_class, sa.func.count(), answered)
        .join_from(failed, following, sa.and_(b.request_id == a.request_id, b.attempt == a.attempt + 1))
        .where(*conditions)
        .group_by(*ends, a.error_class)
    )
    counts: dict[tuple[str, ...], Counter[str]] = {}
    came: Counter[tuple[str, ...]] = Counter()
    with store_faults(), engine.connect() as connection:
        for *row, error_class, requests, ok in connection.execute(query):
            step: tuple[str, ...] = tuple(row)
            counts.setdefault(step, Counter())[error_class or "unknown"] += requests
            came[step] += int(ok)
        labels = model_labels(connection) if counts else {}
    found = []
    for path, classes in counts.items():
        source, target = (path[0], path[1]), (path[2], path[3])
        ordered = tuple(sorted(classes.items(), key=lambda c: (-c[1], c[0])))
        names = (*source, labels.get(source, source[1]), *target, labels.get(target, target[1]))
        found.append(FallbackPath(*names, classes.total(), came[path], ordered))
    return sorted(found, key=lambda p: (-p.requests, p.from_model, p.to_model, p.from_provider, p.to_provider))
