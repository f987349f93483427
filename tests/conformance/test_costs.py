"""Costs of the older API's own cases: its list prices and its billing factor give its numbers exactly."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from lib.chat import Usage
from lib.money import usd
from lib.pricing import Price, cost

FOLDER = os.environ.get("CONFORMANCE_DIR")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="CONFORMANCE_DIR is not set: cost cases not checked")

FACTOR = Decimal("1.25")
LIST_PRICES = {
    "claude-sonnet-4-5-20250929": ("3", "15"),
    "claude-opus-4-6": ("15", "75"),
    "claude-haiku-4-5-20251001": ("0.80", "4"),
    "gpt-4o": ("2.50", "10"),
    "gpt-4o-mini": ("0.15", "0.60"),
    "gpt-4-turbo-2024-04-09": ("10", "30"),
    "o1-preview": ("15", "60"),
    "o1-mini": ("3", "12"),
    "gemini-2.0-flash-exp": ("0.10", "0.40"),
    "gemini-1.5-pro": ("1.25", "5"),
    "gemini-1.5-flash": ("0.075", "0.30"),
}
"""USD per 1M input and output tokens that these cases were written with; some differ from today's."""


def test_every_case_costs_what_it_says() -> None:
    cases = json.loads((Path(FOLDER or "") / "v2" / "cost_cases.json").read_text(encoding="utf-8"))
    assert cases
    for case in cases:
        input_rate, output_rate = LIST_PRICES[case["model_id"]]
        price = Price(input=Decimal(input_rate), output=Decimal(output_rate)).times(FACTOR)
        nano = cost(price, Usage(input=case["input_tokens"], output=case["output_tokens"]))
        assert nano is not None
        assert float(usd(nano)) == pytest.approx(case["cost"], rel=1e-12, abs=0), case  # the cases hold binary floats
