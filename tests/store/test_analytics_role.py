"""The user of ANALYTICS_URL sees every figure and can change nothing, or a leaked reporting password would be the whole database."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine, make_url

from lib import analytics
from lib.errors import NotFound, StoreUnavailable
from lib.store import analytics_role
from lib.store.database import upgrade
from lib.store.engine import open_engine
from lib.store.faults import store_faults
from lib.store.supabase_policies import EXPOSED, PRIVATE_TABLES
from tests.analytics.rows import insert, logged
from tests.postgres import PostgresServer, running_postgres
from tests.store.calls import START

PASSWORD = "a-p@ss/word:with#signs"
NOW = START + timedelta(hours=5)
RANGE = analytics.preset("7d", NOW, ZoneInfo("Asia/Kolkata"))
ADA = "00000000-0000-4000-8000-00000000000a"


@dataclass(frozen=True)
class Team:
    """A database as an operator has it: owned by a plain user, with the role made by that user."""

    server: PostgresServer
    owner_url: str
    url: str
    owner: Engine
    reader: Engine


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A cluster of its own, for roles belong to all databases of one; the role's password is asked for there."""
    with running_postgres() as found:
        with psycopg.connect(found.url(), autocommit=True) as connection:
            row = connection.execute("SHOW hba_file").fetchone()
            assert row
            rules = Path(row[0])
            rules.write_text(f"host all {analytics_role.ROLE} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE ROLE deck LOGIN CREATEROLE")
            connection.execute("CREATE ROLE plain LOGIN")
        yield found


def _open(url: str) -> Engine:
    return open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))


@pytest.fixture(scope="module")
def team(server: PostgresServer) -> Iterator[Team]:
    """A team's database with calls of several people, failures among them."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE team OWNER deck")
    owner_url = f"postgresql://deck@127.0.0.1:{server.port}/team"
    owner = _open(owner_url)
    upgrade(owner)
    assert analytics_role.make(owner, PASSWORD) is True
    url = analytics_role.address(make_url(owner_url), PASSWORD)
    reader = _open(url)
    rows = [
        logged(
            started_at=NOW - timedelta(hours=n),
            user_id=(ADA, None)[n % 2],
            key_scope=("system", "user", "own")[n % 3],
            status=("ok", "ok", "error")[n % 3],
            error_class=(None, None, "timeout")[n % 3],
            input_tokens=10,
            output_tokens=n,
            cost_nano_usd=1_000 * n,
            latency_ms=100 * n,
        )
        for n in range(12)
    ]
    insert(owner, rows)
    yield Team(server, owner_url, url, owner, reader)
    owner.dispose()
    reader.dispose()


_GIVEN: dict[str, tuple[Any, ...]] = {
    "scope": (analytics.EVERYBODY, analytics.Scope(ADA)),
    "range_": (RANGE,),
    "now": (NOW,),
    "call_id": (1,),
    "models": ((),),
    "removable": ((),),
}
_BY: dict[str, tuple[str, ...]] = {"errors_by": ("model", "provider", "class")}
_READERS = {
    name: function
    for name, function in vars(analytics).items()
    if inspect.isfunction(function) and "engine" in inspect.signature(function).parameters and name != "remembering"
}


@pytest.mark.parametrize("name", _READERS)
def test_every_figure_is_the_one_the_owner_sees(team: Team, name: str) -> None:
    function: Callable[..., object] = _READERS[name]
    wanted = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty and p.name != "engine"]
    calls: list[tuple[Any, ...]] = [()]
    for parameter in wanted:
        values = _BY.get(name, ("model", "provider", "source", "user", "key")) if parameter.name == "by" else _GIVEN[parameter.name]
        calls = [(*given, value) for given in calls for value in values]
    for given in calls:
        assert _answer(function, team.reader, given) == _answer(function, team.owner, given)


def _answer(function: Callable[..., object], engine: Engine, given: tuple[Any, ...]) -> object:
    try:
        return function(engine, *given)
    except NotFound as error:
        return str(error)


@pytest.mark.parametrize("table", [*EXPOSED, *(f"private.{name}" for name in PRIVATE_TABLES)])
def test_no_table_is_written_and_none_read_that_pages_do_not_need(team: Team, table: str) -> None:
    with team.owner.connect() as connection:
        schema, _, bare = table.rpartition(".")
        column = connection.scalar(
            sa.text("SELECT column_name FROM information_schema.columns WHERE table_schema = :s AND table_name = :t LIMIT 1"),
            {"s": schema or "public", "t": bare},
        )
    statements = {
        "select": f"SELECT 1 FROM {table}",
        "insert": f"INSERT INTO {table} DEFAULT VALUES",
        "update": f"UPDATE {table} SET {column} = {column}",
        "delete": f"DELETE FROM {table}",
        "truncate": f"TRUNCATE {table}",
    }
    for verb, statement in statements.items():
        allowed = verb == "select" and table in analytics_role.READ
        with psycopg.connect(team.url) as connection:
            connection.execute("SET TRANSACTION READ WRITE")  # its default is a habit, its rights are the guard
            if allowed:
                connection.execute(statement.encode())
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.mine (id integer)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "SET ROLE deck",
        "ALTER TABLE llm_models ADD COLUMN mine integer",
        "GRANT SELECT ON audit_log TO modeldeck_analytics",
        "ALTER ROLE modeldeck_analytics CREATEROLE",
        "COPY llm_models TO PROGRAM 'true'",
    ],
)
def test_it_makes_nothing_and_becomes_nobody_else(team: Team, statement: str) -> None:
    with psycopg.connect(team.url) as connection:
        connection.execute("SET TRANSACTION READ WRITE")
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return
        # Postgres answers a GRANT of what one does not own with a warning alone.
        assert statement.startswith("GRANT")
        assert connection.execute("SELECT has_table_privilege('audit_log', 'SELECT')").fetchone() == (False,)


def test_a_question_that_takes_too_long_ends_with_a_sentence(team: Team) -> None:
    with team.reader.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == f"{analytics_role.TIMEOUT_S}s"
        assert connection.exec_driver_sql("SHOW default_transaction_read_only").scalar() == "on"
        connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
        with pytest.raises(StoreUnavailable, match="shorter range") as told, store_faults():
            connection.exec_driver_sql("SELECT pg_sleep(5)")
    assert told.value.reason == "too-slow"


def test_a_right_that_is_missing_is_told_and_comes_back_with_the_next_upgrade(team: Team) -> None:
    assert analytics_role.problems(team.reader) == []
    with team.owner.begin() as connection:
        connection.exec_driver_sql(f"REVOKE SELECT ON usage_by_key, usage_by_key_now FROM {analytics_role.ROLE}")
    (told,) = analytics_role.problems(team.reader)
    assert "may not read usage_by_key and 1 more" in told and analytics_role.COMMAND in told
    with pytest.raises(StoreUnavailable, match="analytics-role") as refused:
        analytics.usage_by(team.reader, "key", analytics.EVERYBODY, RANGE)
    assert refused.value.reason == "not-granted"
    upgrade(team.owner)
    assert analytics_role.problems(team.reader) == []


@pytest.mark.parametrize(
    ("user", "change", "told"),
    [
        ("postgres", "", "a superuser"),
        ("deck", "", "one who may change"),
        (analytics_role.ROLE, f"GRANT UPDATE ON votes TO {analytics_role.ROLE}", "one who may change votes"),
        (analytics_role.ROLE, f"GRANT USAGE ON SCHEMA private TO {analytics_role.ROLE}", "the schema private"),
        (analytics_role.ROLE, f"GRANT deck TO {analytics_role.ROLE}", "one who may change|a member of another role"),
    ],
)
def test_a_user_who_may_do_more_is_told_with_what_to_run(team: Team, user: str, change: str, told: str) -> None:
    with psycopg.connect(team.server.url("team"), autocommit=True) as connection:
        connection.execute(change.encode() if change else b"SELECT 1")
    url = team.url if user == analytics_role.ROLE else team.owner_url.replace("deck@", f"{user}@")
    engine = _open(url)
    (sentence,) = analytics_role.problems(engine)
    engine.dispose()
    assert user in sentence and analytics_role.COMMAND in sentence
    assert any(part in sentence for part in told.split("|")), sentence
    with psycopg.connect(team.server.url("team"), autocommit=True) as connection:
        connection.execute(f"REVOKE deck FROM {analytics_role.ROLE}".encode())
    upgrade(team.owner)
    assert analytics_role.problems(team.reader) == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://modeldeck_analytics:wrong@127.0.0.1:{port}/team", "refuses the user or the password of ANALYTICS_URL"),
        ("postgresql://deck@127.0.0.1:{port}/nowhere", "no database of the name in ANALYTICS_URL"),
        ("postgresql://deck@127.0.0.1:1/team", "ANALYTICS_URL is right"),
    ],
)
def test_an_address_that_does_not_work_is_named_as_itself(team: Team, url: str, told: str) -> None:
    engine = _open(url.format(port=team.server.port))
    (sentence,) = analytics_role.problems(engine)
    engine.dispose()
    assert told in sentence and "DATABASE_URL" not in sentence


def test_another_password_replaces_the_first_and_stands_in_no_statement(team: Team) -> None:
    said: list[str] = []

    @sa.event.listens_for(team.owner, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    assert analytics_role.make(team.owner, "another") is False
    assert not any("another" in statement for statement in said)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(team.url)
    psycopg.connect(analytics_role.address(make_url(team.owner_url), "another")).close()
    assert analytics_role.make(team.owner, None) is False, "renewing rights keeps the password"
    psycopg.connect(analytics_role.address(make_url(team.owner_url), "another")).close()
    analytics_role.make(team.owner, PASSWORD)
    assert analytics_role.problems(team.reader) == []


def test_who_may_not_make_roles_is_told_so(server: PostgresServer) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE humble OWNER plain")
    engine = _open(f"postgresql://plain@127.0.0.1:{server.port}/humble")
    upgrade(engine)
    with pytest.raises(StoreUnavailable) as told:
        analytics_role.make(engine, PASSWORD)
    engine.dispose()
    assert told.value.reason == "not-granted"


def test_a_pooler_of_supabase_is_told_the_project_too() -> None:
    pooled = make_url("postgresql+psycopg://postgres.abcdef:old@aws-0-eu-central-1.pooler.supabase.com:6543/postgres")
    assert analytics_role.address(pooled, "new").startswith("postgresql://modeldeck_analytics.abcdef:new@aws-0-eu-central-1.pooler")
    direct = make_url("postgresql+psycopg://postgres:old@db.abcdef.supabase.co:5432/postgres")
    assert analytics_role.address(direct, "p@ss") == "postgresql://modeldeck_analytics:p%40ss@db.abcdef.supabase.co:5432/postgres"
