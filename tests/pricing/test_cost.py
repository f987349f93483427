"""A call's cost is exact, never silently zero, and its receipt adds up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.chat import Usage
from lib.pricing import Price, Rates, Tier, cache_saving, cost, receipt_lines, unpriced_because

D = Decimal
OPUS = Price(
    input=D(5), output=D(25), cache_read=D("0.5"), cache_write_5m=D("6.25"), cache_write_1h=D(10), extra_rates={"web_searches": D("0.01")}
)


def test_every_kind_of_token_is_charged_once_at_its_own_rate() -> None:
    usage = Usage(input=1_000, output=100, cache_read=600, cache_write=300, cache_write_1h=200, reasoning=40)
    # in nano-dollars: 100 fresh, 600 read, 100 written for 5 minutes, 200 for an hour, 100 of output
    assert cost(OPUS, usage) == 500_000 + 300_000 + 625_000 + 2_000_000 + 2_500_000


def test_reasoning_is_charged_as_output_unless_it_has_a_rate() -> None:
    usage = Usage(input=0, output=100, reasoning=40)
    assert cost(Price(input=D(1), output=D(2)), usage) == 200_000
    assert cost(Price(input=D(1), output=D(2), reasoning=D(3)), usage) == 60 * 2_000 + 40 * 3_000


def test_searches_are_charged_per_piece() -> None:
    assert cost(OPUS, Usage(extra={"web_searches": 3})) == 30_000_000


def test_billed_counts_are_paid_instead_of_the_tokens_the_model_worked_on() -> None:
    usage = Usage(input=212, output=40, cache_read=208, extra={"billed_input_tokens": 12, "billed_output_tokens": 36})
    price = Price(input=D(1), output=D(2))  # with no rate for cached tokens, which are not what is billed

    assert cost(price, usage) == 12_000 + 72_000
    assert [(line.label, line.units) for line in receipt_lines(price, usage)] == [("Billed input", 12), ("Billed output", 36)]


def test_what_caching_saved_is_reading_less_writing_at_the_rates_of_the_call() -> None:
    usage = Usage(input=1_000, output=100, cache_read=600, cache_write=300, cache_write_1h=200)
    # 600 read at 4.50 less than plain input, 100 written for 5 minutes at 1.25 more, 200 for an hour at 5 more
    assert cache_saving(OPUS, usage) == 2_700_000 - 125_000 - 1_000_000
    assert cache_saving(OPUS, Usage(input=200, cache_write=200)) == -250_000, "a cache nobody reads costs"
    dearer = Price(input=D(1), cache_read=D(0), output=D(1), tiers=(Tier(100, Rates(input=D(2))),))
    assert cache_saving(dearer, Usage(input=101, cache_read=10)) == 20_000
    assert cache_saving(Price(input=D(1)), Usage(input=5)) == 0


@pytest.mark.parametrize(
    ("price", "usage"),
    [
        (None, Usage(input=1)),
        (OPUS, None),
        (Price(input=D(1)), Usage(input=5, cache_read=1)),
        (Price(cache_read=D(1)), Usage(input=5, cache_read=1)),
        (Price(input=D(1), cache_write_5m=D(1)), Usage(input=5, cache_write=2, cache_write_1h=1)),
        (OPUS, Usage(input=1, cache_read=2)),
    ],
)
def test_a_saving_nobody_can_name_is_not_zero(price: Price | None, usage: Usage | None) -> None:
    assert cache_saving(price, usage) is None


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_cost_and_saving_add_up_to_the_cost_without_a_cache(plain: int, read: int, short: int, long: int) -> None:
    usage = Usage(input=plain + read + short + long, cache_read=read, cache_write=short + long, cache_write_1h=long)
    charged, saved = cost(OPUS, usage), cache_saving(OPUS, usage)
    assert charged is not None and saved is not None
    assert charged + saved == cost(OPUS, Usage(input=usage.input))


def test_a_fee_per_request_is_charged_once() -> None:
    assert cost(Price(input=D(1), output=D(1), extra_rates={"requests": D("0.005")}), Usage(input=1)) == 5_001_000


@pytest.mark.parametrize(
    ("price", "usage", "because"),
    [
        (None, Usage(input=1), "No price is set for this model."),
        (OPUS, None, "The provider reported no usage."),
        (Price(input=D(1)), Usage(input=1, output=1), "No rate is set for output (1)."),
        (Price(output=D(1)), Usage(input=1_000, output=1), "No rate is set for input (1,000)."),
        (Price(input=D(1), output=D(1)), Usage(input=10, cache_read=4), "No rate is set for cache read (4)."),
        (
            Price(input=D(1), output=D(1), cache_write_5m=D(1)),
            Usage(input=9, cache_write=9, cache_write_1h=9),
            "No rate is set for cache write, 1 hour (9).",
        ),
        (OPUS, Usage(extra={"images": 2}), "No rate is set for images (2)."),
        (OPUS, Usage(input=10, cache_read=11), "The token counts the provider reported contradict each other."),
        (OPUS, Usage(input=10, cache_write=5, cache_write_1h=6), "The token counts the provider reported contradict each other."),
        (OPUS, Usage(output=10, reasoning=11), "The token counts the provider reported contradict each other."),
        (OPUS, Usage(input=-1), "The token counts the provider reported contradict each other."),
    ],
)
def test_what_cannot_be_priced_is_unpriced_and_says_why(price: Price | None, usage: Usage | None, because: str) -> None:
    assert cost(price, usage) is None
    assert receipt_lines(price, usage) == []
    assert unpriced_because(price, usage) == because


def test_a_missing_rate_does_not_matter_where_nothing_needs_it() -> None:
    assert cost(Price(input=D(1), output=D(2)), Usage(input=10, output=10)) == 30_000
    assert cost(Price(), Usage()) == 0


@pytest.mark.parametrize(
    ("tokens", "rate", "nano"), [(1, "0.0005", 0), (3, "0.0005", 2), (1, "0.0015", 2), (1, "0.000501", 1), (5, "0.0005", 2)]
)
def test_half_a_nano_dollar_rounds_to_even(tokens: int, rate: str, nano: int) -> None:
    assert cost(Price(input=D(rate), output=D(1)), Usage(input=tokens)) == nano


def test_rounding_happens_once_per_call_not_once_per_line() -> None:
    price = Price(input=D("0.0004"), output=D("0.0004"), cache_read=D("0.0004"))
    usage = Usage(input=2, output=1, cache_read=1)
    assert cost(price, usage) == 1  # three times 0.4 nano; line by line it would be 0
    lines = receipt_lines(price, usage)
    assert [(line.label, line.nano) for line in lines][-1] == ("Rounding", D("-0.2"))


TIERED = Price(
    input=D(2), output=D(10), cache_read=D("0.2"), tiers=(Tier(200_000, Rates(input=D(4), output=D(15))), Tier(500_000, Rates(input=D(8))))
)


@pytest.mark.parametrize(("tokens", "input_rate", "output_rate"), [(200_000, 2, 10), (200_001, 4, 15), (500_000, 4, 15), (500_001, 8, 15)])
def test_a_tier_counts_from_above_its_start_and_for_the_whole_call(tokens: int, input_rate: int, output_rate: int) -> None:
    assert cost(TIERED, Usage(input=tokens, output=7)) == (tokens * input_rate + 7 * output_rate) * 1_000


def test_cached_input_counts_towards_the_tier() -> None:
    usage = Usage(input=300_000, output=0, cache_read=299_999)
    assert cost(TIERED, usage) == 1 * 4_000 + 299_999 * 200


rates = st.decimals(min_value=0, max_value=200, places=6)
counts = st.integers(0, 3_000_000)


@settings(deadline=None)
@given(rates, rates, rates, rates, rates, st.none() | rates, counts, counts, counts, counts, counts, counts, st.integers(0, 9))
def test_a_receipt_adds_up_to_the_cost_exactly(
    i: D, o: D, r: D, w: D, h: D, t: D | None, fresh: int, read: int, five: int, hour: int, said: int, thought: int, searches: int
) -> None:
    price = Price(input=i, output=o, cache_read=r, cache_write_5m=w, cache_write_1h=h, reasoning=t, extra_rates={"web_searches": i})
    usage = Usage(
        input=fresh + read + five + hour,
        output=said + thought,
        cache_read=read,
        cache_write=five + hour,
        cache_write_1h=hour,
        reasoning=thought,
        extra={"web_searches": searches},
    )
    lines = receipt_lines(price, usage)
    assert sum((line.nano for line in lines), D(0)) == cost(price, usage)
    for line in lines:
        if line.usd_per_million is None:
            assert line.label == "Rounding"
            assert 0 < abs(line.nano) <= D("0.5")
        else:
            assert line.nano == line.units * line.usd_per_million * 1_000


@settings(deadline=None)
@given(rates, rates, counts, counts)
def test_a_markup_applies_to_tiers_and_extras_too(i: D, o: D, tokens: int, said: int) -> None:
    price = Price(input=i, output=o, tiers=(Tier(1_000, Rates(input=o)),), extra_rates={"web_searches": i})
    usage = Usage(input=tokens, output=said, extra={"web_searches": 2})
    plain = sum((line.nano for line in receipt_lines(price, usage) if line.usd_per_million is not None), D(0))
    marked = sum((line.nano for line in receipt_lines(price.times(D("1.25")), usage) if line.usd_per_million is not None), D(0))
    assert marked == plain * D("1.25")
