"""The Models page: found, switched, ordered and made default as its controls say, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.pricing import Price
from lib.providers import demo
from lib.ui import format as fmt
from lib.ui.model_cards import PER_PAGE
from lib.ui.model_table import OFF_BUTTON, ON_BUTTON
from tests.pages.deck import Deck, choose, clean, press

TABLE = "models-table"
DEMOS = [model.id for model in demo.MODELS]
ACTIONS = ["Details", "Change together", "Switch on", "Switch off", "Make default"]


def shown(at: AppTest) -> list[str]:
    """Return the keys of the models in the table, in its order."""
    return list(at.dataframe[0].value["key"])


def chosen(at: AppTest) -> list[str]:
    """Return the keys of the rows that are chosen."""
    return [shown(at)[row] for row in at.session_state[TABLE]["selection"]["rows"]]


def row(at: AppTest, key: str) -> dict[str, Any]:
    frame = at.dataframe[0].value
    return {"why": "", **frame[frame["key"] == key].iloc[0]}


def test_every_model_is_listed_in_order_with_its_state_and_what_to_do(deck: Deck) -> None:
    at = deck.open("models")
    assert shown(at) == [model.model_key for model in deck.admin.models()]
    off, on = row(at, "claude-opus-4-6"), row(at, demo.CHAT)
    assert (off["switch"], list(off["state"]), off["why"]) == (OFF_BUTTON, ["Off"], "Needs an Anthropic key")
    assert (on["switch"], list(on["state"]), on["why"]) == (ON_BUTTON, ["Usable"], "")
    assert row(at, "vllm-custom")["input"] == "unpriced"


def test_prices_are_written_in_full(deck: Deck) -> None:
    at = deck.open("models")
    for model in deck.admin.models():
        told = row(at, model.model_key)["input"]
        assert told == "unpriced" if model.price is None or model.price.input is None else float(told) == float(model.price.input)


def test_filters_come_from_the_address_and_from_their_controls(deck: Deck) -> None:
    at = deck.open("models", provider="Demo", state="Usable", can="Reasoning")
    assert shown(at) == [demo.REASONER]
    assert at.caption[0].value == "1 of 46 models shown · 5 on · 5 usable"
    at.multiselect(key="can").set_value([]).run()
    assert shown(at) == DEMOS
    at.text_input(key="q").set_value("TIME demo").run()
    assert shown(at) == [demo.TIMEOUT]


def test_a_search_without_a_match_says_so(deck: Deck) -> None:
    at = deck.open("models", q="no such model")
    clean(at)
    assert at.info[0].value == "No model matches these filters."


def offered(at: AppTest) -> list[str]:
    """Return which actions on chosen models stand on the page."""
    return [b.label for b in at.button if b.label in ACTIONS] + [m.label for m in at.menu_button if m.label == "Move"]


def move(at: AppTest, where: str) -> AppTest:
    """Choose how the chosen rows move."""
    at.menu_button(key="models-move").click(where)
    return at.run()


def test_only_what_fits_the_choice_is_offered(deck: Deck) -> None:
    at = deck.open("models", q="demo")
    assert offered(at) == []
    choose(at, TABLE, 0)
    assert offered(at) == ["Details", "Switch off", "Make default", "Move"]
    choose(at, TABLE, 0, 1)
    assert offered(at) == ["Change together", "Switch off", "Move"]
    assert "2 chosen" in clean(at)
    deck.admin.set_active([deck.admin.get(DEMOS[0]).id], False)
    deck.admin.set_default(deck.admin.get(DEMOS[1]).id)
    assert offered(at.run()) == ["Change together", "Switch on", "Switch off", "Move"]
    assert offered(choose(at, TABLE, 1)) == ["Details", "Switch off", "Move"]
    at.selectbox(key="sort").set_value("By name").run()
    assert "Move" not in offered(choose(at, TABLE, 1)), "rows move in the registry's order alone"


def test_several_models_are_switched_at_once_and_keep_everything_else(deck: Deck) -> None:
    before = {model.model_key: model for model in deck.admin.models()}
    at = choose(deck.open("models", provider="Demo"), TABLE, 0, 2, 3)
    press(at, "Switch off")
    off = {DEMOS[0], DEMOS[2], DEMOS[3]}
    assert {m.model_key for m in deck.admin.models(provider="demo") if not m.is_active} == off
    assert set(chosen(at)) == off, "the choice stays, so that they can be switched back"
    press(at, "Switch on")
    after = {model.model_key: model for model in deck.admin.models()}
    assert {key: (m.display_order, m.defaults, m.price, m.is_active) for key, m in after.items()} == {
        key: (m.display_order, m.defaults, m.price, m.is_active) for key, m in before.items()
    }


def test_a_choice_is_dropped_with_the_rows_that_leave_and_never_passes_to_others(deck: Deck) -> None:
    at = choose(deck.open("models", provider="Demo", state="Usable"), TABLE, 0, 1)
    press(at, "Switch off")
    assert shown(at) == DEMOS[2:]
    assert (chosen(at), offered(at)) == ([], [])
    choose(at, TABLE, 1)
    at.text_input(key="q").set_value("truncated").run()
    assert (shown(at), chosen(at)) == ([demo.TRUNCATED], [])


def test_a_model_moves_on_while_its_button_is_pressed_again(deck: Deck) -> None:
    at = choose(deck.open("models"), TABLE, 0)
    first = shown(at)[0]
    for place in (1, 2, 3):
        move(at, "Down")
        assert shown(at).index(first) == place
        assert chosen(at) == [first]
    move(at, "Up")
    assert shown(at).index(first) == 2


def test_in_a_filtered_table_a_model_moves_past_the_next_one_shown(deck: Deck) -> None:
    deck.admin.reorder([deck.admin.get(key).id for key in (DEMOS[0], "gpt-4.1", DEMOS[1])])
    at = choose(deck.open("models", provider="Demo"), TABLE, 1)
    moving, other = shown(at)[1], shown(at)[0]
    move(at, "Up")
    assert shown(at)[:2] == [moving, other]
    assert [m.model_key for m in deck.admin.models(provider="demo")][:2] == [moving, other]


def test_one_model_is_made_the_default_and_takes_it_from_the_last(deck: Deck) -> None:
    at = deck.open("models", provider="Demo")
    for place in (1, 3):
        choose(at, TABLE, place)
        press(at, "Make default")
        assert [list(s) for s in at.dataframe[0].value["state"]].count(["Usable", "Default"]) == 1
        assert list(row(at, DEMOS[place])["state"]) == ["Usable", "Default"]
        default = deck.admin.default()
        assert default is not None
        assert default.model_key == DEMOS[place]


def test_a_model_that_is_on_without_a_key_asks_for_attention(deck: Deck) -> None:
    deck.admin.set_active([deck.admin.get("claude-opus-4-6").id], True)
    at = deck.open("models", state="Needs attention")
    assert shown(at) == ["claude-opus-4-6"]
    assert row(at, "claude-opus-4-6")["why"] == "Needs an Anthropic key"


def test_what_changes_elsewhere_shows_with_the_next_run(deck: Deck) -> None:
    at = deck.open("models", q="gpt-4o-mini")
    model = deck.admin.get("gpt-4o-mini")
    assert row(at, model.model_key)["why"] == "Needs an OpenAI key"
    deck.admin.update_model(model.id, display_name="Renamed elsewhere")
    assert row(at.run(), model.model_key)["name"] == "Renamed elsewhere"
    deck.admin.set_price(model.id, Price(input=Decimal("9.5"), output=Decimal(10)))
    assert row(at.run(), model.model_key)["input"] == "9.50"
    deck.services.set_key(LOCAL_ADMIN, deck.admin.provider("openai"), "sk-pasted-elsewhere-0123456789abcdef")
    assert row(at.run(), model.model_key)["why"] == ""
    deck.admin.set_provider("openai", is_active=False)
    assert row(at.run(), model.model_key)["why"] == "Provider is switched off"


def card_names(at: AppTest) -> list[str]:
    """Return the names on the cards, in their order."""
    return [b.label.strip("*") for b in at.button if b.key and b.key.startswith("card-")]


def test_cards_show_the_same_models_in_the_same_order_a_page_at_a_time(deck: Deck) -> None:
    at = deck.open("models", view="Cards")
    names = [fmt.literal(model.display_name) for model in deck.admin.models()]
    assert not at.dataframe
    assert card_names(at) == names[:PER_PAGE]
    assert "46 models · 5 on · 5 usable" in clean(at)
    at = deck.open("models", view="Cards", page="2")
    assert card_names(at) == names[PER_PAGE:]
    at.selectbox(key="sort").set_value("By name").run()
    at.text_input(key="q").set_value("demo").run()
    assert card_names(at) == sorted(fmt.literal(m.display_name) for m in deck.admin.models(provider="demo")), (
        "a page there is no more is left"
    )
    assert not at.get("pagination")


def test_a_cards_switch_switches_and_its_name_opens_the_drawer(deck: Deck) -> None:
    at = deck.open("models", view="Cards", provider="Demo")
    model = deck.admin.get(demo.CHAT)
    switch = at.toggle(key=f"card-on-{model.id}-{model.version}")
    assert switch.value is True
    switch.set_value(False).run()
    assert not deck.admin.get(demo.CHAT).is_active
    assert "Switched off" not in clean(at), "the switch says so already"
    at.button(key=f"card-{model.id}").click().run()
    assert "Last 30 days" in clean(at)


def test_a_card_says_what_it_costs_and_what_to_do(deck: Deck) -> None:
    deck.admin.set_active([deck.admin.get("claude-opus-4-6").id], True)
    told = clean(deck.open("models", view="Cards", q="claude-opus-4-6"))
    for words in ("Anthropic", "\\$5.00 in", "\\$25.00 out", "Needs an Anthropic key", "Needs attention"):
        assert words in told
    assert "unpriced" in clean(deck.open("models", view="Cards", q="vllm-custom"))


@pytest.mark.parametrize("view", ["Table", "Cards"])
@pytest.mark.parametrize(
    "address", [{"sort": "nonsense"}, {"view": "nonsense"}, {"page": "99"}, {"page": "x"}, {"state": "nonsense"}, {"owner": "Mine"}]
)
def test_an_address_that_makes_no_sense_shows_models_all_the_same(deck: Deck, view: str, address: dict[str, str]) -> None:
    at = deck.open("models", **{"view": view, **address})
    assert "46 models" in clean(at)


def test_an_empty_registry_offers_the_built_in_models(deck: Deck) -> None:
    for model in deck.admin.models():
        deck.admin.delete_model(model.id)
    at = deck.open("models")
    assert "There are no models yet." in clean(at)
    press(at, "Add the built-in models")
    assert len(shown(at)) == 46


def test_filters_that_find_nothing_are_taken_back_with_one_click(deck: Deck) -> None:
    at = deck.open("models", q="no such model", state="Gone")
    press(at, "Show all models")
    assert len(shown(at)) == 46


def test_models_of_ones_own_are_marked_filtered_and_put_in_order_apart(deck: Deck) -> None:
    at = deck.open("models")
    assert not [m for m in at.multiselect if m.label == "Owner"], "there is nothing to tell apart"
    for name in ("first", "second"):
        deck.admin.add_model("ollama", name, own=True)
    at = deck.open("models", owner="Mine")
    assert shown(at) == ["first", "second"]
    assert "Mine" in row(at, "first")["state"]
    choose(at, TABLE, 1)
    move(at, "Up")
    assert shown(at) == ["second", "first"]
    at.multiselect(key="owner").set_value(["Everyone's"]).run()
    assert len(shown(at)) == 46
    assert "Mine" in clean(deck.open("models", view="Cards", q="second"))
    at = deck.open("models", q="e")
    at.menu_button(key="models-menu").click("Change the order")
    told = clean(at.run())
    assert "in the places they have among all 46." in told, "the order of one's own is another one"
