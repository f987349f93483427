"""A call comes through where it can, is never said twice, and leaves a true row for every try."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from lib.chat import Completion, Finish, ReasoningDelta, TextDelta, ToolCall, Usage, fold
from lib.errors import ErrorKind, ProviderError, StoreUnavailable, StreamTruncated
from lib.routing import Notice
from lib.usage import Attempt
from tests.routing.desk import Desk, Scripted

ANSWER: list[Any] = [TextDelta("Hel"), TextDelta("lo"), Usage(input=10, output=2), Finish("stop", "upstream-0")]


def fault(kind: ErrorKind = "network", **values: Any) -> ProviderError:
    return ProviderError(f"a {kind} fault", kind=kind, **values)


def test_an_answer_streams_through_and_ends_with_its_attempt(desk: Desk) -> None:
    provider = Scripted(ANSWER)
    *events, last = desk.router(provider).stream(desk.call())
    assert events == ANSWER
    assert isinstance(last, Attempt)
    assert (last.status, last.cost_nano_usd, last.finish_reason, last.saved) == ("ok", 14_000, "stop", True)
    assert provider.asked == [("upstream-0", "chat/completions")]
    (row,) = desk.rows()
    assert (row["status"], row["cost_nano_usd"], row["is_final"], row["user_name"], row["source"]) == ("ok", 14_000, True, "Ada", "api")


@pytest.mark.parametrize("first", [TextDelta("x"), ReasoningDelta("x"), ToolCall("1", "f", {})])
def test_times_are_taken_at_the_first_content_and_at_the_end(desk: Desk, first: Any) -> None:
    stream = desk.router(Scripted([first, TextDelta("y"), Finish("stop")])).stream(desk.call())
    desk.now += 0.25  # nothing has been asked yet
    next(stream)
    desk.now += 1.0
    *_, last = stream
    assert isinstance(last, Attempt)
    assert (last.ttft_ms, last.latency_ms) == (0, 1_000)


def test_what_passes_by_itself_is_tried_again_before_the_first_word(desk: Desk) -> None:
    desk.chance = 1.0
    provider = Scripted([fault("network", status=529)], [fault("rate-limit", status=429, retry_after=4)], ANSWER)
    items = list(desk.router(provider).stream(desk.call()))
    attempts = [i for i in items if isinstance(i, Attempt)]
    assert [(a.attempt, a.status) for a in attempts] == [(1, "error"), (2, "error"), (3, "ok")]
    assert items[-1] is attempts[-1]
    assert fold(i for i in items if not isinstance(i, Attempt | Notice)).text == "Hello"
    assert desk.waits == [0.5 * 1.25, 4 * 1.25]
    assert [(r["attempt"], r["status"], r["is_final"]) for r in desk.rows()] == [(1, "error", False), (2, "error", False), (3, "ok", True)]
    assert len({r["request_id"] for r in desk.rows()}) == 1


def test_after_two_retries_the_providers_own_words_are_raised(desk: Desk) -> None:
    provider = Scripted([fault()], [fault()], [fault(status=503)])
    with pytest.raises(ProviderError, match="a network fault") as raised:
        list(desk.router(provider).stream(desk.call()))
    assert raised.value.status == 503
    assert [r["is_final"] for r in desk.rows()] == [False, False, True]


@pytest.mark.parametrize("kind", ["auth", "quota", "bad-request", "context-length", "content-filter", "model-incompatible", "unknown"])
def test_what_does_not_pass_is_said_at_once(desk: Desk, kind: ErrorKind) -> None:
    provider = Scripted([fault(kind)])
    with pytest.raises(ProviderError):
        list(desk.router(provider).stream(desk.call()))
    assert desk.waits == []
    (row,) = desk.rows()
    assert (row["status"], row["error_class"]) == ("error", kind)


def test_nothing_is_said_twice_once_words_were_seen(desk: Desk) -> None:
    stream = desk.router(Scripted([TextDelta("Hel"), fault()], ANSWER)).stream(desk.call())
    seen: list[Any] = []
    with pytest.raises(ProviderError):
        for item in stream:
            seen.append(item)
    assert seen[0] == TextDelta("Hel")
    assert [type(s) for s in seen] == [TextDelta, Attempt]
    assert [r["status"] for r in desk.rows()] == ["error"]


def test_a_stream_that_just_ends_is_an_error_with_what_it_used(desk: Desk) -> None:
    with pytest.raises(StreamTruncated):
        list(desk.router(Scripted([TextDelta("Hel"), Usage(input=10, output=1)])).stream(desk.call()))
    (row,) = desk.rows()
    assert (row["status"], row["error_class"], row["cost_nano_usd"]) == ("error", "network", 12_000)


def test_a_fault_after_the_finish_does_not_spoil_the_answer(desk: Desk) -> None:
    *_, last = desk.router(Scripted([*ANSWER, fault()])).stream(desk.call())
    assert isinstance(last, Attempt)
    assert last.status == "ok"


def test_stopping_ends_the_providers_stream_and_is_recorded_as_cancelled(desk: Desk) -> None:
    provider = Scripted([Usage(input=10, output=1), TextDelta("Hel"), TextDelta("lo"), Finish("stop")])
    stream = desk.router(provider).stream(desk.call())
    next(stream)
    next(stream)
    desk.now += 2
    stream.close()
    assert provider.closed == 1
    (row,) = desk.rows()
    assert (row["status"], row["is_final"], row["latency_ms"], row["cost_nano_usd"]) == ("cancelled", True, 2_000, 12_000)
    assert row["error_class"] is None
    assert desk.hints() == []


def test_a_reader_who_leaves_at_the_finish_has_had_the_answer(desk: Desk) -> None:
    stream = desk.router(Scripted(ANSWER)).stream(desk.call())
    for item in stream:
        if isinstance(item, Finish):
            break
    stream.close()
    assert [r["status"] for r in desk.rows()] == ["ok"]


def test_a_stop_between_two_tries_leaves_a_final_row(desk: Desk) -> None:
    stream = desk.router(Scripted([fault()], ANSWER)).stream(desk.call())
    assert isinstance(next(stream), Attempt)
    stream.close()
    assert [(r["status"], r["is_final"]) for r in desk.rows()] == [("error", True)]


def test_a_defect_of_ours_closes_the_row_and_is_not_held_against_the_model(desk: Desk) -> None:
    with pytest.raises(ZeroDivisionError):
        list(desk.router(Scripted([ZeroDivisionError("sk-proj-abcdefghijklmnop")])).stream(desk.call()))
    (row,) = desk.rows()
    assert (row["status"], row["error_class"]) == ("error", "unknown")
    assert "abcdefghijklmnop" not in row["error_message"]
    assert desk.hints() == []


def test_the_endpoint_a_provider_names_serves_the_same_call_at_once(desk: Desk) -> None:
    refusal = fault("model-incompatible", suggested_endpoint="responses")
    provider = Scripted([refusal], ANSWER, endpoints=frozenset({"chat/completions", "responses"}))
    *_, last = desk.router(provider).stream(desk.call())
    assert isinstance(last, Attempt)
    assert (last.status, last.endpoint) == ("ok", "responses")
    assert provider.asked == [("upstream-0", "chat/completions"), ("upstream-0", "responses")]


@pytest.mark.parametrize("spoken", [frozenset({"chat/completions"}), frozenset({"chat/completions", "responses"})])
def test_an_endpoint_that_cannot_or_did_not_serve_is_not_tried_forever(desk: Desk, spoken: frozenset[str]) -> None:
    refusal = fault("model-incompatible", suggested_endpoint="responses")
    provider = Scripted([refusal], [refusal], endpoints=spoken)
    with pytest.raises(ProviderError):
        list(desk.router(provider).stream(desk.call()))
    assert len(provider.asked) == len(spoken)


def test_another_candidate_serves_where_the_first_cannot(desk: Desk) -> None:
    first, second = Scripted([fault("quota")]), Scripted(ANSWER)
    *_, last = desk.router(first, second).stream(desk.call(models=2))
    assert isinstance(last, Attempt)
    assert (last.model_key, last.attempt, last.status) == ("m1", 2, "ok")
    assert second.asked == [("upstream-1", "chat/completions")]


def test_no_other_candidate_is_bothered_with_a_bad_request(desk: Desk) -> None:
    second = Scripted(ANSWER)
    with pytest.raises(ProviderError):
        list(desk.router(Scripted([fault("bad-request")]), second).stream(desk.call(models=2)))
    assert second.asked == []


def test_a_whole_answer_takes_the_same_way(desk: Desk) -> None:
    routed = desk.router(Scripted([fault()], ANSWER)).complete(desk.call())
    assert routed.completion == Completion("Hello", usage=Usage(input=10, output=2), finish_reason="stop", model="upstream-0")
    assert [a.status for a in routed.attempts] == ["error", "ok"]
    assert (routed.attempts[-1].ttft_ms, routed.attempts[-1].cost_nano_usd) == (None, 14_000)


def test_nothing_is_sent_while_the_ledger_cannot_be_written(desk: Desk) -> None:
    provider = Scripted(ANSWER)
    other = sqlite3.connect(str(desk.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        list(desk.router(provider).stream(desk.call()))
    other.close()
    assert provider.asked == []


def test_the_log_says_which_model_was_used_and_why_and_never_the_words(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    list(desk.router(Scripted([fault(status=503)], ANSWER)).stream(desk.call()))
    events = [r.msg for r in caplog.records if isinstance(r.msg, dict)]
    assert [e["event"] for e in events] == ["call.started", "call.error", "call.started", "hints.first_success"]
    assert (events[0]["model"], events[0]["why"], events[1]["then"], events[2]["why"]) == ("m0", "asked for", "Retry", "tried again")
    assert "Hello" not in caplog.text


def test_the_log_says_when_the_provider_named_the_endpoint(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    refusal = fault("model-incompatible", suggested_endpoint="responses")
    list(desk.router(Scripted([refusal], ANSWER, endpoints=frozenset({"chat/completions", "responses"}))).stream(desk.call()))
    started = [r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"] == "call.started"]
    assert [(e["endpoint"], e["why"]) for e in started] == [("chat/completions", "asked for"), ("responses", "endpoint the provider named")]
