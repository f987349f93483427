"""The running processes and their heartbeats, which tell whose open calls will never be closed."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.schema import instances
from lib.store.usage_tables import llm_usage_log as log_table

_KEPT = timedelta(days=7)
"""How long a process that is gone stays listed; its calls need it no longer than a lapse."""


def register(connection: Connection, instance_id: str, version: str, now: datetime) -> None:
    """Enter a process that starts, and forget those long gone."""
    connection.execute(sa.delete(instances).where(instances.c.heartbeat_at < now - _KEPT))
    connection.execute(
        sa.insert(instances),
        {
            "id": instance_id,
            "hostname": socket.gethostname(),
            "pid": os.getpid(),
            "version": version,
            "started_at": now,
            "heartbeat_at": now,
        },
    )


def beat(connection: Connection, instance_id: str, now: datetime) -> None:
    """Note that a process lives."""
    connection.execute(sa.update(instances).where(instances.c.id == instance_id).values(heartbeat_at=now))


def stop(connection: Connection, instance_id: str, now: datetime) -> None:
    """Note that a process ended in good order."""
    connection.execute(sa.update(instances).where(instances.c.id == instance_id).values(heartbeat_at=now, stopped_at=now))


def mark_interrupted(connection: Connection, now: datetime, lapse: float) -> int:
    """Close the open rows of every process that stopped or fell silent for ``lapse`` seconds; return how many.

    A row without an instance was written by another system, whose life we cannot judge: it stays as it is.
    """
    living = sa.select(instances.c.id).where(instances.c.stopped_at.is_(None), instances.c.heartbeat_at >= now - timedelta(seconds=lapse))
    alive = connection.scalars(living).all()  # handed over as values: the log keeps an id otherwise than this table does
    gone = [log_table.c.instance_id.not_in(alive)] if alive else []
    return connection.execute(
        sa.update(log_table)
        .where(log_table.c.status == "open", log_table.c.instance_id.is_not(None), *gone)
        .values(status="interrupted", is_final=sa.true())
    ).rowcount
