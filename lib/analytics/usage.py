"""Requests, tokens and cost: in all, over time, and by model, provider or source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.ranges import Bucket, Range, Scope
from lib.analytics.sources import COLUMN_OF, NO_FILTERS, By, Filters, bucket_number, conditions, usage_source
from lib.store.faults import store_faults
from lib.store.schema import llm_models, llm_providers

SeriesBy = Literal["model", "provider", "source", "status"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over closed attempts; cost in nano-dollars leaves out the ``unpriced`` ones."""

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


_FIELDS = tuple(f.name for f in fields(Totals))
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
    """What one model, provider or source used."""

    key: str
    label: str
    totals: Totals


def usage_totals(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> Comparison:
    """Return a range's totals and those of the previous period."""
    with store_faults(), engine.connect() as connection:
        return Comparison(_totals(connection, scope, range_, filters), _totals(connection, scope, range_.previous(), filters))


def usage_by(engine: Engine, by: By, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> list[Share]:
    """Return what each model, provider or source used, dearest first, then busiest."""
    source = usage_source(scope, filters)
    key = source.c[COLUMN_OF[by]]
    where = conditions(source.c, range_.start, range_.end, filters)
    query = sa.select(key.label("key"), *_sums(source)).where(*where).group_by(key).having(_counts(source))
    with store_faults(), engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
        labels = _labels(connection, by, [row["key"] for row in rows])
    shares = [Share(row["key"], labels.get(row["key"], row["key"]), _read(row)) for row in rows]
    return sorted(shares, key=lambda s: (-s.totals.cost_nano_usd, -s.totals.attempts, s.key))


def usage_series(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, by: SeriesBy | None = None) -> Series:
    """Return usage per bucket: one line for all (key "all"), or one per thing.

    By status, a line counts attempts only.
    """
    buckets = range_.buckets()
    if not buckets:
        return Series((), ())
    source = usage_source(scope, filters)
    column = COLUMN_OF[by] if by is not None and by != "status" else None
    key = source.c[column] if column else sa.literal("all")
    inner = (
        sa.select(
            bucket_number(engine, source.c.slot_start, range_, buckets).label("bucket"), key.label("key"), *(source.c[n] for n in _FIELDS)
        )
        .where(*conditions(source.c, range_.start, range_.end, filters))
        .subquery("bucketed")
    )
    query = sa.select(inner.c.bucket, inner.c.key, *_sums(inner)).group_by(inner.c.bucket, inner.c.key).having(_counts(inner))
    values: dict[str, list[Totals]] = {} if column else {"all": [Totals()] * len(buckets)}
    with store_faults(), engine.connect() as connection:
        for row in connection.execute(query).mappings():
            values.setdefault(row["key"], [Totals()] * len(buckets))[row["bucket"]] = _read(row)
        labels = _labels(connection, by, list(values)) if column else {"all": "All"}
    if by == "status":
        return Series(buckets, _by_status(values["all"]))
    lines = [Line(k, labels.get(k, k), tuple(v)) for k, v in values.items()]
    return Series(buckets, tuple(sorted(lines, key=_weight)))


def _totals(connection: Connection, scope: Scope, range_: Range, filters: Filters) -> Totals:
    source = usage_source(scope, filters)
    query = sa.select(*_sums(source)).where(*conditions(source.c, range_.start, range_.end, filters))
    return _read(connection.execute(query).mappings().one())


def _sums(source: sa.FromClause) -> list[Any]:
    return [sa.func.coalesce(sa.func.sum(source.c[name]), 0).label(name) for name in _FIELDS]


def _counts(source: sa.FromClause) -> sa.ColumnElement[bool]:
    """Leave out what counts nothing any more: deleted calls wait beside their negatives until they are folded."""
    return sa.func.sum(source.c.attempts) != 0


def _read(row: Mapping[Any, Any]) -> Totals:
    return Totals(**{name: int(row[name]) for name in _FIELDS})


def _by_status(values: list[Totals]) -> tuple[Line, ...]:
    lines = []
    for status, field in _STATUS_FIELDS.items():
        counts = [getattr(total, field) for total in values]
        if any(counts):
            lines.append(Line(status, status, tuple(Totals(**{"attempts": n, field: n}) for n in counts)))
    return tuple(lines)


def _weight(line: Line) -> tuple[int, int, str]:
    return -sum(t.cost_nano_usd for t in line.values), -sum(t.attempts for t in line.values), line.key


def _labels(connection: Connection, by: SeriesBy | None, keys: list[str]) -> dict[str, str]:
    """Return the present display names of models or providers; what is gone keeps its key as its name."""
    if by == "model":
        query = sa.select(llm_models.c.model_key, llm_models.c.display_name).where(llm_models.c.model_key.in_(keys))
    elif by == "provider":
        query = sa.select(llm_providers.c.slug, llm_providers.c.display_name).where(llm_providers.c.slug.in_(keys))
    else:
        return {}
    return {key: name for key, name in connection.execute(query)}
