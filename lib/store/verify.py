"""Prove that the database says the truth: rollups, triggers, the audit chain and the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.store import rollups, triggers
from lib.store.audit_chain import broken_sentence, check_chain
from lib.store.faults import store_faults
from lib.store.grains import GRAINS, LATENCY_EDGES, ROLLUPS, SLOT_MS, Grain, latency_edges
from lib.store.rebuild import bounds, span, window_events, windows
from lib.store.usage_tables import INTERNED, llm_usage_log

SHOWN = 20
"""How many of one kind of fault are told one by one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What verify found: a sentence for each problem, and what it looked at by name."""

    problems: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(engine: Engine) -> Report:
    """Check the database in one snapshot, changing nothing; writers go on meanwhile. Raises StoreUnavailable."""
    reader = engine.execution_options(isolation_level="REPEATABLE READ") if engine.dialect.name == "postgresql" else engine
    counts: dict[str, int] = {}
    with store_faults(), reader.connect() as connection:
        problems = [
            *_file(connection),
            *triggers.problems(connection),
            *_texts(connection),
            *_edges(connection),
            *_rollups(connection, counts),
            *_audit_chain(connection, counts),
        ]
        connection.rollback()
    return Report(tuple(problems), counts)


def _file(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    found = [f"The file is damaged: {line}." for line in connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars() if line != "ok"]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return found + [f"A row of {table} refers to a row of {parent} that is gone." for table, _, parent, _ in orphans[:SHOWN]]


def _texts(connection: Connection) -> list[str]:
    """On SQLite, tell of calls whose names or ids are numbers of texts that are gone."""
    if connection.dialect.name != "sqlite":
        return []
    gone = " OR ".join(f"typeof({name}) = 'integer' AND {name} NOT IN (SELECT number FROM usage_texts)" for name in INTERNED)
    lost = connection.exec_driver_sql(f"SELECT count(*) FROM llm_usage_log WHERE {gone}").scalar()
    return [f"A name or id of {lost} call{'s' if lost > 1 else ''} is gone from usage_texts."] if lost else []


def _edges(connection: Connection) -> list[str]:
    there = connection.execute(sa.select(latency_edges.c.lower_ms).order_by(latency_edges.c.bucket)).scalars().all()
    return [] if tuple(there) == LATENCY_EDGES else ["The latency buckets are not those of this version."]


def _rollups(connection: Connection, counts: dict[str, int]) -> list[str]:
    counts["calls"] = connection.scalar(sa.select(sa.func.count()).select_from(llm_usage_log)) or 0
    wrong: dict[str, list[int]] = {rollup.name: [] for rollup in ROLLUPS}
    found = span(connection)
    for low, high in windows(*found) if found else ():
        with window_events(connection, low, high) as events:
            for grain in GRAINS:
                wrong[grain.table.name] += _drift(connection, grain, events, bounds(connection, low, high))
    problems = []
    for rollup in ROLLUPS:
        counts[rollup.name] = connection.scalar(sa.select(sa.func.count()).select_from(rollup)) or 0
        slots = wrong[rollup.name]
        if slots:
            first = datetime.fromtimestamp(min(slots) * SLOT_MS // 1000, UTC)
            problems.append(
                f"{len(slots)} row{'s' if len(slots) > 1 else ''} of {rollup.name} differ{'' if len(slots) > 1 else 's'} from the log,"
                f" the first at slot {first:%Y-%m-%d %H:%M} UTC. Run: python -m lib db rebuild-rollups"
            )
    return problems


def _drift(connection: Connection, grain: Grain, events: str, slots: dict[str, object]) -> list[int]:
    """Return the slot of each key whose folded sums are not those of the log less what waits to be folded."""
    keys = ", ".join(grain.shown)
    there = f"SELECT {keys}, {', '.join(grain.measures)} FROM ({rollups.view(grain)}) AS folded WHERE {rollups.SLOTS}"
    logged = rollups.gather(grain, f"{events} AS event", shown=True, sign="-")
    differs = " OR ".join(f"sum({name}) <> 0" for name in grain.measures)
    query = sa.text(f"SELECT slot FROM ({there} UNION ALL {logged}) AS both_sides GROUP BY {keys} HAVING {differs}")
    return list(connection.execute(query, slots).scalars())


def _audit_chain(connection: Connection, counts: dict[str, int]) -> list[str]:
    chain = check_chain(connection)
    counts["audit_log"] = chain.last - len(chain.broken)
    return [broken_sentence(number) for number in chain.broken[:SHOWN]]
