"""Bench: the script time of the Models page with two thousand models, in both of its views, and an import of as many.

Measured as the other pages are (reruns.py), on a data folder of its own: it needs models, not calls.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lib.access import LOCAL_ADMIN
from lib.registry.transfer import read
from lib.registry.transfer_csv import to_csv
from lib.store.base import Insert, Made
from tests.bench.reruns import TARGET_MS, deck_of, open_page, run_again
from tests.pages.deck import Deck

MODELS = 2_000
VIEWS: Mapping[str, Mapping[str, str]] = {"as a table": {}, "as cards": {"view": "Cards", "sort": "By name"}}


def measure_registry(rounds: int = 25) -> list[dict[str, Any]]:
    """Measure and return a row of {name, ms, target, details} for each view, and one for an import that changes every model."""
    with tempfile.TemporaryDirectory(prefix="modeldeck-bench-") as scratch:
        folder = Path(scratch) / "data"
        fill(folder)
        rows = [_view(folder, words, address, rounds) for words, address in VIEWS.items()]
        return [*rows, _import(folder)]


def fill(folder: Path) -> None:
    """Put two thousand models with prices into a fresh data folder."""
    deck = Deck(folder, {})
    owner = deck.admin.provider("openai").id
    can = {"streaming": True, "tools": True, "vision": True}
    models = [
        {
            "provider_id": owner,
            "model_key": f"m{n}",
            "upstream_id": f"m{n}",
            "display_name": f"Model {n}",
            "display_order": 1_000 + n,
            "is_active": n % 2 == 0,
            "context_window": 128_000,
            "capabilities": can,
        }
        for n in range(MODELS)
    ]
    price = {"valid_from": datetime(2026, 1, 1, tzinfo=UTC), "input": Decimal("1.25"), "output": Decimal(10), "source": "manual"}
    deck.services.store(LOCAL_ADMIN).apply(
        [Insert("llm_models", models), Insert("llm_model_prices", [{**price, "model_id": Made(0, n)} for n in range(MODELS)])]
    )
    deck.console.close()


def _view(folder: Path, words: str, address: Mapping[str, str], rounds: int) -> dict[str, Any]:
    with deck_of(folder) as took:
        at = open_page("models", address)
        again = [run_again(at, took) for _ in range(rounds + 2)][2:]
    return {
        "name": f"Models page of {MODELS:,} models drawn again {words}, script time p50",
        "ms": round(statistics.median(run.wall for run in again), 1),
        "target": TARGET_MS,
        "details": {"computing p50 ms": round(statistics.median(run.cpu for run in again), 1)},
    }


def _import(folder: Path) -> dict[str, Any]:
    deck = Deck(folder, {})
    document = deck.admin.export()
    for model in document["models"]:
        model["hidden"] = True
    data = to_csv(document)
    began = time.perf_counter()
    plan = deck.admin.plan_import(read(data))
    planned = time.perf_counter()
    deck.admin.carry_out_import(plan)
    done = time.perf_counter()
    deck.console.close()
    return {
        "name": f"a table that changes {len(document['models']):,} models read, compared and written in one transaction",
        "ms": round((done - began) * 1e3, 1),
        "target": None,
        "details": {"read and compared ms": round((planned - began) * 1e3, 1), "written ms": round((done - planned) * 1e3, 1)},
    }
