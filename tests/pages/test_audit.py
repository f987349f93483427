"""The Audit log page: who changed what in plain words, one change before and after, and the way back."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.pricing import Price
from lib.registry import BulkChange
from lib.services.audit_desk import AuditDesk
from lib.store.audit_reading import AuditFilters
from lib.store.schema import audit_log
from lib.ui import audit_view
from tests.pages.deck import Deck, clean, words
from tests.pages.deck import press as press_button


def desk(deck: Deck) -> AuditDesk:
    return AuditDesk(deck.services, LOCAL_ADMIN)


def shown(at: AppTest) -> list[str]:
    """Return the changes of the list, as it says them."""
    return [text for table in at.dataframe if "Change" in table.value for text in table.value["Change"]]


def one(deck: Deck, entry_id: int) -> AppTest:
    """Open one change as a script of its own: a test bench runs no dialog a second time."""

    def script(entry: int) -> None:
        from lib.access import Role
        from lib.ui import audit_view
        from lib.ui.context import guard

        audit_view.change(guard(Role.ADMIN), entry)

    return AppTest.from_function(script, kwargs={"entry": entry_id}, default_timeout=30).run()


def newest(deck: Deck) -> int:
    return desk(deck).changes(limit=1)[0][0].id


@pytest.fixture
def changed(deck: Deck) -> Deck:
    """A registry in which the local admin switched, priced, renamed and deleted."""
    registry = deck.admin
    registry.set_active([registry.get("gpt-4o").id], True)
    registry.set_active([m.id for m in registry.models()], True)
    registry.set_price(registry.get("gpt-4.1").id, Price(input=Decimal("2.50"), output=Decimal(75)))
    registry.update_model(registry.get("gpt-4o").id, fallbacks=["gpt-4o-mini"])
    registry.delete_model(registry.get("gpt-4o-mini").id)
    registry.set_default(registry.get("demo-chat").id)
    return deck


def test_the_list_says_in_plain_words_what_was_done_newest_first(changed: Deck) -> None:
    at = changed.open("audit")
    clean(at)
    told = shown(at)
    assert told[:6] == [
        "Made Demo chat the default",
        "Deleted GPT-4o mini",
        "Changed the fallbacks of GPT-4o: none → gpt-4o-mini",
        "Changed the price of GPT-4.1: input $2 → $2.50, output $8 → $75, cached input $0.50 → –",
        told[4],
        "Switched GPT-4o on",
    ]
    assert told[4].startswith("Switched ") and told[4].endswith(" models on")
    table = next(t for t in at.dataframe if "Change" in t.value).value
    assert set(table["Who"][:6]) == {"Local admin"} and set(table["From"][:6]) == {"Pages"}
    assert table["Entries"][4] > 20, "one change, though of many models"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ({"audit-q": "gpt-4.1"}, "Changed the price of GPT-4.1"),
        ({"audit-what": "Prices", "audit-change": "Added", "audit-who": "Local admin"}, "Changed the price of GPT-4.1"),
        ({"audit-change": "Deleted"}, "Deleted GPT-4o mini"),
        ({"audit-q": "GPT-4o mini", "audit-change": "Deleted", "audit-range": "24h"}, "Deleted GPT-4o mini"),
    ],
)
def test_filters_stand_in_the_address_and_narrow_the_list(changed: Deck, address: dict[str, str], found: str) -> None:
    at = changed.open("audit", **address)
    clean(at)
    assert shown(at)[0].startswith(found)


def test_one_models_changes_come_by_its_link_and_all_of_them_by_one_button(changed: Deck) -> None:
    model = changed.admin.get("gpt-4o")
    at = changed.open("audit", model=str(model.id))
    narrowed = shown(at)
    assert len(narrowed) >= 4 and all("GPT-4.1" not in said and "default" not in said for said in narrowed)
    assert "Switched GPT-4o on" in narrowed
    press_button(at, "Only GPT-4o")
    assert shown(at.run())[0] == "Made Demo chat the default"


def test_a_filter_that_nothing_meets_says_so(changed: Deck) -> None:
    at = changed.open("audit", **{"audit-q": "nothing is called so"})
    assert "No change matches these filters." in clean(at)


def test_pages_of_changes_go_back_and_forth_without_losing_one(deck: Deck) -> None:
    model = deck.admin.get("gpt-4o")
    for number in range(60):
        deck.admin.update_model(model.id, context_window=1_000 + number)
    at = deck.open("audit")
    seen = shown(at)
    while not next(b for b in at.button if b.label == "Older").disabled:
        seen += shown(press_button(at, "Older"))
    assert [text.rpartition("→ ")[2] for text in seen[:60]] == [str(1_059 - n) for n in range(60)]
    assert len(seen) == len(set(seen)) > 60
    while not next(b for b in at.button if b.label == "Newer").disabled:
        press_button(at, "Newer")
    assert shown(at) == seen[:25]


def test_a_change_is_shown_before_and_after_and_taken_back_after_a_look_at_what_that_does(changed: Deck) -> None:
    registry = changed.admin
    change = next(c for c in desk(changed).changes()[0] if c.what == "deleted GPT-4o mini")
    at = one(changed, change.id)
    text = clean(at)
    assert "gpt-4o-mini" in text
    press_button(at, "Undo")
    text = clean(at)
    assert "Taking it back would change this:" in text and "Keys do not come back: paste them again." in text
    assert [m.model_key for m in registry.models() if m.model_key == "gpt-4o-mini"] == []
    press_button(at, "Undo this change")
    assert not at.error
    assert registry.get("gpt-4o").fallbacks == ("gpt-4o-mini",)
    assert registry.get("gpt-4o-mini").price is not None
    again = desk(changed).changes(limit=1)[0][0]
    assert (again.what, again.why_not) == ("added GPT-4o mini and changed the fallbacks of GPT-4o: none → gpt-4o-mini", None)


def test_a_bulk_change_is_taken_back_whole(deck: Deck) -> None:
    registry = deck.admin
    before = {m.id: m.display_order for m in registry.models()}
    registry.apply(registry.plan(list(before), BulkChange(first_place=7)))
    at = press_button(one(deck, newest(deck) + 3), "Undo")  # any entry of it stands for the whole
    press_button(at, "Undo this change")
    assert {m.id: m.display_order for m in registry.models()} == before


def test_what_somebody_changed_since_is_named_and_nothing_is_offered(deck: Deck) -> None:
    registry = deck.admin
    model = registry.get("gpt-4o")
    registry.set_active([model.id], True)
    change = newest(deck)
    registry.set_active([model.id], False)
    at = one(deck, change)
    text = clean(at)
    assert "It cannot be taken back." in text
    assert "GPT-4o: on or off was changed since by Local admin" in text
    assert [b for b in at.button if b.label == "Undo"] == []


def test_a_change_between_the_look_and_the_click_is_refused_whole(deck: Deck) -> None:
    registry = deck.admin
    ids = [registry.get(key).id for key in ("gpt-4o", "gpt-4.1")]
    registry.update_model(ids[0], hidden=True)
    at = press_button(one(deck, newest(deck)), "Undo")
    registry.update_model(ids[0], hidden=False)
    text = words(press_button(at, "Undo this change"))
    assert "Undo this change" not in [b.label for b in at.button]
    assert "GPT-4o: hidden was changed since by Local admin" in text
    assert not registry.get(ids[0]).hidden


def test_a_key_is_named_by_its_preview_only_and_says_why_it_does_not_come_back(deck: Deck) -> None:
    secret = "sk-canary-abcdefghijklmnop"
    deck.services.set_key(LOCAL_ADMIN, deck.admin.provider("openai"), secret)
    text = clean(deck.open("audit")) + clean(one(deck, newest(deck)))
    assert "Stored a key for OpenAI" in text and secret not in text
    assert "Keys are never kept in the log. Paste the key again where it belongs." in text


def test_another_persons_own_model_is_told_of_and_no_more(deck: Deck) -> None:
    owner = "3f2b8a52-6a0e-4c9b-9f39-0d9f3f1f0a11"
    provider = deck.admin.provider("openai").id
    row = {"model_key": "mine", "upstream_id": "canary-upstream", "display_name": "Canary", "provider_id": provider, "owner_id": owner}
    store = deck.services.store(LOCAL_ADMIN)
    (made,) = store.insert("llm_models", [row])
    store.update("llm_models", {"display_name": "Canary two"}, where={"id": made["id"]})
    store.delete("llm_models", where={"id": made["id"]})
    at = deck.open("audit")
    text = clean(at) + "".join(clean(one(deck, number)) for number in range(newest(deck) - 2, newest(deck) + 1))
    assert shown(at)[:3] == ["Deleted a model of their own", "Changed a model of their own", "Added a model of their own"]
    assert "anary" not in text + audit_view.export(desk(deck), AuditFilters(), desk(deck).timezone).decode("utf-8-sig")


def test_a_broken_chain_is_shown_and_a_whole_one_says_up_to_where(deck: Deck) -> None:
    at = deck.open("audit")
    assert "The chain has not been verified since this server started." in clean(at)
    press_button(at, "Verify chain")
    last = desk(deck).newest()
    assert f"Chain verified up to entry {last:,} on " in clean(at)
    deck.admin.set_active([deck.admin.get("gpt-4o").id], True)
    assert "1 newer not verified yet" in clean(at.run())
    with deck.services.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER trg_audit_log_no_update")
        connection.execute(audit_log.update().where(audit_log.c.id == 3).values(actor="Nobody"))
    press_button(at, "Verify chain")
    assert "Entry 3 of the audit log was changed, or one before it was removed." in at.error[0].value


def test_entries_cut_off_the_end_are_missed_once_they_were_seen(deck: Deck) -> None:
    deck.admin.set_active([deck.admin.get("gpt-4o").id], True)
    assert desk(deck).check().problems == ()
    last = desk(deck).newest()
    with deck.services.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER trg_audit_log_no_delete")
        connection.execute(audit_log.delete().where(audit_log.c.id == last))
    (problem,) = desk(deck).check().problems
    assert problem.startswith(f"Entry {last:,} is not the one that was checked at ")


def test_the_csv_has_every_field_and_no_formula(deck: Deck) -> None:
    registry = deck.admin
    registry.update_model(registry.get("gpt-4o").id, display_name="=1+1", context_window=7)
    data = audit_view.export(desk(deck), AuditFilters(since=deck.services.clock() - timedelta(hours=1)), desk(deck).timezone)
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [(r["field"], r["before"], r["after"]) for r in rows[:2]] == [
        ("Display name", "GPT-4o", "'=1+1"),
        ("Context window", "128000", "7"),
    ]
    assert {r["who"] for r in rows[:2]} == {"Local admin"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_choosing_a_row_opens_that_change(changed: Deck) -> None:
    at = changed.open("audit")
    at.session_state["audit-open"] = desk(changed).changes()[0][1]  # what a click on the row notes
    assert "gpt-4o-mini" in clean(at.run())
    assert [b.label for b in at.button if b.key == "audit-undo"] == ["Undo"]


def test_the_drawer_of_a_model_tells_its_last_changes(changed: Deck) -> None:
    def script(key: str) -> None:
        from lib.access import Role
        from lib.ui import audit_view
        from lib.ui.context import guard

        page: Any = guard(Role.ADMIN)
        audit_view.recent(page, page.registry.get(key).id)

    at = AppTest.from_function(script, kwargs={"key": "gpt-4o"}, default_timeout=30).run()
    text = clean(at)
    assert "Local admin switched GPT-4o on" in text and "gpt-4o-mini" in text and "GPT-4.1" not in text
    assert [b.label for b in at.button] == ["All changes of this model"]
