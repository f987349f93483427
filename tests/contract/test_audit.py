"""What the audit log tells, and what taking a change back does, is the same on every Store: Supabase's triggers write it there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.errors import StaleVersion
from lib.registry import undo
from lib.registry.undo_values import UndoPlan
from lib.store import audit_reading
from lib.store.audit_chain import check_chain
from lib.store.audit_names import Names, about_model, ids_named
from lib.store.audit_reading import AuditChange, AuditFilters
from lib.store.base import Actor, Delete, Insert, Store, Update
from lib.store.schema import llm_model_prices, llm_models, llm_providers
from lib.store.sql import SqlStore
from tests.contract.test_store import OWNER, database_engine, model, provider_id, rest, store

__all__ = ["database_engine", "provider_id", "rest", "store"]
NOW = datetime.now(UTC)


def changes(engine: Engine, filters: AuditFilters | None = None, **asked: Any) -> list[AuditChange]:
    with engine.connect() as connection:
        return list(audit_reading.page(connection, filters or AuditFilters(), **{"limit": 100, **asked}).changes)


def plan(engine: Engine, entry_id: int) -> UndoPlan:
    with engine.connect() as connection:
        whole = audit_reading.change(connection, entry_id)
        assert whole is not None
        return undo.plan(connection, whole, OWNER, datetime.now(UTC), "Ada")


def rows(engine: Engine) -> Any:
    """Return every row but for what each change stamps anew."""
    stamps = {"updated_at", "version"}
    with engine.connect() as connection:
        return [
            [{n: v for n, v in row.items() if n not in stamps} for row in connection.execute(sa.select(t).order_by(t.c.id)).mappings()]
            for t in (llm_providers, llm_models, llm_model_prices)
        ]


def price(model_id: int, **values: Any) -> dict[str, Any]:
    return {"model_id": model_id, "valid_from": NOW - timedelta(days=1), "source": "manual", "created_at": NOW, **values}


STEPS: dict[str, Callable[[Store, dict[str, int]], Any]] = {
    "switch": lambda s, ids: s.update("llm_models", {"is_active": True}, where={"id": list(ids.values())}),
    "edit": lambda s, ids: s.update(
        "llm_models",
        {"settings": {"big": 1e20, "small": 1e-8, "text": "Öl"}, "context_window": 7, "last_synced_at": NOW, "vendor": None},
        where={"id": ids["a"]},
    ),
    "delete": lambda s, ids: s.apply([Update("llm_models", {"fallbacks": []}, {"id": ids["b"]}), Delete("llm_models", {"id": ids["a"]})]),
    "add": lambda s, ids: s.insert("llm_models", [model(ids_provider(s), "c")]),
    "default": lambda s, ids: s.apply(
        [Update("llm_models", {"is_default": False}, {"is_default": True}), Update("llm_models", {"is_default": True}, {"id": ids["b"]})]
    ),
    "provider": lambda s, ids: s.update("llm_providers", {"base_url": "http://127.0.0.1:9", "is_active": False}, where={"slug": "acme"}),
    "all": lambda s, ids: s.apply([Delete("llm_models", {"id": list(ids.values())}), Delete("llm_providers", {"slug": "acme"})]),
}


def ids_provider(store: Store) -> int:
    return int(store.select("llm_providers")[0]["id"])


@pytest.fixture
def ids(store: Store, provider_id: int) -> dict[str, int]:
    """Two models, one a fallback of the other and the default, with prices."""
    made = store.insert("llm_models", [model(provider_id, "a", is_default=True, vendor="Acme"), model(provider_id, "b", fallbacks=["a"])])
    ids = {row["model_key"]: int(row["id"]) for row in made}
    store.insert("llm_model_prices", [price(ids["a"], input=Decimal("0.10"), tiers=[{"above": 5, "input": "0.2"}]), price(ids["b"])])
    return ids


@pytest.mark.parametrize("step", STEPS)
def test_a_change_is_taken_back_exactly_and_made_again(store: Store, ids: dict[str, int], database_engine: Engine, step: str) -> None:
    before = rows(database_engine)
    STEPS[step](store, ids)
    after = rows(database_engine)
    newest = changes(database_engine)[0]
    back = plan(database_engine, newest.last)
    assert back.refusals == ()
    store.apply(back.changes)
    assert _seen(rows(database_engine)) == _seen(before)
    undone = changes(database_engine)[0]
    assert undone.first > newest.last
    store.apply(plan(database_engine, undone.first).changes)
    assert _seen(rows(database_engine)) == _seen(after)
    with database_engine.connect() as connection:
        assert check_chain(connection).broken == ()


def _seen(found: Any) -> Any:
    """Leave out when the provider was last looked at, which no change is."""
    return [[{n: v for n, v in row.items() if n != "last_synced_at"} for row in table] for table in found]


def test_a_price_is_taken_back_by_another_row_of_what_was_charged_before(
    store: Store, ids: dict[str, int], database_engine: Engine
) -> None:
    store.insert("llm_model_prices", [price(ids["a"], valid_from=NOW - timedelta(hours=1), input=Decimal(9))])
    store.apply(plan(database_engine, changes(database_engine)[0].first).changes)
    kept = store.select("llm_model_prices", where={"model_id": ids["a"]}, order_by=("valid_from", "id"))
    assert [row["input"] for row in kept] == [Decimal("0.10"), Decimal(9), Decimal("0.10")]
    assert kept[2]["tiers"] == kept[0]["tiers"]


def test_a_row_changed_between_the_plan_and_its_writing_leaves_all_as_it_is(
    store: Store, ids: dict[str, int], database_engine: Engine
) -> None:
    store.update("llm_models", {"is_active": True}, where={"id": list(ids.values())})
    back = plan(database_engine, changes(database_engine)[0].first)
    store.update("llm_models", {"vendor": "Theirs"}, where={"id": ids["b"]})
    before = rows(database_engine)
    with pytest.raises(StaleVersion):
        store.apply(back.changes)
    assert rows(database_engine) == before


def test_changes_are_those_of_one_transaction_whatever_their_filter(store: Store, ids: dict[str, int], database_engine: Engine) -> None:
    many = store.insert("llm_models", [model(ids_provider(store), f"m{n}") for n in range(30)])
    numbers = [row["id"] for row in many]
    store.update("llm_models", {"is_active": True}, where={"id": numbers})
    store.apply(
        [Insert("llm_model_prices", [price(number)]) for number in numbers[:3]] + [Update("llm_models", {"hidden": True}, {"id": numbers})]
    )
    found = changes(database_engine)
    assert [change.count for change in found] == [33, 30, 30, 2, 2, 1]
    assert [(p.action, p.count, p.alike) for p in found[0].parts] == [
        ("llm_model_prices.insert", 3, False),
        ("llm_models.update", 30, True),
    ]
    extents = [(change.first, change.last) for change in found]
    assert extents == [(change.first, change.last) for one in extents for change in changes(database_engine, before=one[1] + 1, limit=1)]
    prices = changes(database_engine, AuditFilters(subjects=("llm_model_prices",)))
    assert [(change.first, change.last) for change in prices] == [extents[0], extents[3]], "a change is shown whole"
    assert changes(database_engine, AuditFilters(verbs=("delete",))) == changes(database_engine, AuditFilters(verbs=("other",))) == []
    assert len(changes(database_engine, AuditFilters(verbs=("insert",)))) == 5
    assert changes(database_engine, AuditFilters(actors=("Ada",), origins=("page",))) == found
    assert changes(database_engine, AuditFilters(origins=("cli",))) == changes(database_engine, AuditFilters(actors=("Ben",))) == []
    moment = found[1].head.at
    assert changes(database_engine, AuditFilters(since=moment)) == found[:2]
    assert changes(database_engine, AuditFilters(until=moment)) == found[2:]


def test_a_text_finds_values_names_and_letters_of_any_alphabet(store: Store, ids: dict[str, int], database_engine: Engine) -> None:
    store.update("llm_models", {"vendor": "Öl & 100% pure"}, where={"id": ids["a"]})
    store.update("llm_models", {"display_name": "Quokka"}, where={"id": ids["b"]})
    found = changes(database_engine)

    def holding(text: str) -> list[AuditChange]:
        with database_engine.connect() as connection:
            return changes(database_engine, AuditFilters(text=text, named=ids_named(connection, text)))

    assert holding("Öl & 100%") == [found[1]]
    assert holding("100x pure") == []
    assert holding("quokka") == [found[0], found[2], found[3]], "by its name of today, with its prices"
    with database_engine.connect() as connection:
        about = about_model(connection, ids["b"])
    assert changes(database_engine, AuditFilters(about=about)) == [found[0], found[2], found[3]]


def test_names_outlive_their_rows(store: Store, ids: dict[str, int], database_engine: Engine) -> None:
    store.delete("llm_models", where={"id": ids["a"]})
    with database_engine.connect() as connection:
        entries = [entry for change in changes(database_engine) for entry in change.entries]
        names = Names(connection, entries)
    told = {(entry.subject, known.name) for entry in entries if (known := names.about(entry))}
    assert told == {
        ("llm_models", "A"),
        ("llm_models", "B"),
        ("llm_providers", "Acme"),
        ("llm_model_prices", "A"),
        ("llm_model_prices", "B"),
    }


def test_a_page_of_a_long_log_reads_no_more_of_it_than_it_shows(sqlite_engine: Engine) -> None:
    """Asked for ranges of entries, SQLite once read the whole log, values and all, for each page of twenty-five changes."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    kept = SqlStore(sqlite_engine, Actor("Ada", OWNER))
    (acme,) = kept.insert("llm_providers", [{"slug": "acme", "kind": "openai-compatible", "display_name": "Acme"}])
    for number in range(40):
        kept.update("llm_providers", {"display_name": f"Acme {number}"}, where={"id": acme["id"]})
    sa.event.listen(sqlite_engine, "before_cursor_execute", note)
    with sqlite_engine.connect() as connection:
        audit_reading.page(connection, AuditFilters())
        reading = [(statement, parameters) for statement, parameters in asked if "before" in statement.partition("FROM")[0]]
        plans = [row[3] for each in reading for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each[0]}", each[1])]
    assert plans
    assert all(step.startswith("SEARCH") for step in plans), plans
    assert len(asked) - len(reading) < 10, "however many changes there are"
