"""Numbers as people read them: never a thousand of a smaller unit, never further off than the digits shown."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ui import format as fmt

SIZES = {"": 1, "k": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def test_the_examples_in_the_docstrings_hold() -> None:
    found = doctest.testmod(fmt)
    assert (found.failed, found.attempted > 3) == (0, True)


@settings(deadline=None)
@given(st.integers(-(10**13), 10**13))
def test_a_count_is_exact_when_short_and_within_half_a_percent_when_long(number: int) -> None:
    text = fmt.count(number).replace(",", "")
    unit = text[-1] if text[-1] in "kMB" else ""
    told = float(text.removesuffix(unit)) * SIZES[unit]
    assert abs(told - number) <= (0 if abs(number) < 10_000 else 0.00501 * abs(number))


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_a_count_never_needs_four_digits_before_its_unit(number: int) -> None:
    text = fmt.count(number)
    if text[-1] in "kM":
        assert float(text[:-1]) < 1_000


@settings(deadline=None)
@given(st.floats(0, 10**8))
def test_a_duration_never_shows_a_thousand_milliseconds_or_sixty_seconds(ms: float) -> None:
    text = fmt.duration(ms)
    assert not text.startswith(("1000 ms", "60.0 s", "60.00 s", "-"))
    assert " 60 s" not in text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1_000, "1.00 s"),
        (9_996, "10.0 s"),
        (59_960, "1 min 0 s"),
        (3_600_000, "60 min 0 s"),
    ],
)
def test_durations_at_the_edges(ms: float, text: str) -> None:
    assert fmt.duration(ms) == text


def test_what_is_not_known_is_a_dash() -> None:
    assert {fmt.count(None), fmt.duration(None), fmt.percent(None), fmt.rate(None, 5), fmt.rate(5, None), fmt.rate(5, 0)} == {fmt.MISSING}


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.0042, "0.42%"), (0.5, "50.0%"), (1, "100.0%")])
def test_percentages(share: float, text: str) -> None:
    assert fmt.percent(share) == text


def test_a_slow_answer_keeps_a_decimal_of_its_rate() -> None:
    assert (fmt.rate(3, 2_000), fmt.rate(300, 2_000)) == ("1.5 tokens/s", "150 tokens/s")


def test_a_moment_is_written_to_the_second() -> None:
    assert fmt.moment(datetime(2026, 3, 5, 7, 8, 9, tzinfo=UTC)) == "05 Mar 2026, 07:08:09"
