"""A recorded change taken back: exactly, by whoever sees it later, and not at all where somebody changed it since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from lib.access import LOCAL_ADMIN
from lib.errors import StaleVersion
from lib.pricing import Price
from lib.registry import BulkChange, Registry, undo
from lib.registry.undo_values import UndoPlan
from lib.store import audit_reading
from lib.store.audit_reading import AuditChange, AuditFilters
from lib.store.base import Insert
from lib.store.schema import conversations, credentials
from lib.store.verify import verify
from tests.registry.conftest import House, copy_of

MANY = 500
NOTHING = "There is nothing left to take back."


@pytest.fixture
def house(database_engine: Engine, tmp_path: Path) -> House:
    """A seeded registry, on the embedded file and on a real Postgres."""
    made = House(tmp_path, database_engine)
    made.registry().seed()
    return made


def newest(house: House) -> AuditChange:
    """Return the last change, whole."""
    with house.engine.connect() as connection:
        (found,) = audit_reading.page(connection, AuditFilters(), limit=1).changes
        whole = audit_reading.change(connection, found.first)
        assert whole is not None
        return whole


def planned(house: House, change: AuditChange | int) -> UndoPlan:
    with house.engine.connect() as connection:
        whole = change if isinstance(change, AuditChange) else audit_reading.change(connection, change)
        assert whole is not None
        return undo.plan(connection, whole, LOCAL_ADMIN.user_id, house.now, "Ada")


def take_back(house: House, change: AuditChange | int | None = None) -> UndoPlan:
    """Take a change back, the last one unless given."""
    plan = planned(house, change if change is not None else newest(house))
    assert plan.refusals == ()
    house.now += timedelta(seconds=1)
    house.store.apply(plan.changes)
    return plan


def state(house: House) -> Any:
    """Return all that an export holds, and every model's id and price; a price that came back is dated anew."""
    exported = house.registry().export()
    for model in exported["models"]:
        if model["price"]:
            model["price"].pop("valid_from")
            if all(model["price"].get(name) is None for name in ("input", "output", "cache_read", "reasoning")):
                model["price"] = None  # there was none, then there was one: its calls are unpriced again
    del exported["exported_at"]
    ids = {m.model_key: (m.id, m.is_default) for m in house.registry().models()}
    return exported, ids, {p.slug: p.id for p in house.registry().providers()}


def choose_twice(registry: Registry) -> None:
    registry.set_default(registry.get("demo-chat").id)
    registry.set_default(registry.get("demo-reasoner").id)


def choose_and_clear(registry: Registry) -> None:
    registry.set_default(registry.get("demo-chat").id)
    registry.set_default(None)


def delete_a_fallback(registry: Registry) -> None:
    registry.update_model(registry.get("gpt-4o").id, fallbacks=["gpt-4o-mini"])
    registry.delete_model(registry.get("gpt-4o-mini").id)


def add_and_delete_a_provider(registry: Registry) -> None:
    registry.add_provider("house", "openai-compatible", base_url="http://127.0.0.1:9/v1")
    registry.delete_provider("house")


def bring_in(registry: Registry) -> None:
    """Import a file that brings a provider with a model and a price, and changes a model that is there."""
    document = registry.export()
    provider = {"slug": "house", "kind": "openai-compatible", "display_name": "House", "base_url": "http://127.0.0.1:9/v1"}
    document["providers"].append({**document["providers"][0], **provider, "settings": {}})
    known = next(m for m in document["models"] if m["model_key"] == "gpt-4o")
    document["models"].append({**known, "model_key": "brought", "provider": "house", "is_default": False})
    known["display_name"], known["fallbacks"] = "Brought in", ["brought"]
    registry.import_(document)


EDIT: dict[str, Any] = {"display_name": "Mine", "context_window": 5, "fallbacks": ["demo-chat"], "defaults": {"top_p": 0.5}}
BULK = BulkChange(is_active=True, hidden=True, first_place=7, price_factor=Decimal("1.1"))
CHANGES: dict[str, Callable[[Registry], object]] = {
    "switch": lambda r: r.set_active([r.get("gpt-4o").id, r.get("gpt-4.1").id], True),
    "edit": lambda r: r.update_model(r.get("gpt-4o").id, **EDIT),
    "default": choose_twice,
    "no default": choose_and_clear,
    "order": lambda r: r.reorder([r.get("demo-chat").id, r.get("gpt-4o").id, r.get("gpt-4.1").id]),
    "price": lambda r: r.set_price(r.get("gpt-4o").id, Price(input=Decimal("2.5"), output=Decimal("0.10"))),
    "first price": lambda r: r.set_price(r.get("vllm-custom").id, Price(input=Decimal(1))),
    "add": lambda r: r.add_model("openai", "brand-new", model_key="brand-new"),
    "delete": delete_a_fallback,
    "add provider": lambda r: r.add_provider("house", "openai-compatible", base_url="http://127.0.0.1:9/v1"),
    "delete provider": add_and_delete_a_provider,
    "provider": lambda r: r.set_provider("openai", display_name="Ours", base_url="http://127.0.0.1:9/v1", is_active=False),
    "import": bring_in,
    "bulk": lambda r: r.apply(r.plan([m.id for m in r.models()], BULK)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_is_taken_back_exactly_and_made_again_by_taking_that_back(house: House, what: str) -> None:
    states, changes = [state(house)], list[AuditChange]()
    marked = newest(house).last
    CHANGES[what](house.registry())
    with house.engine.connect() as connection:
        found = audit_reading.page(connection, AuditFilters(), limit=20).changes
    steps = [change for change in found if change.first > marked]
    after = state(house)
    for change in steps:  # the newest first
        take_back(house, change.first)
        changes.append(newest(house))
        states.append(state(house))
    assert states[-1] == states[0]
    for change in reversed(changes):
        take_back(house, change)
    assert state(house) == after
    assert verify(house.engine).problems == ()


def test_five_hundred_models_changed_together_are_one_change_and_taken_back_exactly(house: House) -> None:
    registry, provider = house.registry(), house.registry().provider("openai").id
    rows = [
        {"model_key": f"m-{n}", "upstream_id": f"m-{n}", "display_name": f"M {n}", "provider_id": provider, "display_order": 500 + n}
        for n in range(MANY)
    ]
    ids = [row["id"] for row in house.store.apply([Insert("llm_models", rows)])[0]]
    before = state(house)
    registry.apply(registry.plan(ids, BulkChange(is_active=True, hidden=True, first_place=9_000, price=Price(input=Decimal(1)))))
    change = newest(house)
    assert change.count == 2 * MANY, "the models and their prices"
    plan = take_back(house, change)
    assert len({line.subject_id for line in plan.lines}) == MANY
    assert state(house) == before
    take_back(house)
    assert sum(m.is_active and m.hidden for m in registry.models()) == MANY


def test_a_change_that_came_to_nothing_says_that_there_is_nothing_to_take_back(house: House) -> None:
    registry = house.registry()
    model = registry.get("demo-chat")
    registry.set_default(model.id)
    registry.set_default(model.id)
    assert planned(house, newest(house)).refusals == (NOTHING,)


def test_a_field_somebody_changed_since_refuses_the_whole_and_says_which_and_who(house: House) -> None:
    registry = house.registry()
    ids = [registry.get(key).id for key in ("gpt-4o", "gpt-4.1")]
    registry.set_active(ids, True)
    change = newest(house)
    registry.update_model(ids[0], display_name="Another field")
    assert planned(house, change).refusals == ()
    registry.set_active([ids[1]], False)
    before = state(house)
    plan = planned(house, change)
    assert plan.changes == ()
    (said,) = plan.refusals
    assert said.startswith(f"{registry.get(ids[1]).display_name}: on or off was changed since by Ada, ")
    assert state(house) == before


def test_a_change_between_the_look_and_the_undo_is_refused_by_the_store_with_nothing_written(house: House) -> None:
    registry = house.registry()
    ids = [registry.get(key).id for key in ("gpt-4o", "gpt-4.1")]
    registry.set_active(ids, True)
    plan = planned(house, newest(house))
    registry.update_model(ids[1], display_name="Theirs")
    before = state(house)
    with pytest.raises(StaleVersion):
        house.store.apply(plan.changes)
    assert state(house) == before


def test_a_model_that_others_depend_on_by_now_is_not_taken_away(house: House) -> None:
    registry = house.registry()
    model = registry.add_model("openai", "brand-new", model_key="brand-new", display_name="Brand new")
    change = newest(house)
    other = registry.get("gpt-4o")
    registry.update_model(other.id, fallbacks=["brand-new"])
    with house.engine.begin() as connection:
        values = {
            "id": LOCAL_ADMIN.user_id,
            "owner_id": LOCAL_ADMIN.user_id,
            "model_id": model.id,
            "created_at": house.now,
            "updated_at": house.now,
        }
        connection.execute(sa.insert(conversations).values(values))
        key = {"scope": "model", "subject": f"model:{model.id}", "provider_id": model.provider.id, "model_id": model.id, "origin": "x"}
        key |= {"ciphertext": "x", "preview": "x", "key_id": "x", "created_at": house.now, "updated_at": house.now}
        connection.execute(sa.insert(credentials).values(key))
    assert sorted(planned(house, change).refusals) == [
        "1 conversation was held with Brand new by now.",
        "Brand new has a key by now. Remove it first; a key cannot be brought back.",
        f"Brand new is a fallback of {other.display_name} by now.",
    ]


def test_a_provider_with_models_by_now_is_not_taken_away(house: House) -> None:
    registry = house.registry()
    registry.add_provider("house", "openai-compatible", display_name="House", base_url="http://127.0.0.1:9/v1")
    change = newest(house)
    registry.add_model("house", "some-model", display_name="Some model")
    assert planned(house, change).refusals == ("House has models by now, such as Some model.",)


def test_a_deleted_model_comes_back_under_its_number_with_its_prices_and_as_a_fallback(house: House) -> None:
    registry = house.registry()
    model = registry.get("gpt-4o-mini")
    registry.set_price(model.id, Price(input=Decimal("0.10")), valid_from=house.now + timedelta(days=3))
    registry.update_model(registry.get("gpt-4o").id, fallbacks=["gpt-4o-mini", "demo-chat"])
    prices = registry.prices(model.id)
    registry.delete_model(model.id)
    plan = take_back(house)
    assert plan.notes == ("Keys do not come back: paste them again.",)
    assert registry.prices(model.id) == prices, "their numbers and dates too: logged calls point to them"
    assert registry.get("gpt-4o").fallbacks == ("gpt-4o-mini", "demo-chat")


def test_a_price_whose_number_was_given_to_another_meanwhile_is_found_and_taken_back(house: House) -> None:
    """SQLite gives the number of the last row that went to the next one."""
    registry = house.registry()
    model = registry.get("demo-reasoner")
    before = state(house)
    registry.set_price(model.id, Price(input=Decimal("0.62")))
    priced = newest(house)
    house.now += timedelta(seconds=1)
    registry.set_price(model.id, Price(input=Decimal("0.63")))
    again = newest(house)
    registry.delete_model(model.id)
    deleted = newest(house)
    registry.set_price(registry.get("demo-chat").id, Price(input=Decimal(9)))
    take_back(house)
    for change in (deleted, again, priced):
        take_back(house, change)
    assert state(house) == before


def test_what_cannot_come_back_says_what_is_in_its_place(house: House) -> None:
    registry = house.registry()
    registry.add_provider("house", "openai-compatible", display_name="House", base_url="http://127.0.0.1:9/v1")
    model = registry.add_model("house", "some-model", model_key="some-model", display_name="Some model")
    registry.add_model("openai", "later")  # so that SQLite does not give the same number again
    registry.delete_model(model.id)
    gone = newest(house)
    registry.add_model("openai", "another", model_key="some-model", display_name="Another")
    assert planned(house, gone).refusals == ("some-model is the key of Another by now. Give that another one first.",)
    registry.delete_model(registry.get("some-model").id)
    registry.delete_provider("house")
    assert planned(house, gone).refusals == ("The provider of Some model was deleted. Take that back first.",)
    take_back(house)
    take_back(house, gone)
    assert registry.get("some-model").id == model.id
    assert planned(house, gone).refusals == ("Some model is there again.",)


def test_a_default_that_went_comes_back_beside_the_new_one(house: House) -> None:
    registry = house.registry()
    gone, other = registry.get("gpt-4o-mini"), registry.get("demo-chat")
    registry.set_default(gone.id)
    registry.delete_model(gone.id)
    change = newest(house)
    registry.set_default(other.id)
    plan = take_back(house, change)
    assert f"{gone.display_name} was the default; {other.display_name} stays it." in plan.notes
    assert registry.get(other.id).is_default and not registry.get(gone.id).is_default


def test_a_default_taken_by_another_model_since_is_not_taken_from_it(house: House) -> None:
    registry = house.registry()
    first, other = registry.get("gpt-4o-mini"), registry.get("demo-chat")
    registry.set_default(first.id)
    registry.set_default(None)
    change = newest(house)
    registry.set_default(other.id)
    assert planned(house, change).refusals == (f"{other.display_name} is the default by now.",)


def test_a_price_replaced_since_is_left_and_one_announced_is_called_off_on_its_day(house: House) -> None:
    registry = house.registry()
    model = registry.get("gpt-4o")
    assert model.price is not None
    day = house.now + timedelta(days=10)
    registry.set_price(model.id, Price(input=Decimal(99)), valid_from=day)
    take_back(house)
    house.now = day + timedelta(minutes=1)
    now = registry.get(model.id).price
    assert now is not None and now.items() == model.price.items()
    registry.set_price(model.id, Price(input=Decimal(5)))
    change = newest(house)
    registry.set_price(model.id, Price(input=Decimal(6)))
    assert planned(house, change).refusals == (f"Another price of {model.display_name} was set since by Local admin.",)


def test_another_persons_model_is_left_to_them(house: House) -> None:
    (row,) = house.store.insert(
        "llm_models",
        [
            {
                **{"model_key": "own", "upstream_id": "own", "display_name": "Own"},
                **{"provider_id": house.registry().provider("openai").id, "owner_id": "3f2b8a52-6a0e-4c9b-9f39-0d9f3f1f0a11"},
            }
        ],
    )
    assert planned(house, newest(house)).refusals == ("It belongs to one person, and only they change it.",)
    house.store.delete("llm_models", where={"id": row["id"]})
    assert planned(house, newest(house)).refusals == ("It belongs to one person, and only they change it.",)


KEYS = ("gpt-4o", "gpt-4.1", "gpt-4o-mini", "demo-chat", "demo-reasoner", "extra-0", "extra-1")
MODELS = st.sampled_from(KEYS)
RATES = st.decimals(min_value=0, max_value=100, places=3)
STEPS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just("switch"), st.sets(MODELS, min_size=1), st.booleans()),
    st.tuples(st.just("edit"), MODELS, st.sampled_from(["A", "B"]), st.lists(MODELS, max_size=2, unique=True)),
    st.tuples(st.just("price"), MODELS, RATES),
    st.tuples(st.just("default"), st.one_of(st.none(), MODELS)),
    st.tuples(st.just("delete"), MODELS),
    st.tuples(st.just("add"), st.integers(0, 1)),
    st.tuples(st.just("reorder"), st.lists(MODELS, min_size=2, unique=True)),
    st.tuples(st.just("provider"), st.sampled_from(["Ours", "Theirs"]), st.booleans()),
    st.tuples(st.just("bulk"), st.booleans(), RATES),
    st.tuples(st.just("undo")),
)


def step(house: House, what: str, *given: Any) -> None:
    registry = house.registry()
    there = {m.model_key: m.id for m in registry.models() if m.model_key in KEYS}

    def ids(keys: Any) -> list[int]:
        return [there[key] for key in keys if key in there]

    match what:
        case "switch" | "reorder" if ids(given[0]):
            registry.set_active(ids(given[0]), given[1]) if what == "switch" else registry.reorder(ids(given[0]))
        case "edit" if given[0] in there:
            registry.update_model(there[given[0]], display_name=given[1], fallbacks=[key for key in given[2] if key in there])
        case "price" if given[0] in there:
            registry.set_price(there[given[0]], Price(input=given[1]))
        case "default" if given[0] is None or given[0] in there:
            registry.set_default(there.get(given[0]))
        case "delete" if given[0] in there:
            registry.delete_model(there[given[0]])
        case "add" if f"extra-{given[0]}" not in there:
            registry.add_model("openai", f"extra-{given[0]}", model_key=f"extra-{given[0]}", price=Price(input=Decimal(1)))
        case "provider":
            registry.set_provider("openai", display_name=given[0], is_active=given[1])
        case "bulk":
            registry.apply(registry.plan(list(there.values()), BulkChange(is_active=given[0], price_factor=given[1], hidden=True)))
        case "undo":
            plan = planned(house, newest(house))
            if not plan.refusals:
                house.store.apply(plan.changes)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=9))
def test_any_sequence_of_changes_taken_back_from_the_last_to_the_first_leaves_the_registry_as_it_was(
    steps: list[tuple[Any, ...]], seeded_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    house = copy_of(seeded_template, tmp_path_factory.mktemp("steps"))
    before, marked = state(house), newest(house).last
    for one in steps:
        house.now += timedelta(seconds=1)
        step(house, *one)
    with house.engine.connect() as connection:
        found = audit_reading.page(connection, AuditFilters(), limit=200).changes
    for change in found:
        # the default chosen once more came and went within one change: there is nothing to take back
        if change.first > marked and planned(house, change.first).refusals != (NOTHING,):
            take_back(house, change.first)
    assert state(house) == before
    assert verify(house.engine).problems == ()
    house.engine.dispose()
