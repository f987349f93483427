"""``db``: the database's schema and its rollups."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option
from lib.errors import StoreFault

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from lib.settings import Settings
    from lib.store.database import DatabaseStatus

_FAULTS: Mapping[str, StoreFault] = {"empty": "missing-schema", "older": "older-schema", "newer": "newer-schema"}


@click.group()
def db() -> None:
    """Inspect, upgrade and check the database."""


@db.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Create the tables, or bring them to this version."""
    from lib.cli.session import read_settings
    from lib.store.database import check, open_database
    from lib.store.database import upgrade as bring_up_to_date

    settings = read_settings()
    before = _status(settings)
    if settings.mode == "embedded":
        engine = open_database(settings)  # makes the folder and the file, and upgrades it
    else:
        engine = _engine(settings)
        bring_up_to_date(engine)
    after = check(engine)
    engine.dispose()
    changed = before.revision != after.revision
    line = f"The schema is now at revision {after.revision}." if changed else f"The schema is up to date at revision {after.revision}."
    emit(as_json, {"from": before.revision, "to": after.revision, "upgraded": changed}, [line])


@db.command()
@json_option
def status(as_json: bool) -> None:
    """Say which database is used, whether its schema fits, and which models it has."""
    from lib.cli.model_text import found, model_document
    from lib.cli.session import read_settings, session
    from lib.store.faults import unavailable
    from lib.store.rebuild import REBUILD_DUE

    settings = read_settings()
    state = _status(settings)
    document: dict[str, Any] = {
        "mode": settings.mode,
        "database": _address(settings),
        "schema": {"state": state.state, "revision": state.revision, "head": state.head},
        "rebuild_due": _rebuild_due(settings) if state.state == "ready" else None,
        "analytics": _analytics(settings) if state.state == "ready" else None,
        "models": None,
    }
    schema = state.state if state.revision is None else f"{state.state} (revision {state.revision})"
    lines = [f"Mode: {settings.mode}", f"Database: {document['database']}", f"Schema: {schema}"]
    if document["rebuild_due"]:
        lines.append(REBUILD_DUE)
    if document["analytics"]:
        lines.append(f"Analytics reads from: {document['analytics']['address']}")
        lines += [f"  {problem}" for problem in document["analytics"]["problems"]]
    if state.state == "ready":
        with session() as opened:
            models = opened.registry.models()
        document["models"] = [model_document(model) for model in models]
        lines += found(models)
    emit(as_json, document, lines)
    if state.state != "ready":
        raise unavailable(_FAULTS[state.state])


@db.command()
@json_option
def verify(as_json: bool) -> None:
    """Recompute the rollups from the log, check the triggers and the audit chain; change nothing."""
    from lib.cli.session import read_settings
    from lib.store.database import open_database
    from lib.store.verify import verify as check_all

    engine = open_database(read_settings())
    report = check_all(engine)
    engine.dispose()
    checked = ", ".join(f"{name} {count:,}" for name, count in report.counts.items())
    emit(
        as_json,
        {"ok": report.ok, "problems": list(report.problems), "counts": dict(report.counts)},
        [f"Checked: {checked}.", *report.problems, *(["No problem found."] if report.ok else [])],
    )
    if not report.ok:
        word = "problem was" if len(report.problems) == 1 else "problems were"
        raise click.ClickException(f"{len(report.problems)} {word} found; wrong rollups are mended by: python -m lib db rebuild-rollups")


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Copy the embedded database to FILE, also while the server runs; Postgres has pg_dump for that."""
    from lib.cli.session import read_settings
    from lib.credentials.secret import KEY_FILE
    from lib.store.copying import copy_database, damage

    settings = read_settings()
    if settings.mode != "embedded":
        raise click.UsageError("The database is on a server; copy it with pg_dump, as docs/deploying.md says.")
    source = settings.data_dir / "modeldeck.db"
    if not source.is_file():
        raise click.ClickException(f"There is no database in {settings.data_dir} yet, so there is nothing to copy.")
    if file.exists():
        raise click.ClickException(f"{file} exists already and was left as it is; choose another name.")
    try:
        copy_database(source, file)
        found = damage(file)
    except (OSError, sqlite3.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        raise click.ClickException(f"No copy was made in {file}: {reason}.") from None
    if found:
        file.unlink()
        raise click.ClickException(f"No copy was made: the database is damaged ({found}). Keep your earlier copies.")
    key = settings.data_dir / KEY_FILE
    beside = "ENCRYPTION_KEY" if settings.encryption_key else str(key) if key.exists() else None
    size = file.stat().st_size
    said = [f"Keep {beside} too, in another place: without it the stored provider keys cannot be read."] if beside else []
    emit(as_json, {"file": str(file), "bytes": size, "key": beside}, [f"Copied {source} to {file}, {size / 2**20:.1f} MiB.", *said])


@db.command("analytics-role")
@click.option("--new-password", is_flag=True, help="Give the role another password when it is there already.")
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL for somebody who may make roles, and change nothing.")
@json_option
def analytics_role(new_password: bool, as_sql: bool, as_json: bool) -> None:
    """Make a Postgres role that only reads what analytics reads, or renew its rights; prints its ANALYTICS_URL."""
    import secrets

    from lib.cli.session import read_settings
    from lib.store import analytics_role as role
    from lib.store.database import open_database

    settings = read_settings()
    if settings.mode == "embedded":
        raise click.UsageError("The embedded database is a file and has no roles: set DATABASE_URL to a Postgres first.")
    engine = open_database(settings)
    with engine.connect() as connection:
        exists = role.there(connection)
    password = secrets.token_urlsafe(24) if new_password or not exists else None
    url = None if password is None else role.address(engine.url, password)
    kept = [f"The role {role.ROLE} keeps its password; --new-password gives it another one."]
    told = kept if url is None else ["Set this, which is shown only now, and start Modeldeck again:", f"ANALYTICS_URL={url}"]
    if as_sql:
        made = role.settings() if password is None else role.making(password, exists=exists)
        statements = [f"{statement};" for statement in (*made, *role.rights())]
        lines = ["-- Run this as somebody who may make roles, and keep it secret.", *statements, *(f"-- {line}" for line in told)]
        emit(as_json, {"role": role.ROLE, "analytics_url": url, "sql": statements}, lines)
    else:
        role.make(engine, password)
        done = f"The role {role.ROLE} {'has its rights again' if exists else 'is made'}: it reads what analytics reads, and nothing else."
        emit(as_json, {"role": role.ROLE, "created": not exists, "analytics_url": url}, [done, *told])
    engine.dispose()


@db.command("rebuild-rollups")
@json_option
def rebuild_rollups(as_json: bool) -> None:
    """Write the rollups again from the log; goes on where it was interrupted."""
    from lib.cli.session import read_settings
    from lib.store.database import open_database
    from lib.store.rebuild import rebuild

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done:,} of {total:,} windows", err=True, nl=done == total)

    engine = open_database(read_settings())
    windows = rebuild(engine, progress)
    engine.dispose()
    emit(
        as_json,
        {"windows": windows},
        [f"The rollups of {windows:,} windows were written again." if windows else "There is nothing to rebuild."],
    )


def _engine(settings: Settings) -> Engine:
    from lib.store.engine import open_engine

    return open_engine(settings.database_url)


def _status(settings: Settings) -> DatabaseStatus:
    """Look at the schema without creating or changing anything."""
    from lib.store.database import DatabaseStatus, check

    engine = _engine(settings)
    if settings.mode == "embedded" and not _file_exists(engine):
        return DatabaseStatus("empty", None)
    try:
        return check(engine)
    finally:
        engine.dispose()


def _file_exists(engine: Engine) -> bool:
    return Path(str(engine.url.database)).exists()


def _rebuild_due(settings: Settings) -> bool:
    from lib.store.rebuild import is_due

    engine = _engine(settings)
    try:
        return is_due(engine)
    finally:
        engine.dispose()


def _analytics(settings: Settings) -> dict[str, Any] | None:
    """Return where analytics reads from and what is wrong with that; None when it is no place of its own."""
    from lib.store.analytics_role import problems
    from lib.store.engine import open_engine

    if settings.analytics_url is None:
        return None
    engine = open_engine(settings.analytics_url)
    try:
        return {"address": engine.url.render_as_string(hide_password=True), "problems": problems(engine)}
    finally:
        engine.dispose()


def _address(settings: Settings) -> str:
    """Return where the database is, without its password."""
    url = _engine(settings).url
    return str(url.database) if settings.mode == "embedded" else url.render_as_string(hide_password=True)
