"""Requests, tokens and cost: in all, over time, and by model, provider, source, user or key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.engine import Engine

from lib.analytics.filters import NO_FILTERS, By, Filters
from lib.analytics.labels import labels_of
from lib.analytics.memory import remembered
from lib.analytics.plan import Span, span
from lib.analytics.ranges import Bucket, Range, Scope
from lib.analytics.sources import Question, ask
from lib.store.faults import store_faults

SeriesBy = Literal["model", "provider", "source", "user", "key", "status"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over closed attempts; cost in nano-dollars leaves out the ``unpriced`` ones.

    ``cache_saving_nano_usd`` is what cached tokens cost less than plain input, less what writing them cost more.
    """

    attempts: int = 0
    requests: int = 0
    failed_requests: int = 0
    ok: int = 0
    errors: int = 0
    cancelled: int = 0
    interrupted: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    cache_saving_nano_usd: int = 0
    latency_ms_sum: int = 0
    latency_count: int = 0
    ttft_ms_sum: int = 0
    ttft_count: int = 0

    @property
    def tokens(self) -> int:
        """Input and output together; cache and reasoning are inside them."""
        return self.input_tokens + self.output_tokens

    @property
    def mean_latency_ms(self) -> float | None:
        """Mean time of a whole attempt; None when there was none."""
        return self.latency_ms_sum / self.latency_count if self.latency_count else None

    @property
    def mean_ttft_ms(self) -> float | None:
        """Mean time to first token; None when there was none."""
        return self.ttft_ms_sum / self.ttft_count if self.ttft_count else None

    @property
    def cache_hit_rate(self) -> float | None:
        """Part of the input that was read from a cache; None without input."""
        return self.cache_read_tokens / self.input_tokens if self.input_tokens else None


_NOTHING = Totals()
_STATUS_FIELDS: Mapping[str, str] = {"ok": "ok", "error": "errors", "cancelled": "cancelled", "interrupted": "interrupted"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A range's totals beside those of the period before, cut at the same point."""

    current: Totals
    previous: Totals


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; ``values`` holds one Totals per bucket, all zero where nothing happened."""

    key: str
    label: str
    values: tuple[Totals, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Usage over time, the biggest line first."""

    buckets: tuple[Bucket, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one model, provider, source, user or scope of keys used."""

    key: str
    label: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Mover:
    """What one thing cost in a range and in the period before, in nano-dollars."""

    key: str
    label: str
    before_nano: int
    after_nano: int


@remembered
def usage_totals(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> Comparison:
    """Return a range's totals and those of the previous period."""
    found = {row[0]: row for row in _asked(engine, scope, _compared(range_), filters, None)[0]}
    return Comparison(*(Totals(*map(int, found[n][2:])) if n in found else _NOTHING for n in (0, 1)))


@remembered
def usage_by(engine: Engine, by: By, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> list[Share]:
    """Return what each model, provider, source, user or scope of keys used, dearest first, then busiest."""
    rows, labels = _asked(engine, scope, (span(0, range_.start, range_.end),), filters, by)
    shares = [Share(key, labels.get(key, key), Totals(*map(int, sums))) for _, key, *sums in rows]
    return sorted(shares, key=lambda s: (-s.totals.cost_nano_usd, -s.totals.attempts, s.key))


@remembered
def usage_series(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, by: SeriesBy | None = None) -> Series:
    """Return usage per bucket: one line for all (key "all"), or one per thing.

    By status, a line counts attempts only.
    """
    buckets = range_.buckets()
    spans = tuple(span(number, bucket.start, bucket.end) for number, bucket in enumerate(buckets))
    split = None if by == "status" else by
    rows, labels = _asked(engine, scope, spans, filters, split)
    values: dict[str, list[Totals]] = {} if split or not buckets else {"all": [_NOTHING] * len(buckets)}
    for bucket, key, *sums in rows:
        values.setdefault(key, [_NOTHING] * len(buckets))[bucket] = Totals(*map(int, sums))
    if by == "status":
        return Series(buckets, _by_status(values.get("all", [])))
    lines = [Line(key, "All" if split is None else labels.get(key, key), tuple(line)) for key, line in values.items()]
    return Series(buckets, tuple(sorted(lines, key=_weight)))


@remembered
def movers(engine: Engine, by: By, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, limit: int = 5) -> list[Mover]:
    """Return the things whose cost changed most against the period before, the biggest change first; those unchanged are left out."""
    rows, labels = _asked(engine, scope, _compared(range_), filters, by)
    place = list(Totals.__dataclass_fields__).index("cost_nano_usd")
    costs: dict[str, list[int]] = {}
    for bucket, key, *sums in rows:
        costs.setdefault(key, [0, 0])[bucket] = int(sums[place])
    found = [Mover(key, labels.get(key, key), before, after) for key, (after, before) in costs.items() if before != after]
    return sorted(found, key=lambda m: (-abs(m.after_nano - m.before_nano), m.key))[:limit]


def _compared(range_: Range) -> tuple[Span, Span]:
    before = range_.previous()
    return span(0, range_.start, range_.end), span(1, before.start, before.end)


def _asked(
    engine: Engine, scope: Scope, spans: tuple[Span, ...], filters: Filters, by: By | None
) -> tuple[list[tuple[int, str, *tuple[int, ...]]], Mapping[str, str]]:
    with store_faults(), engine.connect() as connection:
        rows = [tuple(row) for row in ask(connection, Question("usage", scope, filters, spans, by))]
        return rows, labels_of(connection, by, {row[1] for row in rows}, scope.user_id) if by else {}


def _by_status(values: list[Totals]) -> tuple[Line, ...]:
    lines = []
    for status, field in _STATUS_FIELDS.items():
        counts = [getattr(total, field) for total in values]
        if any(counts):
            lines.append(Line(status, status, tuple(Totals(**{"attempts": n, field: n}) for n in counts)))
    return tuple(lines)


def _weight(line: Line) -> tuple[int, int, str]:
    return -sum(t.cost_nano_usd for t in line.values), -sum(t.attempts for t in line.values), line.key
