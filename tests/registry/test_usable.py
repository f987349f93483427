"""A model can be picked exactly when a call to it can be made, and otherwise says what to do first."""

from __future__ import annotations

from typing import Any

import pytest

from lib.access import LOCAL_ADMIN, Principal, Role
from tests.registry.conftest import ACTOR, House

KEY = {"OPENAI_API_KEY": "sk-from-the-environment-000000"}


@pytest.mark.parametrize(
    ("provider", "model", "settings", "why_not"),
    [
        ({}, {}, KEY, None),
        ({}, {}, {}, "Needs an OpenAI key"),
        ({}, {"is_active": False}, KEY, "Switched off"),
        ({}, {"is_active": False}, {}, "Needs an OpenAI key"),
        ({}, {"is_available": False}, KEY, "Gone at the provider"),
        ({}, {"is_available": False, "is_active": False}, {}, "Gone at the provider"),
        ({"is_active": False}, {}, KEY, "Provider is switched off"),
        ({"is_active": False}, {}, {}, "Provider is switched off"),
        ({"kind": "anthropic", "display_name": "Anthropic"}, {}, KEY, "Needs an Anthropic key"),
        ({"kind": "groq", "display_name": "Groq"}, {}, KEY, "Needs a Groq key"),
        ({"kind": "google", "display_name": "Google"}, {}, KEY, "Needs a Google key"),
        ({"kind": "google", "display_name": "Google"}, {}, {"GOOGLE_API_KEY": "k" * 32}, None),
        ({"kind": "cohere", "display_name": "Cohere"}, {}, {"COHERE_API_KEY": "k" * 32}, None),
        ({"kind": "matchaai", "display_name": "MatchaAI"}, {}, KEY, "Needs a base URL"),
        (
            {"kind": "matchaai", "display_name": "MatchaAI"},
            {},
            {"MATCHAAI_API_KEY": "k" * 32, "MATCHAAI_BASE_URL": "https://matcha.example/api"},
            None,
        ),
        ({"kind": "from-the-future", "display_name": "Future"}, {}, KEY, "Modeldeck cannot call Future yet"),
        ({"kind": "openai-compatible", "display_name": "Mine"}, {}, {}, "Needs a base URL"),
        ({"kind": "openai-compatible", "display_name": "Mine", "base_url": "http://localhost:1/v1"}, {}, {}, None),
        ({"kind": "azure", "display_name": "Azure OpenAI"}, {}, {"AZURE_OPENAI_API_KEY": "k" * 32}, "Needs a base URL"),
        (
            {"kind": "azure", "display_name": "Azure OpenAI"},
            {},
            {"AZURE_OPENAI_ENDPOINT": "https://one.example"},
            "Needs an Azure OpenAI key",
        ),
        ({"kind": "ollama", "display_name": "Ollama"}, {}, {}, None),
        ({"kind": "demo", "display_name": "Demo"}, {}, {}, None),
        ({"kind": "demo", "display_name": "Demo"}, {"is_active": False}, {}, "Switched off"),
    ],
)
def test_usable_means_on_seen_callable_and_with_a_key(
    house: House, provider: dict[str, Any], model: dict[str, Any], settings: dict[str, str], why_not: str | None
) -> None:
    if provider:
        house.store.update("llm_providers", provider, where={"slug": "openai"})
    house.add_model("m", **model)
    found = house.registry(settings).get("m")
    assert (found.why_not, found.usable) == (why_not, why_not is None)
    assert [m.model_key for m in house.registry(settings).usable()] == (["m"] if why_not is None else [])


def test_a_pasted_key_makes_models_usable_at_once_and_a_moved_base_url_takes_that_back(house: House) -> None:
    house.add_model("m")
    registry = house.registry()
    house.keys().set_system_key(registry.provider("openai"), "sk-pasted-0000000000000000", ACTOR)
    assert registry.get("m").usable
    registry.set_provider("openai", base_url="https://elsewhere.example/v1")
    assert registry.get("m").why_not == "Needs an OpenAI key again"
    registry.set_provider("openai", base_url=None)
    assert registry.get("m").usable


def test_a_base_url_comes_from_the_row_then_the_settings_then_the_kind(seeded: House) -> None:
    assert seeded.registry().provider("ollama").base_url == "http://localhost:11434"
    from_settings = seeded.registry({"OLLAMA_BASE_URL": "http://gpu:11434"}).provider("ollama")
    assert (from_settings.base_url, from_settings.own_base_url) == ("http://gpu:11434", None)
    seeded.registry().set_provider("ollama", base_url="http://other:1/")
    own = seeded.registry({"OLLAMA_BASE_URL": "http://gpu:11434"}).provider("ollama")
    assert (own.base_url, own.own_base_url) == ("http://other:1", "http://other:1")


def test_hidden_models_are_called_but_not_offered(house: House) -> None:
    house.add_model("m", "demo", hidden=True)
    registry = house.registry()
    assert registry.usable() == [] and registry.default() is None
    assert registry.get("m").usable


def test_the_default_is_the_one_set_while_it_is_usable_else_the_first_usable(house: House) -> None:
    registry = house.registry()
    assert registry.default() is None
    ids = [house.add_model(key, "demo", display_order=order) for key, order in (("c", 3), ("a", 1), ("b", 2))]

    def default() -> str | None:
        found = registry.default()
        return found.model_key if found else None

    assert default() == "a"
    registry.set_default(ids[0])
    assert default() == "c"
    registry.set_active([ids[0]], False)
    assert default() == "a"
    assert registry.get("c").is_default  # switched off, and still the one an admin chose
    registry.set_active([ids[0]], True)
    assert default() == "c"
    registry.set_default(ids[2])
    assert [m.model_key for m in registry.models() if m.is_default] == ["b"]
    registry.set_default(None)
    assert default() == "a"


def test_a_persons_own_models_are_theirs_alone_and_come_before_everyones(house: House) -> None:
    mine = "00000000-0000-4000-8000-0000000000aa"
    house.add_model("shared", "demo")
    house.add_model("shared", "demo", owner_id=mine, display_name="my own")
    owner, other = Principal(mine, "Me", Role.MEMBER), Principal("00000000-0000-4000-8000-0000000000bb", "You", Role.MEMBER)
    assert house.registry(principal=owner).get("shared").display_name == "my own"
    assert house.registry(principal=other).get("shared").display_name == "shared"
    assert [m.owner_id for m in house.registry(principal=other).models()] == [None]
    assert len(house.registry(principal=LOCAL_ADMIN).models()) == 1
