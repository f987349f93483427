"""Fold what Postgres writers left in ``usage_delta`` into the rollups; one process at a time does it."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.store import rollups
from lib.store.faults import store_faults
from lib.store.grains import GRAINS, KNOWN, rollup_state

BATCH = 20_000
LEASE = timedelta(seconds=30)


def fold_once(engine: Engine, owner: str, *, batch: int = BATCH) -> int:
    """Fold up to ``batch`` waiting events and return how many; 0 too when another owner holds the lease, or on SQLite.

    ``owner`` is the instance's id. The lease only spares others the trouble: the row lock is what keeps two from
    folding at once, and the sums are right in whatever order processes come.
    """
    if engine.dialect.name != "postgresql":
        return 0
    with store_faults(), engine.begin() as connection:
        return _fold(connection, batch) if _take_lease(connection, owner) else 0


def _take_lease(connection: Connection, owner: str) -> bool:
    now = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    state = connection.execute(
        sa.select(rollup_state.c.fold_owner, rollup_state.c.fold_until).where(rollup_state.c.id == 1).with_for_update(skip_locked=True)
    ).first()
    if state is None or (state.fold_owner not in (None, owner) and state.fold_until is not None and state.fold_until > now):
        return False
    connection.execute(sa.update(rollup_state).where(rollup_state.c.id == 1).values(fold_owner=owner, fold_until=now + LEASE))
    return True


def _fold(connection: Connection, batch: int) -> int:
    for introduction in _INTRODUCE:
        connection.execute(introduction, {"batch": batch})
    folded = connection.execute(_FOLD, {"batch": batch}).one()
    if folded.taken_away:
        slots = {"low": folded.low, "high": folded.high}
        for grain in GRAINS:
            low = f":low / {grain.slots} * {grain.slots}"
            where = f"slot >= {low} AND slot <= :high AND {rollups.is_zero(grain.table)}"
            connection.execute(sa.text(f"DELETE FROM {grain.table.name} WHERE {where}"), slots)
    return int(folded.events)


_WAITING = "SELECT * FROM usage_delta ORDER BY id LIMIT :batch"
_INTRODUCE = [sa.text(statement) for statement in rollups.introduce(f"({_WAITING}) AS event")]


def _statement() -> sa.TextClause:
    # Only what is known by now: an event that came after the introductions waits for the next fold.
    known = " AND ".join(
        f"EXISTS (SELECT FROM {table.name} AS known WHERE {rollups.same('known', 'waiting', identity)})"
        for table, (_, identity) in KNOWN.items()
    )
    taken = f"DELETE FROM usage_delta WHERE id IN (SELECT id FROM ({_WAITING}) AS waiting WHERE {known}) RETURNING *"
    added = ", ".join(
        f"fold_{number} AS ({rollups.merge(grain, rollups.gather(grain, 'taken AS event'))})" for number, grain in enumerate(GRAINS)
    )
    totals = "SELECT count(*) AS events, count(*) FILTER (WHERE attempts < 0) AS taken_away, min(slot) AS low, max(slot) AS high FROM taken"
    return sa.text(f"WITH taken AS ({taken}), {added} {totals}")


_FOLD = _statement()
