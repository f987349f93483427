"""Many models changed at once: all or none, as the diff said, and taken back exactly; copies and ends of models."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from lib.errors import InvalidValue, StaleVersion, UnknownModel
from lib.pricing import Price
from lib.registry import BulkChange, Registry
from lib.store.base import Insert
from tests.registry.conftest import House

MANY = 500


@pytest.fixture
def house(database_engine: Engine, tmp_path: Path) -> House:
    """A seeded registry, on the embedded file and on a real Postgres."""
    made = House(tmp_path, database_engine)
    made.registry().seed()
    return made


def states(registry: Registry) -> dict[str, Any]:
    """Return all that a bulk change may touch, by model; of a price what it charges and where it came from."""
    return {m.model_key: (m.is_active, m.hidden, m.fallbacks, m.display_order, priced(m.price)) for m in registry.models()}


def priced(price: Price | None) -> Any:
    rates = None if price is None else [*price.items(), price.tiers, dict(price.extra_rates)]
    return None if price is None or all(rate is None for _, rate in price.items()) else rates


def test_a_plan_writes_nothing_names_each_difference_and_leaves_out_what_stays(house: House) -> None:
    registry = house.registry()
    before, revision = states(registry), registry.revision()
    on, off = registry.get("demo-chat"), registry.get("gpt-4o")
    plan = registry.plan([on.id, off.id], BulkChange(is_active=True, hidden=False, fallbacks=("demo-chat", "demo-reasoner")))
    assert [(e.name, e.field, e.before, e.after) for e in plan.edits] == [
        (off.display_name, "is_active", False, True),
        (off.display_name, "fallbacks", (), ("demo-chat", "demo-reasoner")),
        (on.display_name, "fallbacks", (), ("demo-reasoner",)),
    ]
    assert plan.models == 2
    assert (states(registry), registry.revision()) == (before, revision)


def test_every_kind_of_change_is_applied_and_undone_exactly(house: House) -> None:
    registry = house.registry()
    ids = [m.id for m in registry.models() if m.provider.slug in ("openai", "anthropic", "vllm")]
    before = states(registry)
    change = BulkChange(is_active=True, hidden=True, fallbacks=("demo-chat",), first_place=3, price_factor=Decimal("1.1"))
    plan = registry.plan(ids, change)
    undo = registry.apply(plan)
    now = {m.id: m for m in registry.models()}
    assert all(now[i].is_active and now[i].hidden and now[i].fallbacks == ("demo-chat",) for i in ids)
    assert [now[i].display_order for i in ids] == list(range(3, 3 + 10 * len(ids), 10))
    mini, was = registry.get("gpt-4o-mini").price, before["gpt-4o-mini"][4]
    assert mini is not None and mini.input == Decimal("1.1") * dict(was[:6])["input"]
    assert registry.get("vllm-custom").price is None, "there was nothing to multiply"
    assert registry.undo(undo) == plan.models
    assert states(registry) == before


def test_a_price_set_on_models_without_one_is_unpriced_again_after_undo_and_the_history_stays(house: House) -> None:
    registry = house.registry()
    model = registry.get("vllm-custom")
    undo = registry.apply(registry.plan([model.id], BulkChange(price=Price(input=Decimal(1), output=Decimal(2)))))
    price = registry.get(model.id).price
    assert price is not None and price.output == 2
    registry.undo(undo)
    assert priced(registry.get(model.id).price) is None
    assert [p.input for p in registry.prices(model.id)] == [Decimal(1), None]


@pytest.mark.parametrize("change", [BulkChange(is_active=True), BulkChange(price_factor=Decimal(2))], ids=["switch", "price"])
def test_a_model_changed_since_the_plan_stops_all_of_it_and_so_does_one_changed_since_the_change(house: House, change: BulkChange) -> None:
    registry = house.registry()
    ids = [registry.get(key).id for key in ("gpt-4o", "gpt-4.1", "gpt-4o-mini")]
    plan = registry.plan(ids, change)
    registry.update_model(ids[1], display_name="Theirs")
    before = states(registry)
    with pytest.raises(StaleVersion):
        registry.apply(plan)
    assert states(registry) == before
    undo = registry.apply(registry.plan(ids, change))
    registry.update_model(ids[2], display_name="Theirs too")
    after = states(registry)
    with pytest.raises(StaleVersion):
        registry.undo(undo)
    assert states(registry) == after


def test_one_that_is_gone_stops_all_of_it(house: House) -> None:
    registry = house.registry()
    ids = [registry.get(key).id for key in ("gpt-4o", "gpt-4.1")]
    plan = registry.plan(ids, BulkChange(is_active=True))
    registry.delete_model(ids[0])
    with pytest.raises(UnknownModel):
        registry.apply(plan)
    assert not registry.get(ids[1]).is_active


def test_a_price_that_cannot_be_is_refused_before_anything_is_written(house: House) -> None:
    registry = house.registry()
    for change in (
        BulkChange(price_factor=Decimal(-1)),
        BulkChange(price_factor=Decimal("NaN")),
        BulkChange(price=Price(input=Decimal(-1))),
    ):
        with pytest.raises(InvalidValue):
            registry.plan([registry.get("gpt-4o").id], change)


def test_five_hundred_models_change_in_one_transaction_and_are_undone_exactly(house: House) -> None:
    registry = house.registry()
    provider = registry.provider("openai").id
    rows = [
        {"model_key": f"m-{n}", "upstream_id": f"m-{n}", "display_name": f"M {n}", "provider_id": provider, "display_order": 500 + n}
        for n in range(MANY)
    ]
    ids = [row["id"] for row in house.store.apply([Insert("llm_models", rows)])[0]]
    before = states(registry)
    undo = registry.apply(registry.plan(ids, BulkChange(is_active=True, hidden=True, first_place=9_000)))
    assert undo.models == MANY
    assert sum(m.is_active and m.hidden for m in registry.models()) == MANY
    assert registry.undo(undo) == MANY
    assert states(registry) == before


def test_deleting_a_model_takes_it_out_of_fallbacks_and_names_them_before(house: House) -> None:
    registry = house.registry()
    gone, other = registry.get("demo-chat"), registry.get("gpt-4o")
    registry.update_model(other.id, fallbacks=["demo-chat", "demo-reasoner"])
    registry.set_default(gone.id)
    found = registry.dependents(gone.id)
    assert (found.fallback_of, found.is_default, found.prices, found.conversations) == (("gpt-4o",), True, 1, 0)
    registry.delete_model(gone.id)
    assert registry.get("gpt-4o").fallbacks == ("demo-reasoner",)


def test_a_stale_delete_leaves_the_fallbacks_of_others_alone(house: House) -> None:
    registry = house.registry()
    gone, other = registry.get("demo-chat"), registry.get("gpt-4o")
    registry.update_model(other.id, fallbacks=["demo-chat"])
    registry.update_model(gone.id, display_name="Theirs")
    with pytest.raises(StaleVersion):
        registry.delete_model(gone.id, version=gone.version)
    assert registry.get("gpt-4o").fallbacks == ("demo-chat",)


def test_copies_get_keys_of_their_own_and_the_prices_from_now_on(house: House) -> None:
    registry = house.registry()
    model = registry.get("gpt-4o-mini")
    first, second = registry.duplicate_model(model.id), registry.duplicate_model(model.id)
    assert (first.model_key, second.model_key) == ("gpt-4o-mini-copy", "gpt-4o-mini-copy-2")
    assert priced(first.price) == priced(model.price)
    assert not first.is_active


def test_a_provider_with_models_is_not_deleted_and_an_empty_one_goes(house: House) -> None:
    registry = house.registry()
    registry.add_provider("house", "openai-compatible", base_url="http://127.0.0.1:9/v1")
    model = registry.add_model("house", "some-model")
    with pytest.raises(InvalidValue, match="still has 1 models"):
        registry.delete_provider("house")
    registry.delete_model(model.id)
    registry.delete_provider("house")
    assert "house" not in [p.slug for p in registry.providers()]
