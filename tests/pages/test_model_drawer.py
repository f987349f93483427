"""A model's drawer: what it tells, what it refuses beside the field, and that nobody's work is lost in it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.pricing import Price
from lib.providers import demo
from tests.pages.deck import Deck, button, clean, words
from tests.pages.deck import press as press_button
from tests.pages.filling import PRICED


def drawer(key: str, view: str = "details") -> AppTest:
    """Open a model's drawer as a script of its own: a test bench runs no dialog that a button opened a second time."""

    def script(key: str, view: str) -> None:
        import streamlit as st

        from lib.access import Role
        from lib.ui import model_drawer
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        models = st.session_state.setdefault("as-opened", page.registry.models())
        model = next(m for m in models if m.model_key == key)
        st.session_state.setdefault("model-view", view)
        st.session_state["model-open"] = model.id
        model_drawer.draw(page, models)

    return AppTest.from_function(script, args=(key, view), default_timeout=30).run()


def press(at: AppTest, label: str) -> AppTest:
    at = press_button(at, label)
    assert not at.exception
    return at


def field(at: AppTest, label: str) -> Any:
    return next(
        w for kind in ("text_input", "text_area", "number_input", "multiselect", "toggle") for w in getattr(at, kind) if w.label == label
    )


def test_it_tells_prices_by_date_usage_fallbacks_and_what_was_learned(filled: Deck) -> None:
    registry = filled.admin
    model = registry.get("gpt-4o-mini")
    registry.update_model(model.id, fallbacks=["demo-chat", "gone-model"])
    registry.set_price(model.id, Price(input=Decimal("0.2"), output=Decimal("0.7")), valid_from=filled.services.clock() + timedelta(days=9))
    at = drawer("gpt-4o-mini")
    text = clean(at)
    prices = at.dataframe[0].value
    assert list(prices["In"]) == ["0.20", "0.15"]
    assert prices["Source"][0] == "price set by hand"
    assert "1. Demo chat" in text
    assert "2. gone-model (not in the registry any more)" in text


def test_it_counts_the_calls_of_the_last_thirty_days(filled: Deck) -> None:
    assert re.search(r"\*\*[1-9]\d*\*\* requests · \*\*\\\$", clean(drawer(PRICED)))


def test_a_model_never_called_says_so(deck: Deck) -> None:
    text = clean(drawer("claude-3-opus-20240229"))
    assert "Not called." in text
    assert "No other model steps in when it fails." in text


def test_every_field_is_saved_and_nothing_else_changes(deck: Deck) -> None:
    before = deck.admin.get(demo.CHAT)
    at = drawer(demo.CHAT, "edit")
    field(at, "Display name").set_value("House chat")
    field(at, "Upstream id").set_value("demo-reasoner")
    field(at, "Context window, tokens").set_value(64_000)
    field(at, "Max output, tokens").set_value(4_000)
    field(at, "Capabilities").set_value(["streaming", "vision"])
    field(at, "Defaults").set_value('temperature = 0.7\nstop = ["END"]')
    field(at, "Constraints").set_value("temperature = 0 to 1.5\ntop_p: 1 to 1")
    field(at, "Display order").set_value(7)
    field(at, "Hidden from pickers").set_value(True)
    field(at, "Fallbacks, in order").set_value([demo.TRUNCATED, demo.REASONER])
    press(at, "Save")
    after = deck.admin.get(before.id)
    assert (after.display_name, after.upstream_id, after.context_window, after.max_output_tokens) == (
        "House chat",
        "demo-reasoner",
        64_000,
        4_000,
    )
    assert after.capabilities == {"streaming", "vision"}
    assert (after.defaults, after.constraints) == ({"temperature": 0.7, "stop": ["END"]}, {"temperature": [0, 1.5], "top_p": [1, 1]})
    assert (after.display_order, after.hidden, after.fallbacks) == (7, True, (demo.TRUNCATED, demo.REASONER))
    assert (after.model_key, after.is_active, after.price, after.settings) == (
        before.model_key,
        before.is_active,
        before.price,
        before.settings,
    )


WRONG = {
    "Display name": ("", "Display name must not be empty."),
    "Upstream id": ("", "Upstream id must not be empty."),
    "Context window, tokens": (0, "Context window is a number of tokens, 1 or more."),
    "Max output, tokens": (-5, "Max output tokens is a number of tokens, 1 or more."),
    "Defaults": ("warmer please", "warmer please is not understood; write a line such as temperature = 0.7."),
    "Constraints": ("temperature = 2 to 0", "The constraint on temperature is a pair of numbers, the least and the greatest."),
    "Display order": (-1, "Display order is a whole number, 0 or more; the smallest comes first."),
}


@pytest.mark.parametrize("label", WRONG)
def test_what_the_schema_refuses_is_said_beside_its_field_and_nothing_is_saved(deck: Deck, label: str) -> None:
    before = deck.admin.get(demo.CHAT)
    at = drawer(demo.CHAT, "edit")
    wrong, sentence = WRONG[label]
    field(at, label).set_value(wrong)
    press(at, "Save")
    assert [e.value for e in at.error] == [sentence]
    read = words(at)
    following = next((name for name in ("Upstream id", "Fallbacks, in order", "Save") if name in read.partition(sentence)[2]), None)
    assert following, "the sentence stands in the form, not behind its end"
    assert read.index(label) < read.index(sentence)
    assert deck.admin.get(demo.CHAT).version == before.version


def test_several_mistakes_are_told_at_once_each_beside_its_own_field(deck: Deck) -> None:
    at = drawer(demo.CHAT, "edit")
    field(at, "Display name").set_value("")
    field(at, "Constraints").set_value("temperature = hot")
    press(at, "Save")
    assert len(at.error) == 2


def test_a_default_outside_its_constraint_is_refused(deck: Deck) -> None:
    at = drawer(demo.CHAT, "edit")
    field(at, "Defaults").set_value("temperature = 1.9")
    field(at, "Constraints").set_value("temperature = 0 to 1")
    press(at, "Save")
    assert [e.value for e in at.error] == ["The default of temperature is outside its constraint, 0 to 1."]


def test_a_change_by_somebody_else_is_told_and_neither_side_loses_anything(deck: Deck) -> None:
    at = drawer(demo.CHAT, "edit")
    model = deck.admin.get(demo.CHAT)
    deck.admin.update_model(model.id, context_window=77_000, display_name="Theirs")
    field(at, "Display name").set_value("Mine")
    press(at, "Save")
    assert "Somebody changed this model in the meantime (display name, context window)" in at.warning[0].value
    assert "in place of their display name" in at.warning[0].value
    assert deck.admin.get(demo.CHAT).display_name == "Theirs"
    assert field(at, "Display name").value == "Mine"
    press(at, "Save")
    after = deck.admin.get(demo.CHAT)
    assert (after.display_name, after.context_window) == ("Mine", 77_000)


def test_the_fallback_picker_offers_usable_models_alone_and_never_the_model_itself(deck: Deck) -> None:
    at = drawer(demo.CHAT, "edit")
    offered = field(at, "Fallbacks, in order").options
    assert "Demo · Demo chat" not in offered
    assert offered == [f"Demo · {m.display_name}" for m in deck.admin.models(usable=True) if m.model_key != demo.CHAT]


def test_deleting_names_what_depends_on_it_first(deck: Deck) -> None:
    registry = deck.admin
    model, other = registry.get(demo.CHAT), registry.get(demo.REASONER)
    registry.update_model(other.id, fallbacks=[demo.CHAT, demo.TRUNCATED])
    registry.set_default(model.id)
    at = drawer(demo.CHAT, "delete")
    text = clean(at)
    assert "It is the default" in text
    assert f"It is taken out of the fallbacks of `{demo.REASONER}`" in text
    assert deck.admin.get(demo.CHAT).id == model.id, "nothing happens before the button"
    button(at, "Delete model").click()
    at.run()
    assert demo.CHAT not in [m.model_key for m in registry.models()]
    assert registry.get(demo.REASONER).fallbacks == (demo.TRUNCATED,)


def test_a_copy_is_off_and_keeps_prices_and_settings(deck: Deck) -> None:
    before = deck.admin.get(demo.CHAT)
    button(drawer(demo.CHAT), "Duplicate").click().run()
    copy = deck.admin.get(f"{demo.CHAT}-copy")
    assert (copy.is_active, copy.is_default, copy.display_name) == (False, False, f"{before.display_name} (copy)")
    assert (copy.upstream_id, copy.capabilities, copy.constraints) == (before.upstream_id, before.capabilities, before.constraints)
    assert copy.price is not None and before.price is not None
    assert copy.price.items() == before.price.items()


def test_a_price_set_by_hand_counts_from_now_and_keeps_the_rates_it_does_not_name(deck: Deck) -> None:
    before = deck.admin.get("gpt-4o-mini").price
    at = drawer("gpt-4o-mini")
    field(at, "In, $ per 1M tokens").set_value("dear")
    press(at, "Set price")
    assert [e.value for e in at.error] == ["dear is not a price: write US dollars per 1M tokens, such as 0.15."]
    field(at, "In, $ per 1M tokens").set_value("0.25")
    press(at, "Set price")
    after = deck.admin.get("gpt-4o-mini").price
    assert before is not None and after is not None
    assert (after.input, after.output, after.cache_read, after.source) == (Decimal("0.25"), before.output, before.cache_read, "manual")
    assert len(deck.admin.prices(deck.admin.get("gpt-4o-mini").id)) == 2
