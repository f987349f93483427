"""The effect of a price on calls already made is the sum of every call priced anew, one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.chat import Usage
from lib.pricing import Price, Rates, Tier, cost
from lib.pricing.logged import Effect, effect
from lib.store.usage_tables import llm_usage_log
from lib.usage import AttemptStart, Outcome
from lib.usage.ledger import closed_row

D = Decimal
SINCE, UNTIL = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
WAS = Price(input=D("2.99995"), output=D("15.0005"), cache_read=D("0.0375"), id=1)
PRICES = (
    Price(input=D("2.5"), output=D(10), cache_read=D("0.25"), cache_write_5m=D("3.125")),
    Price(input=D("0.00015"), output=D("0.00025"), cache_read=D("0.00005"), cache_write_5m=D("0.0003"), cache_write_1h=D(0)),
    Price(input=D(1), output=D(2), tiers=(Tier(3_000, Rates(input=D(3), cache_read=D("0.3"))), Tier(6_000, Rates(output=D(4))))),
    Price(input=D(1), output=D(2), cache_read=D(0), cache_write_5m=D(1), extra_rates={"requests": D("0.001"), "web_searches": D("0.01")}),
    Price(input=D(1)),
)


def usage(choose: random.Random) -> Usage | None:
    """Return any usage a provider may report: with caches, searches, nothing at all, or counts that contradict each other."""
    if choose.random() < 0.1:
        return None
    cached, stored = (choose.randint(0, 3_000) if choose.random() < 0.5 else 0 for _ in range(2))
    whole = cached + stored + choose.randint(0, 4_000) - (choose.random() < 0.05) * 4_000
    extra = {"web_searches": choose.randint(0, 3)} if choose.random() < 0.1 else {}
    return Usage(whole, choose.randint(0, 900), cached, stored, choose.randint(0, 400), choose.randint(0, stored), extra)


def call(number: int, made: Usage | None, at: datetime, **values: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"model_key": "m", "model_id": 3, "price": WAS if number % 3 else None} | values
    start = AttemptStart(
        request_id=str(UUID(int=number)),
        attempt=1,
        model_name="M",
        provider="p",
        provider_name="P",
        source="api",
        **given,
    )
    return closed_row(start, at, Outcome("ok" if number % 5 else "cancelled", made))


def calls(choose: random.Random) -> Iterator[tuple[bool, Usage | None, dict[str, Any]]]:
    """Yield calls, and whether they are among those asked about."""
    for number in range(1, 400):
        at = SINCE + timedelta(seconds=choose.uniform(0, 30 * 86_400 - 1))
        made = usage(choose)
        yield True, made, call(number, made, at)
    others: list[tuple[datetime, dict[str, Any]]] = [
        (SINCE - timedelta(milliseconds=1), {}),
        (UNTIL, {}),
        (SINCE, {"model_id": 4}),
        (SINCE, {"model_key": "gone"}),
        (SINCE, {"is_sample": True}),
    ]
    for number, (at, values) in enumerate(others, start=1_000):
        yield False, Usage(1_000, 1_000), call(number, Usage(1_000, 1_000), at, **values)


@pytest.mark.parametrize("seed", range(3))
def test_the_effect_is_what_each_call_would_have_cost_by_itself(database_engine: Engine, seed: int) -> None:
    made = list(calls(random.Random(seed)))
    with database_engine.begin() as connection:
        for _, _, row in made:
            connection.execute(sa.insert(llm_usage_log), row)
    asked = [(u, row["cost_nano_usd"]) for mine, u, row in made if mine and u is not None]
    assert {was is None for _, was in asked} == {True, False}
    for price in PRICES:
        both = [(was, would) for u, was in asked if was is not None and (would := cost(price, u)) is not None]
        new = [would for u, was in asked if was is None and (would := cost(price, u)) is not None]
        lost = sum(was is not None and cost(price, u) is None for u, was in asked)
        expected = Effect(len(asked), sum(was for was, _ in both), sum(would for _, would in both), len(new), sum(new), lost)
        with database_engine.connect() as connection:
            assert effect(connection, 3, "m", price, SINCE, UNTIL) == expected
        assert both or lost
