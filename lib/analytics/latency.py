"""Latency and time to first token of answers that came through, as percentiles from mergeable buckets."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics.ranges import Range, Scope
from lib.analytics.sources import COLUMN_OF, NO_FILTERS, By, Filters, bucket_number, conditions, user_condition
from lib.store.faults import store_faults
from lib.store.usage_tables import LATENCY_EDGES, llm_usage_log, reader, usage_latency

Metric = Literal["latency", "ttft"]
_LOG_COLUMN: Mapping[Metric, str] = {"latency": "latency_ms", "ttft": "ttft_ms"}


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds below which half, nineteen in twenty and 99 in 100 of the calls stayed."""

    calls: int
    p50: float
    p95: float
    p99: float


def latency_percentiles(
    engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, metric: Metric = "latency"
) -> Percentiles | None:
    """Return the percentiles of a range; None when no call succeeded in it."""
    return _grouped(engine, scope, range_, filters, metric, lambda _columns: sa.literal(0)).get(0)


def latency_series(
    engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, metric: Metric = "latency"
) -> tuple[Percentiles | None, ...]:
    """Return the percentiles of each bucket of the range; a bucket without calls is None: a gap, not zero."""
    buckets = range_.buckets()
    if not buckets:
        return ()
    found = _grouped(engine, scope, range_, filters, metric, lambda c: bucket_number(engine, c.slot_start, range_, buckets))
    return tuple(found.get(number) for number in range(len(buckets)))


def latency_by(
    engine: Engine, by: By, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, metric: Metric = "latency"
) -> dict[str, Percentiles]:
    """Return the percentiles of each model, provider or source that answered."""
    return _grouped(engine, scope, range_, filters, metric, lambda c: c[COLUMN_OF[by]])


def bucket_of(ms: int) -> int:
    """Return the number of the latency bucket a duration falls into."""
    return max(0, bisect_right(LATENCY_EDGES, ms) - 1)


def percentile(calls: Mapping[int, int], part: float) -> float:
    """Return the milliseconds below which this part of the calls stayed, straight-line inside the bucket.

    ``calls`` maps bucket numbers to counts, at least one of them positive. The last bucket is open: its edge is returned.
    """
    rank = part * sum(calls.values())
    below = 0
    for number in sorted(calls):
        if calls[number] and below + calls[number] >= rank:
            lower = LATENCY_EDGES[number]
            last = LATENCY_EDGES[number + 1] - 1 if number + 1 < len(LATENCY_EDGES) else lower
            return lower + (last - lower) * (rank - below) / calls[number]
        below += calls[number]
    raise ValueError("no calls to take a percentile of")


def _grouped(
    engine: Engine, scope: Scope, range_: Range, filters: Filters, metric: Metric, key: Callable[[Any], Any]
) -> dict[Any, Percentiles]:
    if filters.statuses and "ok" not in filters.statuses:
        return {}
    source = _everybodys(metric) if scope.user_id is None else _own(scope, metric)
    number_of = (lambda bucket: bucket) if scope.user_id is None else bucket_of
    inner = (
        sa.select(key(source.c).label("key"), source.c.place, source.c.calls)
        .where(*conditions(source.c, range_.start, range_.end, filters))
        .subquery("grouped")
    )
    query = sa.select(inner.c.key, inner.c.place, sa.func.sum(inner.c.calls)).group_by(inner.c.key, inner.c.place)
    counts: dict[Any, Counter[int]] = {}
    with store_faults(), engine.connect() as connection:
        for found, place, calls in connection.execute(query):
            counts.setdefault(found, Counter())[number_of(place)] += int(calls)
    return {k: Percentiles(c.total(), percentile(c, 0.5), percentile(c, 0.95), percentile(c, 0.99)) for k, c in counts.items() if c.total()}


def _everybodys(metric: Metric) -> sa.FromClause:
    view = reader(usage_latency)
    return sa.select(view, view.c.bucket.label("place")).where(view.c.metric == metric).subquery("durations")


def _own(scope: Scope, metric: Metric) -> sa.FromClause:
    """Return one user's durations from the log, in milliseconds: the rollup of latencies does not carry the user."""
    log = llm_usage_log.c
    duration = log[_LOG_COLUMN[metric]]
    return (
        sa.select(
            log.started_at.label("slot_start"),
            log.model_key,
            log.provider,
            log.source,
            log.is_sample,
            duration.label("place"),
            sa.literal(1).label("calls"),
        )
        .where(log.status == "ok", duration.is_not(None), *user_condition(log, scope))
        .subquery("own_durations")
    )
