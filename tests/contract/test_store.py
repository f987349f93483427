"""What every Store promises, whichever database is behind it; a backend joins by one fixture that returns an engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.errors import InvalidValue, StaleVersion
from lib.store.audit import append_entry, entry_hash
from lib.store.base import Actor, Delete, Insert, Is, Made, Store, Update, Upsert
from lib.store.engine import writing
from lib.store.schema import audit_log, metadata
from lib.store.sql import SqlStore, utc_now
from lib.store.supabase import SupabaseStore
from lib.store.verify import verify
from tests.contract.rest import Rest, running_rest

NOW = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)
OWNER = "3f2b8a52-6a0e-4c9b-9f39-0d9f3f1f0a11"
OTHER = "7d0e4c1c-8f2d-4c9b-8a6b-54b2b1f6e922"
SECRET = "sk-canary-value-8841"
UNKNOWN: Any = "like"


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    with running_rest() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres", "supabase"])
def database_engine(request: pytest.FixtureRequest) -> Engine:
    """The database behind the store, as the server itself reaches it."""
    if request.param == "supabase":
        running: Rest = request.getfixturevalue("rest")
        running.empty()
        return running.engine
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine


@pytest.fixture
def store(database_engine: Engine, request: pytest.FixtureRequest) -> Store:
    """A store with every right, as Ada."""
    if request.node.callspec.params["database_engine"] == "supabase":
        running: Rest = request.getfixturevalue("rest")
        token = running.token(OWNER, "Ada")
        return SupabaseStore(running.project, lambda _refused: token, clock=lambda: NOW)
    return SqlStore(database_engine, Actor("Ada", OWNER, "page"), clock=lambda: NOW, functions={"double": _double, "spoil": _spoil})


@pytest.fixture
def provider_id(store: Store) -> int:
    row = store.insert("llm_providers", [{"slug": "acme", "kind": "openai-compatible", "display_name": "Acme"}])[0]
    return int(row["id"])


def _double(connection: Connection, args: Mapping[str, Any]) -> Any:
    return connection.execute(sa.select(sa.literal(args["n"]) * 2)).scalar_one()


def _spoil(connection: Connection, args: Mapping[str, Any]) -> Any:
    connection.exec_driver_sql("UPDATE llm_providers SET display_name = 'spoilt'")
    raise InvalidValue("no")


def model(provider_id: int, key: str, **values: Any) -> dict[str, Any]:
    return {"model_key": key, "provider_id": provider_id, "upstream_id": key, "display_name": key.title(), **values}


def audit_rows(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(audit_log).order_by(audit_log.c.id)).mappings()]


def at_once(work: Callable[[int], Any], times: int, threads: int = 8) -> list[Any]:
    """Run the work from several threads that start together; an error in any of them is raised here."""
    gate = threading.Barrier(threads)

    def run(number: int) -> Any:
        if number < threads:
            gate.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(times)))


# Reading


@pytest.fixture
def shelf(store: Store, provider_id: int) -> Store:
    rows: list[dict[str, Any]] = [
        model(provider_id, "alpha", context_window=1000, is_active=True, vendor="Acme"),
        model(provider_id, "beta", context_window=2000, vendor="Öl & Co"),
        model(provider_id, "gamma", context_window=3000, is_active=True, vendor="100% pure"),
        model(provider_id, "delta", owner_id=OWNER, vendor="100x pure"),
    ]
    store.insert("llm_models", rows)
    return store


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"model_key": "beta"}, ["beta"]),
        ({"model_key": ["alpha", "gamma", "nobody"]}, ["alpha", "gamma"]),
        ({"model_key": []}, []),
        ({"owner_id": None}, ["alpha", "beta", "gamma"]),
        ({"owner_id": OWNER}, ["delta"]),
        ({"context_window": Is("ge", 2000)}, ["beta", "gamma"]),
        ({"context_window": Is("gt", 2000)}, ["gamma"]),
        ({"context_window": Is("le", 2000)}, ["alpha", "beta"]),
        ({"context_window": Is("lt", 2000)}, ["alpha"]),
        ({"model_key": Is("ne", "alpha")}, ["beta", "delta", "gamma"]),
        ({"model_key": Is("eq", "alpha")}, ["alpha"]),
        ({"model_key": Is("in", ("beta",))}, ["beta"]),
        ({"context_window": Is("is_null", True)}, ["delta"]),
        ({"context_window": Is("is_null", False)}, ["alpha", "beta", "gamma"]),
        ({"vendor": Is("ilike", "%ACME%")}, ["alpha"]),
        ({"vendor": Is("ilike", "100\\%%")}, ["gamma"]),
        ({"is_active": True, "context_window": Is("gt", 1000)}, ["gamma"]),
        ({"is_active": False}, ["beta", "delta"]),
        ({"created_at": Is("ge", NOW)}, ["alpha", "beta", "delta", "gamma"]),
        ({"created_at": Is("gt", NOW)}, []),
        ({}, ["alpha", "beta", "delta", "gamma"]),
    ],
)
def test_where_finds_exactly_the_rows_it_describes(shelf: Store, where: dict[str, Any], found: list[str]) -> None:
    assert [row["model_key"] for row in shelf.select("llm_models", where=where, order_by=["model_key"])] == found
    assert shelf.count("llm_models", where=where) == len(found)


def test_rows_come_in_the_order_asked_with_the_unknown_last_either_way(shelf: Store) -> None:
    up = shelf.select("llm_models", columns=["model_key"], order_by=["context_window"])
    down = shelf.select("llm_models", columns=["model_key"], order_by=["-context_window"])
    assert [row["model_key"] for row in up] == ["alpha", "beta", "gamma", "delta"]
    assert [row["model_key"] for row in down] == ["gamma", "beta", "alpha", "delta"]
    assert list(up[0]) == ["model_key"]


def test_all_of_1500_rows_come_back_whole_and_in_pages(store: Store) -> None:
    rows = [{"user_id": f"00000000-0000-4000-8000-{n:012d}", "display_name": f"Person {n}"} for n in range(1500)]
    store.insert("profiles", rows)
    everyone = store.select("profiles", order_by=["user_id"])
    assert [row["display_name"] for row in everyone] == [f"Person {n}" for n in range(1500)]
    paged = [row for offset in range(0, 1500, 400) for row in store.select("profiles", order_by=["user_id"], limit=400, offset=offset)]
    assert paged == everyone
    assert store.select("profiles", order_by=["user_id"], offset=1498) == everyone[1498:]
    assert store.count("profiles") == 1500


# Values


@pytest.mark.parametrize("price", ["0.075", "1E-8", "0", "0.1", "12345678901234567890.123456789012345678", "15"])
def test_prices_come_back_digit_for_digit(store: Store, provider_id: int, price: str) -> None:
    model_id = store.insert("llm_models", [model(provider_id, "m")])[0]["id"]
    written = {"model_id": model_id, "valid_from": NOW, "input": Decimal(price), "source": "manual", "created_at": NOW}
    stored = store.insert("llm_model_prices", [written])[0]["input"]
    assert isinstance(stored, Decimal)
    assert stored == Decimal(price)
    assert store.select("llm_model_prices")[0]["input"] == Decimal(price)


def test_moments_keep_their_millisecond_and_come_back_in_utc(store: Store) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    given = datetime(2026, 7, 9, 1, 2, 3, 456789, tzinfo=kolkata)
    row = store.insert("profiles", [{"user_id": OWNER, "expiry_date": given}])[0]
    assert row["expiry_date"] == datetime(2026, 7, 8, 19, 32, 3, 456000, tzinfo=UTC)
    assert row["expiry_date"].utcoffset() == timedelta(0)
    assert store.count("profiles", where={"expiry_date": given}) == 1


def test_json_booleans_and_text_of_all_scripts_come_back_as_they_went(store: Store, provider_id: int) -> None:
    settings = {"nested": {"list": [1, 2.5, None, True, "ß→🦊"], "ключ": "值"}, "empty": {}}
    row = store.insert("llm_models", [model(provider_id, "naïve—模型🦊", settings=settings, fallbacks=["a", "b"], is_active=True)])[0]
    again = store.select("llm_models", where={"model_key": "naïve—模型🦊"})[0]
    assert again == row
    assert (again["settings"], again["fallbacks"], again["is_active"], again["hidden"]) == (settings, ["a", "b"], True, False)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("llm_models", "context_window", "many"),
        ("llm_models", "context_window", 2**31),
        ("llm_models", "context_window", True),
        ("llm_models", "is_active", 1),
        ("llm_models", "display_name", 7),
        ("llm_models", "display_name", "a\0b"),
        ("llm_models", "display_name", "\ud800"),
        ("llm_models", "owner_id", "me"),
        ("llm_models", "settings", {"x": float("nan")}),
        ("llm_models", "settings", {"x": object()}),
        ("llm_models", "last_synced_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - without a timezone is the point
        ("llm_models", "last_synced_at", "yesterday"),
        ("llm_models", "id", 2**63),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_columns_name(
    store: Store, provider_id: int, table: str, column: str, value: Any
) -> None:
    with pytest.raises(InvalidValue) as refusal:
        store.insert(table, [model(provider_id, "m") | {column: value}])
    assert refusal.value.field == column
    assert str(refusal.value).startswith(f"{column} must be ")
    assert store.count(table) == 0


@pytest.mark.parametrize("price", [0.1, Decimal("NaN"), Decimal("Infinity"), "1", True])
def test_an_inexact_price_is_refused(store: Store, provider_id: int, price: Any) -> None:
    model_id = store.insert("llm_models", [model(provider_id, "m")])[0]["id"]
    with pytest.raises(InvalidValue, match="input must be an exact number"):
        store.insert("llm_model_prices", [{"model_id": model_id, "valid_from": NOW, "input": price, "source": "manual", "created_at": NOW}])


# Refusals


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda s: s.select("llm_usage_log"), "There is no table named llm_usage_log here."),
        (lambda s: s.insert("credentials", [{"scope": "system"}]), "There is no table named credentials here."),
        (lambda s: s.select("llm_models", columns=["colour"]), "llm_models has no column named colour."),
        (lambda s: s.select("llm_models", where={"colour": 1}), "llm_models has no column named colour."),
        (lambda s: s.select("llm_models", order_by=["-colour"]), "llm_models has no column named colour."),
        (lambda s: s.insert("llm_models", [{"colour": 1}]), "llm_models has no column named colour."),
        (lambda s: s.select("llm_models", where={"id": Is(UNKNOWN, 1)}), "There is no comparison named like."),
        (lambda s: s.update("llm_models", {"hidden": True}, where={}), "Refusing to change every row of llm_models: say which ones."),
        (lambda s: s.delete("llm_models", where={}), "Refusing to change every row of llm_models: say which ones."),
        (
            lambda s: s.upsert("llm_models", [{"display_name": "x"}], on=["display_name"]),
            "Rows of llm_models are not told apart by display_name.",
        ),
        (lambda s: s.call("drop_everything", {}), "There is no function named drop_everything."),
    ],
)
def test_what_the_store_does_not_know_is_refused_in_a_sentence(store: Store, attempt: Callable[[Store], Any], sentence: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        attempt(store)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"model_key": SECRET}, "This name or key is already taken; choose another."),
        ({"provider_id": 999_999}, "Something else still refers to this, or it refers to something that is gone."),
        ({"display_name": None}, "A required value is missing."),
    ],
)
def test_a_database_refusal_shows_neither_sql_nor_values(store: Store, provider_id: int, row: dict[str, Any], sentence: str) -> None:
    store.insert("llm_models", [model(provider_id, SECRET)])
    with pytest.raises(InvalidValue) as refusal:
        store.insert("llm_models", [model(provider_id, "new") | row])
    assert str(refusal.value) == sentence
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__
    if row == {"display_name": None}:
        assert refusal.value.field == "display_name"


def test_a_role_outside_the_list_is_refused(store: Store) -> None:
    with pytest.raises(InvalidValue, match="not one of those allowed"):
        store.insert("profiles", [{"user_id": OWNER, "role": "emperor"}])


def test_a_provider_with_models_cannot_be_removed(store: Store, provider_id: int) -> None:
    store.insert("llm_models", [model(provider_id, "m")])
    with pytest.raises(InvalidValue, match="Something else still refers to this"):
        store.delete("llm_providers", where={"id": provider_id})
    assert store.count("llm_providers") == 1


# Writing


def test_new_rows_carry_their_stamps_and_first_version(store: Store, provider_id: int) -> None:
    row = store.insert("llm_models", [model(provider_id, "m")])[0]
    assert (row["created_at"], row["updated_at"], row["version"]) == (NOW, NOW, 1)


def test_a_stale_version_is_refused_and_nothing_is_written(store: Store, provider_id: int) -> None:
    first = store.update("llm_providers", {"display_name": "New"}, where={"id": provider_id}, version=1)[0]
    assert first["version"] == 2
    for attempt in (
        lambda: store.update("llm_providers", {"display_name": "Late"}, where={"id": provider_id}, version=1),
        lambda: store.delete("llm_providers", where={"id": provider_id}, version=1),
        lambda: store.update("llm_providers", {"display_name": "Gone"}, where={"id": 999_999}, version=1),
    ):
        with pytest.raises(StaleVersion, match="Reload"):
            attempt()
    assert store.select("llm_providers")[0]["display_name"] == "New"
    assert store.delete("llm_providers", where={"id": provider_id}, version=2) == 1


def test_apply_does_all_or_nothing(store: Store, provider_id: int, database_engine: Engine) -> None:
    before = len(audit_rows(database_engine))
    with pytest.raises(InvalidValue):
        store.apply(
            [
                Insert("llm_models", [model(provider_id, "a")]),
                Update("llm_providers", {"display_name": "Changed"}, {"id": provider_id}),
                Insert("llm_models", [model(provider_id, "a")]),
            ]
        )
    assert store.count("llm_models") == 0
    assert store.select("llm_providers")[0]["display_name"] == "Acme"
    assert len(audit_rows(database_engine)) == before
    done = store.apply(
        [
            Insert("llm_models", [model(provider_id, "a"), model(provider_id, "b")]),
            Update("llm_models", {"is_active": True}, {"provider_id": provider_id}),
            Upsert("llm_models", [model(provider_id, "b", display_name="Bee")], ["model_key", "owner_id"]),
            Delete("llm_models", {"model_key": "a"}),
        ]
    )
    assert [[row["model_key"] for row in rows] for rows in done] == [["a", "b"], ["a", "b"], ["b"], []]
    assert [(row["display_name"], row["is_active"]) for row in store.select("llm_models")] == [("Bee", True)]


def test_a_row_refers_to_one_stored_just_before_it_in_the_same_transaction(store: Store) -> None:
    new = [{"slug": slug, "kind": "openai-compatible", "display_name": slug} for slug in ("first", "second")]
    models = [{**model(0, "a"), "provider_id": Made(0, 1)}, {**model(0, "b"), "provider_id": Made(0)}]
    price = {"valid_from": NOW, "input": Decimal("0.10"), "source": "manual"}
    done = store.apply(
        [Insert("llm_providers", new), Insert("llm_models", models), Insert("llm_model_prices", [{**price, "model_id": Made(1, 1)}])]
    )
    first, second = (row["id"] for row in done[0])
    assert [row["provider_id"] for row in done[1]] == [second, first]
    assert store.select("llm_model_prices")[0]["model_id"] == done[1][1]["id"]
    with pytest.raises(InvalidValue, match=r"taken|already|there"):
        store.apply(
            [Insert("llm_providers", [{**new[0], "slug": "third"}]), Insert("llm_models", [{**model(0, "a"), "provider_id": Made(0)}])]
        )
    assert store.count("llm_providers") == 2, "the provider went with the model that could not be"
    for lost in (Made(1), Made(0, 2), Made(-1)):
        with pytest.raises(InvalidValue, match="refers to a row that no change before it makes"):
            store.apply(
                [Insert("llm_providers", [{**new[0], "slug": "third"}]), Insert("llm_models", [{**model(0, "c"), "provider_id": lost}])]
            )
    assert store.count("llm_providers") == 2


def test_upsert_keeps_global_and_owned_rows_apart(store: Store, provider_id: int) -> None:
    on = ["model_key", "owner_id"]
    for owner in (None, OWNER, OTHER):
        first = store.upsert("llm_models", [model(provider_id, "m", owner_id=owner)], on=on)[0]
        again = store.upsert("llm_models", [model(provider_id, "m", owner_id=owner, display_name="Again")], on=on)[0]
        assert (again["id"], again["display_name"], again["version"]) == (first["id"], "Again", 2)
        assert again["created_at"] == first["created_at"]
    assert store.count("llm_models") == 3
    assert store.upsert("llm_models", [model(provider_id, "m", display_name="By key")], on=["model_key"])[0]["version"] == 3
    assert [row["display_name"] for row in store.select("llm_models", where={"owner_id": None})] == ["By key"]
    with pytest.raises(InvalidValue, match="not told apart by model_key"):
        store.upsert("llm_models", [model(provider_id, "m", owner_id=OWNER)], on=["model_key"])


def test_upsert_by_primary_key_and_by_constraint(store: Store) -> None:
    store.upsert("profiles", [{"user_id": OWNER, "display_name": "A"}], on=["user_id"])
    assert store.upsert("profiles", [{"user_id": OWNER, "display_name": "B"}], on=["user_id"])[0]["version"] == 2
    store.insert("comparisons", [{"id": OTHER, "owner_id": OWNER, "prompt": "?", "created_at": NOW}])
    vote = {"comparison_id": OTHER, "voter_id": OWNER, "created_at": NOW}
    store.upsert("votes", [vote | {"winner": "a"}], on=["comparison_id", "voter_id"])
    assert store.upsert("votes", [vote | {"winner": "b"}], on=["comparison_id", "voter_id"])[0]["winner"] == "b"
    assert store.count("votes") == 1


def test_call_answers_and_takes_everything_back_when_it_fails(store: Store, provider_id: int) -> None:
    assert store.call("double", {"n": 21}) == 42
    with pytest.raises(InvalidValue, match="no"):
        store.call("spoil", {})
    assert store.select("llm_providers", where={"id": provider_id})[0]["display_name"] == "Acme"


def test_update_and_delete_of_nothing_do_nothing(store: Store) -> None:
    assert store.update("llm_models", {"hidden": True}, where={"id": 5}) == []
    assert store.delete("llm_models", where={"id": 5}) == 0


# The default model


def test_a_new_default_takes_the_flag_from_the_old_one_of_the_same_owner(store: Store, provider_id: int) -> None:
    def defaults() -> set[str]:
        return {row["model_key"] for row in store.select("llm_models", where={"is_default": True})}

    store.insert("llm_models", [model(provider_id, "a", is_default=True), model(provider_id, "b", is_default=True)])
    store.insert("llm_models", [model(provider_id, "mine", owner_id=OWNER, is_default=True)])
    assert defaults() == {"b", "mine"}
    store.update("llm_models", {"is_default": True}, where={"model_key": "a"})
    assert defaults() == {"a", "mine"}
    store.update("llm_models", {"is_default": True}, where={"model_key": "a"})
    assert defaults() == {"a", "mine"}
    store.upsert("llm_models", [model(provider_id, "a", is_default=True)], on=["model_key"])
    store.upsert("llm_models", [model(provider_id, "c", is_default=True)], on=["model_key"])
    assert defaults() == {"c", "mine"}
    assert store.select("llm_models", where={"model_key": "a"})[0]["updated_at"] == NOW


def test_ten_admins_choosing_a_default_at_once_leave_exactly_one(store: Store, provider_id: int) -> None:
    ids = [row["id"] for row in store.insert("llm_models", [model(provider_id, f"m{n}") for n in range(10)])]
    at_once(lambda n: store.update("llm_models", {"is_default": True}, where={"id": ids[n % 10]}), 40)
    assert store.count("llm_models", where={"is_default": True}) == 1


# Records


def test_prices_are_added_to_never_changed_and_leave_only_with_their_model(store: Store, provider_id: int) -> None:
    model_id = store.insert("llm_models", [model(provider_id, "m")])[0]["id"]
    store.insert(
        "llm_model_prices", [{"model_id": model_id, "valid_from": NOW, "input": Decimal(1), "source": "manual", "created_at": NOW}]
    )
    sentence = "This is a record: it can be added to, but what it holds cannot be changed or removed."
    for attempt in (
        lambda: store.update("llm_model_prices", {"input": Decimal(2)}, where={"model_id": model_id}),
        lambda: store.delete("llm_model_prices", where={"model_id": model_id}),
    ):
        with pytest.raises(InvalidValue) as refusal:
            attempt()
        assert str(refusal.value) == sentence
    assert store.select("llm_model_prices")[0]["input"] == Decimal(1)
    store.delete("llm_models", where={"id": model_id})
    assert store.count("llm_model_prices") == 0


def test_each_change_is_in_the_audit_log_with_who_what_and_before(store: Store, provider_id: int, database_engine: Engine) -> None:
    store.update("llm_providers", {"display_name": "Acme Inc"}, where={"id": provider_id})
    store.update("llm_providers", {"display_name": "Acme Inc"}, where={"id": provider_id})
    store.delete("llm_providers", where={"id": provider_id})
    store.insert("conversations", [{"id": OTHER, "owner_id": OWNER}])
    rows = audit_rows(database_engine)
    assert [row["action"] for row in rows] == ["llm_providers.insert", "llm_providers.update", "llm_providers.delete"]
    assert {(row["actor"], row["actor_id"], row["origin"]) for row in rows} == {("Ada", OWNER, "page")}
    # on Supabase, where a person could write past the server, the database's own clock counts
    moment = NOW if isinstance(store, SqlStore) else utc_now()
    assert all(abs(row["at"] - moment) < timedelta(minutes=1) for row in rows)
    assert (rows[1]["before"], rows[1]["after"]) == ({"display_name": "Acme"}, {"display_name": "Acme Inc"})
    assert {row["subject_id"] for row in rows} == {str(provider_id)}
    assert [row["hash"] for row in rows] == [entry_hash(row) for row in rows]
    assert [row["previous_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]


def test_entries_of_one_transaction_carry_one_moment_and_those_of_the_next_another(
    store: Store, provider_id: int, database_engine: Engine
) -> None:
    store.insert("llm_models", [model(provider_id, f"m{n}") for n in range(3)])
    store.apply([Update("llm_models", {"is_active": True}, {"model_key": f"m{n}"}) for n in range(3)])
    with writing(database_engine).begin() as connection:  # the server's own entry, between two of the store
        append_entry(connection, audit_rows(database_engine)[-1]["at"], Actor("Ada", OWNER), "account.invite", "profiles", OTHER, None, {})
    store.apply([Update("llm_models", {"is_active": False}, {"model_key": f"m{n}"}) for n in range(3)])
    moments = [row["at"] for row in audit_rows(database_engine)]
    assert [moments.count(at) for at in dict.fromkeys(moments)] == [1, 3, 3, 1, 3]
    assert moments == sorted(moments), "a change that came later must not look as if it came before"
    assert verify(database_engine).problems == ()


def test_a_look_at_the_provider_is_no_change(store: Store, provider_id: int, database_engine: Engine) -> None:
    store.insert("llm_models", [model(provider_id, "m")])
    before = len(audit_rows(database_engine))
    store.update("llm_models", {"last_synced_at": NOW}, where={"model_key": "m"})
    assert len(audit_rows(database_engine)) == before


def test_what_goes_with_a_model_is_in_the_audit_log_digit_for_digit(store: Store, provider_id: int, database_engine: Engine) -> None:
    model_id = store.insert("llm_models", [model(provider_id, "m")])[0]["id"]
    price = {"model_id": model_id, "valid_from": NOW, "input": Decimal("0.10"), "source": "manual", "tiers": [{"above": 5, "input": "0.2"}]}
    stored = store.insert("llm_model_prices", [price, {**price, "input": Decimal(3)}])
    store.delete("llm_models", where={"id": model_id})
    gone = audit_rows(database_engine)[-3:]
    assert [row["action"] for row in gone] == ["llm_models.delete", "llm_model_prices.delete", "llm_model_prices.delete"]
    assert len({row["at"] for row in gone}) == 1
    row, first, second = (entry["before"] for entry in gone)
    assert [first["input"], second["input"]] == ["0.10", "3"]
    assert first["id"] == stored[0]["id"] and first["tiers"] == price["tiers"] and row["model_key"] == "m"
    assert [set(first), set(row)] == [{c.name for c in metadata.tables[name].columns} for name in ("llm_model_prices", "llm_models")]
    for name in ("valid_from", "created_at"):
        assert datetime.fromisoformat(first[name]) == stored[0][name]


def test_numbers_of_any_size_leave_the_chain_whole(store: Store, provider_id: int, database_engine: Engine) -> None:
    settings = {"big": 1e20, "huge": 10**25, "small": 1e-8, "whole": 3.0, "minus": -0.0, "max": 2**53 + 1}
    store.update("llm_providers", {"settings": settings}, where={"id": provider_id})
    assert verify(database_engine).problems == ()


def test_many_writers_make_one_unbroken_chain_without_deadlock(store: Store, provider_id: int, database_engine: Engine) -> None:
    ids = [row["id"] for row in store.insert("llm_models", [model(provider_id, f"m{n}") for n in range(6)])]

    def work(number: int) -> None:
        first, second = ids[number % 6], ids[(number * 5 + 1) % 6]
        store.apply(
            [
                Update("llm_models", {"display_order": number}, {"id": first}),
                Update("llm_models", {"context_window": number}, {"id": second}),
            ]
        )

    at_once(work, 60)
    report = verify(database_engine)
    assert report.problems == ()
    assert report.counts["audit_log"] == len(audit_rows(database_engine)) > 60


@pytest.mark.parametrize("table", ["llm_providers", "conversations"])
def test_no_update_is_lost_when_many_change_the_same_row(store: Store, provider_id: int, table: str) -> None:
    where = {"id": provider_id if table == "llm_providers" else OTHER}
    store.insert("conversations", [{"id": OTHER, "owner_id": OWNER}])

    def add_one(_number: int) -> None:
        while True:
            row = store.select(table, where=where)[0]
            try:
                store.update(table, {"settings": {"n": row["settings"].get("n", 0) + 1}}, where=where, version=row["version"])
            except StaleVersion:
                continue
            return

    at_once(add_one, 40, threads=6)
    row = store.select(table, where=where)[0]
    assert (row["settings"], row["version"]) == ({"n": 40}, 41)


def test_entries_the_server_itself_adds_queue_up_too(database_engine: Engine) -> None:
    def add(number: int) -> None:
        with writing(database_engine).begin() as connection:
            append_entry(connection, NOW, Actor("Ada"), "key.set", "credentials", str(number), None, {"preview": "sk-…41"})

    at_once(add, 40)
    report = verify(database_engine)
    assert (report.problems, report.counts["audit_log"]) == ((), 40)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'Nobody'",
        "DELETE FROM audit_log",
        "UPDATE hint_events SET event = 'x'",
        "DELETE FROM hint_events",
        "UPDATE llm_model_prices SET input = '5'",
        "INSERT INTO audit_log (id, at, actor, action, subject, previous_hash, hash)"
        " SELECT 7, at, actor, action, subject, hash, hash FROM audit_log WHERE id = 2",
        "INSERT INTO audit_log (id, at, actor, action, subject, previous_hash, hash)"
        " SELECT 3, at, actor, action, subject, previous_hash, hash FROM audit_log WHERE id = 2",
    ],
)
def test_records_withstand_plain_sql(store: Store, provider_id: int, database_engine: Engine, statement: str) -> None:
    model_id = store.insert("llm_models", [model(provider_id, "m")])[0]["id"]
    with database_engine.begin() as connection:
        at = "1" if connection.dialect.name == "sqlite" else "now()"
        connection.exec_driver_sql(f"INSERT INTO hint_events (at, provider, model, event) VALUES ({at}, 'p', 'm', 'e')")
        price = f"INSERT INTO llm_model_prices (model_id, valid_from, source, created_at) VALUES ({model_id}, {at}, 'manual', {at})"
        connection.exec_driver_sql(price)
    kept = audit_rows(database_engine)
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), database_engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert audit_rows(database_engine) == kept


@pytest.mark.parametrize("table", ["audit_log", "hint_events", "llm_model_prices", "llm_usage_log"])
def test_truncate_is_refused_on_postgres(postgres_engine: Engine, table: str) -> None:
    with pytest.raises(sa.exc.IntegrityError), postgres_engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {table}")
