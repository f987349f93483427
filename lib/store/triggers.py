"""Install what guards the data, and tell whether it is all in place."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store import analytics_role, supabase_guards, triggers_postgres, triggers_sqlite

PREFIX = "trg_"
"""Every trigger's name begins so; one with this prefix that is not ours any more is removed."""


def install(connection: Connection) -> None:
    """Put every trigger and view in place, in the caller's transaction; what is there already is replaced."""
    if connection.dialect.name == "postgresql":
        _install_postgres(connection)
    else:
        _install_sqlite(connection)


def problems(connection: Connection) -> list[str]:
    """Return a sentence for each trigger or view that is missing, changed or switched off."""
    found = _postgres_state(connection) if connection.dialect.name == "postgresql" else _sqlite_state(connection)
    return [f"The {kind} {name} is {state}." for kind, name, state in found]


def remove(connection: Connection) -> None:
    """Take all triggers and views away, so that a migration meets bare tables."""
    if connection.dialect.name == "postgresql":
        for view in triggers_postgres.views():
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS public.{view}")
        for name, table in connection.execute(_PG_TRIGGERS).all():
            connection.exec_driver_sql(f"DROP TRIGGER {name} ON public.{table}")
        if supabase_guards.present(connection):
            supabase_guards.remove(connection)
        return
    for kind, name, _ in connection.execute(_SQLITE_OBJECTS).all():
        connection.exec_driver_sql(f"DROP {kind} {name}")


_SQLITE_OBJECTS = sa.text(
    "SELECT type, name, sql FROM sqlite_master"
    f" WHERE type = 'view' AND (substr(name, -4) = '_now' OR name = '{triggers_sqlite.READABLE}')"
    " OR type = 'trigger' AND substr(name, 1, 4) = 'trg_' ORDER BY name"
)
_PG_TRIGGERS = sa.text(
    "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE NOT tgisinternal AND starts_with(tgname, 'trg_') AND relnamespace = 'public'::regnamespace"
)


def _install_sqlite(connection: Connection) -> None:
    remove(connection)
    for statement in triggers_sqlite.objects().values():
        connection.exec_driver_sql(statement)


def _sqlite_state(connection: Connection) -> list[tuple[str, str, str]]:
    there = {name: sql for _, name, sql in connection.execute(_SQLITE_OBJECTS)}
    found = []
    for name, statement in triggers_sqlite.objects().items():
        kind = "trigger" if name.startswith(PREFIX) else "view"
        if there.get(name) != statement:
            found.append((kind, name, "missing" if name not in there else "not the one this version installs"))
    return found


def _install_postgres(connection: Connection) -> None:
    remove(connection)
    for statement in postgres_statements():
        connection.exec_driver_sql(statement)
    if supabase_guards.present(connection):
        supabase_guards.install(connection)
    supabase_guards.run(connection, analytics_role.rights())


def postgres_statements() -> list[str]:
    """Return what makes every function, trigger and view on Postgres, where none of the triggers and views are there."""
    made = [
        f"CREATE OR REPLACE FUNCTION private.{name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $${body}$$"
        for name, body in triggers_postgres.functions().items()
    ]
    made.extend(trigger.statement for trigger in triggers_postgres.triggers())
    made.extend(f"CREATE VIEW public.{name} WITH (security_invoker = true) AS {query}" for name, query in triggers_postgres.views().items())
    return made


def _postgres_state(connection: Connection) -> list[tuple[str, str, str]]:
    found = []
    query = sa.text("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'private'::regnamespace")
    bodies = {name: body for name, body in connection.execute(query)}
    for name, body in triggers_postgres.functions().items():
        if bodies.get(name) != body:
            found.append(("function", f"private.{name}", "missing" if name not in bodies else "not the one this version installs"))
    there = {
        name: (definition, enabled)
        for name, definition, enabled in connection.execute(
            sa.text("SELECT tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal")
        )
    }
    for trigger in triggers_postgres.triggers():
        definition, enabled = there.get(trigger.name, ("", "O"))
        if definition != trigger.statement:
            found.append(("trigger", trigger.name, "missing" if not definition else "not the one this version installs"))
        elif enabled not in ("O", "A"):
            found.append(("trigger", trigger.name, "switched off"))
    found += _postgres_views(connection)
    return found + supabase_guards.problems(connection) if supabase_guards.present(connection) else found


def _postgres_views(connection: Connection) -> list[tuple[str, str, str]]:
    """Compare each view with a fresh one made beside it and taken back, for Postgres rewrites the text it is given."""
    found = []
    define = sa.text("SELECT pg_get_viewdef(to_regclass(:name))")
    for name, query in triggers_postgres.views().items():
        there = connection.scalar(define, {"name": f"public.{name}"})
        if there is None:
            found.append(("view", name, "missing"))
            continue
        with connection.begin_nested() as savepoint:
            connection.exec_driver_sql(f"CREATE TEMPORARY VIEW {name}_expected AS {query}")
            expected = connection.scalar(define, {"name": f"pg_temp.{name}_expected"})
            savepoint.rollback()
        if there != expected:
            found.append(("view", name, "not the one this version installs"))
    return found
