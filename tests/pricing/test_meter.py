"""What a meter says of a call is what ``cost`` says, to the nano-dollar."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.chat import Usage
from lib.pricing import Price, Rates, Tier, cost
from lib.pricing.meter import meter

D = Decimal
rates = st.none() | st.decimals(min_value=0, max_value=200, places=7)
counts = st.integers(-1, 300_000)
tiers = st.lists(st.builds(Tier, st.integers(0, 300_000), st.builds(Rates, rates, rates, rates, rates, rates, rates)), max_size=3)
priced = st.builds(
    Price,
    rates,
    rates,
    rates,
    rates,
    rates,
    rates,
    tiers=tiers.map(tuple),
    extra_rates=st.dictionaries(st.sampled_from(["requests", "images"]), st.decimals(min_value=0, max_value=2, places=4)),
)
extra = st.dictionaries(st.sampled_from(["images", "billed_input_tokens"]), st.integers(0, 3))


def measured(price: Price, usage: Usage) -> int | None:
    u = usage
    return meter(price)(u.input, u.output, u.cache_read, u.cache_write, u.cache_write_1h, u.reasoning, u.extra or None)


@given(priced, counts, counts, counts, counts, counts, counts, extra)
@example(Price(input=D("0.0005")), 3, 0, 0, 0, 0, 0, {})
@example(Price(input=D("0.0005")), 5, 0, 0, 0, 0, 0, {})
@example(Price(input=D(1), tiers=(Tier(10, Rates(input=D(2))),)), 11, 0, 0, 0, 0, 0, {})
def test_a_meter_says_what_cost_says(
    price: Price, fresh: int, said: int, read: int, short: int, long: int, thought: int, more: dict[str, int]
) -> None:
    usage = Usage(fresh + read + short + long, said, read, short + long, thought, long, more)
    assert measured(price, usage) == cost(price, usage)


@pytest.mark.parametrize("rate", ["0.123456789012345678", "1.0399999999999998", "0.00000000000000000000000000001"])
def test_rates_of_many_digits_are_priced_alike(rate: str) -> None:
    usage = Usage(input=123_457, output=77)
    assert measured(Price(input=D(rate), output=D(1)), usage) == cost(Price(input=D(rate), output=D(1)), usage)
