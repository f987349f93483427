"""A model is found by any name people use for it, and an ambiguous name is never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from lib.access import Principal, Role
from lib.errors import NotFound, UnknownModel
from lib.services.calls import alias_of
from tests.registry.conftest import House


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o"),  # the key decides before any upstream id
        ("openai/gpt-4o", "openai-gpt-4o"),
        ("azure/gpt-4o", "azure-gpt-4o"),
        ("matchaai/28", "claude-3-7-sonnet"),
        ("huggingface/moonshotai/Kimi-K3:together", "moonshotai/Kimi-K3:together"),
        ("claude OPUS 5.5", "claude-opus-5-5"),
        ("  demo-chat ", "demo-chat"),
        ("Demo: timeout", "demo-timeout"),
    ],
)
def test_ids_keys_provider_paths_and_names_all_lead_to_the_model(seeded: House, ref: str, key: str) -> None:
    registry = seeded.registry()
    assert registry.get(ref).model_key == key
    assert registry.get(registry.get(ref).id).model_key == key
    assert registry.get(str(registry.get(ref).id)).model_key == key


def test_an_upstream_id_that_is_a_number_yields_to_a_models_own_id(seeded: House) -> None:
    assert seeded.registry().get("28").id == 28
    seeded.registry().delete_model(28)
    assert seeded.registry().get("28").model_key == "claude-3-7-sonnet"


def test_an_ambiguous_name_lists_the_candidates(seeded: House) -> None:
    with pytest.raises(
        UnknownModel, match=r"'Claude 3.5 Sonnet' could be any of: claude-3-5-sonnet, claude-3-5-sonnet-20241022\. Name one"
    ):
        seeded.registry().get("Claude 3.5 Sonnet")


@pytest.mark.parametrize("ref", ["nothing", "", "openai/", "/", "9" * 30, "99999", "100%", "gpt_4o", "x" * 10_000, "nope/gpt-4o", "\u0661"])
def test_what_is_not_there_is_said_in_a_short_sentence(seeded: House, ref: str) -> None:
    with pytest.raises(UnknownModel, match="There is no model named") as unknown:
        seeded.registry().get(ref)
    assert len(str(unknown.value)) < 250


def test_a_slip_of_the_pen_is_answered_with_the_nearest_key(seeded: House) -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean claude-opus-4-6\?"):
        seeded.registry().get("claude-opus-4.6")


def test_an_unknown_provider_is_said(seeded: House) -> None:
    with pytest.raises(NotFound, match="no provider named 'nobody'"):
        seeded.registry().provider("nobody")


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({"search": "DEMO reason"}, ["demo-reasoner"]),
        ({"search": "moonshot"}, ["moonshotai/Kimi-K3:together", "moonshotai/kimi-k3"]),
        ({"provider": "ollama"}, ["llama3.1", "mistral", "phi3:mini"]),
        ({"provider": "demo", "capability": "reasoning"}, ["demo-reasoner"]),
        ({"active": True, "search": "chat"}, ["demo-chat"]),
        ({"usable": True, "capability": "tools"}, ["demo-chat", "demo-reasoner"]),
        ({"provider": "demo", "usable": False}, []),
        ({"search": "%"}, []),
    ],
)
def test_filters_narrow_the_list_together(seeded: House, filters: dict[str, Any], keys: list[str]) -> None:
    assert [m.model_key for m in seeded.registry().models(**filters)] == keys


def test_filters_name_a_persons_own_model_as_the_log_does_and_only_to_them(seeded: House) -> None:
    mia = Principal("00000000-0000-4000-8000-0000000000aa", "Mia", Role.MEMBER)
    hers = seeded.registry(principal=mia)
    provider = hers.add_provider("mine", "openai-compatible", own=True, display_name="My server", base_url="https://llm.example.com/v1")
    model = hers.add_model(provider, "gpt-4o-mini", own=True, display_name="Mine")
    alias = alias_of(model.provider, model.id)
    names = {logged.key: logged for logged in hers.logged()}
    assert names[alias.model_key] == (alias.model_key, "Mine", alias.provider, "My server")
    assert names["gpt-4o-mini"].provider_name == "OpenAI"
    assert [logged.key for logged in seeded.registry().logged()] == [m.model_key for m in seeded.registry().models()]
