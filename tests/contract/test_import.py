"""An import is written whole or not at all, and taken back exactly, whichever database is behind the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.errors import InvalidValue, StaleVersion
from lib.registry import Registry
from lib.registry.transfer import Source
from lib.store.supabase import SupabaseStore
from tests.contract.rest import Rest, running_rest
from tests.registry.conftest import House

OWNER = "3f2b8a52-6a0e-4c9b-9f39-0d9f3f1f0a11"


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    with running_rest() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres", "supabase"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    """A seeded registry on each kind of store."""
    if request.param == "supabase":
        running: Rest = request.getfixturevalue("rest")
        running.empty()
        house, token = House(tmp_path, running.engine), running.token(OWNER, "Ada")
        house.store = SupabaseStore(running.project, lambda _refused: token, clock=lambda: house.now)  # type: ignore[assignment]
    else:
        house = House(tmp_path, request.getfixturevalue(f"{request.param}_engine"))
    made = house.registry()
    made.seed()
    return made


def changed(registry: Registry) -> dict[str, Any]:
    """An export with a new provider, 250 new models of it, one of them the default, and changes to what is there."""
    document = registry.export()
    registry.set_default(registry.get("demo-chat").id)
    document["providers"].append({"slug": "lab", "kind": "vllm", "base_url": "http://lab.example/v1"})
    next(p for p in document["providers"] if p["slug"] == "groq")["is_active"] = False
    price = {"input": "0.1234567890123", "output": "7", "tiers": [{"above": 1000, "input": "0.2"}], "extra_rates": {"images": "0.04"}}
    document["models"] += [
        {"model_key": f"lab-{n}", "provider": "lab", "upstream_id": f"={n}", "is_default": n == 120, "price": price if n % 2 else None}
        for n in range(250)
    ]
    edited = next(m for m in document["models"] if m["model_key"] == "gpt-4.1")
    edited |= {"display_name": "Renamed", "fallbacks": ["lab-1"], "price": {**edited["price"], "input": "9"}}
    next(m for m in document["models"] if m["model_key"] == "gpt-4o")["price"]["output"] = "9"
    return document


def everything(registry: Registry) -> Any:
    """All that an export says, without the dates of prices."""
    document = registry.export()
    for model in document["models"]:
        (model["price"] or {}).pop("valid_from", None)
        (model["price"] or {}).pop("source", None)
        (model["price"] or {}).pop("source_detail", None)
    return document["providers"], document["models"]


def test_it_is_written_whole_and_taken_back_exactly(registry: Registry) -> None:
    document = changed(registry)
    before = everything(registry)
    plan = registry.plan_import(Source(document))
    assert (len(plan.result.added), plan.result.providers) == (250, ("groq", "lab"))
    undo = registry.carry_out_import(plan)
    assert undo.models == 253, "two that were there changed, and the demo model is no longer the default"
    default = next(m for m in registry.models() if m.is_default)
    assert default.model_key == "lab-120"
    odd, renamed = registry.get("lab-249"), registry.get("gpt-4.1")
    assert odd.price is not None and str(odd.price.input) == "0.1234567890123" and odd.price.tiers[0].above == 1000
    assert (renamed.display_name, renamed.fallbacks) == ("Renamed", ("lab-1",))
    assert registry.plan_import(Source(document)).is_empty
    assert registry.undo_import(undo) == 253
    assert everything(registry) == before


def test_what_fails_in_the_middle_leaves_nothing(registry: Registry) -> None:
    document = changed(registry)
    plan = registry.plan_import(Source(document))
    registry.add_model("openai", "taken", model_key="lab-249")
    before = everything(registry)
    with pytest.raises(InvalidValue):
        registry.carry_out_import(plan)
    assert everything(registry) == before, "neither the provider nor the 249 models before it stay"


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda registry: registry.update_model(registry.get("gpt-4.1").id, vendor="Somebody"),
        lambda registry: registry.update_model(registry.get("gpt-4o").id, hidden=True),
        lambda registry: registry.set_provider("groq", display_name="Other"),
    ],
    ids=["a model", "a model of which only the price changes", "a provider"],
)
def test_what_somebody_changed_since_it_was_planned_is_not_overwritten(registry: Registry, meanwhile: Callable[[Registry], Any]) -> None:
    plan = registry.plan_import(Source(changed(registry)))
    meanwhile(registry)
    before = everything(registry)
    with pytest.raises(StaleVersion):
        registry.carry_out_import(plan)
    assert everything(registry) == before


def test_what_somebody_changed_since_it_was_imported_is_not_taken_back(registry: Registry) -> None:
    undo = registry.carry_out_import(registry.plan_import(Source(changed(registry))))
    registry.update_model(registry.get("lab-7").id, display_name="In use by now")
    before = everything(registry)
    with pytest.raises(StaleVersion):
        registry.undo_import(undo)
    assert everything(registry) == before
