"""Open the database: make it, bring its schema up to date, or say in one sentence why it cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.errors import StoreFault, StoreUnavailable
from lib.settings import Mode, Settings
from lib.store import rebuild, triggers
from lib.store.copying import copy_database
from lib.store.engine import BUSY_TIMEOUT_MS, open_engine, writing
from lib.store.faults import MIGRATE_SUPABASE, sqlite_fault, store_faults, unavailable
from lib.store.grains import rollup_state
from lib.store.schema import PRIVATE

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
"""Every migration in order; named here so that a start needs no Alembic to see that nothing is to be done."""
HEAD = REVISIONS[-1]
MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 7310947

State = Literal["ready", "empty", "older", "newer"]


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """How the database's schema stands to this version of Modeldeck; ``revision`` is None where there is none yet."""

    state: State
    revision: str | None
    head: str = HEAD


def open_database(settings: Settings, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Engine:
    """Return an engine on a database that is ready for use.

    The embedded file is made where missing (folder 0700, file 0600) and upgraded, after a copy was taken. A server's
    schema is never changed here. Raises StoreUnavailable, whose message says what to do.
    """
    engine = open_engine(settings.database_url, busy_timeout_ms=busy_timeout_ms)
    try:
        if settings.mode == "embedded":
            _open_embedded(engine, _path(engine))
        else:
            status = check(engine)
            if status.state != "ready":
                raise _not_ready(status, settings.mode)
    except BaseException:
        engine.dispose()
        raise
    return engine


def check(engine: Engine) -> DatabaseStatus:
    """Return the state of the schema, changing nothing; raises StoreUnavailable when the database cannot be read at all."""
    if engine.dialect.name == "sqlite" and not _path(engine).exists():
        return DatabaseStatus("empty", None)  # looking must not make the file
    with store_faults(), engine.connect() as connection:
        return _status(connection)


def upgrade(engine: Engine) -> None:
    """Bring the schema to this version, in one transaction that holds off every other upgrade.

    A SQLite file is made where missing, or copied first (NAME.before-REVISION beside it) unless it is empty. Raises StoreUnavailable.
    """
    if engine.dialect.name == "sqlite":
        _make_file(_path(engine))
    with store_faults():
        if engine.dialect.name == "sqlite":
            _upgrade_sqlite(engine)
        else:
            with engine.begin() as connection:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
                _migrate(connection, _upgradable(connection))


def _open_embedded(engine: Engine, path: Path) -> None:
    _make_file(path)
    status = check(engine)
    try:
        if status.state == "ready" and _guarded(engine):
            _try_writing(engine)
        else:
            upgrade(engine)
    except StoreUnavailable as error:
        if error.reason == "read-only" and status.state == "older":
            raise unavailable("older-schema", f"This start could not do so: {path.name} or its folder is read-only.") from None
        raise


def _guarded(engine: Engine) -> bool:
    """Whether the triggers are those of this version, which may change them without changing a table."""
    with store_faults(), engine.connect() as connection:
        return not triggers.problems(connection)


def _try_writing(engine: Engine) -> None:
    """Write and take it back, so that a file nobody may write is found now; BEGIN IMMEDIATE alone would pass on one."""
    with store_faults(), writing(engine).connect() as connection:
        connection.execute(sa.update(rollup_state).values(id=rollup_state.c.id))
        connection.rollback()


def _status(connection: Connection) -> DatabaseStatus:
    schema = PRIVATE if connection.dialect.name == "postgresql" else None
    if not sa.inspect(connection).has_table("alembic_version", schema=schema):
        return DatabaseStatus("empty", None)
    versions = sa.table("alembic_version", sa.column("version_num", sa.Text), schema=schema)
    revision = connection.scalar(sa.select(versions.c.version_num))
    if revision is None:
        return DatabaseStatus("empty", None)
    if revision not in REVISIONS:
        return DatabaseStatus("newer", revision)
    return DatabaseStatus("ready" if revision == HEAD else "older", revision)


def _not_ready(status: DatabaseStatus, mode: Mode | None = None) -> StoreUnavailable:
    reasons: dict[str, StoreFault] = {"empty": "missing-schema", "older": "older-schema", "newer": "newer-schema"}
    if mode == "supabase" and status.state != "newer":
        return StoreUnavailable(MIGRATE_SUPABASE, reason=reasons[status.state])
    return unavailable(reasons[status.state])


def _upgradable(connection: Connection) -> DatabaseStatus:
    """Look again under the lock: another process may have upgraded in the meantime."""
    status = _status(connection)
    if status.state == "newer":
        raise _not_ready(status)
    return status


def _migrate(connection: Connection, status: DatabaseStatus) -> None:
    if status.state != "ready":
        from alembic import command  # an up-to-date database starts without Alembic's weight
        from alembic.config import Config

        if status.state == "older":
            triggers.remove(connection)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    triggers.install(connection)
    if status.state != "ready":
        rebuild.finish(connection)


def _upgrade_sqlite(engine: Engine) -> None:
    with writing(engine).connect() as connection:
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.execute("PRAGMA foreign_keys=OFF")  # rebuilding a table must not cascade; only possible outside a transaction
        try:
            with connection.begin():
                status = _upgradable(connection)
                if status.state == "older":
                    _copy(_path(engine), status.revision or "")
                _migrate(connection, status)
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise unavailable("corrupt", "rows refer to others that are gone")
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _path(engine: Engine) -> Path:
    return Path(str(engine.url.database))


def _copy(path: Path, revision: str) -> None:
    """Keep the file as it is now beside it."""
    try:
        copy_database(path, path.with_name(f"{path.name}.before-{revision}"))
    except sqlite3.Error as error:
        raise unavailable(sqlite_fault(error) or "corrupt", f"no copy could be made of {path.name}, so it was not upgraded") from None
    except OSError as error:
        raise _os_fault(error, path) from None


def _make_file(path: Path) -> None:
    """Create the folder and an empty file that only their owner may read, unless they are there."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise unavailable("read-only", f"{path} is not a file") from None
    except OSError as error:
        if not path.is_file():
            raise _os_fault(error, path) from None


def _os_fault(error: OSError, path: Path) -> StoreUnavailable:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return unavailable("disk-full" if full else "read-only", f"{error.strerror}: {path.parent}")
