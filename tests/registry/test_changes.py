"""What an admin changes: it takes effect everywhere, keeps the rest, and nobody else may."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from lib.access import Principal, Role
from lib.errors import InvalidValue, NotAllowed, StaleVersion, UnknownModel
from lib.pricing import Price
from lib.registry import BulkChange, Registry
from lib.store.schema import audit_log
from tests.registry.conftest import ACTOR, House

CHANGES: dict[str, Callable[[Registry], object]] = {
    "set_active": lambda r: r.set_active([1], True),
    "set_default": lambda r: r.set_default(1),
    "clear_default": lambda r: r.set_default(None),
    "reorder": lambda r: r.reorder([2, 1]),
    "add_model": lambda r: r.add_model("openai", "x"),
    "update_model": lambda r: r.update_model(1, display_name="x"),
    "delete_model": lambda r: r.delete_model(1),
    "duplicate_model": lambda r: r.duplicate_model(1),
    "plan": lambda r: r.plan([1], BulkChange(is_active=True)),
    "delete_provider": lambda r: r.delete_provider("vllm"),
    "set_price": lambda r: r.set_price(1, Price(input=Decimal(1))),
    "add_provider": lambda r: r.add_provider("x", "openai"),
    "set_provider": lambda r: r.set_provider("openai", is_active=False),
    "import_": lambda r: r.import_({"format": "modeldeck-models", "version": 1}),
    "seed": lambda r: r.seed(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", [Role.ANALYST, Role.MEMBER])
def test_only_an_admin_changes_anything(seeded: House, change: str, role: Role) -> None:
    registry = seeded.registry(principal=Principal("00000000-0000-4000-8000-0000000000aa", "Ann", role))
    before = registry.revision()
    with pytest.raises(NotAllowed, match="admin"):
        CHANGES[change](registry)
    assert registry.revision() == before


def test_switching_off_keeps_everything_else_of_the_row(seeded: House) -> None:
    registry = seeded.registry()
    model = registry.get("demo-reasoner")
    registry.update_model(model.id, settings={"note": "kept"}, fallbacks=["demo-chat"], defaults={"temperature": 0.3})
    before = seeded.store.select("llm_models", where={"id": model.id})[0]
    assert registry.set_active([model.id], False) == 1
    assert registry.set_active([model.id], True) == 1
    after = seeded.store.select("llm_models", where={"id": model.id})[0]
    assert {k: v for k, v in after.items() if k not in ("version", "updated_at")} == {
        k: v for k, v in before.items() if k not in ("version", "updated_at")
    }


def test_many_models_switch_in_one_go_and_only_those_that_differ_change(seeded: House) -> None:
    registry = seeded.registry()
    ids = [m.id for m in registry.models(provider="openai")]
    registry.set_active(ids[:2], True)
    assert registry.set_active(ids, True) == len(ids) - 2
    assert all(m.is_active for m in registry.models(provider="openai"))
    assert registry.set_active(ids, True) == 0
    assert registry.set_active([], True) == 0


def test_one_model_that_is_gone_stops_the_whole_change(seeded: House) -> None:
    registry = seeded.registry()
    before = registry.revision()
    for change in (
        lambda: registry.set_active([1, 9_999], True),
        lambda: registry.reorder([1, 9_999]),
        lambda: registry.set_default(9_999),
    ):
        with pytest.raises(UnknownModel, match="not here any more"):
            change()
    assert registry.revision() == before


def test_reordering_some_models_leaves_the_others_where_they_are(house: House) -> None:
    for key, order in (("a", 10), ("b", 20), ("c", 20), ("d", 40), ("e", 100_010)):
        house.add_model(key, "demo", display_order=order)
    registry = house.registry()
    ids = {m.model_key: m.id for m in registry.models()}
    registry.reorder([ids["d"], ids["b"]])
    assert [m.model_key for m in registry.models()] == ["a", "d", "c", "b", "e"]
    registry.reorder([ids[k] for k in "edcba"])
    assert [m.model_key for m in registry.models()] == ["e", "d", "c", "b", "a"]
    assert registry.models()[-1].display_order == 100_010
    before = registry.revision()
    registry.reorder([ids[k] for k in "edcba"])
    assert registry.revision() == before


def test_a_model_added_is_priced_from_the_catalogue_and_stands_before_the_demos(seeded: House) -> None:
    registry = seeded.registry()
    added = registry.add_model("openai", "gpt-5-mini", is_active=True, capabilities=["streaming", "tools"])
    assert (added.model_key, added.display_name, added.priced_as, added.context_window) == (
        "gpt-5-mini",
        "gpt-5-mini",
        "openai/gpt-5-mini",
        400_000,
    )
    assert added.price is not None and added.price.source == "catalogue" and added.price.input == Decimal("0.25")
    assert [m.model_key for m in registry.models()].index("gpt-5-mini") == len(registry.models()) - 6
    taken = registry.add_model("azure", "gpt-5-mini")
    assert taken.model_key == "azure-gpt-5-mini"
    unknown = registry.add_model("ollama", "qwen3:8b", display_name="Qwen 3", price=Price(input=Decimal(0), output=Decimal(0)))
    assert unknown.price is not None and unknown.price.source == "manual"
    assert registry.add_model("vllm", "mine").price is None


def test_a_price_no_model_can_have_adds_no_model(seeded: House) -> None:
    registry = seeded.registry()
    with pytest.raises(InvalidValue, match="The rate input must be a number"):
        registry.add_model("ollama", "qwen3:8b", price=Price(input=Decimal(-1), output=Decimal(0)))
    with pytest.raises(UnknownModel):
        registry.get("qwen3:8b")


def test_a_key_in_use_is_refused_with_a_sentence(seeded: House) -> None:
    with pytest.raises(InvalidValue, match="already taken"):
        seeded.registry().add_model("openai", "something", model_key="demo-chat")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"display_name": " "}, "Display name must not be empty."),
        ({"display_name": "x" * 201}, "Display name must be one line"),
        ({"model_key": "has space"}, "A model key starts with"),
        ({"context_window": 0}, "Context window is a number of tokens, 1 or more."),
        ({"max_output_tokens": "many"}, "Max output tokens is a number of tokens"),
        ({"capabilities": ["flying"]}, "flying is not a capability; there are streaming"),
        ({"capabilities": "tools"}, "Capabilities is a list of names."),
        ({"constraints": {"temperature": [2, 0]}}, "The constraint on temperature is a pair of numbers"),
        ({"constraints": {"temperature": 1}}, "The constraint on temperature is a pair of numbers"),
        ({"fallbacks": [1]}, "Fallbacks is a list of names."),
        ({"settings": []}, "Settings is a set of named values."),
        ({"is_active": "yes"}, "Is active is either true or false."),
        ({"id": 5}, "A model has no field named id."),
        ({"is_default": True}, "A model has no field named is_default."),
    ],
)
def test_values_a_model_cannot_have_are_refused_by_name(seeded: House, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        seeded.registry().update_model(1, **values)
    assert str(refused.value).startswith(sentence)
    assert refused.value.field is not None


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "localhost:8000", "https://", "https://user:pw@host/v1", "https://host/v1?key=1", "https://host/#x", "http://[", 5, "a b"],
)
def test_base_urls_a_client_must_not_be_sent_to_are_refused(seeded: House, url: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        seeded.registry().set_provider("openai", base_url=url)
    assert refused.value.field == "base_url"


def test_a_stale_edit_is_refused_and_changes_nothing(seeded: House) -> None:
    registry = seeded.registry()
    model, provider = registry.get("gpt-4.1"), registry.provider("openai")
    registry.update_model(model.id, version=model.version, display_name="first")
    registry.set_provider("openai", version=provider.version, display_name="First")
    with pytest.raises(StaleVersion):
        registry.update_model(model.id, version=model.version, display_name="second")
    with pytest.raises(StaleVersion):
        registry.set_provider("openai", version=provider.version, display_name="Second")
    with pytest.raises(StaleVersion):
        registry.delete_model(model.id, version=model.version)
    assert (registry.get("gpt-4.1").display_name, registry.provider("openai").display_name) == ("first", "First")


def test_another_server_of_a_known_kind_can_be_added(seeded: House) -> None:
    registry = seeded.registry()
    added = registry.add_provider("lab", "openai-compatible", display_name="Lab", base_url="http://lab:8000/v1/")
    assert (added.base_url, added.why_not) == ("http://lab:8000/v1", None)
    assert registry.add_model("lab", "our-model", is_active=True).usable
    with pytest.raises(InvalidValue, match="no kind of provider named fax"):
        registry.add_provider("x", "fax")
    with pytest.raises(InvalidValue, match="already taken"):
        registry.add_provider("lab", "vllm")


def test_the_revision_moves_with_every_change_and_is_seen_by_other_processes(seeded: House) -> None:
    registry, elsewhere = seeded.registry(), House(seeded.folder).registry()
    seen = [registry.revision()]

    def moved() -> None:
        seen.append(registry.revision())
        assert seen[-1] not in seen[:-1]
        assert elsewhere.revision() == seen[-1]

    registry.set_active([1], True)
    moved()
    registry.set_default(1)
    moved()
    registry.reorder([2, 1])
    moved()
    registry.set_provider("openai", display_name="Open")
    moved()
    registry.set_price(1, Price(input=Decimal(1), output=Decimal(1)))
    moved()
    seeded.keys().set_system_key(registry.provider("openai"), "sk-0000000000000000000000", ACTOR)
    moved()
    registry.delete_model(2)
    moved()
    assert registry.revision() == seen[-1]


def test_changes_are_audited_with_who_and_what(seeded: House) -> None:
    seeded.registry().set_active([seeded.registry().get("gpt-4.1").id], True)
    with seeded.engine.connect() as connection:
        last = connection.execute(sa.select(audit_log).order_by(audit_log.c.id.desc()).limit(1)).mappings().one()
    assert (last["actor"], last["action"], last["before"], last["after"]) == (
        "Ada",
        "llm_models.update",
        {"is_active": False},
        {"is_active": True},
    )
