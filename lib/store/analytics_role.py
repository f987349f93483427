"""A Postgres role that reads what analytics reads and can do nothing else, for ANALYTICS_URL.

It is granted single tables and views, belongs to no other role, and on Supabase passes row-level security by policies
of its own: what a person may see is decided before a question is asked, for each carries its scope. Whatever upgrades
the schema renews its rights, so that a new table never takes the pages away.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from lib.errors import StoreUnavailable
from lib.store.faults import store_faults
from lib.store.grains import ROLLUPS
from lib.store.supabase_guards import run
from lib.store.supabase_policies import EXPOSED
from lib.store.triggers_postgres import views

ROLE = "modeldeck_analytics"
TIMEOUT_S = 30
"""How long one question may take; the longest of our own, over the log of ten million calls, takes half of it."""
READ = (
    *("llm_usage_log", "latency_edges", "rollup_state", "usage_models", "usage_users", "usage_delta"),
    *(rollup.name for rollup in ROLLUPS),
    *views(),
    *("llm_providers", "llm_models", "llm_model_prices", "model_compatibility_hints", "hint_events"),
)
"""Every table and view that analytics reads."""
COMMAND = "python -m lib db analytics-role"

_SETTINGS = (
    "default_transaction_read_only = on",
    f"statement_timeout = '{TIMEOUT_S}s'",
    "idle_in_transaction_session_timeout = '60s'",
    "search_path = public",
)


def rights() -> tuple[str, ...]:
    """Return the SQL that gives the role its rights and no others, where there is one; it may be run again and again."""
    policy = f"CREATE POLICY {ROLE} ON public.%I FOR SELECT TO {ROLE} USING (true)"
    return (
        f"""DO $do$ DECLARE found record; BEGIN
  IF to_regrole('{ROLE}') IS NULL THEN
    RETURN;
  END IF;
  REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE};
  REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {ROLE};
  REVOKE ALL ON SCHEMA public, private FROM {ROLE};
  GRANT USAGE ON SCHEMA public TO {ROLE};
  GRANT SELECT ON public.{", public.".join(READ)} TO {ROLE};
  FOR found IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity
      AND relname = ANY ('{{{",".join(READ)}}}') LOOP
    EXECUTE format('DROP POLICY IF EXISTS {ROLE} ON public.%I', found.relname);
    EXECUTE format('{policy}', found.relname);
  END LOOP;
END $do$""",
    )


def making(password: str, *, exists: bool) -> tuple[str, ...]:
    """Return the SQL that makes the role, or gives it another password; the password as text or as SCRAM made of it."""
    made = f"ALTER ROLE {ROLE} PASSWORD '{password}'" if exists else f"CREATE ROLE {ROLE} LOGIN NOINHERIT PASSWORD '{password}'"
    return (made, *settings())


def settings() -> tuple[str, ...]:
    """Return the SQL that lets the role only read, and not for long."""
    return tuple(f"ALTER ROLE {ROLE} SET {setting}" for setting in _SETTINGS)


def make(engine: Engine, password: str | None) -> bool:
    """Make the role, or renew its rights, and return whether it is new; ``password`` None keeps the one it has.

    Raises StoreUnavailable when the user of this engine may not make roles.
    """
    with store_faults(), engine.begin() as connection:
        exists = there(connection)
        statements = settings() if password is None else making(_scram(connection, password), exists=exists)
        for statement in statements:
            connection.exec_driver_sql(statement)
        run(connection, rights())
        return not exists


def there(connection: Connection) -> bool:
    """Return whether the server has the role; roles belong to a server, not to one of its databases."""
    return connection.scalar(sa.select(sa.func.to_regrole(ROLE))) is not None


def _scram(connection: Connection, password: str) -> str:
    """Return what the server keeps of a password, so that the password itself stands in no statement and no server's log."""
    driver = connection.connection.driver_connection
    return str(driver.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256").decode())  # type: ignore[union-attr]


def address(database: URL, password: str) -> str:
    """Return the ANALYTICS_URL that belongs to a DATABASE_URL; to Supabase's pooler a user names its project too."""
    _, dot, project = (database.username or "").partition(".")
    user = f"{ROLE}.{project}" if dot and (database.host or "").endswith(".pooler.supabase.com") else ROLE
    return database.set(drivername="postgresql", username=user, password=password).render_as_string(hide_password=False)


def problems(engine: Engine) -> list[str]:
    """Return a sentence for each thing about the user of ANALYTICS_URL that should be otherwise; one that it cannot connect, too."""
    try:
        with store_faults(), engine.connect() as connection:
            return _problems(connection)
    except StoreUnavailable as error:
        return [str(error).replace("DATABASE_URL", "ANALYTICS_URL")]


def _problems(connection: Connection) -> list[str]:
    names = {"read": list(READ), "kept": list(EXPOSED)}
    user = connection.execute(_USER).one()
    tables = {name: (reads, writes, hidden) for name, reads, writes, hidden in connection.execute(_TABLES, names)}
    found = []
    written = sorted(name for name, (_, writes, _) in tables.items() if writes)
    if user.is_superuser or written or user.private or user.member:
        what = (
            "a superuser"
            if user.is_superuser
            else f"one who may change {_some(written)}"
            if written
            else "one who reaches the schema private"
            if user.private
            else "a member of another role"
        )
        found.append(f"ANALYTICS_URL connects as {user.name}, {what}; analytics only reads. For a role that does no more, run: {COMMAND}")
    lacking = sorted(set(READ) - {name for name, (reads, _, _) in tables.items() if reads})
    if lacking:
        found.append(f"The user of ANALYTICS_URL, {user.name}, may not read {_some(lacking)}, so pages fail. Run: {COMMAND}")
    hidden = sorted(name for name, (_, _, is_hidden) in tables.items() if is_hidden)
    if hidden and not lacking:
        found.append(f"Row-level security hides {_some(hidden)} from {user.name}, the user of ANALYTICS_URL. Run: {COMMAND}")
    return found


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


_USER = sa.text("""
    SELECT rolname AS name, rolsuper AS is_superuser, EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS member,
      coalesce(has_schema_privilege(to_regnamespace('private')::oid, 'USAGE'), false) AS private
    FROM pg_roles AS r WHERE rolname = current_user""")
_TABLES = sa.text("""
    SELECT c.relname, has_table_privilege(c.oid, 'SELECT'),
      c.relkind = 'r' AND NOT pg_is_in_recovery() AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
      c.relkind = 'r' AND c.relname = ANY (:read) AND row_security_active(c.oid) AND NOT EXISTS (
        SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*')
          AND (0 = ANY (p.polroles) OR (SELECT oid FROM pg_roles WHERE rolname = current_user) = ANY (p.polroles)))
    FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND (c.relname = ANY (:read) OR c.relname = ANY (:kept))""")
