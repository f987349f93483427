"""The SQL that takes rollups from the log: written once here for triggers, folding, rebuild and verify.

A closed row of the log becomes an *event* (its dimensions and measures); each rollup is fed by projections of events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from lib.store.grains import GRAINS, KNOWN, MEASURES, SLOT_MS, Grain, grain_of
from lib.store.types import text_of
from lib.store.usage_tables import llm_usage_log

CLOSED = "status <> 'open'"
"""Which rows of the log count: an open call has not cost anything yet."""
SLOTS = "slot >= :low AND slot < :high"
CLOSED_WITHIN = f"{CLOSED} AND started_at >= :since AND started_at < :until"
FROZEN_BEFORE = "SELECT frozen_before FROM rollup_state WHERE id = 1"
_MEASURE_NAMES = tuple(name for name, _ in MEASURES)
_OF_DIALECT = {
    "sqlite": {
        "slot": f"started_at / {SLOT_MS}",
        "user_id": f"coalesce({text_of('user_id')}, '')",
        "model_key": text_of("model_key"),
        "provider": text_of("provider"),
        "source": text_of("source"),
        "key_scope": f"coalesce({text_of('key_scope')}, '')",
    },
    "postgresql": {
        "slot": f"CAST(floor(extract(epoch FROM started_at) / {SLOT_MS // 1000}) AS integer)",
        "user_id": "coalesce(CAST(user_id AS text), '')",
        "key_scope": "coalesce(key_scope, '')",
    },
}


def _bucket(column: str) -> str:
    """The latency bucket of an ok call, NULL for any other."""
    edge = f"SELECT bucket FROM latency_edges WHERE lower_ms <= {column} ORDER BY lower_ms DESC LIMIT 1"
    return f"CASE WHEN status = 'ok' AND {column} IS NOT NULL THEN coalesce(({edge}), 0) END"


_PLAIN = {
    "user_id": "user_id",
    "model_id": "coalesce(model_id, 0)",
    "model_key": "model_key",
    "provider": "provider",
    "source": "source",
    "key_scope": "key_scope",
    "is_sample": "is_sample",
    "error_class": "error_class",
    "latency_bucket": _bucket("latency_ms"),
    "ttft_bucket": _bucket("ttft_ms"),
    **dict(MEASURES),
}
EVENT_COLUMNS = ("slot", *_PLAIN)


@dataclass(frozen=True, slots=True)
class Projection:
    """How events feed one rollup: each measure as SQL over an event; ``only`` limits which events count."""

    grain: Grain
    extra: dict[str, str]
    measures: dict[str, str]
    only: str = ""

    @property
    def keys(self) -> dict[str, str]:
        """Each key column of the table and its SQL over an event."""
        return {name: _reference(name) or self._key(name) for name in keys_of(self.grain.table)}

    @property
    def shown(self) -> dict[str, str]:
        """Each key column of the view and its SQL over an event."""
        return {name: self._key(name) for name in self.grain.shown}

    def _key(self, name: str) -> str:
        return slot_of(self.grain) if name == "slot" else self.extra.get(name, name)


def slot_of(grain: Grain) -> str:
    """Return the SQL for the first slot of the row that a slot belongs to."""
    return "slot" if grain.slots == 1 else f"slot / {grain.slots} * {grain.slots}"


def _reference(column: str) -> str | None:
    for table, (name, identity) in KNOWN.items():
        if name == column:
            return f"(SELECT id FROM {table.name} AS known WHERE {same('known', 'event', identity)})"
    return None


def same(left: str, right: str, columns: Iterable[str]) -> str:
    """Return the condition that two rows agree in some columns."""
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in columns)


def _projections(grain: Grain) -> tuple[Projection, ...]:
    if grain.subject == "usage":
        return (Projection(grain, {}, {name: name for name in grain.measures}),)
    if grain.subject == "errors":
        return (Projection(grain, {}, {"attempts": "attempts"}, "error_class IS NOT NULL"),)
    return tuple(
        Projection(
            grain,
            {"bucket": bucket},
            {name: "attempts" if name == f"{metric}_calls" else "0" for name in grain.measures},
            f"{bucket} IS NOT NULL",
        )
        for metric, bucket in (("latency", "latency_bucket"), ("ttft", "ttft_bucket"))
    )


PROJECTIONS = tuple(projection for grain in GRAINS for projection in _projections(grain))


def event(dialect: str, source: str, columns: Iterable[str] = EVENT_COLUMNS, where: str = CLOSED) -> str:
    """Return a SELECT of events from rows shaped like the log; ``source`` is a table or a bracketed query."""
    expressions = _PLAIN | _OF_DIALECT[dialect]
    picked = ", ".join(expressions[name] if expressions[name] == name else f"{expressions[name]} AS {name}" for name in columns)
    return f"SELECT {picked} FROM {source} AS log WHERE {where}"


def needed(projection: Projection) -> tuple[str, ...]:
    """Return the event columns a projection reads."""
    words = _words(*projection.keys.values(), *projection.measures.values(), projection.only)
    return tuple(name for name in EVENT_COLUMNS if name in words)


def log_columns(events: Iterable[str] = EVENT_COLUMNS) -> tuple[str, ...]:
    """Return the columns of the log that some event columns depend on."""
    words = _words(CLOSED, *(of["slot"] for of in _OF_DIALECT.values()), *(_PLAIN[name] for name in events if name in _PLAIN))
    return tuple(column.name for column in llm_usage_log.columns if column.name in words)


def _words(*sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", " ".join(sql)))


def project(projection: Projection, events: str, keys: dict[str, str], *, sign: str = "", summed: bool = True) -> str:
    """Return a SELECT of ``keys`` and measures from a FROM item of events named ``event``, summed per key unless told otherwise."""
    picked = [sql if sql == name else f"{sql} AS {name}" for name, sql in keys.items()]
    measures = [
        f"CAST(sum({sign}{sql}) AS bigint) AS {name}" if summed else (f"{sign}{sql}" if sign or sql == name else f"{sql} AS {name}")
        for name, sql in projection.measures.items()
    ]
    where = f" WHERE {projection.only}" if projection.only else ""
    group = f" GROUP BY {', '.join(map(str, range(1, len(picked) + 1)))}" if summed else ""
    return f"SELECT {', '.join(picked + measures)} FROM {events}{where}{group}"


def gather(grain: Grain, events: str, *, shown: bool = False, sign: str = "") -> str:
    """Return a SELECT of one rollup's rows from events, each key once, with the keys of the table or those of the view."""
    feeds = [project(p, events, p.shown if shown else p.keys, sign=sign) for p in fed_by(grain)]
    if len(feeds) == 1:
        return feeds[0]
    keys = grain.shown if shown else keys_of(grain.table)
    return _summed(grain, keys, f"({' UNION ALL '.join(feeds)}) AS fed")


def widen(grain: Grain, source: str, keys: Iterable[str], *, sign: str = "", where: str = SLOTS) -> str:
    """Return a SELECT of a wide rollup's rows from those of the finer one that counts the same."""
    picked = [f"{slot_of(grain)} AS slot" if name == "slot" and grain.slots > 1 else name for name in keys]
    return _summed(grain, picked, f"{source} WHERE {where}", sign=sign)


def _summed(grain: Grain, picked: Iterable[str], source: str, *, sign: str = "") -> str:
    picked = tuple(picked)
    sums = [f"CAST(sum({sign}{name}) AS bigint) AS {name}" for name in grain.measures]
    select = f"SELECT {', '.join((*picked, *sums))} FROM {source}"
    return f"{select} GROUP BY {', '.join(map(str, range(1, len(picked) + 1)))}"


def merge(grain: Grain, rows: str) -> str:
    """Return an INSERT that adds the SELECTed rows onto a rollup."""
    table, keys = grain.table.name, keys_of(grain.table)
    added = ", ".join(f"{m} = {table}.{m} + excluded.{m}" for m in grain.measures)
    return f"INSERT INTO {table} ({', '.join((*keys, *grain.measures))}) {rows} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


def introduce(events: str) -> list[str]:
    """Return the INSERTs that make known what events from a FROM item refer to."""
    return [
        f"INSERT INTO {table.name} ({', '.join(identity)}) SELECT DISTINCT {', '.join(identity)} FROM {events}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {table.name} AS known WHERE {same('known', 'event', identity)})"
        for table, (_, identity) in KNOWN.items()
    ]


def is_zero(rollup: sa.Table) -> str:
    """Return the condition that a rollup row counts nothing."""
    return " AND ".join(f"{name} = 0" for name in grain_of(rollup).measures)


def keys_of(rollup: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in rollup.primary_key.columns)


def view(grain: Grain) -> str:
    """Return the SELECT behind a rollup's view: its rows with every reference spelled out."""
    spelled = {
        name: f"{table.name}.{name}" for table, (reference, identity) in KNOWN.items() if reference in grain.table.c for name in identity
    }
    picked = ", ".join(spelled.get(name, f"rolled.{name}") for name in (*grain.shown, *grain.measures))
    # CROSS JOIN makes SQLite seek the slots first and look the names up, never the other way round.
    joined = "".join(f" CROSS JOIN {table.name}" for table, (reference, _) in KNOWN.items() if reference in grain.table.c)
    matches = " AND ".join(f"{table.name}.id = rolled.{reference}" for table, (reference, _) in KNOWN.items() if reference in grain.table.c)
    return f"SELECT {picked} FROM {grain.table.name} AS rolled{joined}" + (f" WHERE {matches}" if matches else "")


def fed_by(grain: Grain) -> tuple[Projection, ...]:
    """Return the projections that feed one rollup."""
    return tuple(p for p in PROJECTIONS if p.grain is grain)
