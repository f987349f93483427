"""Stored prices: dated, kept digit for digit, and the right one for the moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from lib.errors import InvalidValue
from lib.pricing import Price, Rates, Tier, price_at, price_history, prices_at
from lib.pricing.prices import adding, price_from_json, price_to_json
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.schema import metadata
from lib.store.sql import SqlStore

D = Decimal
DAY = datetime(2026, 3, 1, tzinfo=UTC)
FULL = Price(
    input=D("0.075"),
    output=D("1.0399999999999998"),
    cache_read=D("0.00000001"),
    cache_write_5m=D("3.75"),
    cache_write_1h=D(6),
    reasoning=D("2.50"),
    tiers=(Tier(200_000, Rates(input=D("0.15"))),),
    extra_rates={"web_searches": D("0.01")},
    source="seed",
    source_detail="a list",
)


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path / 'prices.db'}"))
    metadata.create_all(engine)
    store = SqlStore(engine, Actor("test"), clock=lambda: DAY)
    provider = store.insert("llm_providers", [{"slug": "p", "kind": "openai", "display_name": "P"}])[0]["id"]
    for key in ("one", "two"):
        store.insert("llm_models", [{"model_key": key, "provider_id": provider, "upstream_id": key, "display_name": key}])
    return store


def test_a_price_comes_back_digit_for_digit(store: SqlStore) -> None:
    store.apply([adding(1, FULL, DAY, "me")])
    stored = price_at(store, 1, DAY)
    assert stored is not None
    assert (stored.id, stored.model_id, stored.valid_from) == (1, 1, DAY)
    assert dict(stored.items()) == dict(FULL.items())
    assert (stored.tiers, stored.extra_rates, stored.source_detail) == (FULL.tiers, FULL.extra_rates, "a list")


def test_the_price_in_force_is_the_latest_begun_and_of_one_date_the_last_added(store: SqlStore) -> None:
    for days, amount in ((0, 1), (10, 2), (5, 3), (10, 4)):
        store.apply([adding(1, Price(input=D(amount), output=D(1)), DAY + timedelta(days=days), None)])
    store.apply([adding(2, Price(input=D(9), output=D(9)), DAY + timedelta(days=1), None)])
    in_force = {days: price_at(store, 1, DAY + timedelta(days=days)) for days in (0, 4, 5, 9, 10, 99)}
    assert {days: price.input for days, price in in_force.items() if price} == {0: 1, 4: 1, 5: 3, 9: 3, 10: 4, 99: 4}
    assert price_at(store, 1, DAY - timedelta(seconds=1)) is None
    assert {k: v.input for k, v in prices_at(store, [1, 2], DAY).items()} == {1: 1}
    assert [p.input for p in price_history(store, 1)] == [1, 3, 2, 4]


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=1_000_000, allow_nan=False, allow_infinity=False))
def test_json_keeps_every_digit(rate: D) -> None:
    price = Price(input=rate, output=rate, tiers=(Tier(5, Rates(output=rate)),), extra_rates={"images": rate})
    assert price_from_json(price_to_json(price)) == price


@pytest.mark.parametrize(
    "data",
    [
        {"input": "three"},
        {"input": "-1"},
        {"input": "NaN"},
        {"input": "Infinity"},
        {"input": True},
        {"input": "1000001"},
        {"tiers": [{"input": "1"}]},
        {"tiers": [{"above": -1}]},
        {"tiers": "x"},
        {"extra_rates": ["x"]},
        {"extra_rates": {"images": "-0.1"}},
        {"valid_from": "yesterday"},
        {"source": "a friend"},
    ],
)
def test_numbers_no_price_can_have_are_refused_with_a_sentence(data: dict[str, object]) -> None:
    with pytest.raises(InvalidValue) as refused:
        price_from_json(data)
    assert str(refused.value).endswith(".")
