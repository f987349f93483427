"""A database made by the migrations is the one the code describes, or pages would fail on columns that are not there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.database import HEAD, MIGRATIONS, REVISIONS, check, upgrade
from lib.store.engine import open_engine, writing
from lib.store.grains import postgres_metadata, reader, rollup_state
from lib.store.schema import PRIVATE, hint_events, metadata
from lib.store.triggers import install, problems, remove
from lib.store.triggers_sqlite import READABLE
from lib.store.types import UuidText
from lib.store.usage_tables import INTERNED, PACKED, llm_usage_log, sqlite_metadata
from lib.store.verify import verify
from tests.postgres import PostgresServer
from tests.store.calls import START, USERS, closed, expected, opened, shown


@pytest.fixture
def created_postgres(postgres_server: PostgresServer) -> Iterator[Engine]:
    """A database made straight from the schema's tables, without migrations."""
    name = postgres_server.create()
    engine = postgres_server.engine(name)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(PRIVATE))
        metadata.create_all(connection)
        postgres_metadata.create_all(connection)
    yield engine
    engine.dispose()
    postgres_server.drop(name)


def test_the_named_revisions_are_the_migrations_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_alembic_finds_nothing_to_change(database_engine: Engine) -> None:
    postgres = database_engine.dialect.name == "postgresql"
    with database_engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": postgres,
                "compare_type": True,
                "version_table_schema": PRIVATE if postgres else None,
                "include_object": lambda thing, name, kind, reflected, other: not (kind == "table" and name.endswith("_now")),
            },
        )
        target = [metadata, postgres_metadata] if postgres else _without_schema()
        assert compare_metadata(context, target) == []  # type: ignore[arg-type]


def _without_schema() -> sa.MetaData:
    """The tables as SQLite has them: without schemas."""
    plain = sa.MetaData(naming_convention=metadata.naming_convention)
    for table in (*metadata.sorted_tables, *sqlite_metadata.sorted_tables):
        table.to_metadata(plain, schema=None)  # type: ignore[arg-type]  # None is "no schema", as the documentation says
    return plain


def test_sqlite_tables_are_word_for_word_those_of_the_schema(sqlite_engine: Engine) -> None:
    fresh = sa.create_engine("sqlite://", execution_options={"schema_translate_map": {PRIVATE: None}})
    metadata.create_all(fresh)
    sqlite_metadata.create_all(fresh)
    assert _sqlite_objects(sqlite_engine) == _sqlite_objects(fresh)
    fresh.dispose()


def _sqlite_objects(engine: Engine) -> dict[str, list[str]]:
    query = sa.text(
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL AND name <> 'alembic_version'"
    )
    with engine.connect() as connection:
        # Constraints may stand in any order; everything else must be the same.
        found = {name: re.sub(r"\s+", " ", sql).split(", ") for name, sql in connection.execute(query)}
    return {name: sorted(part.rstrip(" )") for part in parts) for name, parts in found.items()}


_POSTGRES_CATALOGUE = {
    "columns": "SELECT table_schema, table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema IN ('public', 'private') AND table_name NOT LIKE '%_now' AND table_name <> 'alembic_version'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace::regnamespace::text IN ('public', 'private') AND conrelid::regclass::text !~ 'alembic_version'",
    "indexes": "SELECT schemaname, indexname, indexdef FROM pg_indexes"
    " WHERE schemaname IN ('public', 'private') AND tablename <> 'alembic_version'",
}


@pytest.mark.parametrize("what", _POSTGRES_CATALOGUE)
def test_postgres_catalogue_is_that_of_the_schema(postgres_engine: Engine, created_postgres: Engine, what: str) -> None:
    def read(engine: Engine) -> set[tuple[object, ...]]:
        with engine.connect() as connection:
            return {tuple(row) for row in connection.execute(sa.text(_POSTGRES_CATALOGUE[what]))}

    assert read(postgres_engine) == read(created_postgres)


def test_the_version_table_is_out_of_the_exposed_schema(postgres_engine: Engine) -> None:
    names = sa.inspect(postgres_engine).get_table_names(schema="public")
    assert "alembic_version" not in names
    assert not {"credentials", "sessions", "api_tokens", "encryption_keys"} & set(names)


def test_upgrading_twice_changes_nothing(database_engine: Engine) -> None:
    upgrade(database_engine)
    assert check(database_engine).revision == HEAD
    with database_engine.connect() as connection:
        assert problems(connection) == []


def test_lost_triggers_are_told_and_come_back_with_the_next_upgrade(database_engine: Engine) -> None:
    with database_engine.begin() as connection:
        remove(connection)
    with database_engine.connect() as connection:
        told = problems(connection)
    assert any("trg_usage_log_insert is missing" in sentence for sentence in told)
    assert any("usage_by_model_now is missing" in sentence for sentence in told)
    upgrade(database_engine)
    with database_engine.connect() as connection:
        assert problems(connection) == []


def test_a_trigger_that_was_altered_is_told(sqlite_engine: Engine) -> None:
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER trg_usage_log_delete")
        connection.exec_driver_sql("CREATE TRIGGER trg_usage_log_delete AFTER DELETE ON llm_usage_log BEGIN SELECT 1; END")
    with sqlite_engine.connect() as connection:
        assert problems(connection) == ["The trigger trg_usage_log_delete is not the one this version installs."]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER TABLE llm_usage_log DISABLE TRIGGER trg_usage_log_update", "The trigger trg_usage_log_update is switched off."),
        (
            "CREATE OR REPLACE FUNCTION private.usage_log_insert() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "The function private.usage_log_insert is not the one this version installs.",
        ),
        (
            "DROP TRIGGER trg_usage_log_delete ON llm_usage_log; CREATE TRIGGER trg_usage_log_delete AFTER DELETE ON llm_usage_log"
            " FOR EACH ROW EXECUTE FUNCTION private.usage_log_delete()",
            "The trigger trg_usage_log_delete is not the one this version installs.",
        ),
        (
            "CREATE OR REPLACE VIEW usage_errors_now AS SELECT * FROM usage_errors",
            "The view usage_errors_now is not the one this version installs.",
        ),
    ],
)
def test_what_was_altered_on_postgres_is_told(postgres_engine: Engine, damage: str, told: str) -> None:
    with postgres_engine.begin() as connection:
        connection.exec_driver_sql(damage)
    with postgres_engine.connect() as connection:
        assert problems(connection) == [told]


def test_installing_removes_a_trigger_of_an_earlier_version(database_engine: Engine) -> None:
    body = (
        "FOR EACH ROW EXECUTE FUNCTION private.audit_log_lock()" if database_engine.dialect.name == "postgresql" else "BEGIN SELECT 1; END"
    )
    with database_engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TRIGGER trg_from_before AFTER INSERT ON votes {body}")
        install(connection)
        assert (
            connection.exec_driver_sql(
                "SELECT count(*) FROM pg_trigger WHERE tgname = 'trg_from_before'"
                if database_engine.dialect.name == "postgresql"
                else "SELECT count(*) FROM sqlite_master WHERE name = 'trg_from_before'"
            ).scalar()
            == 0
        )


def _spelled(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    return sa.Text() if isinstance(kind, sa.Text) else UuidText if isinstance(kind, sa.String) else kind


_spelled_log = sa.Table("llm_usage_log", sa.MetaData(), *(sa.Column(c.name, _spelled(c.type)) for c in llm_usage_log.columns))
"""The log as it was before SQLite kept numbers of texts and bytes of UUIDs in it."""


def _at_revision(engine: Engine, revision: str, rows: list[dict[str, Any]]) -> None:
    """Make a database as an earlier version left it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for row in rows:
            connection.execute(sa.insert(_spelled_log).values(row))


def test_no_call_changes_when_the_log_is_written_anew(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Names and ids are kept in fewer bytes on SQLite: each must read as it did, and be found as it was."""
    name = postgres_server.create()
    instance, talk, message = (str(uuid.uuid4()) for _ in range(3))
    rows = [
        opened(id=7),
        closed(id=8, user_name="Ada", endpoint="responses", key_scope="user", instance_id=instance, usage_extra={"search": 2}),
        closed(id=20, user_id=None, conversation_id=talk, message_id=message, is_sample=True, api_token_id=3, error_message="slow"),
        closed(id=21, user_name="8", model_name="Ärger \N{SPARKLES}", provider_name="1"),
    ]
    for engine in (open_engine(SecretStr(f"sqlite:///{tmp_path / 'old.db'}")), postgres_server.engine(name)):
        sqlite = engine.dialect.name == "sqlite"
        strange = [closed(id=22, request_id="call-22", user_id="ada", conversation_id="talk")] if sqlite else []
        _at_revision(engine, "0004", rows + strange)
        with writing(engine).begin() as connection:
            at = "0" if sqlite else "now()"
            said = f"INSERT INTO hint_events (at, provider, model, event, request_id) VALUES ({at}, 'acme', 'alpha', 'x', '{rows[1]['request_id']}')"
            connection.exec_driver_sql(said)
        by_id = sa.select(_spelled_log).order_by(_spelled_log.c.id)
        with engine.connect() as connection:
            before = [dict(row) for row in connection.execute(by_id).mappings()]
        upgrade(engine)
        assert verify(engine).problems == ()
        with engine.connect() as connection:
            assert [dict(row) for row in connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()] == before
            for column in (*INTERNED, *PACKED):
                for row in before:
                    query = sa.select(llm_usage_log.c.id).where(llm_usage_log.c[column].in_([row[column]]))
                    assert row[column] is None or row["id"] in connection.scalars(query).all(), column
            same = sa.select(llm_usage_log.c.id).join(hint_events, hint_events.c.request_id == llm_usage_log.c.request_id)
            assert connection.scalars(same).all() == [8]
            assert connection.scalars(sa.select(hint_events.c.request_id)).all() == [rows[1]["request_id"]]
            if sqlite:
                readable: sa.Executable = (
                    sa.select(*(sa.column(c.name) for c in _spelled_log.columns)).select_from(sa.table(READABLE)).order_by(sa.column("id"))
                )
                plain = [dict(row) for row in connection.execute(readable).mappings()]
                kept = (*INTERNED, *PACKED, "attempt", "cost_nano_usd", "error_message")
                assert [[row[column] for column in kept] for row in plain] == [[row[column] for column in kept] for row in before]
        engine.dispose()
    postgres_server.drop(name)


def test_calls_of_an_earlier_version_are_counted_when_it_is_upgraded(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """The grains of before are thrown away: figures must come from the log again, not start at nothing."""
    name = postgres_server.create()
    engines = [open_engine(SecretStr(f"sqlite:///{tmp_path / 'old.db'}")), postgres_server.engine(name)]
    for engine in engines:
        _at_revision(engine, "0002", [closed(started_at=START + timedelta(days=days)) for days in (0, 1, 40)])
        upgrade(engine)
        report = verify(engine)
        assert (report.problems, report.counts["usage_by_model_day"]) == ((), 3)
        with engine.connect() as connection:
            assert shown(connection) == expected(connection)
        engine.dispose()
    postgres_server.drop(name)


def test_whose_key_paid_is_told_after_an_upgrade_and_nothing_of_before_is_lost(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Figures of calls that retention took from the log stay, as of a key nobody recorded; those still there get theirs."""
    name = postgres_server.create()
    for engine in (open_engine(SecretStr(f"sqlite:///{tmp_path / 'old.db'}")), postgres_server.engine(name)):
        scopes = ("model", "user", "system", None)
        _at_revision(
            engine, "0006", [closed(started_at=START + timedelta(days=40), key_scope=scope, user_name="model") for scope in scopes]
        )
        with writing(engine).begin() as connection:  # what was counted before the log was cut, three calls of one user
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("INSERT INTO usage_texts (text) VALUES ('model'), ('user'), ('system')")
                for column in ("key_scope", "user_name"):
                    number = f"(SELECT number FROM usage_texts WHERE text = {column})"
                    connection.exec_driver_sql(f"UPDATE llm_usage_log SET {column} = {number}")
            day = (START - timedelta(days=1)).timestamp() // 1800
            connection.exec_driver_sql(f"INSERT INTO usage_users (id, user_id) VALUES (7, '{USERS[0]}')")
            for table, reference in (("usage_by_source_day", "source"), ("usage_by_source", "source"), ("usage_by_user_day", "user_ref")):
                value = "'api'" if reference == "source" else "7"
                connection.exec_driver_sql(
                    f"INSERT INTO {table} (slot, is_sample, {reference}, attempts, requests, cost_nano_usd)"
                    f" VALUES ({day:.0f}, {'false' if engine.dialect.name == 'postgresql' else 0}, {value}, 3, 3, 900)"
                )
            connection.execute(sa.update(rollup_state).values(frozen_before=START))
        upgrade(engine)
        assert verify(engine).problems == ()
        with engine.connect() as connection:
            for table in ("usage_by_key", "usage_by_key_day", "usage_by_user_day"):
                view = reader(metadata.tables[table])
                counted = sa.select(view.c.key_scope, sa.func.sum(view.c.attempts), sa.func.sum(view.c.cost_nano_usd))
                found = {scope: (int(calls), int(cost)) for scope, calls, cost in connection.execute(counted.group_by(view.c.key_scope))}
                assert found == {"own": (1, 1_500), "user": (1, 1_500), "system": (1, 1_500), "": (1, 1_500), "unknown": (3, 900)}, table
            log = llm_usage_log.c
            assert set(connection.execute(sa.select(log.key_scope, log.user_name)).all()) == {
                (scope, "model") for scope in ("own", "user", "system", None)
            }
            assert connection.scalar(sa.select(rollup_state.c.rebuild_from)) is None
        engine.dispose()
    postgres_server.drop(name)
