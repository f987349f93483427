"""A difference reads as what changed, exactly and no more."""

from __future__ import annotations

import doctest
from decimal import Decimal
from typing import Any

import pytest

from lib.pricing import Price
from lib.pricing.price import Rates, Tier
from lib.registry import differences
from lib.registry.differences import pair

OLD = Price(input=Decimal("2"), output=Decimal("8"), tiers=(Tier(200_000, Rates(input=Decimal(4))),))


@pytest.mark.parametrize(
    ("field", "before", "after", "said"),
    [
        ("price", OLD, Price(input=Decimal("2.0000000001"), output=Decimal("8"), tiers=OLD.tiers), ("input 2", "input 2.0000000001")),
        ("price", OLD, Price(input=Decimal("2"), output=Decimal("8")), ("input above 200,000 4", "none")),
        ("price", None, Price(input=Decimal("0.1")), ("unpriced", "input 0.1")),
        ("capabilities", {"tools": True}, {"tools": True, "vision": True}, ("tools", "tools, vision")),
        ("is_active", True, False, ("on", "off")),
        ("is_default", True, False, ("yes", "no")),
        ("defaults", {}, {"temperature": 0}, ("none", '{"temperature": 0}')),
        ("context_window", None, 0, ("none", "0")),
    ],
)
def test_both_sides(field: str, before: Any, after: Any, said: tuple[str, str]) -> None:
    assert pair(field, before, after) == said


def test_the_examples_hold() -> None:
    assert doctest.testmod(differences).failed == 0
