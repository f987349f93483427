"""The bench's table: a missed target is shown beside the number that missed it."""

from __future__ import annotations

from tests.bench.__main__ import _table


def test_the_columns_line_up_and_a_miss_is_named() -> None:
    rows = [
        {"name": "a ratio", "ratio": 1.234, "target": 1.8, "pass": True},
        {"name": "a much longer name", "ms": 2.5, "target": 2.0, "pass": False},
    ]
    assert _table(rows).splitlines() == [
        "what                measured    target",
        "a ratio                 1.23     ≤ 1.8  pass",
        "a much longer name   2.50 ms  ≤ 2.0 ms  MISSED",
    ]
