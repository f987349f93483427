"""Engines: SQLite tuned for one file and many threads, Postgres behind a small pool."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

from lib.store.schema import PRIVATE

BUSY_TIMEOUT_MS = 5_000


def open_engine(url: SecretStr, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Engine:
    """Return an engine for a database URL; nothing is connected yet.

    SQLite runs in WAL mode with foreign keys, a busy timeout and recursive triggers; a write transaction begins
    IMMEDIATE (see ``writing``). Postgres never prepares statements by name, so a transaction pooler may sit between.
    """
    text = url.get_secret_value()
    if text.startswith("sqlite"):
        return _sqlite(text, busy_timeout_ms)
    return sa.create_engine(
        text,
        poolclass=QueuePool,
        pool_size=5,
        max_overflow=15,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"prepare_threshold": None, "connect_timeout": 10, "application_name": "modeldeck"},
    )


def writing(engine: Engine) -> Engine:
    """Return the engine whose transactions take SQLite's write lock at once; the same engine on Postgres."""
    return engine.execution_options(begin="IMMEDIATE") if engine.dialect.name == "sqlite" else engine


def _sqlite(url: str, busy_timeout_ms: int) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=32,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": busy_timeout_ms / 1000, "isolation_level": None},
        execution_options={"schema_translate_map": {PRIVATE: None}},
    )

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        _write_ahead(connection, busy_timeout_ms / 1000)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "recursive_triggers=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        mode = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _write_ahead(connection: sqlite3.Connection, patience_s: float) -> None:
    """Turn on write-ahead logging; when several processes meet on a new file, SQLite refuses at once instead of waiting."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
