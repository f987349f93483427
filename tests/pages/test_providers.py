"""The Providers page: what each card says about its key, and the dialogs behind its buttons."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.credentials import KeyStatus
from lib.registry import Provider
from lib.store.engine import writing
from lib.store.schema import llm_providers
from lib.ui.keys import TESTED
from tests.pages.deck import Deck, button, clean, nodes, words
from tests.replay import TEXT, ReplayServer

KEY = "sk-ant-pasted-0123456789abcdefghijklmnopqrstuvwxyz"
FIRST, SECOND = "first-encryption-key-that-is-long-enough-0001", "second-encryption-key-that-is-long-enough-02"


def card(at: AppTest, slug: str) -> Any:
    """Return one provider's card."""
    return next(node for node in nodes(at) if getattr(node, "key", None) == f"provider-{slug}")


def said(at: AppTest, slug: str) -> str:
    found = card(at, slug)
    return "\n".join([*(m.value for m in found.markdown), *(c.value for c in found.caption), *(b.label for b in found.button)])


def store(deck: Deck, slug: str = "anthropic") -> Provider:
    deck.services.set_key(LOCAL_ADMIN, deck.admin.provider(slug), KEY)
    return deck.admin.provider(slug)


def dialog(provider: str) -> AppTest:
    """Open a provider's dialog as a script of its own: a test bench runs no dialog that a button opened a second time."""

    def script(slug: str) -> None:
        from lib.access import Role
        from lib.ui import keys
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        keys.connect(page, page.registry.provider(slug))

    at = AppTest.from_function(script, args=(provider,), default_timeout=30)
    return at.run()


def submit(at: AppTest, label: str, *, key: str = "", url: str | None = None) -> AppTest:
    address, typed = at.text_input[:2]
    if url is not None:
        address.set_value(url)
    typed.set_value(key)
    button(at, label).click()
    return at.run()


def test_a_provider_without_a_key_offers_to_add_one(deck: Deck) -> None:
    at = deck.open("providers")
    text = said(at, "anthropic")
    assert "No key" in text
    assert "0 of 10 models on" in text
    assert text.endswith("Add key")
    assert [h.value for h in at.subheader] == ["Connected", "Add another"]


def test_a_stored_key_shows_its_preview_alone_and_can_be_replaced_or_removed(deck: Deck) -> None:
    store(deck)
    at = deck.open("providers")
    text = said(at, "anthropic")
    assert "Key stored" in text
    assert text.endswith("Replace key\nRefresh\nRemove")
    preview = deck.admin.provider("anthropic").key.preview
    assert preview
    assert f"`{preview}`" in text
    assert KEY not in clean(at)
    assert KEY[8:-4] not in clean(at)


def test_a_key_from_the_environment_says_so_and_a_pasted_one_outranks_it(deck: Deck) -> None:
    deck.again(ANTHROPIC_API_KEY="sk-ant-environment-9876543210zyxwvutsrqpo")
    at = deck.open("providers")
    assert "From environment" in said(at, "anthropic")
    assert "Remove" not in said(at, "anthropic")
    store(deck)
    at.run()
    assert "Key stored" in said(at, "anthropic")


def test_a_key_stored_under_another_encryption_key_is_told_and_the_page_still_works(deck: Deck) -> None:
    deck.again(ENCRYPTION_KEY=FIRST)
    store(deck)
    deck.again(ENCRYPTION_KEY=SECOND)
    at = deck.open("providers")
    text = said(at, "anthropic")
    assert "Key unreadable" in text
    assert "The stored key was encrypted under another ENCRYPTION_KEY." in text
    assert text.endswith("Replace key\nRefresh\nRemove")
    clean(at)
    deck.again(ENCRYPTION_KEY=FIRST)
    assert "Key stored" in said(deck.open("providers"), "anthropic")


def test_a_provider_that_needs_no_key_or_an_address_says_so(deck: Deck) -> None:
    at = deck.open("providers")
    assert "No key needed" in said(at, "demo")
    assert "No key needed" in said(at, "ollama")
    assert "Connect" in said(at, "ollama")
    assert "No key" in said(at, "google")
    assert "Add key" in said(at, "google")
    assert "Needs a base URL" in said(at, "azure")
    assert "Needs a base URL" in said(at, "matchaai")
    assert "no address yet" in said(at, "openai-compatible")


def test_a_kind_of_provider_this_version_does_not_know_leaves_the_page_standing(deck: Deck) -> None:
    with writing(deck.services.engine).begin() as connection:
        changed = sa.update(llm_providers).where(llm_providers.c.slug == "cohere").values(kind="from-the-future", version=9)
        connection.execute(changed)
    at = deck.open("providers")
    clean(at)
    assert not at.error
    assert "Not callable yet" in said(at, "cohere")


def test_a_provider_switched_off_says_so(deck: Deck) -> None:
    deck.admin.set_provider("openai", is_active=False)
    assert "Switched off" in said(deck.open("providers"), "openai")


@pytest.mark.parametrize("label", ["Add key", "Replace key", "Remove"])
def test_a_cards_buttons_open_their_dialogs(deck: Deck, label: str) -> None:
    if label != "Add key":
        store(deck)
    at = deck.open("providers")
    next(b for b in card(at, "anthropic").button if b.label == label).click()
    at.run()
    text = clean(at)
    assert ("Remove the Anthropic key?" if label == "Remove" else "Connect Anthropic") in text


def test_without_a_key_nothing_is_asked_of_the_provider(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        deck.admin.set_provider("anthropic", base_url=server.base_url)
        at = submit(dialog("anthropic"), "Test and save")
        assert [e.value for e in at.error] == ["Paste the API key first."]
        assert not server.requests


def test_a_refused_key_is_explained_and_not_stored(deck: Deck) -> None:
    with ReplayServer(api_key="another") as server:
        at = submit(dialog("anthropic"), "Test and save", key=KEY, url=server.base_url)
    (problem,) = [e.value for e in at.error]
    assert problem.startswith("The key was not saved. ")
    assert deck.admin.provider("anthropic").key.source == "missing"
    assert deck.admin.provider("anthropic").own_base_url is None, "a failed test changes nothing"
    assert KEY not in words(at)


def test_what_is_no_key_is_refused_and_leaves_the_address_as_it_was(deck: Deck) -> None:
    store(deck)
    at = submit(dialog("anthropic"), "Save without a test", key="two words", url="https://gateway.example/v1")
    (problem,) = [e.value for e in at.error]
    assert problem.startswith("This does not look like a key")
    assert deck.admin.provider("anthropic").own_base_url is None
    assert deck.admin.provider("anthropic").key.source == "stored"


def test_an_address_that_is_none_is_refused_in_words(deck: Deck) -> None:
    at = submit(dialog("anthropic"), "Save without a test", key=KEY, url="not an address")
    assert len(at.error) == 1
    assert not at.exception
    assert deck.admin.provider("anthropic").key == KeyStatus("missing")


def test_after_a_key_was_tested_its_models_are_offered_and_switched_on(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        provider = deck.admin.set_provider("anthropic", base_url=server.base_url)
        result = deck.services.test_key(LOCAL_ADMIN, provider, KEY)
        deck.services.set_key(LOCAL_ADMIN, provider, KEY, tested=True)
    at = dialog("anthropic")
    at.session_state[TESTED] = (provider.id, result)
    at.run()
    text = words(at)
    assert at.success[0].value.startswith("The key works: ")
    assert f"Anthropic answered: {TEXT}" in text
    number = deck.admin.get("claude-opus-4-6").id
    at.multiselect[0].set_value([number])
    at.run()
    button(at, "Switch on").click()
    at.run()
    assert deck.admin.get("claude-opus-4-6").usable
    assert KEY not in text


def test_a_refused_key_leaves_the_settings_as_they_were(deck: Deck) -> None:
    with ReplayServer(api_key="another-key-0000000000000") as server:
        at = dialog("matchaai")
        at.text_input[2].set_value("424")
        submit(at, "Test and save", key=KEY, url=server.base_url)
    assert at.error
    assert deck.admin.provider("matchaai").settings == {}


def test_a_gateway_asks_for_its_mission_and_calls_go_there(deck: Deck) -> None:
    with ReplayServer() as server:
        at = dialog("matchaai")
        at.text_input[2].set_value(" 424 ")
        submit(at, "Test and save", key=KEY, url=server.base_url)
        assert deck.admin.provider("matchaai").settings == {"mission_id": "424"}
        assert at.session_state[TESTED][1].ok
        assert server.requests[-1].body["mission_id"] == 424
        assert server.requests[-1].headers["matcha-api-key"] == KEY


def test_an_admins_own_providers_are_not_among_everyones_even_under_the_same_name(deck: Deck) -> None:
    own = deck.admin.add_provider("groq", "groq", own=True, display_name="My own Groq", base_url="https://mine.example/v1")
    deck.admin.add_model(own, "llama", own=True, is_active=True)
    at = deck.open("providers")
    assert "My own Groq" not in clean(at)
    assert "https://mine.example" not in said(at, "groq")
    everyones = next(p for p in deck.admin.providers() if p.slug == "groq" and p.owner_id is None)
    deck.services.set_key(LOCAL_ADMIN, everyones, KEY)
    assert "Key stored" in said(deck.open("providers"), "groq")
    assert deck.admin.provider(own).key.source == "missing"
