"""Several models changed together: the difference first, then the change, then the way back."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.providers import demo
from lib.ui.model_bulk import UNDO
from tests.pages.deck import Deck, button, clean

CHOSEN = (demo.CHAT, "gpt-4o-mini", "vllm-custom")


def opened() -> AppTest:
    """Open the dialog's form over three models, as a script of its own, with the way back beneath it."""

    def script(keys: tuple[str, ...]) -> None:
        import streamlit as st

        from lib.access import Role
        from lib.ui import model_bulk
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        models = page.registry.models()
        if st.session_state.get("model-bulk-open", True):
            model_bulk.form(page, [m for m in models if m.model_key in keys], models)
        model_bulk.undo(page)

    return AppTest.from_function(script, args=(CHOSEN,), default_timeout=30).run()


def control(at: AppTest, label: str) -> Any:
    return next(
        w for kind in ("button_group", "number_input", "multiselect", "toggle", "text_input") for w in getattr(at, kind) if w.label == label
    )


def press(at: AppTest, label: str) -> AppTest:
    button(at, label).click()
    at.run()
    assert not at.exception
    return at


def difference(at: AppTest) -> list[tuple[str, ...]]:
    return [tuple(row) for row in at.dataframe[0].value.itertuples(index=False)]


def test_nothing_is_offered_before_something_is_chosen(deck: Deck) -> None:
    at = opened()
    clean(at)
    assert not at.dataframe
    assert not [b for b in at.button if b.label.startswith("Apply")]


def test_the_difference_is_shown_applied_and_taken_back(deck: Deck) -> None:
    before = {m.model_key: (m.is_active, m.hidden, m.price and m.price.input) for m in deck.admin.models()}
    at = opened()
    at.session_state["bulk-active"], at.session_state["bulk-hidden"] = "On", "Hidden"
    at.session_state["bulk-price"] = "Change by percent"
    at.run()
    control(at, "Percent").set_value("10").run()
    clean(at)
    assert ("GPT-4o mini", "Price", "0.15 in, 0.60 out", "0.165 in, 0.66 out") in difference(at)
    assert ("GPT-4o mini", "Switch", "Off", "On") in difference(at)
    assert not [row for row in difference(at) if row[0] == "Demo chat" and row[1] == "Switch"], "it is on already"
    assert {m.model_key: (m.is_active, m.hidden, m.price and m.price.input) for m in deck.admin.models()} == before
    press(at, "Apply to 3 models")
    assert all(deck.admin.get(key).hidden for key in CHOSEN)
    press(at, "Undo")
    assert {m.model_key: (m.is_active, m.hidden, m.price and m.price.input) for m in deck.admin.models()} == before
    assert UNDO not in at.session_state


@pytest.mark.parametrize("percent", ["a tenth", "-101", "NaN"])
def test_a_percentage_that_is_none_is_told_and_cannot_be_applied(deck: Deck, percent: str) -> None:
    at = opened()
    at.session_state["bulk-price"] = "Change by percent"
    at.run()
    control(at, "Percent").set_value(percent).run()
    assert [e.value for e in at.error] == [f"{percent} is not a percentage from -100 to 10,000."]
    assert not [b for b in at.button if b.label.startswith("Apply")]


def test_fallbacks_are_set_for_all_in_one_order(deck: Deck) -> None:
    at = opened()
    control(at, "Set fallbacks").set_value(True).run()
    control(at, "Fallbacks, in order").set_value([demo.TRUNCATED, demo.CHAT]).run()
    press(at, "Apply to 3 models")
    assert [deck.admin.get(key).fallbacks for key in CHOSEN] == [
        (demo.TRUNCATED,),
        (demo.TRUNCATED, demo.CHAT),
        (demo.TRUNCATED, demo.CHAT),
    ]


def test_an_undo_that_comes_too_late_takes_nothing_back_and_says_so(deck: Deck) -> None:
    at = opened()
    at.session_state["bulk-active"] = "Off"
    at.run()
    press(at, "Apply to 1 model")
    model = deck.admin.get(demo.CHAT)
    deck.admin.update_model(model.id, display_name="Theirs")
    button(at, "Undo").click()
    at.run()
    assert "Nothing was taken back. Somebody changed or removed this" in at.error[0].value
    assert not deck.admin.get(demo.CHAT).is_active
