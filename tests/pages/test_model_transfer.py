"""Import and order on the Models page: shown before it is written, written as shown, and taken back."""

from __future__ import annotations

import json

from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.registry.transfer_csv import to_csv
from lib.services.audit_desk import AuditDesk
from tests.pages.deck import Deck, button, clean, press


def importing() -> AppTest:
    """Open the import's form as a script of its own, with the way back beneath it."""

    def script() -> None:
        from lib.access import Role
        from lib.ui import model_transfer
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        model_transfer.import_form(page)
        model_transfer.undo(page)

    return AppTest.from_function(script, default_timeout=30).run()


def ordering() -> AppTest:
    """Open the order of the demo models as a script of its own, as they were when it was opened."""

    def script() -> None:
        import streamlit as st

        from lib.access import Role
        from lib.ui import model_bulk, model_order
        from lib.ui.context import guard

        page = guard(Role.ADMIN)
        models = st.session_state.setdefault("models-then", page.registry.models())
        model_order.form(page, [m for m in models if m.provider.slug == "demo"], models)
        model_bulk.undo(page)

    return AppTest.from_function(script, default_timeout=30).run()


def upload(at: AppTest, data: bytes, name: str = "models.csv") -> AppTest:
    at.file_uploader(key="models-import").upload(name, data, "text/csv")
    return at.run()


def edited(deck: Deck) -> bytes:
    """The registry as a table in which one model is renamed and one is new."""
    return to_csv(deck.admin.export()).replace(b",GPT-4.1,", b",Renamed,") + b"mine,Mine,ollama\r\n"


def test_an_import_shows_the_difference_writes_it_and_takes_it_back(deck: Deck) -> None:
    before = deck.admin.export()
    at = upload(importing(), edited(deck))
    text = clean(at)
    assert "**1** added · **1** changed · **45** unchanged" in text
    diff = at.dataframe[-1].value
    assert [list(row) for row in diff.to_numpy()] == [["Mine", "added", "", "ollama"], ["GPT-4.1", "display name", "GPT-4.1", "Renamed"]]
    assert deck.admin.get("gpt-4.1").display_name == "GPT-4.1", "the difference alone changes nothing"
    press(at, "Import 2 models")
    assert (deck.admin.get("gpt-4.1").display_name, deck.admin.get("mine").display_name) == ("Renamed", "Mine")
    assert "Imported: 2 models added or changed." in clean(at)
    press(at, "Undo import")
    after = deck.admin.export()
    assert (after["models"], after["providers"]) == (before["models"], before["providers"])
    assert "Imported:" not in clean(at)


def test_an_import_is_one_change_of_the_audit_log_and_is_taken_back_from_there_too(deck: Deck) -> None:
    before = deck.admin.export()
    table = edited(deck) + b"far,Far,lab\r\n"
    header, _, rest = table.partition(b"\r\n")
    kind = header.split(b",").index(b"provider_kind")
    rest = rest.replace(b"far,Far,lab", b"far,Far,lab" + b"," * (kind - 2) + b"vllm")
    press(upload(importing(), header + b"\r\n" + rest), "Import 3 models")
    assert deck.admin.get("far").provider.slug == "lab"
    desk = AuditDesk(deck.services, LOCAL_ADMIN)
    change = desk.changes()[0][0]
    assert change.count == 4, "a provider, two new models and a changed one"
    desk.undo(desk.plan(change.id))
    after = deck.admin.export()
    assert (after["models"], after["providers"]) == (before["models"], before["providers"])


def test_every_mistake_of_a_file_is_listed_by_row_and_nothing_can_be_applied(deck: Deck) -> None:
    at = upload(importing(), b'model_key,provider,price_input,hidden\r\ngpt-4.1,openai,"2,5",?\r\n')
    assert "2 mistakes in the file" in clean(at)
    assert "**Row 2, column price\\_input:** “2,5” has a comma" in clean(at)
    assert "**Row 2, column hidden:** “?” is neither true nor false." in clean(at)
    assert not [b for b in at.button if b.label.startswith("Import")]


def test_a_file_of_another_kind_and_one_without_news_are_answered_in_a_sentence(deck: Deck) -> None:
    at = upload(importing(), b"PK\x03\x04...", "models.csv")
    assert "This is a workbook or an archive." in clean(at)
    at = upload(importing(), json.dumps(deck.admin.export()).encode(), "models.json")
    assert "Everything is like this already: 46 models compared." in clean(at)


def test_what_somebody_changed_meanwhile_is_not_overwritten(deck: Deck) -> None:
    at = upload(importing(), edited(deck))
    deck.admin.update_model(deck.admin.get("gpt-4.1").id, vendor="Somebody")
    press(at, "Import 2 models")
    assert "Nothing was imported." in clean(at)
    assert deck.admin.get("gpt-4.1").display_name == "GPT-4.1"
    assert not deck.admin.models(search="mine")


def demos(deck: Deck) -> list[int]:
    return [m.id for m in deck.admin.models(provider="demo")]


def send(at: AppTest, model_id: int, place: int) -> AppTest:
    at.selectbox[0].set_value(model_id)
    at.number_input[0].set_value(place)
    return press(at, "Move")


def test_a_model_is_sent_to_a_place_by_number_and_back(deck: Deck) -> None:
    at, before = ordering(), demos(deck)
    assert button(at, "Save the order").disabled
    send(at, before[3], 1)
    assert demos(deck) == before, "it waits to be saved"
    assert "1 model will stand elsewhere." in clean(at)
    press(at, "Save the order")
    assert demos(deck) == [before[3], *before[:3], before[4]]
    press(at, "Undo")
    assert demos(deck) == before


def test_an_order_that_somebody_else_changed_meanwhile_is_refused_in_a_sentence(deck: Deck) -> None:
    at, before = ordering(), demos(deck)
    send(at, before[0], 5)
    deck.admin.update_model(before[0], hidden=True)
    press(at, "Save the order")
    assert "Nothing was changed." in clean(at)
    assert demos(deck) == before


def test_the_menu_opens_each_dialog(deck: Deck) -> None:
    at = deck.open("models", provider="Demo")
    for word, told in (
        ("Change the order", "The 5 models that your filters show"),
        ("Import", "Choose a CSV or JSON file"),
        ("Export", "without any key"),
    ):
        at.menu_button(key="models-menu").click(word)
        assert told in clean(at.run())
