"""The bench's table: a missed target is shown beside the number that missed it."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import _met, _table


def test_the_columns_line_up_and_a_miss_is_named() -> None:
    rows = [
        {"name": "a ratio", "ratio": 1.234, "target": 1.8, "pass": True},
        {"name": "a much longer name", "ms": 2.5, "target": 2.0, "pass": False},
        {"name": "a rate", "rate": 1234, "target": 1000, "at_least": True, "pass": True},
        {"name": "another client", "ratio": 7.5, "target": None, "pass": None},
    ]
    assert _table(rows).splitlines() == [
        "what                measured    target",
        "a ratio                 1.23     ≤ 1.8  pass",
        "a much longer name   2.50 ms  ≤ 2.0 ms  MISSED",
        "a rate               1,234/s  ≥ 1000/s  pass",
        "another client          7.50",
    ]


@pytest.mark.parametrize(
    ("row", "met"),
    [
        ({"ms": 2, "target": 2}, True),
        ({"ratio": 3, "target": 2}, False),
        ({"rate": 3, "target": 4, "at_least": True}, False),
        ({"ratio": 9, "target": None}, None),
    ],
)
def test_a_target_is_a_ceiling_unless_it_is_a_floor(row: dict[str, float | None], met: bool | None) -> None:
    assert _met(row) is met
