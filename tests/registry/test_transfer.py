"""A registry carried to another installation arrives whole, without keys, and nonsense is refused whole."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lib.errors import InvalidValue
from lib.pricing import Price
from lib.registry.transfer import Source
from tests.registry.conftest import ACTOR, House, copy_of


def test_what_is_exported_arrives_elsewhere_and_arriving_twice_changes_nothing(
    seeded: House, sqlite_template: Path, tmp_path: Path
) -> None:
    source = seeded.registry()
    source.add_provider("lab", "openai-compatible", base_url="http://lab:8000/v1")
    source.add_model("lab", "our-model", display_name="Ours", is_active=True, price=Price(input=Decimal("0.123456789"), output=Decimal(1)))
    source.update_model(source.get("gpt-4.1").id, fallbacks=["gpt-4o-mini"], settings={"note": "n"})
    seeded.keys().set_system_key(source.provider("lab"), "sk-canary-0123456789abcdef", ACTOR)
    text = json.dumps(source.export())
    assert "sk-canary" not in text

    (tmp_path / "other").mkdir()
    target = copy_of(sqlite_template, tmp_path / "other").registry()
    result = target.import_(json.loads(text))
    assert len(result.added) == len(source.models()) and not result.updated
    assert _content(target.export()) == _content(source.export())
    again = target.import_(json.loads(text))
    assert (again.added, again.updated, again.providers) == ((), (), ())
    assert len(again.unchanged) == len(source.models())


def test_an_import_updates_what_differs_and_adds_a_price_rather_than_changing_one(seeded: House) -> None:
    registry = seeded.registry()
    document = registry.export()
    entry = next(m for m in document["models"] if m["model_key"] == "gpt-4.1")
    entry["display_name"], entry["price"]["input"] = "Renamed", "7"
    next(p for p in document["providers"] if p["slug"] == "groq")["is_active"] = False
    planned = registry.import_(document, dry_run=True)
    assert (planned.updated, planned.providers) == (("gpt-4.1",), ("groq",))
    assert registry.get("gpt-4.1").display_name == "GPT-4.1"
    assert registry.import_(document) == planned
    after = registry.get("gpt-4.1")
    assert after.display_name == "Renamed" and after.price is not None and after.price.input == 7
    assert [p.input for p in registry.prices(after.id)] == [2, 7]
    assert registry.provider("groq").is_active is False


def test_a_short_entry_is_enough(seeded: House) -> None:
    registry = seeded.registry()
    registry.import_(_document({"model_key": "new", "provider": "ollama"}, {"model_key": "gpt-4.1", "provider": "openai", "hidden": True}))
    assert registry.get("new").upstream_id == "new" and not registry.get("new").is_active
    assert registry.get("gpt-4.1").hidden and registry.get("gpt-4.1").display_name == "GPT-4.1"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "This is not a Modeldeck export"),
        ({"format": "other"}, "This is not a Modeldeck export"),
        ({"format": "modeldeck-models", "version": 2}, "This export has version 2; this Modeldeck reads version 1."),
        ({"format": "modeldeck-models", "version": 1, "models": {}}, "models must be a list."),
    ],
)
def test_what_is_no_export_is_refused(seeded: House, document: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        seeded.registry().import_(document)
    assert str(refused.value).startswith(sentence)


def test_every_problem_is_named_at_once_and_nothing_is_written(seeded: House) -> None:
    registry = seeded.registry()
    before = registry.revision()
    document = _document(
        {"model_key": "ok", "provider": "ollama"},
        {"model_key": "ok", "provider": "ollama"},
        {"provider": "ollama"},
        "text",
        {"model_key": "lost", "provider": "nobody"},
        {"model_key": "demo-chat", "provider": "openai"},
        {"model_key": "big", "provider": "ollama", "context_window": -1},
        {"model_key": "dear", "provider": "ollama", "price": {"input": "-3"}},
        {"model_key": "words", "provider": "ollama", "price": "three"},
    )
    document["providers"] = [
        {"slug": "new", "kind": "fax"},
        {"slug": "openai", "kind": "groq"},
        {"slug": "bad", "kind": "vllm", "base_url": "x"},
    ]
    with pytest.raises(InvalidValue) as refused:
        registry.import_(document)
    lines = str(refused.value).split("\n")
    assert [line.split(":")[0] for line in lines] == [
        "new", "openai", "bad", "ok is listed twice in models.", "Entry 3 of models has no model_key.", "Entry 4 of models has no model_key.",
        "lost", "demo-chat", "big", "dear", "words",
    ]  # fmt: skip
    assert registry.revision() == before


def test_a_price_edited_in_an_export_comes_from_who_edited_it_and_starts_now(seeded: House) -> None:
    registry = seeded.registry()
    document = registry.export()
    entry = next(m for m in document["models"] if m["model_key"] == "gpt-4.1")
    assert entry["price"]["source"] == "seed"
    entry["price"]["output"] = "9"
    seeded.now += timedelta(days=3)
    registry.import_(document)
    price = registry.prices(registry.get("gpt-4.1").id)[-1]
    assert (price.source, price.source_detail, price.valid_from) == ("manual", None, seeded.now), "earlier calls keep what they cost"


def test_a_new_default_takes_the_place_of_one_the_file_does_not_name(seeded: House) -> None:
    registry = seeded.registry()
    registry.set_default(registry.get("demo-chat").id)
    plan = registry.plan_import(Source(_document({"model_key": "gpt-4.1", "provider": "openai", "is_default": True})))
    assert [(e.key, e.field, e.before, e.after) for e in plan.edits] == [
        ("gpt-4.1", "is_default", False, True),
        ("demo-chat", "is_default", True, False),
    ]
    undo = registry.carry_out_import(plan)
    assert [m.model_key for m in registry.models() if m.is_default] == ["gpt-4.1"]
    registry.undo_import(undo)
    assert [m.model_key for m in registry.models() if m.is_default] == ["demo-chat"]
    with pytest.raises(InvalidValue, match="there is one default, and a is it already"):
        registry.import_(_document(*({"model_key": key, "provider": "openai", "is_default": True} for key in "ab")))
    with pytest.raises(InvalidValue, match="Is default is either true or false"):
        registry.import_(_document({"model_key": "a", "provider": "openai", "is_default": "yes"}))


def test_models_of_ones_own_stay_out_of_what_is_carried(seeded: House) -> None:
    registry = seeded.registry()
    registry.add_model("ollama", "mine", own=True)
    document = registry.export()
    assert "mine" not in [m["model_key"] for m in document["models"]]
    registry.import_(_document({"model_key": "mine", "provider": "ollama", "display_name": "Everyone's"}))
    assert sorted((m.display_name, m.owner_id is None) for m in registry.models() if m.model_key == "mine") == [
        ("Everyone's", True),
        ("mine", False),
    ]


def _document(*models: Any) -> dict[str, Any]:
    return {"format": "modeldeck-models", "version": 1, "models": list(models)}


def _content(document: dict[str, Any]) -> Any:
    """The document without its date, the places prices came from and the order of models."""
    models = [{**m, "price": {k: v for k, v in (m["price"] or {}).items() if k != "valid_from"}} for m in document["models"]]
    return (document["providers"], sorted(models, key=lambda m: str(m["model_key"])))
