"""The SQL that takes rollups from the log: written once here for triggers, folding, rebuild and verify.

A closed row of the log becomes an *event* (its dimensions and measures); each rollup is fed by projections of events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from lib.store.usage_tables import (
    DIMENSIONS,
    MEASURES,
    SLOT_MS,
    llm_usage_log,
    usage_by_model,
    usage_by_user,
    usage_errors,
    usage_latency,
)

CLOSED = "status <> 'open'"
"""Which rows of the log count: an open call has not cost anything yet."""
SLOTS = "slot_start >= :low AND slot_start < :high"
CLOSED_WITHIN = f"{CLOSED} AND started_at >= :low AND started_at < :high"
FROZEN_BEFORE = "SELECT frozen_before FROM rollup_state WHERE id = 1"
_MEASURE_NAMES = tuple(name for name, _ in MEASURES)
_SLOT = {
    "sqlite": f"started_at - started_at % {SLOT_MS}",
    "postgresql": f"date_bin('{SLOT_MS // 60_000} minutes', started_at, 'epoch')",
}


def _bucket(column: str) -> str:
    """The latency bucket of an ok call, NULL for any other."""
    edge = f"SELECT bucket FROM latency_edges WHERE lower_ms <= {column} ORDER BY lower_ms DESC LIMIT 1"
    return f"CASE WHEN status = 'ok' AND {column} IS NOT NULL THEN coalesce(({edge}), 0) END"


_PLAIN = {
    "user_id": "coalesce(CAST(user_id AS text), '')",
    "model_id": "coalesce(model_id, 0)",
    "model_key": "model_key",
    "provider": "provider",
    "source": "source",
    "is_sample": "is_sample",
    "error_class": "error_class",
    "latency_bucket": _bucket("latency_ms"),
    "ttft_bucket": _bucket("ttft_ms"),
    **dict(MEASURES),
}
EVENT_COLUMNS = ("user_id", *DIMENSIONS, "error_class", "latency_bucket", "ttft_bucket", *_MEASURE_NAMES)


@dataclass(frozen=True, slots=True)
class Projection:
    """How events feed one rollup: each of its columns as SQL over an event; ``only`` limits which events count."""

    rollup: sa.Table
    keys: dict[str, str]
    measures: dict[str, str]
    only: str = ""

    @property
    def columns(self) -> str:
        """The rollup's columns as they stand in a list, keys first."""
        return ", ".join((*self.keys, *self.measures))


_DIMENSIONS = {name: name for name in DIMENSIONS}
_MEASURES = {name: name for name in _MEASURE_NAMES}
PROJECTIONS = (
    Projection(usage_by_model, _DIMENSIONS, _MEASURES),
    Projection(usage_by_user, {"user_id": "user_id", **_DIMENSIONS}, _MEASURES),
    *(
        Projection(
            usage_latency,
            {"metric": f"'{metric}'", **_DIMENSIONS, "bucket": f"{metric}_bucket"},
            {"calls": "attempts"},
            f"{metric}_bucket IS NOT NULL",
        )
        for metric in ("latency", "ttft")
    ),
    Projection(usage_errors, {**_DIMENSIONS, "error_class": "error_class"}, {"attempts": "attempts"}, "error_class IS NOT NULL"),
)


def event(dialect: str, source: str, columns: Iterable[str] = EVENT_COLUMNS, where: str = CLOSED) -> str:
    """Return a SELECT of events from rows shaped like the log; ``source`` is a table or a bracketed query."""
    expressions = {**_PLAIN, "slot_start": _SLOT[dialect]}
    picked = ", ".join(expressions[name] if expressions[name] == name else f"{expressions[name]} AS {name}" for name in columns)
    return f"SELECT {picked} FROM {source} AS log WHERE {where}"


def needed(projection: Projection) -> tuple[str, ...]:
    """Return the event columns a projection reads."""
    words = _words(*projection.keys.values(), *projection.measures.values(), projection.only)
    return tuple(name for name in EVENT_COLUMNS if name in words)


def log_columns(events: Iterable[str] = EVENT_COLUMNS) -> tuple[str, ...]:
    """Return the columns of the log that some event columns depend on."""
    words = _words(CLOSED, *_SLOT.values(), *(_PLAIN[name] for name in events if name in _PLAIN))
    return tuple(column.name for column in llm_usage_log.columns if column.name in words)


def _words(*sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", " ".join(sql)))


def project(projection: Projection, events: str, *, sign: str = "", summed: bool = True) -> str:
    """Return a SELECT of rollup rows from a FROM item of events, summed per key unless told otherwise."""
    keys = [sql if sql == name else f"{sql} AS {name}" for name, sql in projection.keys.items()]
    measures = [
        f"CAST(sum({sign}{sql}) AS bigint) AS {name}" if summed else (f"{sign}{sql}" if sign or sql == name else f"{sql} AS {name}")
        for name, sql in projection.measures.items()
    ]
    where = f" WHERE {projection.only}" if projection.only else ""
    group = f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}" if summed else ""
    return f"SELECT {', '.join(keys + measures)} FROM {events}{where}{group}"


def merge(projection: Projection, rows: str) -> str:
    """Return an INSERT that adds the SELECTed rows onto a rollup."""
    table = projection.rollup.name
    added = ", ".join(f"{m} = {table}.{m} + excluded.{m}" for m in projection.measures)
    return f"INSERT INTO {table} ({projection.columns}) {rows} ON CONFLICT ({', '.join(projection.keys)}) DO UPDATE SET {added}"


def is_zero(rollup: sa.Table) -> str:
    """Return the condition that a rollup row counts nothing."""
    return " AND ".join(f"{name} = 0" for name in measures_of(rollup))


def keys_of(rollup: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in rollup.primary_key.columns)


def measures_of(rollup: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in rollup.columns if not column.primary_key)


def within(rollup: sa.Table) -> str:
    """Return the condition for rows of the slots from :low to :high; it seeks them under each first part of the key."""
    first = keys_of(rollup)[0]
    if first == "slot_start":
        return SLOTS
    walk = (
        f"WITH RECURSIVE walk(x) AS (SELECT min({first}) FROM {rollup.name} UNION ALL"
        f" SELECT (SELECT min({first}) FROM {rollup.name} WHERE {first} > walk.x) FROM walk WHERE walk.x IS NOT NULL)"
        " SELECT x FROM walk WHERE x IS NOT NULL"
    )
    return f"{first} IN ({walk}) AND {SLOTS}"


def fed_by(rollup: sa.Table) -> tuple[Projection, ...]:
    """Return the projections that feed one rollup."""
    return tuple(p for p in PROJECTIONS if p.rollup is rollup)
