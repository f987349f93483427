"""Whether a Supabase database has its functions and their triggers as this version makes them, open to those alone who call them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+\.\w+)\(.*?\) RETURNS (.*?) AS \$function\$(.*)\$function\$", re.DOTALL)
_TRIGGER = re.compile(r"CREATE OR REPLACE TRIGGER (\w+) .*? ON (\w+\.\w+) ", re.DOTALL)
_CALLERS = {
    "public.read_rows": {"authenticated", "service_role"},
    "public.apply_changes": {"authenticated", "service_role"},
    "private.person": {"authenticated"},
    "private.has_role": {"authenticated"},
}
"""Which of the API's roles call a function; no other function is for any of them."""
_OTHER = "not the one this version installs"
_FUNCTIONS = sa.text("""
    SELECT n.nspname || '.' || p.proname AS name, p.prosrc AS body, p.prosecdef AS as_owner,
      'search_path=""' = ANY (coalesce(p.proconfig, '{}')) AS enclosed,
      ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'everybody' ELSE a.grantee::regrole::text END
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.privilege_type = 'EXECUTE'
          AND a.grantee IN (0, 'anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole) ORDER BY 1) AS callers
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname IN ('public', 'private')""")
_TRIGGERS = sa.text("""
    SELECT t.tgname, n.nspname || '.' || c.relname, t.tgenabled
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal""")


def problems(connection: Connection, statements: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return (kind, name, state) for each function and trigger that is not as the statements make it."""
    functions, triggers = defaultdict[str, list[Row[tuple[object, ...]]]](list), dict[tuple[str, str], str]()
    for row in connection.execute(_FUNCTIONS):
        functions[row.name].append(row)
    for name, table, state in connection.execute(_TRIGGERS):
        triggers[name, table] = state
    found: list[tuple[str, str, str]] = []
    for statement in statements:
        if (made := _FUNCTION.match(statement)) is not None:
            found.extend(("function", made[1], state) for state in _faults(functions[made[1]], *made.groups()))
        elif (made := _TRIGGER.match(statement)) is not None and (state := triggers.get((made[1], made[2]), "missing")) not in "OA":
            found.append(
                ("trigger", f"{made[1]} of {made[2].removeprefix('public.')}", "missing" if state == "missing" else "switched off")
            )
    return found


def _faults(there: list[Row[tuple[object, ...]]], name: str, options: str, body: str) -> Iterator[str]:
    """Tell what is wrong with a function; any other of the same name counts as wrong, for it might be called instead."""
    if not there:
        yield "missing"
    as_owner, callers = "SECURITY DEFINER" in options, _CALLERS.get(name, set())
    for row in there:
        if row.body != body or not row.enclosed:
            yield _OTHER
        if row.as_owner != as_owner:
            yield f"run with the rights of its {'caller' if as_owner else 'owner'}"
        if opened := set(row.callers) - callers:
            yield f"open to {', '.join(sorted(opened))}"
        if closed := callers - set(row.callers):
            yield f"closed to {', '.join(sorted(closed))}"
