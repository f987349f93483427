"""The Prices page: it says what has no price, where the catalogue differs and what that would cost, and takes only what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.money import format_usd
from lib.pricing import Price
from lib.services.price_desk import PriceDesk
from lib.ui import context, price_dialog, price_view
from tests.pages.deck import Deck, button, choose, clean, press, words
from tests.pages.filling import PRICED, UNPRICED
from tests.pages.test_usage import log
from tests.services.market import Market

D = Decimal
DEARER = Price(input=D(5), output=D(20), cache_read=D("0.5"))
ANN = Principal("00000000-0000-4000-8000-0000000000aa", "Ann", Role.ANALYST)
DIFFERENCES, QUEUE = "prices-differences-{}", "prices-unpriced-{}"


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """A catalogue the test writes, in place of the one that is installed."""
    market = Market()
    monkeypatch.setattr(price_view, "PriceDesk", partial(PriceDesk, catalogue=market))
    yield market


def desk(deck: Deck, market: Market) -> PriceDesk:
    return PriceDesk(deck.services, LOCAL_ADMIN, market)


def seeded_price(deck: Deck, key: str) -> Price:
    price = deck.admin.get(key).price
    assert price is not None
    return price


def says(deck: Deck, market: Market, key: str, price: Price, *upcoming: Price) -> None:
    reference = deck.admin.get(key).priced_as
    assert reference is not None
    market.says(reference, price, *upcoming)


def frame(at: AppTest, column: str) -> Any:
    return next(d.value for d in at.dataframe if column in d.value.columns)


def test_before_the_first_check_the_page_says_that_a_check_changes_nothing(deck: Deck) -> None:
    at = deck.open("prices")
    text = clean(at)
    assert "Prices were not compared with the catalogue yet. A check changes none of them." in text
    assert "Every model that is on has a price" in text
    assert not at.dataframe


def test_a_check_against_the_installed_catalogue_names_the_price_that_was_changed(deck: Deck) -> None:
    model = deck.admin.get("claude-opus-4-6")
    before = seeded_price(deck, model.model_key)
    deck.admin.set_price(model.id, replace(before, input=D("99.125"), source="seed"))
    at = press(deck.open("prices"), "Check now")
    clean(at)
    table = frame(at, "Here → catalogue")
    assert list(table["Model"]) == [model.display_name]
    assert table["Here → catalogue"][0].startswith("In 99.125 → ")
    assert "genai-prices" in table["Catalogue"][0]
    assert "cost something else here" in words(at)


def test_what_differs_stands_with_its_effect_and_is_taken_and_taken_back(filled: Deck, market: Market) -> None:
    model = filled.admin.get("claude-haiku-4-5-20251001")
    says(filled, market, model.model_key, DEARER)
    says(filled, market, PRICED, DEARER)
    desk(filled, market).check()
    at = filled.open("prices")
    clean(at)
    table = frame(at, "Here → catalogue")
    rows = {name: row for name, row in zip(table["Model"], table.to_dict("records"), strict=True)}
    own = rows[filled.admin.get(PRICED).display_name]
    assert (own["What"], rows[model.display_name]["What"]) == (["Own price"], ["Differs"])
    assert own["Here → catalogue"] == "In 2.50 → 5.00 · Out 10.00 → 20.00 · Cache read 0.25 → 0.50"
    calls = [row for row in log(filled, days=30) if row["model_key"] == PRICED and row["cost_nano_usd"] is not None]
    was = sum(row["cost_nano_usd"] for row in calls)
    assert (own["Last 30 days"], own["With theirs"], own["Change"]) == (
        format_usd(was),
        format_usd(2 * was),
        f"+{format_usd(was)}",
    )
    assert rows[model.display_name]["Change"] == "not called"

    before = seeded_price(filled, PRICED)
    press(at, "Take all")
    assert seeded_price(filled, model.model_key).input == D(5)
    assert seeded_price(filled, PRICED) == before, "what an admin set by hand is not taken by all"
    assert list(frame(at, "Here → catalogue")["Model"]) == [filled.admin.get(PRICED).display_name]
    assert "1 model has the catalogue's price." in clean(at)
    press(at, "Undo")
    clean(at)
    assert seeded_price(filled, model.model_key).input == D(1)
    assert len(frame(at, "Here → catalogue")) == 2


def test_only_the_chosen_rows_are_taken_own_prices_too(filled: Deck, market: Market) -> None:
    for key in ("claude-haiku-4-5-20251001", PRICED, "gpt-4o-mini"):
        says(filled, market, key, DEARER)
    desk(filled, market).check()
    at = filled.open("prices")
    assert button(at, "Take the chosen").disabled
    place = list(frame(at, "Here → catalogue")["Model"]).index(filled.admin.get(PRICED).display_name)
    at = choose(at, DIFFERENCES.format(0), place)
    press(at, "Take 1 chosen")
    clean(at)
    assert seeded_price(filled, PRICED).input == D(5)
    assert seeded_price(filled, "gpt-4o-mini").input == D("0.15")


def test_a_price_somebody_changed_since_it_was_shown_is_not_overwritten(filled: Deck, market: Market) -> None:
    says(filled, market, "gpt-4o-mini", DEARER)
    desk(filled, market).check()
    at = filled.open("prices")
    filled.admin.set_price(filled.admin.get("gpt-4o-mini").id, Price(input=D(7), output=D(8)))
    press(at, "Take all")
    assert seeded_price(filled, "gpt-4o-mini").input == D(7)
    assert "Nothing was changed." in at.error[0].value
    assert "no longer what this page showed" in at.error[0].value


def test_a_catalogue_that_cannot_be_read_leaves_the_page_whole(filled: Deck, market: Market) -> None:
    market.broken = ImportError("No module named 'genai_prices'")
    at = press(filled.open("prices"), "Check now")
    text = clean(at)
    assert "The price catalogue could not be read." in text
    assert "ImportError" not in text
    assert at.warning
    market.broken = None
    press(at, "Check now")
    assert not at.warning


def test_the_queue_lists_what_is_unpriced_until_it_has_a_price(filled: Deck) -> None:
    model = filled.admin.get(UNPRICED)
    at = filled.open("prices")
    text = clean(at)
    queue = frame(at, "Why")
    assert (list(queue["Model"]), list(queue["Calls"])) == ([model.display_name], [1])
    assert "1 call of 1 model in no cost" in text
    assert "came without a token count; no price can name" in text
    PriceDesk(filled.services, LOCAL_ADMIN).set_price(model.id, Price(input=D(1), output=D(1)), past=True)
    at.run()
    assert "Every model that is on has a price" in clean(at)


def dialog(key: str) -> AppTest:
    """Open a row's dialog as a script of its own: a test bench presses no button inside one that a table opened."""

    def script(key: str) -> None:
        import streamlit as st

        from lib.access import Role
        from lib.services.price_desk import PriceDesk
        from lib.ui import price_dialog
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        desk = PriceDesk(page.services, page.principal)
        row = st.session_state.setdefault("as-opened", next(r for r in desk.unpriced().rows if r.key == key))
        last = desk.last()
        known = next((f.row for f in last.rows if f.row.subject.key == key), None) if last else None
        if price_dialog.draw(desk, row, known, page.timezone):
            st.write("saved")

    return AppTest.from_function(script, args=(key,), default_timeout=30).run()


def rate(at: AppTest, label: str) -> Any:
    return next(field for field in at.text_input if field.label == label)


def test_a_price_typed_in_the_dialog_prices_the_calls_already_made(filled: Deck) -> None:
    at = dialog(UNPRICED)
    assert "1 call without a cost in the last 30 days, the first on" in clean(at)
    rate(at, "In").set_value("$0.5")
    rate(at, "Out").set_value("1.5")
    press(at, "Set price")
    assert not at.exception
    (call,) = [row for row in log(filled) if row["model_key"] == UNPRICED]
    price = seeded_price(filled, UNPRICED)
    assert (price.source, price.input, price.output) == ("manual", D("0.5"), D("1.5"))
    assert call["cost_nano_usd"] == (call["input_tokens"] * 500 + call["output_tokens"] * 1_500)
    assert call["price_id"] == price.id


def test_without_the_switch_only_later_calls_are_priced(filled: Deck) -> None:
    at = dialog(UNPRICED)
    at.toggle(key="price-past").set_value(False).run()
    rate(at, "In").set_value("0")
    rate(at, "Out").set_value("0")
    press(at, "Set price")
    assert seeded_price(filled, UNPRICED).input == 0
    assert [row["cost_nano_usd"] for row in log(filled) if row["model_key"] == UNPRICED] == [None]


@pytest.mark.parametrize("typed", ["cheap", "-1", "NaN", "2000000"])
def test_what_is_no_price_is_refused_beside_its_field(filled: Deck, typed: str) -> None:
    at = dialog(UNPRICED)
    rate(at, "In").set_value(typed)
    press(at, "Set price")
    assert [e.value for e in at.error] == [f"{typed} is not a price: write US dollars per 1M tokens, such as 0.15."]
    assert filled.admin.get(UNPRICED).price is None


def test_an_empty_form_asks_for_a_price(filled: Deck) -> None:
    at = press(dialog(UNPRICED), "Set price")
    assert at.error[0].value == "Type at least what input and output cost."


def test_the_catalogues_price_is_one_press_away_where_it_knows_the_model(filled: Deck, market: Market) -> None:
    filled.admin.update_model(filled.admin.get(UNPRICED).id, priced_as="list/custom")
    market.says("list/custom", DEARER)
    desk(filled, market).check()
    at = dialog(UNPRICED)
    assert r"The catalogue says **\$5.00 in, \$20.00 out** per 1M tokens." in clean(at)
    press(at, "Take the catalogue's price")
    assert not at.exception
    (call,) = [row for row in log(filled) if row["model_key"] == UNPRICED]
    assert call["price_source"] == "catalogue"
    assert call["cost_nano_usd"] is not None


def test_an_announced_price_is_told_with_its_day(deck: Deck, market: Market) -> None:
    day = deck.services.clock() + timedelta(days=40)
    old = seeded_price(deck, "gpt-4o-mini")
    says(deck, market, "gpt-4o-mini", old, replace(old, output=D(9), valid_from=day))
    desk(deck, market).check()
    at = deck.open("prices")
    row = frame(at, "Here → catalogue").iloc[0]
    assert row["What"] == ["Announced"]
    assert day.strftime("from %d %b %Y") in row["Catalogue"]
    press(at, "Take all")
    assert [p.output for p in deck.admin.prices(deck.admin.get("gpt-4o-mini").id)] == [old.output, D(9)]


def led_to_prices(at: AppTest) -> str:
    """Return the words of the Overview's link to the Prices page; none when it is not there."""
    links = [link.proto for link in at.get("page_link") if link.proto.page == "prices"]
    return links[0].label if links else ""


def test_the_overview_leads_an_admin_to_prices(filled: Deck, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    says(filled, market, "gpt-4o-mini", DEARER)
    desk(filled, market).check()
    assert led_to_prices(filled.open("overview")) == "Prices: 1 missing, 1 unlike the catalogue"
    monkeypatch.setattr(context, "asking", lambda: ANN)
    at = filled.open("overview")
    assert led_to_prices(at) == ""
    assert "unpriced: no price or no token count is known" in clean(at)


def test_the_overview_is_silent_when_every_price_is_right(deck: Deck) -> None:
    assert led_to_prices(deck.open("overview")) == ""


def test_words_of_a_back_fill_are_true() -> None:
    from lib.usage.backfill import Filled

    assert price_dialog.told(None) == "The price is set."
    assert price_dialog.told(Filled(2, 1_500_000_000, 0)) == "2 calls are priced now: $1.50."
    assert price_dialog.told(Filled(0, 0, 3)).endswith("3 need a rate that the price of their time does not name.")
