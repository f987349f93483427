"""Adding a model: what was typed is tried as it stands, told in words that help, and saved only when asked to."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.providers.catalog import KINDS
from lib.registry.draft import DraftModel
from lib.registry.templates import TEMPLATES
from lib.store.schema import metadata
from tests.pages.deck import Deck, button, clean
from tests.replay import OPENAI_MODEL, ReplayServer, Reply

KEY = "sk-typed-0123456789abcdefghijklmnopqrstuvwxyz"
UNKNOWN = Reply(json.dumps({"error": {"message": "The model `nope` does not exist", "code": "model_not_found"}}).encode(), status=404)
USAGE_LOG = metadata.tables["llm_usage_log"]


def opened(template: str) -> AppTest:
    """Open the dialog's form as a script of its own, with a template chosen."""

    def script() -> None:
        from lib.access import Role
        from lib.ui import model_add
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        model_add.form(page, page.registry.providers())

    at = AppTest.from_function(script, default_timeout=30).run()
    names = [t.name for t in TEMPLATES]
    return at.selectbox(key="add-template").set_value(names.index(template)).run()


def field(at: AppTest, label: str) -> Any:
    return next(w for w in [*at.text_input, *at.number_input, *at.multiselect] if w.label == label)


def fill(at: AppTest, **values: str) -> AppTest:
    for label, value in values.items():
        field(at, label.replace("_", " ")).set_value(value)
    return at


def press(at: AppTest, label: str) -> AppTest:
    button(at, label).click()
    at.run()
    assert not at.exception
    return at


def custom(at: AppTest, server: ReplayServer, upstream: str = OPENAI_MODEL) -> AppTest:
    return fill(at, Provider_name="House", Slug="house", Base_URL=server.base_url, Upstream_id=upstream, Display_name="House model")


def attempts(deck: Deck) -> list[Any]:
    with deck.services.engine.connect() as connection:
        return list(connection.execute(sa.select(USAGE_LOG.c.source, USAGE_LOG.c.status, USAGE_LOG.c.model_name)))


def test_there_is_a_template_for_every_kind_that_can_be_called_and_each_can_be_saved_as_it_is() -> None:
    assert len(TEMPLATES) >= 22
    assert {t.kind for t in TEMPLATES} == set(KINDS) - {"demo"}
    assert len({t.name for t in TEMPLATES}) == len(TEMPLATES)
    for t in TEMPLATES[:-1]:
        values = {"display_name": t.display_name, "capabilities": sorted(t.capabilities), "context_window": t.context_window}
        draft = DraftModel(t.slug or "x", t.kind, t.upstream_id, values, base_url=t.base_url or "https://host.example/v1")
        assert draft.problems() == {}, t.name


@pytest.mark.parametrize("template", [t.name for t in TEMPLATES])
def test_every_template_draws(deck: Deck, template: str) -> None:
    clean(opened(template))


def test_a_model_of_ones_own_server_is_tried_then_saved_with_its_provider(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        at = custom(opened("Any OpenAI-compatible server"), server)
        field(at, "API key (only if your server asks for one)").set_value(KEY)
        fill(at, **{"In, $ per 1M tokens": "1", "Out, $ per 1M tokens": "2"})
        press(at, "Test connection")
        text = clean(at)
        assert "It works" in at.success[0].value
        assert "1,200 in · 34 out" in at.success[0].value
        assert "Water is wet" in text
        assert "house" not in [p.slug for p in deck.admin.providers()], "a test saves nothing"
        assert [(a.source, a.status, a.model_name) for a in attempts(deck)] == [("test", "ok", "House model")]
        press(at, "Save")
    model = deck.admin.get(OPENAI_MODEL)
    assert (model.provider.slug, model.provider.own_base_url, model.usable) == ("house", server.base_url, True)
    assert model.provider.key.source == "stored"
    assert model.price is not None and str(model.price.output) == "2"
    assert KEY not in clean(at)


def test_a_model_the_endpoint_does_not_know_is_told_with_those_it_offers(deck: Deck) -> None:
    with ReplayServer(UNKNOWN, _listing(7)) as server:
        at = custom(opened("Any OpenAI-compatible server"), server, "nope")
        press(at, "Test connection")
    assert "The endpoint answers but does not know nope; it offers: m-0, m-1, m-2, m-3, m-4 and 2 more." in at.error[0].value
    assert "(HTTP 404)" in at.error[0].value


def test_a_refused_key_and_a_closed_port_are_told_apart(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        at = press(custom(opened("Any OpenAI-compatible server"), server), "Test connection")
    assert "did not accept the key" in at.error[0].value
    at = custom(opened("Any OpenAI-compatible server"), server)
    press(fill(at, Base_URL="http://127.0.0.1:9/v1"), "Test connection")
    assert "Check that it runs and that the base URL is right" in at.error[0].value


def test_a_hugging_face_endpoint_that_is_starting_counts_as_reachable(deck: Deck) -> None:
    loading = Reply(json.dumps({"error": "Model is currently loading", "estimated_time": 20}).encode(), status=503)
    with ReplayServer(loading) as server:
        at = fill(opened("Hugging Face: dedicated endpoint"), Base_URL=server.base_url, API_key=KEY)
        press(at, "Test connection")
    assert not at.error
    assert "It is reachable and still starting the model" in at.warning[0].value


WRONG = {
    "Slug": ("Our House", "A provider's slug is made of lower-case letters, digits and hyphens."),
    "Base URL": ("house", "A base URL starts with https:// or http:// and names a host, such as https://api.example.com/v1."),
    "Upstream id": ("", "Upstream id must not be empty."),
    "Key": ("?", "A model key starts with a letter or digit and goes on with letters, digits and . _ : / @ + -"),
    "In, $ per 1M tokens": ("cheap", "cheap is not a price: write US dollars per 1M tokens, such as 0.15."),
    "Context window, tokens": (0, "Context window is a number of tokens, 1 or more."),
}


@pytest.mark.parametrize("label", WRONG)
@pytest.mark.parametrize("action", ["Test connection", "Save"])
def test_a_wrong_field_is_told_beside_it_before_anything_is_sent_or_saved(deck: Deck, label: str, action: str) -> None:
    revision = deck.admin.revision()
    with ReplayServer() as server:
        at = custom(opened("Any OpenAI-compatible server"), server)
        field(at, label).set_value(WRONG[label][0])
        press(at, action)
        assert not server.requests
    assert [e.value.replace("\\", "") for e in at.error] == [WRONG[label][1]]
    assert deck.admin.revision() == revision


def test_a_taken_key_leaves_no_half_made_provider_behind(deck: Deck) -> None:
    with ReplayServer() as server:
        at = custom(opened("Any OpenAI-compatible server"), server)
        fill(at, Key="demo-chat")
        field(at, "API key (only if your server asks for one)").set_value(KEY)
        press(at, "Save")
    assert at.error
    assert "house" not in [p.slug for p in deck.admin.providers()]


def test_a_stored_key_is_used_at_its_own_address_and_never_at_another(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server, ReplayServer() as elsewhere:
        deck.services.connect(LOCAL_ADMIN, deck.admin.provider("groq"), KEY, base_url=server.base_url, tested=False)
        at = press(opened("Groq: Llama"), "Test connection")
        assert "It works" in at.success[0].value
        from lib.services.model_desk import ModelDesk

        moved = DraftModel("", "vllm", OPENAI_MODEL, provider=deck.admin.provider("vllm"), base_url=elsewhere.base_url)
        assert ModelDesk(deck.services, LOCAL_ADMIN).test(moved).ok
        assert "authorization" not in elsewhere.requests[0].headers


def test_the_settings_of_a_kind_are_asked_for_and_sent_as_typed(deck: Deck) -> None:
    with ReplayServer() as server:
        at = fill(opened("MatchaAI: a model by its number"), Base_URL=server.base_url, Mission="77", API_key=KEY)
        press(at, "Test connection")
        assert any("77" in json.dumps(r.body) for r in server.requests if r.body), "the mission goes with the call"
    assert "mission_id" not in deck.admin.provider("matchaai").settings


def _listing(count: int) -> Reply:
    return Reply(json.dumps({"object": "list", "data": [{"id": f"m-{n}", "object": "model"} for n in range(count)]}).encode())
