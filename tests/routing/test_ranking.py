"""What is known to be broken is asked last, and a person's word outranks what was learned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from lib.chat import Finish, Request, TextDelta, Usage
from lib.errors import ProviderError
from lib.routing import Candidate, NoHints, Notice, SqlHints
from lib.store.engine import writing
from lib.store.schema import model_compatibility_hints
from lib.usage import Attempt
from tests.routing.desk import Desk, Scripted

ANSWER: list[Any] = [TextDelta("Hello"), Usage(input=10, output=2), Finish("stop")]
BLACKLISTED = {"is_blacklisted": True, "blacklist_reason": "Too many errors (5) with no successes", "error_count": 5}
Items = list[Any]


def order(desk: Desk, models: int) -> list[str]:
    return [candidate.model_key for candidate in desk.hinted().rank(desk.call(models).candidates).candidates]


def cooling(desk: Desk, seconds: float) -> dict[str, Any]:
    return {"cooldown_until": desk.moment + timedelta(seconds=seconds), "cooldown_reason": "rate limited", "cooldown_count": 1}


def sentences(items: Items) -> list[str]:
    return [item.sentence for item in items if isinstance(item, Notice)]


def test_usable_ones_come_in_order_then_cooling_then_blacklisted_ones(any_desk: Desk) -> None:
    any_desk.know("m0", **BLACKLISTED)
    any_desk.know("m1", **cooling(any_desk, 34))
    any_desk.know("m3", error_count=3, success_count=1)
    assert order(any_desk, 5) == ["m2", "m3", "m4", "m1", "m0"]


def test_a_cooldown_ends_by_itself(any_desk: Desk) -> None:
    any_desk.know("m0", **cooling(any_desk, 34))
    assert order(any_desk, 2) == ["m1", "m0"]
    any_desk.moment += timedelta(seconds=34)
    assert order(any_desk, 2) == ["m0", "m1"]


@pytest.mark.parametrize(
    ("values", "usable"),
    [
        ({"manual_state": "blacklisted"}, False),
        ({"manual_state": "blacklisted", "success_count": 9, "is_blacklisted": True, "blacklist_reason": "Too dear"}, False),
        ({"manual_state": "allowed", **BLACKLISTED}, True),
        ({"manual_state": "allowed", "error_count": 0, "success_count": 1}, True),
    ],
)
def test_an_admins_decision_is_obeyed(any_desk: Desk, values: dict[str, Any], usable: bool) -> None:
    any_desk.know("m0", **values)
    assert order(any_desk, 2) == (["m0", "m1"] if usable else ["m1", "m0"])


def test_a_skipped_candidate_is_told_of_and_noted_once_the_call_came_through_without_it(any_desk: Desk) -> None:
    any_desk.know("m0", **BLACKLISTED)
    first = Scripted()
    items = list(any_desk.router(first, Scripted(ANSWER)).stream(any_desk.call(2)))
    assert first.asked == []
    assert sentences(items) == ["Skipped Model 0: blacklisted (Too many errors (5) with no successes)."]
    assert isinstance(items[0], Notice)
    assert any_desk.events("skipped") == [
        ("m0", "skipped", {"kind": "blacklisted", "reason": "Too many errors (5) with no successes", "wait_s": None})
    ]


def test_a_cooling_one_is_told_of_with_its_reason_and_the_time_left(any_desk: Desk) -> None:
    any_desk.know("m0", **cooling(any_desk, 33.5))
    items = list(any_desk.router(Scripted(), Scripted(ANSWER)).stream(any_desk.call(2)))
    assert sentences(items) == ["Skipped Model 0 for now: rate limited, 34 s left."]
    assert any_desk.events("skipped") == [("m0", "skipped", {"kind": "cooling", "reason": "rate limited", "wait_s": 33.5})]


def test_whom_the_call_does_not_get_to_is_not_skipped(any_desk: Desk) -> None:
    any_desk.know("m1", **BLACKLISTED)
    items = list(any_desk.router(Scripted(ANSWER), Scripted()).stream(any_desk.call(2)))
    assert sentences(items) == []
    assert any_desk.events("skipped") == []


def test_the_only_candidate_is_tried_all_the_same(any_desk: Desk) -> None:
    any_desk.know("m0", **BLACKLISTED)
    items = list(any_desk.router(Scripted(ANSWER)).stream(any_desk.call()))
    assert sentences(items) == ["Model 0 is blacklisted (Too many errors (5) with no successes); it is tried because nothing else is left."]
    assert isinstance(items[-1], Attempt)
    assert items[-1].status == "ok"
    hint = any_desk.hint()
    assert (hint["is_blacklisted"], hint["blacklist_reason"], hint["next_probe_at"]) == (False, None, None)
    assert [event for _, event, _ in any_desk.events()] == ["first_success", "recovered"]


def test_a_blacklisted_one_is_the_last_that_is_tried(any_desk: Desk) -> None:
    any_desk.know("m0", **BLACKLISTED)
    fault = ProviderError("no credit", kind="quota")
    items = list(any_desk.router(Scripted(ANSWER), Scripted([fault])).stream(any_desk.call(2)))
    assert sentences(items) == [
        "Skipped Model 0: blacklisted (Too many errors (5) with no successes).",
        "Fell back from Model 1: out of quota or credit.",
        "Model 0 is blacklisted (Too many errors (5) with no successes); it is tried because nothing else is left.",
    ]
    assert [(row["model_key"], row["status"]) for row in any_desk.rows()] == [("m1", "error"), ("m0", "ok")]
    assert any_desk.events("skipped") == []  # it was asked in the end


def test_a_success_does_not_undo_a_persons_blacklisting(any_desk: Desk) -> None:
    any_desk.know("m0", is_blacklisted=True, manual_state="blacklisted", blacklist_reason="Too dear")
    list(any_desk.router(Scripted(ANSWER)).stream(any_desk.call()))
    assert any_desk.hint()["is_blacklisted"]
    assert any_desk.events("recovered") == []


def test_a_broken_memory_fails_no_call(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with writing(desk.engine).begin() as connection:
        model_compatibility_hints.drop(connection)
    *_, last = desk.router(Scripted([ProviderError("busy", kind="network")], ANSWER)).stream(desk.call(2))
    assert isinstance(last, Attempt)
    assert (last.status, last.saved) == ("ok", True)
    assert [row["status"] for row in desk.rows()] == ["error", "ok"]
    assert "hints.unavailable" in caplog.text
    assert "hints.not_learned" in caplog.text


@pytest.mark.parametrize("garbage", [[], ["temperature"], {"temperature": "dropped"}, {"temperature": {"state": 1}}, 7])
def test_a_row_nobody_can_read_fails_no_call(desk: Desk, garbage: Any) -> None:
    desk.know("m0", learned_parameters=garbage)
    *_, last = desk.router(Scripted(ANSWER)).stream(desk.call(temperature=0.5))
    assert isinstance(last, Attempt)
    assert last.status == "ok"


def test_what_another_process_decides_holds_for_the_very_next_call(any_desk: Desk) -> None:
    router = any_desk.router(Scripted(ANSWER, ANSWER), Scripted(ANSWER))
    list(router.stream(any_desk.call(2)))
    with writing(any_desk.engine).begin() as connection:
        connection.execute(sa.update(model_compatibility_hints).values(is_blacklisted=True, manual_state="blacklisted"))
    *_, last = router.stream(any_desk.call(2))
    assert isinstance(last, Attempt)
    assert last.model_key == "m1"


def test_without_memory_everything_stays_as_given(desk: Desk) -> None:
    hints, candidates = NoHints(), desk.call(3).candidates
    assert hints.rank(candidates).candidates == candidates
    adapted = hints.adapt(Request("m", []), candidates[0])
    assert (adapted.endpoint, adapted.why) == ("chat/completions", None)


@pytest.mark.parametrize("learn", [True, False])
def test_learning_off_changes_nothing_else(any_desk: Desk, learn: bool) -> None:
    any_desk.know("m0", **BLACKLISTED)
    any_desk.know("m1", preferred_endpoint="responses")
    busy, refusal = ProviderError("busy", kind="network"), ProviderError("no", kind="model-incompatible")
    drop = ProviderError("Unsupported parameter: 'temperature' is not supported with this model.", kind="bad-request")
    both = frozenset({"chat/completions", "responses"})
    first, second, third = Scripted(), Scripted([busy], [refusal], endpoints=both), Scripted([drop], ANSWER)
    items = list(any_desk.router(first, second, third, learn=learn).stream(any_desk.call(3, temperature=0.5)))
    before = [row for row in any_desk.hints() if row["model"] == "m2"]
    assert [type(item).__name__ for item in items] == [
        *("Notice", "Attempt", "Notice", "Attempt", "Notice", "Attempt", "Notice"),
        *("TextDelta", "Usage", "Finish", "Attempt"),
    ]
    assert [(r["model_key"], r["endpoint"], r["status"]) for r in any_desk.rows()] == [
        ("m1", "responses", "error"),
        ("m1", "responses", "error"),
        ("m2", "chat/completions", "error"),
        ("m2", "chat/completions", "ok"),
    ]
    assert [request.temperature for request in third.requests] == [0.5, None]
    assert bool(before) == learn
    assert any_desk.hint("m1")["error_count"] == int(learn)
    assert [event for _, event, _ in any_desk.events("skipped")] == ["skipped"]


def test_known_pairs_are_told_apart_by_provider(any_desk: Desk) -> None:
    any_desk.know("m0", **BLACKLISTED)
    mine = any_desk.call(1).candidates[0]
    theirs = replace(mine, provider="azure")
    ranking = SqlHints(any_desk.engine).rank((mine, theirs))
    assert [c.provider for c in ranking.candidates] == ["azure", "openai"]
    assert isinstance(ranking.candidates[0], Candidate)
