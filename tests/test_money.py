"""A cost is exact to the nano-dollar and is written so that a person can read it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.money import exact_usd, format_usd, round_nano, token_cost, usd


def test_a_million_tokens_cost_their_price() -> None:
    assert round_nano([token_cost(1_000_000, Decimal("3.00"))]) == 3_000_000_000


def test_one_token_of_a_tenth_of_a_cent_per_million_is_counted() -> None:
    assert round_nano([token_cost(1, Decimal("0.001"))]) == 1


def test_a_call_is_rounded_once_and_not_per_line() -> None:
    third = token_cost(1, Decimal("0.0004"))  # 0.4 nano-dollars a line: three lines make 1.2, not 0
    assert round_nano([third, third, third]) == 1


@pytest.mark.parametrize(("amount", "nano"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("2.5000001", 3), ("-0.5", 0), ("-1.5", -2)])
def test_halves_go_to_the_even_nano_dollar(amount: str, nano: int) -> None:
    assert round_nano([Decimal(amount)]) == nano


def test_no_amounts_cost_nothing() -> None:
    assert round_nano([]) == 0


@given(st.integers(-(10**18), 10**18))
def test_dollars_and_nano_dollars_are_the_same_amount(nano: int) -> None:
    assert usd(nano) * 1_000_000_000 == nano


@given(st.integers(0, 10**12), st.integers(0, 10**9))
def test_tokens_times_an_exact_price_lose_nothing(tokens: int, milli_usd: int) -> None:
    assert token_cost(tokens, Decimal(milli_usd) / 1000) == tokens * milli_usd


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "unpriced"),
        (0, "$0.00"),
        (1, "$0.00000000100"),
        (27_750, "$0.0000278"),
        (99_999, "$0.0001000"),
        (100_000, "$0.000100"),
        (12_345_000, "$0.0123"),
        (500_000_000, "$0.5000"),
        (999_940_000, "$0.9999"),
        (999_950_000, "$1.00"),
        (999_999_999, "$1.00"),
        (1_000_000_000, "$1.00"),
        (2_878_557_152_000, "$2,878.56"),
        (-12_345_000, "-$0.0123"),
        (-1_234_560_000_000, "-$1,234.56"),
    ],
)
def test_a_cost_is_written_with_as_many_digits_as_it_takes_to_see_it(nano: int | None, text: str) -> None:
    assert format_usd(nano) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "unpriced"),
        (0, "$0"),
        (1, "$0.000000001"),
        (Decimal("0.5"), "$0.0000000005"),
        (100_000_000_000, "$100"),
        (1_234_567_890_123, "$1,234.567890123"),
    ],
)
def test_a_receipt_shows_every_digit(nano: int | Decimal | None, text: str) -> None:
    assert exact_usd(nano) == text
