"""Rebuild the rollups from the log, a day at a time, while others go on writing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.store import rollups
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.types import epoch_ms
from lib.store.usage_tables import ROLLUPS, SLOT_MS, llm_usage_log, rollup_state, usage_delta

Progress = Callable[[int, int], None]
"""Called with (windows done, windows in all)."""
WINDOW = timedelta(days=1)
_SLOT = timedelta(milliseconds=SLOT_MS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rebuild(engine: Engine, progress: Progress = lambda done, total: None) -> int:
    """Make the rollups anew and return how many windows were done; one that broke off is continued where it stopped.

    Each window is its own transaction. Nothing before ``rollup_state.frozen_before`` is touched, for the log no longer
    holds it all. On Postgres a window becomes what the log says less what still waits to be folded, so writers never wait.
    """
    with store_faults():
        with writing(engine).begin() as connection:
            span = _begin(connection)
        if span is None:
            return 0
        start, resumed, end = span
        total = len(windows(start, end))
        left = windows(resumed, end)
        progress(total - len(left), total)
        for number, (low, high) in enumerate(left, start=total - len(left) + 1):
            with writing(engine).begin() as connection:
                _lock(connection)
                _window(connection, low, high)
                _note(connection, rebuild_done_to=high)
            progress(number, total)
        with writing(engine).begin() as connection:
            _note(connection, rebuild_from=None, rebuild_done_to=None)
        return len(left)


def windows(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Cut a span into windows that begin on a slot."""
    found = []
    while start < end:
        found.append((start, min(start + WINDOW, end)))
        start += WINDOW
    return found


def span(connection: Connection) -> tuple[datetime, datetime] | None:
    """Return the slots from frozen_before on that the log or a rollup knows, as [start, end); None when there are none."""
    frozen = connection.scalar(sa.select(rollup_state.c.frozen_before))
    edges: list[datetime] = []
    slotted = (*ROLLUPS, usage_delta) if connection.dialect.name == "postgresql" else ROLLUPS
    for table, column in ((llm_usage_log, "started_at"), *((table, "slot_start") for table in slotted)):
        at = table.c[column]
        query = sa.select(sa.func.min(at), sa.func.max(at))
        edges += [edge for edge in connection.execute(query if frozen is None else query.where(at >= frozen)).one() if edge is not None]
    if not edges:
        return None
    start = _slot(min(edges))
    if frozen is not None and start < frozen:  # a slot cut in two by the freeze can no longer be recounted
        start = _slot(frozen + _SLOT - timedelta(milliseconds=1))
    return start, _slot(max(edges)) + _SLOT


def bounds(connection: Connection, low: datetime, high: datetime) -> dict[str, object]:
    """Return two moments as the parameters low and high, as the database keeps them."""
    if connection.dialect.name == "postgresql":
        return {"low": low, "high": high}
    return {"low": epoch_ms(low), "high": epoch_ms(high)}


def _slot(at: datetime) -> datetime:
    return at - (at - _EPOCH) % _SLOT


def _begin(connection: Connection) -> tuple[datetime, datetime, datetime] | None:
    _lock(connection)
    state = connection.execute(sa.select(rollup_state.c.rebuild_from, rollup_state.c.rebuild_done_to)).one()
    found = span(connection)
    if found is None:
        return None
    start, end = found
    if state.rebuild_from is None or state.rebuild_done_to is None:
        _note(connection, rebuild_from=start, rebuild_done_to=start)
        return start, start, end
    return min(state.rebuild_from, end), max(min(state.rebuild_done_to, end), start), end


def _lock(connection: Connection) -> None:
    """Hold off the folder on Postgres; on SQLite the transaction already holds off everybody."""
    connection.execute(sa.select(rollup_state.c.id).where(rollup_state.c.id == 1).with_for_update())


def _note(connection: Connection, **values: datetime | None) -> None:
    connection.execute(sa.update(rollup_state).where(rollup_state.c.id == 1).values(values))


def _window(connection: Connection, low: datetime, high: datetime) -> None:
    """Make one window's rows anew; each INSERT is one statement, so it sees log and waiting events at one moment."""
    dialect, slots = connection.dialect.name, bounds(connection, low, high)
    for rollup in ROLLUPS:
        connection.execute(sa.text(f"DELETE FROM {rollup.name} WHERE {rollups.within(rollup)}"), slots)
        for projection in rollups.fed_by(rollup):
            columns = rollups.needed(projection)
            events = rollups.event(dialect, "llm_usage_log", columns, rollups.CLOSED_WITHIN)
            if dialect == "postgresql":
                waiting = ", ".join(f"-{c}" if c in projection.measures.values() else c for c in columns)
                events += f" UNION ALL SELECT {waiting} FROM usage_delta WHERE {rollups.SLOTS}"
            rows = rollups.project(projection, f"({events}) AS event")
            keep = f"SELECT {projection.columns} FROM ({rows}) AS remade WHERE NOT ({rollups.is_zero(rollup)})"
            connection.execute(sa.text(f"INSERT INTO {rollup.name} ({projection.columns}) {keep}"), slots)
