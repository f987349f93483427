"""Rebuild the rollups from the log, a day at a time, while others go on writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.store import rollups
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.grains import DAY_SLOTS, GRAINS, MEASURES, ROLLUPS, SLOT_MS, finer, rollup_state, usage_delta
from lib.store.rollups import EVENT_COLUMNS
from lib.store.types import epoch_ms
from lib.store.usage_tables import llm_usage_log

Progress = Callable[[int, int], None]
"""Called with (windows done, windows in all)."""
WINDOW = timedelta(milliseconds=DAY_SLOTS * SLOT_MS)
"""A UTC day, the longest time one row of a rollup spans: each row lies in one window."""
REBUILD_DUE = "Some figures are of an earlier version until the rollups are written again. Run: python -m lib db rebuild-rollups"
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


def is_due(engine: Engine) -> bool:
    """Return whether a rebuild was asked for, by a migration or one that broke off, and is not done: some figures are incomplete."""
    with store_faults(), engine.connect() as connection:
        return connection.scalar(sa.select(rollup_state.c.rebuild_from)) is not None


def finish(connection: Connection) -> None:
    """Complete, in the caller's transaction, a rebuild that a migration began."""
    if connection.scalar(sa.select(rollup_state.c.rebuild_from)) is None:
        return
    found = _begin(connection)
    for low, high in windows(found[1], found[2]) if found else ():
        _window(connection, low, high)
    _note(connection, rebuild_from=None, rebuild_done_to=None)


def windows(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Cut a span of whole UTC days into days."""
    return [(start + n * WINDOW, start + (n + 1) * WINDOW) for n in range((end - start) // WINDOW)]


def span(connection: Connection) -> tuple[datetime, datetime] | None:
    """Return the UTC days from frozen_before on that the log or a rollup knows, as [start, end); None when there are none."""
    frozen = connection.scalar(sa.select(rollup_state.c.frozen_before))
    edges: list[datetime] = []
    at = llm_usage_log.c.started_at
    for edge in (sa.func.min(at), sa.func.max(at)):  # asked one by one, each is one step into the index
        found = connection.scalar(sa.select(edge) if frozen is None else sa.select(edge).where(at >= frozen))
        edges += [] if found is None else [found]
    slotted = (*ROLLUPS, usage_delta) if connection.dialect.name == "postgresql" else ROLLUPS
    for table in slotted:
        for slot in (sa.func.min(table.c.slot), sa.func.max(table.c.slot)):
            number = connection.scalar(sa.select(slot))
            moment = None if number is None else _EPOCH + timedelta(milliseconds=number * SLOT_MS)
            edges += [moment] if moment is not None and (frozen is None or moment >= frozen) else []
    if not edges:
        return None
    start = _day(min(edges))
    if frozen is not None and start < frozen:  # a day cut in two by the freeze can no longer be recounted
        start = _day(frozen + WINDOW - timedelta(milliseconds=1))
    return start, max(start, _day(max(edges)) + WINDOW)


def bounds(connection: Connection, low: datetime, high: datetime) -> dict[str, object]:
    """Return a window as parameters: since and until as the log keeps moments, low and high as slots."""
    slots: dict[str, object] = {"low": epoch_ms(low) // SLOT_MS, "high": epoch_ms(high) // SLOT_MS}
    if connection.dialect.name == "postgresql":
        return slots | {"since": low, "until": high}
    return slots | {"since": epoch_ms(low), "until": epoch_ms(high)}


@contextmanager
def window_events(connection: Connection, low: datetime, high: datetime) -> Iterator[str]:
    """Yield the name of a temporary table of what a window's folded rows must come from: the log less what still waits."""
    postgres = connection.dialect.name == "postgresql"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {_EVENTS} AS {rollups.event(connection.dialect.name, 'llm_usage_log')} LIMIT 0")
    waiting = ", ".join(f"-{name}" if name in _MEASURED else name for name in EVENT_COLUMNS)
    # One statement, so that it sees log and waiting events at one moment.
    rows = rollups.event(connection.dialect.name, "llm_usage_log", where=rollups.CLOSED_WITHIN)
    rows += f" UNION ALL SELECT {waiting} FROM usage_delta WHERE {rollups.SLOTS}" if postgres else ""
    connection.execute(sa.text(f"INSERT INTO {_EVENTS} ({', '.join(EVENT_COLUMNS)}) {rows}"), bounds(connection, low, high))
    yield _EVENTS
    connection.exec_driver_sql(f"DROP TABLE {_EVENTS}")


_EVENTS = "usage_window"
_MEASURED = frozenset(name for name, _ in MEASURES)


def _day(at: datetime) -> datetime:
    return at - (at - _EPOCH) % WINDOW


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
    """Make one window's rows anew."""
    slots = bounds(connection, low, high)
    with window_events(connection, low, high) as events:
        for introduction in rollups.introduce(f"{events} AS event"):
            connection.exec_driver_sql(introduction)
        for grain in sorted(GRAINS, key=lambda g: g.slots):  # the wide ones are added up from the fine
            name, fine = grain.table.name, finer(grain)
            connection.execute(sa.text(f"DELETE FROM {name} WHERE {rollups.SLOTS}"), slots)
            keys = rollups.keys_of(grain.table)
            rows = rollups.gather(grain, f"{events} AS event") if fine is None else rollups.widen(grain, fine.table.name, keys)
            columns = ", ".join((*keys, *grain.measures))
            keep = f"SELECT {columns} FROM ({rows}) AS remade WHERE NOT ({rollups.is_zero(grain.table)})"
            connection.execute(sa.text(f"INSERT INTO {name} ({columns}) {keep}"), slots if fine is not None else {})
