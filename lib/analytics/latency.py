"""Latency and time to first token of answers that came through, as percentiles from mergeable buckets."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from lib.analytics.filters import NO_FILTERS, By, Filters
from lib.analytics.memory import remembered
from lib.analytics.plan import Span, span
from lib.analytics.ranges import Range, Scope
from lib.analytics.sources import Metric, Question, ask
from lib.store.faults import store_faults
from lib.store.grains import LATENCY_EDGES


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds below which half, nine in ten, nineteen in twenty and 99 in 100 of the calls stayed."""

    calls: int
    p50: float
    p90: float
    p95: float
    p99: float


@remembered
def latency_percentiles(
    engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, metric: Metric = "latency"
) -> Percentiles | None:
    """Return the percentiles of a range; None when no call succeeded in it."""
    return _grouped(engine, scope, (span(0, range_.start, range_.end),), filters, metric).get((0, "all"))


@remembered
def latency_series(
    engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, metric: Metric = "latency"
) -> tuple[Percentiles | None, ...]:
    """Return the percentiles of each bucket of the range; a bucket without calls is None: a gap, not zero."""
    spans = tuple(span(number, bucket.start, bucket.end) for number, bucket in enumerate(range_.buckets()))
    found = _grouped(engine, scope, spans, filters, metric)
    return tuple(found.get((one.bucket, "all")) for one in spans)


@remembered
def latency_by(
    engine: Engine, by: By, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, metric: Metric = "latency"
) -> dict[str, Percentiles]:
    """Return the percentiles of each model, provider, source or user that got an answer."""
    spans = (span(0, range_.start, range_.end),)
    return {key: found for (_, key), found in _grouped(engine, scope, spans, filters, metric, by).items()}


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
    engine: Engine, scope: Scope, spans: tuple[Span, ...], filters: Filters, metric: Metric, by: By | None = None
) -> dict[tuple[int, str], Percentiles]:
    counts: dict[tuple[int, str], Counter[int]] = {}
    with store_faults(), engine.connect() as connection:
        for bucket, key, place, calls in ask(connection, Question("latency", scope, filters, spans, by, metric)):
            counts.setdefault((bucket, key), Counter())[place] = int(calls)
    return {key: Percentiles(found.total(), *(percentile(found, part) for part in (0.5, 0.9, 0.95, 0.99))) for key, found in counts.items()}
