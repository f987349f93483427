"""``models prices`` and ``models price``: told exactly, changed only when asked, and past calls priced once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
OPUS = "claude-opus-4-6"


def only(run: Run, *words: str) -> dict[str, Any]:
    (found,) = run("models", "prices", *words, "--json").document["models"]
    assert isinstance(found, dict)
    return found


def present(run: Run, key: str) -> dict[str, Any]:
    price = run("models", "show", key, "--json").document["price"]
    assert isinstance(price, dict)
    return price


def test_a_fresh_registry_differs_nowhere_and_says_how_much_it_compared(run: Run) -> None:
    ran = run("models", "prices")
    assert ran.code == 0
    assert ran.out.strip().endswith("0 differ.")
    counts = run("models", "prices", "--json").document["counts"]
    assert counts["same"] > 20
    assert set(counts) == {"same", "unknown"}


def test_a_price_set_by_hand_is_told_and_only_taken_back_by_name(run: Run) -> None:
    before = present(run, OPUS)
    assert run("models", "price", OPUS, "--input", "$9.125").code == 0
    found = only(run)
    assert (found["key"], found["state"], found["taken"]) == (OPUS, "own", False)
    assert found["changes"] == [{"rate": "Input", "before": "9.125", "after": before["input"], "each": False}]
    line = run("models", "prices", "--apply").out.splitlines()[1]
    assert line.endswith(f"(Key: {OPUS}): Input 9.125 -> {before['input']}")
    assert present(run, OPUS)["input"] == "9.125"
    assert only(run, OPUS, "--apply")["taken"]
    after = present(run, OPUS)
    assert (after["input"], after["output"], after["source"]) == (before["input"], before["output"], "catalogue")
    assert run("models", "prices", "--json").document["models"] == []


def test_prices_are_told_by_date_and_rates_not_named_stay(run: Run) -> None:
    run("models", "price", OPUS, "--output", "30.5", "--cache-write-hour", "11")
    history = run("models", "price", OPUS, "--json").document["prices"]
    assert [price["source"] for price in history] == ["seed", "manual"]
    assert (Decimal(history[1]["output"]), Decimal(history[1]["cache_write_1h"])) == (Decimal("30.5"), Decimal(11))
    assert Decimal(history[1]["input"]) == Decimal(history[0]["input"])
    assert "output 30.5" in run("models", "price", OPUS).out
    assert "so its calls are unpriced" in run("models", "price", "vllm-custom").out


def test_past_calls_are_priced_when_asked_and_only_those_without_a_cost(run: Run) -> None:
    ran = run("chat", "demo-reasoner", "Say something", "--json")
    assert ran.code == 0
    done = run("models", "price", "demo-reasoner", "--input", "1", "--output", "2", "--past-calls", "--json").document
    assert done["past_calls"] == {"priced": 0, "cost_nano_usd": 0, "left": 0}
    assert "0 calls without a cost were priced: $0.00." in run("models", "price", "demo-reasoner", "--past-calls").out


@pytest.mark.parametrize("text", ["cheap", "-1", "inf", "1000001"])
def test_what_is_no_price_is_wrong_usage(run: Run, text: str) -> None:
    ran = run("models", "price", OPUS, "--input", text)
    assert ran.code == 2
    assert "is not a price in US dollars per 1M tokens" in ran.err
    assert present(run, OPUS)["source"] == "seed"
