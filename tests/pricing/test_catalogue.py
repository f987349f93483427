"""What is charged from a catalogue price is what the catalogue itself would charge."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from genai_prices.data import providers
from genai_prices.types import TimeOfDateConstraint

from lib.chat import Usage
from lib.pricing import cost
from lib.pricing.catalogue import CataloguePrice, catalogue_price, from_json, look_up, read
from tests.pricing.genai import charged_by_the_catalogue

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
USAGES = (
    Usage(input=1_000, output=500),
    Usage(input=150_001, output=20, cache_read=100_000),
    Usage(input=250_000, output=4_321, cache_read=1),
    Usage(input=300_000, output=7, cache_read=10_000, cache_write=20_000),
    Usage(input=999_999, output=1, cache_write=9, cache_write_1h=5),
)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "mistral", "groq", "huggingface_together"])
def test_costs_equal_the_catalogues_own_calculation(provider: str) -> None:
    compared = 0
    vendor = next(p for p in providers if p.id == provider)
    for model in vendor.models:
        found = catalogue_price(provider, model.id, NOW)
        if found is None or found.hourly or found.entry != f"{provider}/{model.id}":
            continue
        for usage in USAGES:
            ours = cost(found.price, usage)
            if ours is not None:
                assert ours == charged_by_the_catalogue(provider, model.id, usage, NOW), (model.id, usage)
                compared += 1
    assert compared > 20


def test_a_price_by_the_hour_is_the_dearest_hours_and_says_so() -> None:
    found = catalogue_price("deepseek", "deepseek-reasoner", NOW)
    assert found is not None and found.hourly
    assert "dearest hour" in (found.price.source_detail or "")
    hours = [charged_by_the_catalogue("deepseek", "deepseek-reasoner", USAGES[0], NOW + timedelta(hours=h)) for h in range(24)]
    assert cost(found.price, USAGES[0]) == max(hours)
    assert min(hours) < max(hours)


def test_announced_prices_come_with_their_dates() -> None:
    announced = 0
    for vendor in providers:
        for model in vendor.models:
            if not isinstance(model.prices, list) or any(isinstance(c.constraint, TimeOfDateConstraint) for c in model.prices):
                continue
            found = catalogue_price(vendor.id, model.id, datetime(2025, 1, 1, tzinfo=UTC))
            if found is None or found.entry != f"{vendor.id}/{model.id}":
                continue
            for price in found.upcoming:
                assert price.valid_from is not None
                ours = cost(price, Usage(input=1_000, output=1_000))
                if ours is not None:
                    assert ours == charged_by_the_catalogue(vendor.id, model.id, Usage(input=1_000, output=1_000), price.valid_from)
                    announced += 1
    assert announced > 50


@pytest.mark.parametrize("reference", ["no-such-vendor/gpt-4o", "openai/no-such-model", "openai", ""])
def test_what_the_catalogue_does_not_know_is_left_out(reference: str) -> None:
    assert look_up([reference], NOW) == {}


def test_reading_apart_answers_the_same_and_leaves_the_catalogue_out_of_this_process() -> None:
    script = (
        "import json, sys; from datetime import datetime, UTC; from lib.pricing.catalogue import read, to_json;"
        "found = read(['anthropic/claude-opus-4-6', 'openai/nothing', 'openai/gpt-5.5'], datetime(2026, 1, 5, 12, tzinfo=UTC));"
        "print(json.dumps([{k: to_json(v) for k, v in found.items()}, 'genai_prices' in sys.modules]))"
    )
    answer, loaded = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    here: dict[str, CataloguePrice] = read(["anthropic/claude-opus-4-6", "openai/nothing", "openai/gpt-5.5"], NOW)
    assert {k: from_json(v) for k, v in answer.items()} == here
    assert len(here) == 2
    assert loaded is False


def test_where_no_process_can_be_started_the_catalogue_is_read_here() -> None:
    script = (
        "import sys; from datetime import datetime, UTC; from lib.pricing.catalogue import read; sys.executable = '/no/such/python';"
        "print(list(read(['anthropic/claude-opus-4-6'], datetime(2026, 1, 5, 12, tzinfo=UTC))), 'genai_prices' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert answer == "['anthropic/claude-opus-4-6'] True\n"
