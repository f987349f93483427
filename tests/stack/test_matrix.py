"""Who may do what with each table through the real PostgREST: one table of rows, each cell tried.

People: anon (nobody signed in), a and b (members), analyst, admin, and service (the project's secret key).
Rows: each belongs to one of them, named by a letter: a, b, n (the analyst), m (the admin), g (nobody: global, or the server's).
A cell lists the rows that the person reaches with that verb: read, added (as belonging to that letter), changed, removed.
``.`` is none of them, though the verb is granted; ``-`` is a refusal of the whole verb. The one admin is removed by nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from lib.store.audit import append_entry
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.grains import GRAINS, ROLLUPS, usage_delta
from lib.store.schema import metadata
from lib.store.supabase_policies import EXPOSED, PRIVATE_TABLES
from lib.store.types import ExactDecimal, Timestamp
from tests.stack.stack import Stack, running_stack
from tests.store.calls import closed

PEOPLE = ("anon", "a", "b", "analyst", "admin", "service")
MATRIX = """
    table                      verb     anon  a     b     analyst  admin  service
    llm_providers              select   -     ag    bg    ng       abnmg  abnmg
    llm_providers              insert   -     a     b     n        mg     abnmg
    llm_providers              update   -     a     b     n        mg     abnmg
    llm_providers              delete   -     a     b     n        mg     abnmg
    llm_models                 select   -     ag    bg    ng       abnmg  abnmg
    llm_models                 insert   -     a     b     n        mg     abnmg
    llm_models                 update   -     a     b     n        mg     abnmg
    llm_models                 delete   -     a     b     n        mg     abnmg
    llm_model_prices           select   -     ag    bg    ng       abnmg  abnmg
    llm_model_prices           insert   -     a     b     n        mg     abnmg
    llm_model_prices           update   -     -     -     -        -      -
    llm_model_prices           delete   -     -     -     -        -      -
    profiles                   select   -     a     b     n        abnm   abnm
    profiles                   insert   -     -     -     -        -      abnm
    profiles                   update   -     a     b     n        m      abnm
    profiles                   delete   -     -     -     -        -      abn
    conversations              select   -     a     b     n        m      abnm
    conversations              insert   -     a     b     n        m      abnm
    conversations              update   -     a     b     n        m      abnm
    conversations              delete   -     a     b     n        m      abnm
    llm_messages               select   -     a     b     n        m      abnm
    llm_messages               insert   -     a     b     n        m      abnm
    llm_messages               update   -     a     b     n        m      abnm
    llm_messages               delete   -     a     b     n        m      abnm
    comparisons                select   -     a     b     n        m      abnm
    comparisons                insert   -     a     b     n        m      abnm
    comparisons                update   -     a     b     n        m      abnm
    comparisons                delete   -     a     b     n        m      abnm
    votes                      select   -     a     b     n        m      abnm
    votes                      insert   -     a     b     n        m      abnm
    votes                      update   -     a     b     n        m      abnm
    votes                      delete   -     a     b     n        m      abnm
    llm_usage_log              select   -     a     b     abnmg    abnmg  abnmg
    llm_usage_log              insert   -     -     -     -        -      abnmg
    llm_usage_log              update   -     -     -     -        -      abnmg
    llm_usage_log              delete   -     -     -     -        -      abnmg
    model_compatibility_hints  select   -     g     g     g        g      g
    model_compatibility_hints  insert   -     -     -     -        -      g
    model_compatibility_hints  update   -     -     -     -        -      g
    model_compatibility_hints  delete   -     -     -     -        -      g
    hint_events                select   -     .     .     g        g      g
    hint_events                insert   -     -     -     -        -      g
    hint_events                update   -     -     -     -        -      -
    hint_events                delete   -     -     -     -        -      -
    audit_log                  select   -     .     .     .        g      g
    audit_log                  insert   -     -     -     -        -      -
    audit_log                  update   -     -     -     -        -      -
    audit_log                  delete   -     -     -     -        -      -
    sync_runs                  select   -     .     .     .        g      g
    sync_runs                  insert   -     -     -     -        -      g
    sync_runs                  update   -     -     -     -        -      g
    sync_runs                  delete   -     -     -     -        -      g
    sync_items                 select   -     .     .     .        g      g
    sync_items                 insert   -     -     -     -        -      g
    sync_items                 update   -     -     -     -        -      g
    sync_items                 delete   -     -     -     -        -      g
    instances                  select   -     .     .     .        g      g
    instances                  insert   -     -     -     -        -      g
    instances                  update   -     -     -     -        -      g
    instances                  delete   -     -     -     -        -      g
    latency_edges              select   -     g     g     g        g      g
    latency_edges              insert   -     -     -     -        -      g
    latency_edges              update   -     -     -     -        -      g
    latency_edges              delete   -     -     -     -        -      g
    each rollup                select   -     .     .     g        g      g
    each rollup                insert   -     -     -     -        -      g
    each rollup                update   -     -     -     -        -      g
    each rollup                delete   -     -     -     -        -      g
    each rollup's view         select   -     .     .     g        g      g
    each private table         select   x     x     x     x        x      x
    each private table         insert   x     x     x     x        x      x
    each private table         update   x     x     x     x        x      x
    each private table         delete   x     x     x     x        x      x
"""
GROUPS = {
    "each rollup": (*(t.name for t in ROLLUPS), "usage_models", "usage_users", "usage_delta", "rollup_state"),
    "each rollup's view": tuple(f"{grain.table.name}_now" for grain in GRAINS),
    "each private table": PRIVATE_TABLES,
}
TABLES = {table.name: table for table in (*metadata.tables.values(), usage_delta)}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONE_OF_IT = {"42P01", "PGRST205", "PGRST106"}
"""Answers of a REST API that knows no such table."""


def _rows() -> dict[str, list[tuple[str, list[str]]]]:
    """The matrix by table: each verb and its cells."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for line in MATRIX.strip().splitlines()[1:]:
        name, *cells = (cell.strip() for cell in line.strip().split("  ") if cell.strip())
        for table in GROUPS.get(name, (name,)):
            found.setdefault(table, []).append((cells[0], cells[1:]))
    return found


def test_the_matrix_has_every_table_and_verb(stack: Stack) -> None:
    rows = _rows()
    there = {
        name
        for (name,) in stack.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'f')"
        )
    }
    there |= {
        name
        for (name,) in stack.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'private'::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'f')"
        )
    }
    assert set(rows) == there
    assert set(EXPOSED) | set(PRIVATE_TABLES) == {name for name in there if not name.endswith("_now")}
    for table, cells in rows.items():
        assert [verb for verb, _ in cells] == (["select"] if table.endswith("_now") else ["select", "insert", "update", "delete"])
        assert {len(given) for _, given in cells} == {len(PEOPLE)}


@dataclass
class World:
    """A stack with its people, and rows of each of them in every table."""

    stack: Stack
    engine: sa.Engine
    ids: dict[str, str | None]
    clients: dict[str, httpx.Client]
    loose: bool
    made: int = 0
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def owners(self, table: str) -> str:
        """The letters of those who may have rows in a table."""
        if table in ("profiles", "conversations", "llm_messages", "comparisons", "votes"):
            return "abnm"
        return "abnmg" if table in ("llm_providers", "llm_models", "llm_model_prices", "llm_usage_log") else "g"

    def new(self, table: str, letter: str) -> dict[str, Any]:
        """Return the values of one more row that belongs to somebody."""
        self.made += 1
        number, owner = self.made, self.ids[letter]
        at = {name: letters[letter]["id"] for name, letters in self.rows.items() if letter in letters and "id" in letters[letter]}
        special: dict[str, dict[str, Any]] = {
            "llm_providers": {"owner_id": owner},
            "llm_models": {"owner_id": owner, "provider_id": at.get("llm_providers")},
            "llm_model_prices": {"model_id": at.get("llm_models"), "source": "manual"},
            "profiles": {"user_id": str(uuid5(NAMESPACE_URL, f"person {number}"))},
            "conversations": {"owner_id": owner},
            "llm_messages": {"conversation_id": at.get("conversations"), "role": "user"},
            "comparisons": {"owner_id": owner},
            "votes": {"comparison_id": self._unvoted(letter) if table == "votes" else None, "voter_id": owner},
            "sync_items": {"run_id": at.get("sync_runs")},
            "llm_usage_log": {**closed(), "user_id": owner},
        }
        values = {
            c.name: _value(c, number) for c in TABLES[table].columns if not c.nullable and c.server_default is None and not _numbered(c)
        }
        return values | special.get(table, {})

    def _unvoted(self, letter: str) -> str:
        comparison = self.new("comparisons", letter)
        with self.engine.begin() as connection:
            connection.execute(sa.insert(TABLES["comparisons"]).values(comparison))
        return str(comparison["id"])

    def add(self, table: str, letter: str) -> dict[str, Any]:
        """Put a row of somebody into the database and return it."""
        of = TABLES[table]
        with self.engine.begin() as connection:
            return dict(connection.execute(sa.insert(of).values(self.new(table, letter)).returning(*of.columns)).mappings().one())

    def key(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return the key of a row."""
        return {c.name: row[c.name] for c in TABLES[table].primary_key.columns}

    def there(self, table: str, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return the row as the database has it now."""
        of = TABLES[table]
        query = sa.select(of).where(*(of.c[name] == value for name, value in self.key(table, row).items()))
        with self.engine.connect() as connection:
            found = connection.execute(query).mappings().first()
        return dict(found) if found else None


def _numbered(column: sa.Column[Any]) -> bool:
    return column.primary_key and isinstance(column.type, sa.BigInteger) and column.name == "id" and column.autoincrement is not False


def _value(column: sa.Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, Timestamp):
        return NOW
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.JSON):
        return {"number": number}
    if isinstance(kind, sa.Integer | ExactDecimal):
        return 10_000_000 + number
    if isinstance(kind, sa.Text):
        return f"text {number}"
    return str(uuid5(NAMESPACE_URL, f"row {number}"))


LOOSE = "with everything granted"


@pytest.fixture(scope="module", params=["as it is", LOOSE])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The people and their rows: on a project as it is, and on one of the days when every new table went to everybody, where
    somebody then granted everything once more, so that row-level security and triggers stand alone.
    """
    with running_stack(default_grants=request.param == LOOSE) as stack:
        people = {
            name: stack.sign_up(f"{name}@example.com", role=role)
            for name, role in (("a", "member"), ("b", "member"), ("analyst", "analyst"), ("admin", "admin"))
        }
        letters = {"a": people["a"].id, "b": people["b"].id, "n": people["analyst"].id, "m": people["admin"].id, "g": None}
        clients = {name: stack.rest(person.token) for name, person in people.items()}
        clients |= {"anon": stack.rest(), "service": stack.rest(key=stack.secret_key)}
        engine = open_engine(SecretStr(stack.database_url.replace("postgresql://", "postgresql+psycopg://")))
        world = World(stack, engine, letters, clients, loose=request.param == LOOSE)
        _fill(world)
        if world.loose:
            for what in ("TABLES", "SEQUENCES"):
                stack.sql(f"GRANT ALL ON ALL {what} IN SCHEMA public TO anon, authenticated, service_role")
        yield world
        for client in clients.values():
            client.close()
        engine.dispose()


def _fill(world: World) -> None:
    with world.engine.begin() as connection:
        append_entry(connection, NOW, Actor("Ada"), "tried", "llm_models", "1", None, {})
        for name in ("profiles", "audit_log", "latency_edges", "rollup_state"):
            rows = [dict(row) for row in connection.execute(sa.select(TABLES[name])).mappings()]
            by_id = {row.get("user_id"): row for row in rows}
            world.rows[name] = {c: by_id[owner] for c, owner in world.ids.items() if owner} if name == "profiles" else {"g": rows[-1]}
    first = ("llm_providers", "llm_models", "conversations", "comparisons", "sync_runs")
    with world.engine.begin() as connection:  # shown by the views of failures and of times
        for call in (closed(), closed(status="error", error_class="network")):
            connection.execute(sa.insert(TABLES["llm_usage_log"]).values(call))
    for table in (*first, *(name for name in EXPOSED if name not in first and name not in world.rows)):
        world.rows[table] = {letter: world.add(table, letter) for letter in world.owners(table)}


@pytest.mark.parametrize("table", [name for name in _rows() if name not in PRIVATE_TABLES and not name.endswith("_now")])
def test_each_person_reaches_their_rows_and_no_other(world: World, table: str) -> None:
    wrong = []
    for verb, cells in _rows()[table]:
        for person, expected in zip(PEOPLE, cells, strict=True):
            found = _TRIES[verb](world, world.clients[person], table)
            if found != expected and not (world.loose and {found, expected} == {".", "-"}):
                wrong.append(f"{table} {verb} as {person}: expected {expected}, found {found}")
    assert wrong == []


def _refused(answer: httpx.Response) -> bool:
    """Whether the answer is a refusal; any other failure is a fault of the test."""
    if answer.status_code < 300:
        return False
    refused = answer.status_code in (401, 403) and answer.json()["code"] == "42501"
    assert refused or answer.json()["code"] == _APPEND_ONLY, answer.text
    return True


def _select(world: World, client: httpx.Client, table: str) -> str:
    seen = ""
    for letter, row in world.rows[table].items():
        answer = client.get(f"/{table}", params=_filter(world, table, row))
        if _refused(answer):
            return "-"
        seen += letter * len(answer.json())
    return seen or "."


def _insert(world: World, client: httpx.Client, table: str) -> str:
    added, refusals = "", []
    for letter in world.rows[table]:
        values = world.new(table, letter)
        answer = client.post(f"/{table}", content=json.dumps(values, default=str), headers=_QUIET)
        if not _refused(answer):
            added += letter
        else:
            refusals.append("permission denied" in answer.json()["message"])
    return added or ("-" if all(refusals) else ".")


def _update(world: World, client: httpx.Client, table: str) -> str:
    changed, refusals = "", []
    column = (
        TABLES[table].c[_CHANGED[table]]
        if table in _CHANGED
        else next(c for c in TABLES[table].columns if not c.primary_key and isinstance(c.type, sa.Integer))
    )
    for letter, row in world.rows[table].items():
        world.made += 1
        before = world.there(table, row)
        answer = client.patch(
            f"/{table}", params=_filter(world, table, row), json={column.name: _value(column, world.made)}, headers=_QUIET
        )
        refusals.append(_refused(answer))
        if world.there(table, row) != before:
            changed += letter
    return changed or ("-" if all(refusals) else ".")


def _delete(world: World, client: httpx.Client, table: str) -> str:
    gone, refusals = "", []
    for letter, row in world.rows[table].items():
        if table not in _KEPT:
            row = world.add(table, letter)  # on which nothing hangs
        answer = client.delete(f"/{table}", params=_filter(world, table, row), headers=_QUIET)
        refusals.append(_refused(answer))
        if world.there(table, row) is None:
            gone += letter
            if table in _KEPT:
                with world.engine.begin() as connection:
                    connection.execute(sa.insert(TABLES[table]).values(row))
    return gone or ("-" if all(refusals) else ".")


_APPEND_ONLY = "23001"
"""What a trigger says that keeps a table's rows as they were written."""
_QUIET = {"Content-Type": "application/json", "Prefer": "return=minimal"}
_TRIES = {"select": _select, "insert": _insert, "update": _update, "delete": _delete}
_KEPT = ("profiles", "audit_log", "rollup_state")
"""Tables whose rows cannot simply be made: each is put back when it was removed."""
_CHANGED = {
    **dict.fromkeys(("llm_providers", "llm_models", "profiles"), "display_name"),
    **dict.fromkeys(("llm_messages", "llm_usage_log"), "model_name"),
    "sync_runs": "kind",
    "llm_model_prices": "source_detail",
    "conversations": "title",
    "comparisons": "prompt",
    "votes": "winner",
    "model_compatibility_hints": "last_error_message",
    "hint_events": "event",
    "audit_log": "action",
    "sync_items": "action",
    "instances": "hostname",
    "usage_users": "user_id",
    "rollup_state": "fold_owner",
}
"""The column that is changed in a table; of any other, a number."""


def _filter(world: World, table: str, row: dict[str, Any]) -> dict[str, str]:
    return {name: f"eq.{str(value).lower() if isinstance(value, bool) else value}" for name, value in world.key(table, row).items()}


@pytest.mark.parametrize("view", GROUPS["each rollup's view"])
def test_each_person_reads_the_views_of_whom_they_may(world: World, view: str) -> None:
    ((_, cells),) = _rows()[view]
    found = []
    for person in PEOPLE:
        answer = world.clients[person].get(f"/{view}")
        found.append("-" if _refused(answer) else "g" if answer.json() else ".")
    assert found == ([cell.replace("-", ".") for cell in cells] if world.loose else cells)


@pytest.mark.parametrize(
    "headers", [{}, {"Accept-Profile": "private", "Content-Profile": "private"}], ids=["as it is", "asking for the schema"]
)
@pytest.mark.parametrize("table", PRIVATE_TABLES)
def test_nobody_gets_to_a_private_table(world: World, table: str, headers: dict[str, str]) -> None:
    for person in PEOPLE:
        client = world.clients[person]
        read = client.get(f"/{table}", headers=headers)
        assert read.json()["code"] in NONE_OF_IT, f"{person}: {read.text}"
        for verb, value in (("POST", {}), ("PATCH", {"created_at": None}), ("DELETE", None)):
            answer = client.request(verb, f"/{table}", json=value, headers=headers)
            assert answer.status_code in (404, 406), f"{person} {verb}: {answer.text}"
