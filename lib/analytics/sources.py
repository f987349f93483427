"""Where the numbers come from: filters, the rollup view or the log that answers them, and bucket arithmetic in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics.ranges import Bucket, Range, Scope
from lib.store.types import epoch_ms
from lib.store.usage_tables import DIMENSIONS, MEASURES, llm_usage_log, reader, usage_by_model, usage_by_user

By = Literal["model", "provider", "source"]
Status = Literal["open", "ok", "error", "cancelled", "interrupted"]

COLUMN_OF: dict[By, str] = {"model": "model_key", "provider": "provider", "source": "source"}
"""The column that names each thing usage is broken down by."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls count; an empty tuple means all of them.

    ``models`` are model keys, ``providers`` slugs. ``sample`` True keeps only sample calls, False only real ones.
    Rollups do not split tokens by status, so naming ``statuses`` makes sums read the log itself.
    """

    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    sample: bool | None = None


NO_FILTERS = Filters()


def usage_source(scope: Scope, filters: Filters) -> sa.FromClause:
    """Return what to sum: the view of the right rollup, or the closed rows of the log when statuses are named."""
    if filters.statuses:
        log = llm_usage_log.c
        return (
            sa.select(
                log.started_at.label("slot_start"),
                sa.func.coalesce(log.model_id, 0).label("model_id"),
                *(log[name] for name in DIMENSIONS if name not in ("slot_start", "model_id")),
                *(sa.literal_column(expression, sa.BigInteger).label(name) for name, expression in MEASURES),
            )
            .where(log.status != "open", log.status.in_(filters.statuses), *user_condition(log, scope))
            .subquery("closed_calls")
        )
    if scope.user_id is None:
        return reader(usage_by_model)
    view = reader(usage_by_user)
    return sa.select(view).where(view.c.user_id == scope.user_id).subquery("own_usage")


def user_condition(columns: Any, scope: Scope) -> list[sa.ColumnElement[bool]]:
    """Return the condition that keeps a scope to its own calls in the log."""
    return [] if scope.user_id is None else [columns.user_id == scope.user_id]


def conditions(columns: Any, start: datetime, end: datetime, filters: Filters, *, moment: str = "slot_start") -> list[Any]:
    """Return the conditions of a span and the filters every source can answer."""
    found: list[Any] = [columns[moment] >= start, columns[moment] < end]
    wanted: tuple[tuple[str, Sequence[str]], ...] = (
        ("model_key", filters.models),
        ("provider", filters.providers),
        ("source", filters.sources),
    )
    found += [columns[name].in_(values) for name, values in wanted if values]
    if filters.sample is not None:
        found.append(columns.is_sample.is_(filters.sample))
    return found


def bucket_number(engine: Engine, moment: Any, range_: Range, buckets: Sequence[Bucket]) -> sa.ColumnElement[int]:
    """Return SQL for the index of the bucket a moment falls into.

    Buckets of one width in a row are one division, so a range has as many cases as clock changes, not as buckets.
    """
    millis: Any
    if engine.dialect.name == "postgresql":
        millis = sa.cast(sa.func.floor(sa.extract("epoch", moment) * 1000), sa.BigInteger)
    else:
        millis = sa.type_coerce(moment, sa.BigInteger)
    cases = []
    edges = [epoch_ms(b.start) for b in buckets] + [epoch_ms(range_.end)]
    first = 0
    for index in range(1, len(edges)):
        width = edges[first + 1] - edges[first]
        ends_here = index == len(edges) - 1 or edges[index + 1] - edges[index] != width
        if ends_here:
            cases.append((millis < edges[index], (millis - edges[first]) // width + first))
            first = index
    return sa.case(*cases)
