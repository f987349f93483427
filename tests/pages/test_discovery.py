"""Refreshing models from the Providers page: what changes is shown before anything does, and each provider fails for itself."""

from __future__ import annotations

import json
from datetime import timedelta

from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.services.discovery import DiscoveryDesk
from lib.store import runs
from lib.ui.discovery_view import ago
from lib.ui.keys import TESTED
from tests.pages.deck import Deck, button, choose, clean, press
from tests.pages.test_providers import dialog, said
from tests.replay import ReplayServer, Reply


def says(*ids: str) -> Reply:
    return Reply(json.dumps({"data": [{"id": name, "context_length": 8_000} for name in ids]}).encode())


def connect(deck: Deck, slug: str, server: ReplayServer) -> None:
    provider = deck.admin.set_provider(slug, base_url=server.base_url)
    deck.services.set_key(LOCAL_ADMIN, provider, "gsk_test_0123456789abcdefghij", tested=True)


def drawer(*slugs: str) -> AppTest:
    """Open the drawer as a script of its own: a test bench runs no dialog that a button opened a second time."""

    def script(slugs: list[str]) -> None:
        from lib.access import Role
        from lib.ui import discovery_view
        from lib.ui.context import guard

        discovery_view.form(guard(Role.ADMIN), slugs or None)

    return AppTest.from_function(script, args=(list(slugs),), default_timeout=60).run()


def table(at: AppTest, slug: str) -> list[tuple[str, ...]]:
    frame = next(f for f in at.dataframe if f.key == f"discovery-{slug}-rows").value
    return [(row["What"][0], row["Model"], row["Difference"]) for _, row in frame.iterrows()]


def test_only_what_is_connected_can_be_refreshed(deck: Deck) -> None:
    at = deck.open("providers")
    assert "Refresh models" not in [b.label for b in at.button]
    assert "Refresh" not in said(at, "groq")
    with ReplayServer(says("a")) as server:
        connect(deck, "groq", server)
        at.run()
        assert said(at, "groq").endswith("Replace key\nRefresh\nRemove")
        assert not server.requests, "looking at the page asks nobody"


def test_the_button_shows_what_changes_and_changes_nothing_yet(deck: Deck) -> None:
    with ReplayServer(says("fast", "whisper-1")) as server:
        connect(deck, "groq", server)
        at = press(deck.open("providers"), "Refresh models")
    text = clean(at)
    assert "1 new, 1 gone of 2 listed" in text
    assert table(at, "groq") == [("New", "fast", "context 8,000"), ("Gone", "Llama 3.3 70B (Groq)", "Not listed")]
    assert "Left out as no models for chats: 1 audio." in text
    assert [m.model_key for m in deck.admin.models(provider="groq")] == ["llama-3.3-70b-versatile"]
    assert "Found 1 new, 1 gone; not applied yet." in said(deck.open("providers"), "groq")


def test_applying_says_what_came_of_it_and_leads_to_the_new_models(deck: Deck) -> None:
    with ReplayServer(says("fast", "llama-3.3-70b-versatile")) as server:
        connect(deck, "groq", server)
        at = press(deck.open("providers"), "Refresh models")
        at.session_state["discovery-open"] = None  # a test bench draws no dialog a second time by itself
        press(at, "Apply 2 changes")
    assert [s.value for s in at.success] == ["1 new, 1 changed."]
    assert "See the new models" in clean(at)
    assert not deck.admin.get("fast").is_active
    assert deck.admin.get("fast").context_window == 8_000
    assert "Refreshed just now: 1 new, 1 changed." in said(deck.open("providers"), "groq")


def test_what_is_not_chosen_is_not_applied(deck: Deck) -> None:
    with ReplayServer(says("one", "two", "three")) as server:
        connect(deck, "groq", server)
        at = drawer("groq")
        assert [row[1] for row in table(at, "groq")][:3] == ["one", "three", "two"]
        choose(at, "discovery-groq-rows", 1)
        button(at, "Apply 1 change").click()
        at.run()
    assert {m.model_key for m in deck.admin.models(provider="groq")} == {"llama-3.3-70b-versatile", "three"}
    assert deck.admin.get("groq/llama-3.3-70b-versatile").is_available


def test_a_search_narrows_a_long_list_and_keeps_what_was_chosen(deck: Deck) -> None:
    with ReplayServer(says(*(f"model-{n:02}" for n in range(30)))) as server:
        connect(deck, "groq", server)
        at = drawer("groq")
        at.text_input(key="discovery-q").set_value("model-07")
        at.run()
        assert table(at, "groq") == [("New", "model-07", "context 8,000")]
        assert button(at, "Apply 31 changes")
        choose(at, "discovery-groq-rows")
        at.text_input(key="discovery-q").set_value("")
        at.run()
        assert button(at, "Apply 30 changes")
        at.text_input(key="discovery-q").set_value("nothing like it")
        at.run()
        assert "Nothing here matches the search." in clean(at)


def test_a_list_that_looks_wrong_is_not_applied_without_a_yes(deck: Deck) -> None:
    with ReplayServer(says("a", "b", "c"), says("a")) as server:
        connect(deck, "groq", server)
        DiscoveryDesk(deck.services, LOCAL_ADMIN).refresh(["groq"])
        at = drawer("groq")
        assert at.warning[0].value == "Groq lists only 1 of the 3 models it listed before."
        assert button(at, "Apply").disabled
        at.checkbox(key="discovery-groq-accept").check()
        at.run()
        press(at, "Apply 2 changes")
    assert [m.is_available for m in deck.admin.models(provider="groq") if m.model_key in "abc"] == [True, False, False]


def test_one_provider_that_fails_keeps_none_of_the_others_and_says_why(deck: Deck) -> None:
    with ReplayServer(says("a")) as fine, ReplayServer(api_key="another") as refusing:
        connect(deck, "groq", fine)
        connect(deck, "mistral", refusing)
        at = press(deck.open("providers"), "Refresh models")
        (problem,) = [e.value for e in at.error]
        assert problem.startswith("Mistral")
        assert table(at, "groq")[0][1] == "a"
        at.session_state["discovery-open"] = None
        press(at, "Apply 2 changes")
        assert deck.admin.get("a")
    assert ":orange[:material/error:] Refresh failed just now." in said(deck.open("providers"), "mistral")
    assert "gsk_test" not in clean(at)


def test_with_nothing_to_change_it_says_so(deck: Deck) -> None:
    with ReplayServer(says("a")) as server:
        connect(deck, "groq", server)
        DiscoveryDesk(deck.services, LOCAL_ADMIN).refresh(["groq"])
        at = drawer("groq")
    assert at.success[0].value.startswith("Nothing to change")
    assert "Nothing new at Groq (1 listed)." in clean(at)


def test_a_daily_refresh_that_failed_is_told_above_the_cards(deck: Deck) -> None:
    now = deck.services.clock()
    run_id = runs.start(deck.services.engine, "job", "refresh-models", "Modeldeck", now - timedelta(hours=3))
    runs.finish(deck.services.engine, run_id, "failed", {"sentence": "Groq: It is down."}, now)
    at = deck.open("providers")
    assert [w.value for w in at.warning] == ["The daily refresh failed 3 h ago. Groq: It is down."]
    assert ago(timedelta(days=1, hours=3)) == "yesterday"


def test_a_refresh_whose_process_died_is_not_said_to_run_for_ever(deck: Deck) -> None:
    with ReplayServer(says("a")) as server:
        connect(deck, "groq", server)
        runs.start(deck.services.engine, "models", "groq", "Ada", deck.services.clock())
        assert "Being refreshed now" in said(deck.open("providers"), "groq")
        runs.start(deck.services.engine, "models", "groq", "Ada", deck.services.clock() - timedelta(minutes=20))
        assert "Refresh broken off 20 min ago" in said(deck.open("providers"), "groq")


def test_right_after_its_key_is_stored_a_provider_can_be_asked_what_it_offers(deck: Deck) -> None:
    with ReplayServer(says("a")) as server:
        connect(deck, "groq", server)
        provider = deck.admin.provider("groq")
        at = dialog("groq")
        at.session_state[TESTED] = (provider.id, None)
        at.run()
        press(at, "See what it offers")
        assert at.session_state["discovery-open"] == ["groq"]
        page = deck.open("providers")
        page.session_state["discovery-open"] = ["groq"]
        page.run()
        assert "1 new, 1 gone of 1 listed" in clean(page)


def test_names_from_outside_are_neither_markup_nor_formulas(deck: Deck) -> None:
    rows = [{"id": "a", "name": "=HYPERLINK(1)"}, {"id": "b", "name": "![x](https://evil.example/p.png)"}]
    with ReplayServer(Reply(json.dumps({"data": rows}).encode())) as server:
        connect(deck, "groq", server)
        at = drawer("groq")
        assert {row[1] for row in table(at, "groq") if row[0] == "New"} == {"'=HYPERLINK(1)", "![x](https://evil.example/p.png)"}
    assert not any("evil.example" in m.value for m in at.markdown)
