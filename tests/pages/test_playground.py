"""The playground, driven through its own buttons: what is asked is answered, accounted for and remembered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.providers import demo
from lib.store.usage_tables import llm_usage_log
from lib.ui import format as fmt
from tests.pages.deck import Deck, button, clean, go, nodes, press, words
from tests.replay import TEXT, ReplayServer, Reply, openai_stream

KEY = "sk-replayed-0123456789abcdefghijklmnop"
FIXED, FREE_RANGE = "gpt-6.1-sol", "gpt-4.1"


def ask(at: AppTest, prompt: str) -> AppTest:
    """Type a message and send it."""
    at.chat_input[0].set_value(prompt)
    return at.run()


def pick(at: AppTest, key: str) -> AppTest:
    """Choose a model in the picker."""
    at.button(key=f"pick-{key}").click()
    return at.run()


def picked(at: AppTest) -> str:
    """Return the name of the model that would answer."""
    return at.chat_input[0].placeholder.removeprefix("Message ")


def log(deck: Deck) -> list[dict[str, Any]]:
    with deck.services.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()]


def connect(deck: Deck, server: ReplayServer, *keys: str) -> None:
    """Point OpenAI at a local server, store its key and switch some of its models on."""
    provider = deck.admin.set_provider("openai", base_url=server.base_url)
    deck.services.set_key(LOCAL_ADMIN, provider, KEY)
    deck.admin.set_active([deck.admin.get(key).id for key in keys], True)


def test_another_model_is_picked_asked_and_its_answer_carries_its_figures(deck: Deck) -> None:
    at = pick(deck.open("playground"), demo.REASONER)
    assert picked(at) == "Demo reasoner"
    ask(at, "Why is water wet?")
    text = clean(at)
    assert demo.LABEL in text
    assert "“Why is water wet?”" in text
    (row,) = log(deck)
    assert (row["status"], row["source"], row["model_key"], row["user_id"]) == ("ok", "playground", demo.REASONER, LOCAL_ADMIN.user_id)
    strip = at.chat_message[1].caption[-1].value
    assert f"{row['input_tokens']} in · {row['output_tokens']} out" in strip
    assert f"first token {row['ttft_ms']} ms" in strip
    assert "**&#36;0.00**" in strip
    assert row["request_id"] in at.chat_message[1].caption[-1].help
    assert f"Reasoning tokens: {row['reasoning_tokens']}" in at.chat_message[1].caption[-1].help


def test_a_real_providers_answer_shows_cached_tokens_and_the_cost_the_ledger_holds(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        connect(deck, server, FREE_RANGE)
        at = ask(deck.open("playground", model=FREE_RANGE), "Why is water wet?")
    text = clean(at)
    (row,) = log(deck)
    assert TEXT in text
    assert "1,200 in (1,000 cached) · 34 out" in at.chat_message[1].caption[-1].value
    cost = Decimal(row["cost_nano_usd"]) / 10**9
    assert f"Cost: &#36;{cost.normalize():f}" in at.chat_message[1].caption[-1].help
    assert "built-in price" in at.chat_message[1].caption[-1].value
    assert KEY not in text


@pytest.mark.parametrize("model", [demo.RATE_LIMIT, demo.TIMEOUT, demo.TRUNCATED])
def test_a_failure_is_a_sentence_under_the_question_and_a_row_in_the_ledger(deck: Deck, model: str) -> None:
    at = ask(deck.open("playground", model=model), "Why is water wet?")
    clean(at)
    rows = log(deck)
    assert rows[-1]["status"] == "error"
    assert [e.value for e in at.chat_message[1].error] == [fmt.literal(rows[-1]["error_message"])]
    again = at.run()  # the failure stays where it happened when the page is drawn anew
    clean(again)
    assert [e.value for e in again.chat_message[1].error] == [fmt.literal(rows[-1]["error_message"])]


def test_what_had_arrived_before_a_failure_is_kept(deck: Deck) -> None:
    at = ask(deck.open("playground", model=demo.TRUNCATED), "Why is water wet?")
    assert demo.LABEL in at.chat_message[1].markdown[0].value
    assert "The answer broke off before the provider finished it." in at.chat_message[1].error[0].value


def test_a_provider_that_fails_is_explained_without_its_secrets(deck: Deck) -> None:
    refusal = Reply(b'{"error": {"message": "Incorrect API key provided: %s", "code": "invalid_api_key"}}' % KEY.encode(), status=401)
    with ReplayServer(refusal) as server:
        connect(deck, server, FREE_RANGE)
        at = ask(deck.open("playground", model=FREE_RANGE), "Why?")
    text = clean(at)
    assert len(at.error) == 1
    assert KEY not in text
    assert "OpenAI" in at.error[0].value


def test_the_conversation_goes_along_with_the_next_question_until_a_new_chat_clears_it(deck: Deck) -> None:
    with ReplayServer(Reply(openai_stream(), content_type="text/event-stream")) as server:
        connect(deck, server, FREE_RANGE)
        at = ask(ask(deck.open("playground", model=FREE_RANGE), "First"), "Second")
        asked = [m["content"] for m in server.requests[-1].body["messages"]]
        assert asked == ["First", TEXT, "Second"]
        press(at, "New chat")
        assert len(at.chat_message) == 0
        assert button(at, "New chat").disabled
        ask(at, "Third")
        assert [m["content"] for m in server.requests[-1].body["messages"]] == ["Third"]
    clean(at)


def test_a_suggestion_asks_itself_and_leaves_with_the_first_question(deck: Deck) -> None:
    at = deck.open("playground")
    at.pills[0].set_value("Write a haiku about caching")
    at.run()
    assert "“Write a haiku about caching”" in clean(at)
    at.run()
    assert len(log(deck)) == 1, "drawing the page again must not ask again"
    assert not at.pills


def test_parameters_reach_the_provider_only_when_set(deck: Deck) -> None:
    with ReplayServer(Reply(openai_stream(), content_type="text/event-stream")) as server:
        connect(deck, server, FREE_RANGE)
        at = ask(deck.open("playground", model=FREE_RANGE), "Plain")
        assert not {"temperature", "top_p", "max_tokens"} & set(server.requests[-1].body)
        number = deck.admin.get(FREE_RANGE).id
        at.toggle(key=f"set-temperature-{number}").set_value(True).run()
        at.slider(key=f"temperature-{number}").set_value(0.3)
        at.number_input(key=f"max-tokens-{number}").set_value(77)
        at.text_area(key="system").set_value("Be brief.")
        ask(at, "Set")
    body = server.requests[-1].body
    assert (body["temperature"], body["max_tokens"], "top_p" in body) == (0.3, 77, False)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_model_with_fixed_sampling_offers_no_slider_and_no_limit_it_does_not_know(deck: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        connect(deck, server, FIXED)
        at = deck.open("playground", model=FIXED)
        text = clean(at)
        assert picked(at) == "GPT-6.1 Sol"
        assert "Temperature: fixed at 1 for GPT-6.1 Sol." in text
        assert "Top-p: fixed at 1 for GPT-6.1 Sol." in text
        assert not at.toggle
        assert not at.slider
        assert TEXT in clean(ask(at, "Why is water wet?"))


def test_sliders_and_limit_stay_within_what_the_model_accepts(deck: Deck) -> None:
    at = deck.open("playground")
    number = deck.admin.get(demo.CHAT).id
    deck.admin.update_model(number, constraints={"temperature": [0.2, 0.8], "top_p": [0, 1]}, max_output_tokens=500)
    at.toggle(key=f"set-temperature-{number}").set_value(True)
    at.run()
    slider = at.slider(key=f"temperature-{number}")
    assert (slider.min, slider.max) == (0.2, 0.8)
    assert slider.value == 0.8
    assert at.number_input(key=f"max-tokens-{number}").max == 500


@pytest.mark.parametrize("switch_off_before", ["drawing", "asking"])
def test_a_model_switched_off_meanwhile_gives_way_to_another_with_a_notice(deck: Deck, switch_off_before: str) -> None:
    at = pick(deck.open("playground"), demo.REASONER)
    deck.admin.set_active([deck.admin.get(demo.REASONER).id], False)
    if switch_off_before == "drawing":
        at.run()
    else:
        ask(at, "Why is water wet?")
    assert [t.value for t in at.toast] == [
        "Demo reasoner cannot be used here any more: switched off. Demo chat was chosen instead.",
    ]
    assert picked(at) == "Demo chat"
    assert at.query_params["model"] == demo.CHAT
    assert "pick-demo-reasoner" not in [b.key for b in at.button]
    clean(at.run())
    assert not at.toast


def test_with_every_model_off_the_page_says_what_to_do(deck: Deck) -> None:
    at = deck.open("playground")
    deck.admin.set_active([model.id for model in deck.admin.models()], False)
    at.run()
    clean(at)
    assert at.info[0].value == "No model is usable yet. Add a provider key, then switch a model on."
    assert not at.chat_input
    deck.admin.set_active([deck.admin.get(demo.TRUNCATED).id], True)
    assert picked(at.run()) == "Demo: truncated answer"


def test_the_choice_is_remembered_in_a_new_session(deck: Deck) -> None:
    pick(deck.open("playground"), demo.REASONER)
    assert picked(deck.open("playground")) == "Demo reasoner"
    deck.again()
    assert picked(deck.open("playground")) == "Demo reasoner"


def test_the_address_outranks_what_was_remembered_and_is_not_remembered_itself(deck: Deck) -> None:
    pick(deck.open("playground"), demo.REASONER)
    at = deck.open("playground", model=demo.TRUNCATED)
    assert picked(at) == "Demo: truncated answer"
    assert picked(deck.open("playground")) == "Demo reasoner"
    at.query_params["model"] = demo.TIMEOUT  # as the browser's back button does
    assert picked(at.run()) == "Demo: timeout"


def test_an_address_that_names_no_model_says_so_and_falls_back(deck: Deck) -> None:
    at = deck.open("playground", model="gpt-99")
    assert picked(at) == "Demo chat"
    assert [t.value for t in at.toast] == ["gpt-99 cannot be used here any more: not in the registry. Demo chat was chosen instead."]


def test_the_choice_and_the_conversation_survive_a_look_at_another_page(deck: Deck) -> None:
    at = ask(pick(deck.open("playground"), demo.REASONER), "Why is water wet?")
    at.query_params = {}  # the sidebar's links carry none
    go(at, "usage")
    at.query_params = {}
    go(at, "playground")
    assert picked(at) == "Demo reasoner"
    assert demo.LABEL in clean(at)


def test_the_default_model_is_chosen_when_nothing_was(deck: Deck) -> None:
    deck.admin.set_default(deck.admin.get(demo.REASONER).id)
    assert picked(deck.open("playground")) == "Demo reasoner"


def test_the_picker_groups_by_provider_and_searches_once_there_are_many(deck: Deck) -> None:
    with ReplayServer() as server:
        connect(deck, server, *[model.model_key for model in deck.admin.models(provider="openai")])
    at = deck.open("playground")
    popover = next(n for n in nodes(at) if getattr(n, "type", "") == "popover" and any("pick-" in str(getattr(c, "key", "")) for c in n))
    assert [caption.value for caption in popover.caption] == ["OpenAI", "Demo"]
    at.text_input(key="picker-q").set_value("demo REASON").run()
    assert [b.key for b in at.button if str(b.key).startswith("pick-")] == ["pick-demo-reasoner"]
    at.text_input(key="picker-q").set_value("nothing like it").run()
    assert "No usable model matches." in words(at)
