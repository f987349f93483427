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
WAL_PAGES = 2_000
"""Pages (8 MiB) written ahead before SQLite carries them into the file: twice its own choice, for carrying means waiting for the disk."""


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
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        statement = f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}"
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        try:  # past SQLAlchemy, whose way to a cursor takes as long as SQLite's whole insert
            driver.execute(statement)
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError.instance(statement, None, error, sqlite3.Error, hide_parameters=True) from error

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
