"""What Supabase's own tools make of supabase/ is what the code describes, and nothing of it is left open."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.analytics import EVERYBODY, preset, usage_by, usage_totals
from lib.registry.builtin_providers import BUILTIN_PROVIDERS
from lib.store import analytics_role, supabase_migrations
from lib.store.database import check, upgrade
from lib.store.engine import open_engine
from lib.store.triggers import problems
from lib.store.verify import verify
from tests.analytics.rows import insert, logged
from tests.machine import absent
from tests.postgres import PostgresServer
from tests.stack.parts import MIGRATIONS, OWNER, ROOT, make_project, migrate, run_sql, running_platform, tool, url

_OURS = "('public'::regnamespace, 'private'::regnamespace)"
_TABLES = {
    "columns": "SELECT table_schema, table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema IN ('public', 'private')",
    "constraints": f"SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace IN {_OURS}",
    "indexes": "SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'private')",
    "views": f"SELECT relname, pg_get_viewdef(oid), reloptions FROM pg_class WHERE relkind = 'v' AND relnamespace IN {_OURS}",
    "our triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE starts_with(tgname, 'trg_')",
    "edges": "SELECT bucket, lower_ms FROM latency_edges",
    "state": "SELECT frozen_before, rebuild_from, rebuild_done_to FROM rollup_state",
    "version": "SELECT version_num FROM private.alembic_version",
}
_GUARDS = {
    "triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "functions": f"SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace IN {_OURS}",
    "policies": "SELECT schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies",
    "row security": f"SELECT oid::regclass::text, relrowsecurity, relowner::regrole::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN {_OURS}",
    "grants": "SELECT c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type, a.is_grantable FROM pg_class AS c,"
    " aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, c.relowner))) AS a"
    f" WHERE c.relkind IN ('r', 'v', 'S') AND c.relnamespace IN {_OURS}",
    "grants of columns": "SELECT attrelid::regclass::text, attname, a.grantee::regrole::text, a.privilege_type FROM pg_attribute, aclexplode(attacl) AS a"
    f" WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN {_OURS})",
    "grants of functions": "SELECT p.oid::regprocedure::text, a.grantee::regrole::text FROM pg_proc AS p,"
    f" aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a WHERE p.pronamespace IN {_OURS}",
    "grants of schemas": "SELECT nspname, a.grantee::regrole::text, a.privilege_type FROM pg_namespace, aclexplode(nspacl) AS a"
    " WHERE nspname = 'private'",
}


def _catalogue(address: str, queries: dict[str, str]) -> dict[str, list[str]]:
    with psycopg.connect(address) as connection:
        return {what: sorted(str(row) for row in connection.execute(query.encode())) for what, query in queries.items()}


@pytest.fixture(scope="module")
def platform() -> Iterator[PostgresServer]:
    """A cluster in which projects can be made."""
    with running_platform() as server:
        yield server


@pytest.fixture(scope="module")
def upgraded(platform: PostgresServer) -> dict[str, list[str]]:
    """The catalogue of a project that Alembic brought up to date, as ``python -m lib db upgrade`` does."""
    address = make_project(platform, "upgraded")
    engine = open_engine(SecretStr(address.replace("postgresql://", "postgresql+psycopg://")))
    upgrade(engine)
    engine.dispose()
    return _catalogue(address, _TABLES | _GUARDS)


def supabase(address: str, *command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Supabase's command line on a database."""
    return subprocess.run(
        [tool("@supabase/cli-linux-x64/bin/supabase"), *command, f"--remote={address}?sslmode=disable"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_files_are_what_the_code_makes() -> None:
    wanted = supabase_migrations.files()
    there = {
        str(path.relative_to(supabase_migrations.FOLDER)) for path in (*MIGRATIONS.glob("*"), supabase_migrations.FOLDER / "setup.sql")
    }
    older = {name for name in there - set(wanted) if name.endswith("_guards.sql")}
    assert there - older == set(wanted)
    assert all(name < max(wanted) for name in older), "the guards of earlier revisions stay, for projects that have applied them"
    stale = [name for name, text in wanted.items() if (supabase_migrations.FOLDER / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run make migrations"


@pytest.mark.parametrize("default_grants", [False, True], ids=["default privileges revoked", "default privileges granted"])
def test_supabase_pushes_lints_and_finds_no_security_fault(
    platform: PostgresServer, upgraded: dict[str, list[str]], default_grants: bool, tmp_path: Path
) -> None:
    address = make_project(platform, f"pushed_{default_grants}".lower(), default_grants=default_grants)
    with psycopg.connect(address) as connection:
        if not connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'plpgsql_check'").fetchone():
            absent("plpgsql_check is not installed; install postgresql-15-plpgsql-check to run this test.")
    for command in (
        ("db", "push", "--yes", "--include-seed"),
        ("db", "lint", "--level", "warning", "--fail-on", "warning"),
        ("db", "advisors", "--level", "warn", "--fail-on", "warn"),
    ):
        done = supabase(address, *command, home=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    found = _catalogue(address, _TABLES | _GUARDS)
    assert found == upgraded
    again = supabase(address, "db", "push", "--yes", home=tmp_path)
    assert again.returncode == 0 and "up to date" in again.stdout + again.stderr


def test_a_fault_is_found_by_the_same_commands(platform: PostgresServer, tmp_path: Path) -> None:
    address = make_project(platform, "faulty")
    migrate(address)
    run_sql(address, "CREATE TABLE public.open_to_all (id integer); GRANT ALL ON public.open_to_all TO anon")
    run_sql(address, "CREATE FUNCTION public.broken() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN nothing FROM nowhere; END'")
    found = supabase(address, "db", "advisors", "--level", "warn", "--fail-on", "warn", home=tmp_path)
    assert found.returncode != 0 and "open_to_all" in found.stdout
    found = supabase(address, "db", "lint", "--level", "warning", "--fail-on", "warning", home=tmp_path)
    assert found.returncode != 0 and "public.broken" in found.stdout


def test_one_pasted_file_makes_the_same_database(platform: PostgresServer, upgraded: dict[str, list[str]]) -> None:
    address = make_project(platform, "pasted", default_grants=True)
    run_sql(address, (supabase_migrations.FOLDER / "setup.sql").read_text())
    assert _catalogue(address, _TABLES | _GUARDS) == upgraded


def test_the_tables_are_those_of_a_plain_postgres(postgres_server: PostgresServer, upgraded: dict[str, list[str]]) -> None:
    name = postgres_server.create_ready()
    plain = _catalogue(postgres_server.url(name), _TABLES)
    assert plain == {what: upgraded[what] for what in _TABLES}
    postgres_server.drop(name)


@pytest.fixture(scope="module")
def ready(platform: PostgresServer) -> Iterator[Engine]:
    """The server's engine on a project with today's tables."""
    address = make_project(platform, "ready")
    migrate(address)
    engine = open_engine(SecretStr(address.replace("postgresql://", "postgresql+psycopg://")))
    yield engine
    engine.dispose()


def test_the_server_finds_a_pushed_database_ready_and_in_order(ready: Engine) -> None:
    assert check(ready).state == "ready"
    assert verify(ready).problems == ()


def _changed(name: str, text: str, other: str, schema: str = "public") -> str:
    """Return SQL that changes a function a little."""
    return f"""DO $do$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef(oid), $a${text}$a$, $a${other}$a$) FROM pg_proc
      WHERE proname = '{name}' AND pronamespace = '{schema}'::regnamespace); END $do$"""


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER TABLE llm_usage_log DISABLE ROW LEVEL SECURITY", "The table llm_usage_log is without row-level security."),
        ("GRANT SELECT ON profiles TO anon", "The table profiles is open to anon."),
        ("GRANT SELECT ON private.credentials TO authenticated", "The table private.credentials is open to authenticated."),
        ("DROP POLICY modeldeck_select ON votes", "The policy modeldeck_select of votes is missing."),
        ("DROP TRIGGER guard_profile ON profiles", "The trigger guard_profile of profiles is missing."),
        ("ALTER TABLE audit_log DISABLE TRIGGER guard_audit_log", "The trigger guard_audit_log of audit_log is switched off."),
        ("ALTER TABLE llm_models DISABLE TRIGGER audit_change", "The trigger audit_change of llm_models is switched off."),
        ("DROP TRIGGER count_version ON llm_models", "The trigger count_version of llm_models is missing."),
        ("DROP FUNCTION read_rows(jsonb)", "The function public.read_rows is missing."),
        (_changed("apply_changes", "'stale'", "'late'"), "The function public.apply_changes is not the one this version installs."),
        ("ALTER FUNCTION apply_changes(jsonb) SECURITY DEFINER", "The function public.apply_changes is run with the rights of its owner."),
        ("ALTER FUNCTION read_rows(jsonb) SECURITY DEFINER", "The function public.read_rows is run with the rights of its owner."),
        ("ALTER FUNCTION read_rows(jsonb) RESET search_path", "The function public.read_rows is not the one this version installs."),
        ("GRANT EXECUTE ON FUNCTION read_rows(jsonb) TO anon", "The function public.read_rows is open to anon."),
        ("GRANT EXECUTE ON FUNCTION apply_changes(jsonb) TO public", "The function public.apply_changes is open to everybody."),
        ("GRANT EXECUTE ON FUNCTION private.audit_change() TO service_role", "The function private.audit_change is open to service_role."),
        (
            "REVOKE EXECUTE ON FUNCTION apply_changes(jsonb) FROM authenticated",
            "The function public.apply_changes is closed to authenticated.",
        ),
        (_changed("has_role", "AND is_active", "", "private"), "The function private.has_role is not the one this version installs."),
        ("ALTER FUNCTION private.person() SECURITY INVOKER", "The function private.person is run with the rights of its caller."),
    ],
)
def test_db_verify_tells_what_stands_open_or_was_changed(ready: Engine, damage: str, told: str) -> None:
    with ready.connect() as connection:
        connection.exec_driver_sql(damage)
        assert problems(connection) == [told]
        connection.rollback()


def test_guards_come_back_whatever_was_granted_dropped_or_left_from_before(
    platform: PostgresServer, upgraded: dict[str, list[str]]
) -> None:
    address = make_project(platform, "loosened")
    migrate(address)
    run_sql(address, "GRANT ALL ON ALL TABLES IN SCHEMA public, private TO anon, authenticated, service_role")
    run_sql(address, "GRANT ALL ON ALL SEQUENCES IN SCHEMA public, private TO anon; GRANT USAGE ON SCHEMA private TO anon")
    run_sql(address, "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA private TO public; GRANT UPDATE (role) ON profiles TO authenticated")
    run_sql(
        address,
        "ALTER TABLE profiles DISABLE ROW LEVEL SECURITY; DROP POLICY modeldeck_select ON votes; DROP TRIGGER guard_profile ON profiles",
    )
    run_sql(address, "CREATE POLICY modeldeck_of_before ON llm_models FOR SELECT TO anon USING (true)")
    run_sql(address, max(MIGRATIONS.glob("*_guards.sql")).read_text())
    assert _catalogue(address, _TABLES | _GUARDS) == upgraded


def test_a_later_revision_may_change_a_column_that_policies_read(platform: PostgresServer, upgraded: dict[str, list[str]]) -> None:
    address = make_project(platform, "later")
    migrate(address)
    changing = "ALTER TABLE profiles ALTER COLUMN role TYPE varchar(20); ALTER TABLE llm_usage_log ALTER COLUMN user_id TYPE text;"
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        run_sql(address, changing)
    run_sql(address, supabase_migrations.unguarded())
    run_sql(
        address,
        changing
        + "ALTER TABLE profiles ALTER COLUMN role TYPE text; ALTER TABLE llm_usage_log ALTER COLUMN user_id TYPE uuid USING user_id::uuid;",
    )
    run_sql(address, max(MIGRATIONS.glob("*_guards.sql")).read_text())
    assert _catalogue(address, _TABLES | _GUARDS) == upgraded


def test_tables_of_other_applications_in_the_project_are_left_alone(platform: PostgresServer) -> None:
    address = make_project(platform, "shared")
    run_sql(
        address, "CREATE TABLE theirs (id serial PRIMARY KEY); GRANT SELECT ON theirs TO anon; ALTER TABLE theirs ENABLE ROW LEVEL SECURITY"
    )
    run_sql(address, "CREATE POLICY anyone ON theirs FOR SELECT TO anon USING (true)")
    migrate(address)
    with psycopg.connect(address) as connection:
        connection.execute("SET ROLE anon")
        assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM profiles")


def test_people_who_were_there_before_get_profiles(platform: PostgresServer) -> None:
    address = make_project(platform, "older")
    add = "INSERT INTO auth.users (id, email, is_anonymous, raw_user_meta_data) VALUES (gen_random_uuid(), %s, %s, %s)"
    with psycopg.connect(url(platform, "older", OWNER), autocommit=True) as connection:
        connection.execute(add, ("Ada@example.com", False, '{"display_name": "Ada", "role": "admin"}'))
        connection.execute(add, (None, True, "{}"))
    migrate(address)
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT email, display_name, role FROM profiles").fetchall() == [("ada@example.com", "Ada", "member")]


def test_the_seed_brings_the_built_in_providers_once(platform: PostgresServer) -> None:
    address = make_project(platform, "seeded")
    migrate(address)
    migrate_seed = (supabase_migrations.FOLDER / "seed.sql").read_text()
    run_sql(address, migrate_seed)
    with psycopg.connect(address) as connection:
        rows: list[tuple[Any, ...]] = connection.execute("SELECT slug, kind, display_name FROM llm_providers ORDER BY id").fetchall()
    assert rows == [(p.slug, p.kind, p.display_name) for p in BUILTIN_PROVIDERS]


def test_analytics_reads_past_row_security_and_the_advisors_stay_content(platform: PostgresServer, tmp_path: Path) -> None:
    """Row-level security hides every row from a role without policies: the Costs page would say that nothing was ever called."""
    address = make_project(platform, "analysed")
    done = supabase(address, "db", "push", "--yes", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    owner = open_engine(SecretStr(address.replace("postgresql://", "postgresql+psycopg://")))
    reader = open_engine(SecretStr(url(platform, "analysed", analytics_role.ROLE).replace("postgresql://", "postgresql+psycopg://")))
    now = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
    insert(owner, [logged(started_at=now, cost_nano_usd=7, key_scope="user")])
    range_ = preset("24h", now, ZoneInfo("UTC"))
    assert analytics_role.make(owner, "a-password") is True
    for again in range(2):
        assert analytics_role.problems(reader) == []
        assert usage_totals(reader, EVERYBODY, range_).current.cost_nano_usd == 7
        assert [(share.key, share.totals.requests) for share in usage_by(reader, "key", EVERYBODY, range_)] == [("user", 1)]
        assert problems_of(owner) == []
        for command in (
            ("db", "lint", "--level", "warning", "--fail-on", "warning"),
            ("db", "advisors", "--level", "warn", "--fail-on", "warn"),
        ):
            found = supabase(address, *command, home=tmp_path)
            assert found.returncode == 0, found.stdout + found.stderr
        if not again:  # the next version's guards drop every policy first, and give the role its own back
            run_sql(address, next(path for path in sorted(MIGRATIONS.glob("*_guards.sql"), reverse=True)).read_text())
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP POLICY {analytics_role.ROLE} ON llm_usage_log")
    (told,) = analytics_role.problems(reader)
    assert "hides llm_usage_log" in told and analytics_role.COMMAND in told
    assert analytics_role.make(owner, None) is False
    assert analytics_role.problems(reader) == []
    for engine in (owner, reader):
        engine.dispose()
    # Roles belong to all projects of this cluster.
    run_sql(url(platform, "analysed", OWNER), f"DROP OWNED BY {analytics_role.ROLE}; DROP ROLE {analytics_role.ROLE}")


def problems_of(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return problems(connection)


def test_db_verify_tells_of_a_function_that_could_be_called_instead(ready: Engine) -> None:
    with ready.connect() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION read_rows(query text) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT '[]'::jsonb $$"
        )
        assert set(problems(connection)) == {
            "The function public.read_rows is not the one this version installs.",
            "The function public.read_rows is run with the rights of its owner.",
            "The function public.read_rows is open to everybody.",
            "The function public.read_rows is closed to authenticated, service_role.",
        }
