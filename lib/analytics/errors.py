"""Failed attempts by class of error: in all, by model or provider, and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.engine import Engine

from lib.analytics.filters import NO_FILTERS, Filters
from lib.analytics.labels import labels_of
from lib.analytics.memory import remembered
from lib.analytics.plan import Span, span
from lib.analytics.ranges import Bucket, Range, Scope
from lib.analytics.sources import Question, Row, ask
from lib.store.faults import store_faults

ErrorsBy = Literal["model", "provider", "class"]


@dataclass(frozen=True, slots=True)
class ErrorShare:
    """How many attempts of one thing failed in one way; by class, ``key`` is the class itself."""

    error_class: str
    key: str
    label: str
    attempts: int


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """One class of errors over time; ``values`` holds the attempts of each bucket."""

    error_class: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ErrorSeries:
    """Errors over time, the most frequent class first."""

    buckets: tuple[Bucket, ...]
    lines: tuple[ErrorLine, ...]


@remembered
def errors_by(engine: Engine, by: ErrorsBy, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> list[ErrorShare]:
    """Return how often each class of error met each model or provider (or, by class, in all), the most frequent first."""
    split = None if by == "class" else by
    rows, labels = _asked(engine, scope, (span(0, range_.start, range_.end),), filters, split)
    found = []
    for _, key, error_class, attempts in rows:
        name = error_class if split is None else key
        found.append(ErrorShare(error_class, name, labels.get(name, name), int(attempts)))
    return sorted(found, key=lambda e: (-e.attempts, e.error_class, e.key))


@remembered
def errors_series(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> ErrorSeries:
    """Return the errors of each bucket, a line per class."""
    buckets = range_.buckets()
    spans = tuple(span(number, bucket.start, bucket.end) for number, bucket in enumerate(buckets))
    values: dict[str, list[int]] = {}
    for bucket, _, error_class, attempts in _asked(engine, scope, spans, filters, None)[0]:
        values.setdefault(error_class, [0] * len(buckets))[bucket] = int(attempts)
    lines = (ErrorLine(error_class, tuple(line)) for error_class, line in values.items())
    return ErrorSeries(buckets, tuple(sorted(lines, key=lambda line: (-sum(line.values), line.error_class))))


def _asked(
    engine: Engine, scope: Scope, spans: tuple[Span, ...], filters: Filters, by: str | None
) -> tuple[Sequence[Row], Mapping[str, str]]:
    with store_faults(), engine.connect() as connection:
        rows = ask(connection, Question("errors", scope, filters, spans, by))
        return rows, labels_of(connection, by, {row[1] for row in rows}, scope.user_id) if by else {}
