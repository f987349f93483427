"""Providers of one's own: added with their address and settings, refused beside the field, deleted when empty."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.ui.provider_add import CONNECT
from tests.pages.deck import Deck, button, clean


def opened(kind: str) -> AppTest:
    """Open the dialog's form as a script of its own."""

    def script() -> None:
        from lib.access import Role
        from lib.ui import provider_add
        from lib.ui.context import guard

        provider_add.form(guard(Role.ADMIN))

    at = AppTest.from_function(script, default_timeout=30).run()
    return at.selectbox[0].set_value(kind).run()


def save(at: AppTest, **values: str) -> AppTest:
    fields: dict[str, Any] = {w.label: w for w in at.text_input}
    for label, text in values.items():
        fields[next(name for name in fields if name.startswith(label.replace("_", " ")))].set_value(text)
    button(at, "Save and connect").click()
    at.run()
    assert not at.exception
    return at


def test_an_azure_resource_is_added_with_its_version_and_asks_for_its_key_next(deck: Deck) -> None:
    address = "https://two.example.com/openai/deployments/gpt"
    at = save(opened("azure"), Name="Azure two", Slug="azure-two", Base_URL=address, API_version="2024-10-21")
    provider = deck.admin.provider("azure-two")
    assert (provider.kind, provider.display_name, provider.own_base_url) == ("azure", "Azure two", address)
    assert provider.settings == {"api_version": "2024-10-21"}
    assert provider.why_not == "Needs an Azure two key"
    assert at.session_state[CONNECT].slug == "azure-two"


WRONG = {
    "Name": ("", "Display name must not be empty."),
    "Slug": ("GPU Box", "A provider's slug is made of lower-case letters, digits and hyphens."),
    "Base_URL": ("", "Say where it listens, such as https://host/v1."),
}


@pytest.mark.parametrize("label", WRONG)
def test_a_wrong_field_is_told_and_nothing_is_saved(deck: Deck, label: str) -> None:
    before = deck.admin.revision()
    right = {"Name": "GPU box", "Slug": "gpu-box", "Base_URL": "http://gpu-box.internal:8000/v1"}
    at = save(opened("vllm"), **{**right, label: WRONG[label][0]})
    assert [e.value for e in at.error] == [WRONG[label][1]]
    assert deck.admin.revision() == before


def test_a_slug_that_is_taken_is_told_beside_it(deck: Deck) -> None:
    at = save(opened("vllm"), Name="Mine", Slug="vllm", Base_URL="http://gpu-box.internal:8000/v1")
    assert [e.value for e in at.error] == ["There is a provider named vllm already."]


def test_one_without_models_can_be_deleted_from_its_card_and_no_built_in_one(deck: Deck) -> None:
    deck.admin.add_provider("gpu-box", "vllm", display_name="GPU box", base_url="http://gpu-box.internal:8000/v1")
    at = deck.open("providers")
    clean(at)
    assert [b.key for b in at.button if b.label == "Delete provider"] == ["delete-gpu-box-now"]
    button(at, "Delete provider").click()
    at.run()
    assert "gpu-box" not in [p.slug for p in deck.admin.providers()]
