"""Runs: what the server carried out over many rows, when, for whom, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import sync_items, sync_runs

RunStatus = Literal["running", "ok", "failed", "held", "interrupted"]
"""Held: it went well, but what it found waits for a person."""
KEPT = timedelta(days=90)
"""How long runs are kept; of every kind and target the last one stays."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run; ``target`` is what it was about, such as a provider's slug or a job's name."""

    id: int
    kind: str
    target: str
    started_at: datetime
    finished_at: datetime | None
    status: RunStatus
    summary: Mapping[str, Any]
    actor: str | None = None

    @property
    def sentence(self) -> str:
        """What came of it, for people; "" while it runs."""
        return str(self.summary.get("sentence", ""))


@dataclass(frozen=True, slots=True)
class Item:
    """What a run did to one thing: ``action`` such as "added", ``status`` "ok" or "failed"."""

    subject: str
    action: str
    status: str = "ok"
    detail: Mapping[str, Any] = field(default_factory=dict)


def begin(connection: Connection, kind: str, target: str, actor: str, now: datetime, summary: Mapping[str, Any] | None = None) -> int:
    """Note that a run begins and return its id; older ones of its kind and target are forgotten."""
    same = (sync_runs.c.kind == kind, sync_runs.c.target == target)
    connection.execute(sa.delete(sync_runs).where(*same, sync_runs.c.started_at < now - KEPT))
    values = {"kind": kind, "target": target, "started_at": now, "status": "running", "summary": dict(summary or {}), "actor": actor}
    return int(connection.execute(sa.insert(sync_runs).values(values).returning(sync_runs.c.id)).scalar_one())


def start(engine: Engine, kind: str, target: str, actor: str, now: datetime) -> int:
    """Do what ``begin`` does in a transaction of its own."""
    with store_faults(), writing(engine).begin() as connection:
        return begin(connection, kind, target, actor, now)


def finish(engine: Engine, run_id: int, status: RunStatus, summary: Mapping[str, Any], now: datetime, items: Sequence[Item] = ()) -> None:
    """Note how a run ended; a run may be finished again, as when what it found is applied later."""
    with store_faults(), writing(engine).begin() as connection:
        ended = sa.update(sync_runs).where(sync_runs.c.id == run_id)
        connection.execute(ended.values(status=status, summary=dict(summary), finished_at=now))
        if items:
            rows = [
                {"run_id": run_id, "subject": i.subject, "action": i.action, "status": i.status, "detail": dict(i.detail)} for i in items
            ]
            connection.execute(sa.insert(sync_items), rows)


def latest(connection: Connection, kind: str) -> dict[str, Run]:
    """Return the last run of each target of a kind."""
    newest = sa.select(sa.func.max(sync_runs.c.id)).where(sync_runs.c.kind == kind).group_by(sync_runs.c.target)
    rows = connection.execute(sa.select(sync_runs).where(sync_runs.c.id.in_(newest))).mappings()
    return {row["target"]: Run(**row) for row in rows}


def last_runs(engine: Engine, kind: str) -> dict[str, Run]:
    """Return the last run of each target of a kind, such as of each provider's list of models."""
    with store_faults(), engine.connect() as connection:
        return latest(connection, kind)
