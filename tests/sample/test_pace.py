"""A load fits its transactions to the machine: short ones on a slow disk, few ones on a fast one."""

from __future__ import annotations

import pytest

from lib.sample.pace import GAP, TARGET_S, Pace


def paced(seconds_per_row: float, transactions: int) -> Pace:
    """Return the pace after some transactions on a machine that takes so long for each row."""
    at = [0.0]
    pace = Pace(lambda _seconds: None, lambda: at[0])
    for _ in range(transactions):
        size = pace.size
        with pace:
            at[0] += size * seconds_per_row
    return pace


def test_transactions_come_to_take_the_time_they_may() -> None:
    for seconds_per_row in (0.00005, 0.0002, 0.001):
        pace = paced(seconds_per_row, 12)
        assert 0.5 * TARGET_S < pace.size * seconds_per_row <= 1.01 * TARGET_S


def test_they_are_never_without_a_row_nor_without_bounds() -> None:
    assert paced(10.0, 12).size == 10
    assert paced(0.0, 12).size == 1_000


def test_one_slow_moment_does_not_shrink_them_for_long() -> None:
    at = [0.0]
    pace = Pace(lambda _seconds: None, lambda: at[0])
    with pace:
        at[0] += 5.0
    assert pace.size == 50
    for _ in range(3):
        with pace:
            at[0] += pace.size * 0.0001
    assert pace.size > 150


def test_others_get_time_to_write_between_two() -> None:
    at, pauses = [0.0], list[float]()
    pace = Pace(pauses.append, lambda: at[0])
    for _ in range(2):
        with pace:
            at[0] += 0.04
    assert pauses == [pytest.approx(0.04 * GAP)]
    at[0] += 0.04  # the next rows took long to make up: that was pause enough
    with pace:
        pass
    assert len(pauses) == 1
