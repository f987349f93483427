"""What works with which model, and what going around failures has saved, told by calls the real router made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.chat import Message
from lib.routing.compatibility import Pair
from lib.services import ChatCall
from lib.ui import context
from lib.ui.hint_drawer import OPEN
from tests.pages.deck import Deck, clean, words

GOOD, LIMITED, BROKEN = "demo-chat", "demo-rate-limit", "demo-truncated"
REASON = "Too slow for the *morning*"


def table(at: AppTest, *columns: str) -> Any:
    return next(d.value for d in at.dataframe if set(columns) <= set(d.value.columns))


def ask(deck: Deck, model: str) -> None:
    deck.services.complete(LOCAL_ADMIN, ChatCall([Message("user", "Hello")], model=model))


@pytest.fixture
def lived(deck: Deck) -> Deck:
    """A deck whose router went around a model that was rate limited and one that an admin blacklisted."""
    deck.admin.set_provider("demo", settings={"pace": 0.0})
    for key in (LIMITED, BROKEN):
        model = deck.admin.get(key)
        deck.admin.update_model(model.id, version=model.version, fallbacks=[GOOD])
    ask(deck, GOOD)
    ask(deck, LIMITED)
    deck.services.hints(LOCAL_ADMIN).blacklist(Pair("demo", BROKEN), REASON)
    ask(deck, BROKEN)
    return deck


def as_somebody(monkeypatch: pytest.MonkeyPatch, role: Role) -> None:
    monkeypatch.setattr(context, "asking", lambda: Principal(str(UUID(int=77)), "Mia", role))


@pytest.mark.parametrize(
    ("shown", "sentences"),
    [
        ("Compatibility", ["No model was called in this range, and nothing is noted of any.", "No model was blacklisted in this range."]),
        ("Detours", ["No call passed a model over in this range.", "No request went on to another model in this range."]),
    ],
)
def test_before_any_call_each_view_is_a_sentence_instead_of_empty_tables(deck: Deck, shown: str, sentences: list[str]) -> None:
    at = deck.open("resilience", show=shown)
    clean(at)
    assert [c.value for c in at.caption] == sentences
    assert not at.dataframe and not at.warning


def test_the_matrix_tells_every_model_by_a_sign_and_a_word(lived: Deck) -> None:
    at = lived.open("resilience", show="Compatibility")
    clean(at)
    found = {row["Model"]: row for _, row in table(at, "State").iterrows()}
    good, broken = lived.admin.get(GOOD).display_name, lived.admin.get(BROKEN).display_name
    assert found[good]["chat/completions"] == "✓ works"
    assert (found[good]["State"], found[broken]["State"]) == ("In use", "Blacklisted")
    assert found[lived.admin.get(LIMITED).display_name]["State"] == "Cooling down"
    (listed,) = [row for _, row in table(at, "How it ended").iterrows()]
    assert (listed["Model"], listed["How it ended"], listed["By"], listed["Reason"]) == (broken, "still listed", "Local admin", REASON)


def test_what_rests_is_named_with_its_reason_above_every_view(lived: Deck) -> None:
    at = lived.open("resilience", show="Compatibility")
    said = [w.value for w in at.warning]
    assert said[0] == "1 model is blacklisted and 1 model is cooling down."
    assert "rests for" in said[1] and "rate limited" in said[1]
    assert [w.value for w in lived.open("resilience").warning] == said[:1]


def test_a_probe_of_a_model_in_use_is_no_time_on_the_blacklist(deck: Deck) -> None:
    deck.admin.set_provider("demo", settings={"pace": 0.0})
    ask(deck, GOOD)
    assert deck.services.hints(LOCAL_ADMIN).probe(Pair("demo", GOOD)).outcome == "ok"
    at = deck.open("resilience", show="Compatibility")
    clean(at)
    assert "No model was blacklisted in this range." in [c.value for c in at.caption]
    assert len(at.dataframe) == 1


def test_detours_count_what_was_spared_and_where_calls_went(lived: Deck) -> None:
    at = lived.open("resilience", show="Detours")
    clean(at)
    assert {m.label: m.value for m in at.metric}["Attempts avoided"] == "1"
    (spared,) = [row for _, row in table(at, "Avoided").iterrows()]
    assert (spared["Model"], spared["Blacklisted"], spared["Saved"]) == (lived.admin.get(BROKEN).display_name, 1, "–")
    (path,) = [row for _, row in table(at, "From", "To").iterrows()]
    assert (path["From"], path["To"]) == (lived.admin.get(LIMITED).display_name, lived.admin.get(GOOD).display_name)
    assert (path["Requests"], path["Answered"], path["What had failed"]) == (1, 1.0, "rate-limit 1")


def test_the_drawer_gives_the_evidence_and_only_admins_the_buttons(lived: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> tuple[str, set[str]]:
        at = lived.open("resilience", show="Compatibility")
        at.session_state[OPEN] = ("demo", BROKEN)
        at.run()
        return clean(at), {b.label.strip() for b in at.button}

    text, buttons = opened()
    assert "An admin decided so." in text and "Too slow for the \\*morning\\*" in text
    assert {"Probe now", "Take off the blacklist"} <= buttons
    as_somebody(monkeypatch, Role.ANALYST)
    text, buttons = opened()
    assert "An admin decided so." in text
    assert not {"Probe now", "Take off the blacklist", "Blacklist", "Forget it"} & buttons


def test_a_member_is_shown_neither_view_nor_what_the_router_avoids(lived: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    as_somebody(monkeypatch, Role.MEMBER)
    at = lived.open("resilience", show="Compatibility")
    clean(at)
    text = words(at)
    assert "morning" not in text and "blacklisted" not in text.lower()
    assert not [control for control in at.segmented_control if control.key == "show"]


def test_sample_models_are_told_of_and_cannot_be_decided_about(deck: Deck) -> None:
    deck.services.load_sample(LOCAL_ADMIN, 2_000, 30, 7)
    at = deck.open("resilience", show="Compatibility", range="30d")
    clean(at)
    pair = next((r.provider, r.model) for r in _rows(deck) if r.is_blacklisted)
    at.session_state[OPEN] = pair
    at.run()
    assert "A sample model is never called" in clean(at)
    assert "Probe now" not in {b.label.strip() for b in at.button}


def _rows(deck: Deck) -> Any:
    from lib import analytics

    range_ = analytics.preset("30d", deck.services.clock(), context.reader_timezone())
    return analytics.compatibility_matrix(deck.services.analytics_engine, analytics.EVERYBODY, range_).rows
