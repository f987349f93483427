"""A call goes on elsewhere while nothing was said yet, the caller sees the whole way, and at its end every original reason."""

from __future__ import annotations

from typing import Any

import pytest

from lib.chat import Finish, ReasoningDelta, TextDelta, ToolCall, Usage
from lib.errors import ErrorKind, NoCandidateLeft, ProviderError
from lib.routing import Candidate, Deadlines, Notice, RoutedCall, Router, Skip
from lib.usage import Attempt
from tests.routing.desk import Desk, Scripted

ANSWER: list[Any] = [TextDelta("Hello"), Usage(input=10, output=2), Finish("stop")]
BOTH = frozenset({"chat/completions", "responses"})


def fault(kind: ErrorKind, words: str = "", **values: Any) -> ProviderError:
    return ProviderError(words or f"a {kind} fault", kind=kind, **values)


def sentences(items: list[Any]) -> list[str]:
    return [item.sentence for item in items if isinstance(item, Notice)]


def kinds(items: list[Any]) -> list[str]:
    return [type(item).__name__ for item in items]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (fault("rate-limit", retry_after=34.0), "Fell back from Model 0: rate limited, retry in 34 s."),
        (fault("auth", status=401), "Fell back from Model 0: key not accepted."),
        (fault("quota"), "Fell back from Model 0: out of quota or credit."),
        (fault("model-incompatible"), "Fell back from Model 0: cannot serve this model this way."),
        (fault("network", retryable=False), "Fell back from Model 0: not reachable or failing on its side."),
    ],
)
def test_the_caller_sees_why_the_call_went_on(desk: Desk, error: ProviderError, said: str) -> None:
    items = list(desk.router(Scripted([error]), Scripted(ANSWER)).stream(desk.call(2, keys="ab")))
    assert kinds(items) == ["Attempt", "Notice", "TextDelta", "Usage", "Finish", "Attempt"]
    assert sentences(items) == [said]
    assert [(r["model_key"], r["status"], r["attempt"], r["is_final"]) for r in desk.rows()] == [
        ("m0", "error", 1, False),
        ("m1", "ok", 2, True),
    ]


def test_a_whole_answer_brings_its_notices_along(desk: Desk) -> None:
    routed = desk.router(Scripted([fault("quota")]), Scripted(ANSWER)).complete(desk.call(2))
    assert (routed.completion.text, [a.status for a in routed.attempts]) == ("Hello", ["error", "ok"])
    assert [notice.kind for notice in routed.notices] == ["fell-back"]


def test_waiting_for_the_same_model_is_told_before_it_is_done(desk: Desk) -> None:
    items = list(desk.router(Scripted([fault("rate-limit", retry_after=4.0)], ANSWER)).stream(desk.call()))
    assert sentences(items) == ["Model 0: rate limited; trying again in 4 s."]
    assert kinds(items)[:3] == ["Attempt", "Notice", "TextDelta"]


def test_when_nothing_is_left_each_one_is_named_with_its_own_reason(desk: Desk) -> None:
    providers = [Scripted([fault("quota", "No credit left.", status=429)]), Scripted([fault("unknown", "It broke.")])]
    missing = Skip("azure", "m9", "Model 9", "unusable", "Needs an Azure OpenAI key")
    with pytest.raises(NoCandidateLeft) as raised:
        list(desk.router(*providers).stream(desk.call(2, (missing,))))
    words = str(raised.value)
    assert "Model 0: No credit left." in words
    assert "Model 1: It broke." in words
    assert "Model 9: not tried, needs an Azure OpenAI key." in words
    assert "deployment" not in words
    assert (raised.value.kind, raised.value.status) == ("quota", 429)
    assert [(name, error.kind) for name, error in raised.value.failures] == [("Model 0", "quota"), ("Model 1", "unknown")]


@pytest.mark.parametrize("kind", ["auth", "quota", "rate-limit", "unknown"])
def test_the_only_models_own_error_is_raised_as_it_is(desk: Desk, kind: ErrorKind) -> None:
    error = fault(kind, retryable=False)
    with pytest.raises(ProviderError) as raised:
        list(desk.router(Scripted([error])).stream(desk.call()))
    assert raised.value is error


def test_an_unusable_fallback_is_told_of_and_noted_when_it_is_missed(desk: Desk) -> None:
    missing = Skip("azure", "m9", "Model 9", "unusable", "Needs an Azure OpenAI key")
    items = list(desk.router(Scripted([fault("quota")]), Scripted(ANSWER)).stream(desk.call(2, (missing,))))
    assert sentences(items) == ["Fell back from Model 0: out of quota or credit.", "Skipped Model 9: Needs an Azure OpenAI key."]
    assert desk.events("skipped") == [("m9", "skipped", {"kind": "unusable", "reason": "Needs an Azure OpenAI key", "wait_s": None})]
    fine = list(desk.router(Scripted(ANSWER)).stream(desk.call(1, (missing,))))
    assert sentences(fine) == []
    assert len(desk.events("skipped")) == 1


@pytest.mark.parametrize("kind", ["bad-request", "context-length", "content-filter"])
def test_the_callers_own_fault_is_not_tried_elsewhere(desk: Desk, kind: ErrorKind) -> None:
    error, second = fault(kind), Scripted(ANSWER)
    with pytest.raises(ProviderError) as raised:
        list(desk.router(Scripted([error]), second).stream(desk.call(2)))
    assert (raised.value is error, second.asked) == (True, [])


@pytest.mark.parametrize("first", [TextDelta("Hel"), ReasoningDelta("hm"), ReasoningDelta(opaque={"a": 1}), ToolCall("1", "f", {})])
def test_after_the_first_content_there_is_no_other_model(desk: Desk, first: Any) -> None:
    error, second = fault("network"), Scripted(ANSWER)
    with pytest.raises(ProviderError) as raised:
        list(desk.router(Scripted([first, error]), second).stream(desk.call(2)))
    assert (raised.value is error, second.asked) == (True, [])
    assert [row["status"] for row in desk.rows()] == ["error"]


def test_usage_alone_is_no_content_yet(desk: Desk) -> None:
    *_, last = desk.router(Scripted([Usage(input=3), fault("quota")]), Scripted(ANSWER)).stream(desk.call(2))
    assert isinstance(last, Attempt)
    assert last.model_key == "m1"


def test_a_refused_key_is_not_shown_to_the_provider_twice_in_one_call(desk: Desk) -> None:
    second, third = Scripted(ANSWER), Scripted(ANSWER)
    *_, last = desk.router(Scripted([fault("auth", status=401)]), second, third).stream(desk.call(3, keys="aab"))
    assert isinstance(last, Attempt)
    assert (last.model_key, second.asked) == ("m2", [])


def test_all_keys_refused_names_every_model_with_the_providers_words(desk: Desk) -> None:
    with pytest.raises(NoCandidateLeft, match=r"Model 0: Wrong key\. Model 1: Wrong key\."):
        list(desk.router(Scripted([fault("auth", "Wrong key.")]), Scripted(ANSWER)).stream(desk.call(2, keys="aa")))


def test_a_key_refused_a_moment_ago_is_asked_last_for_a_minute_and_never_blames_the_model(desk: Desk) -> None:
    first = Scripted([fault("auth")], ANSWER)
    router = desk.router(first, Scripted(ANSWER, ANSWER))
    list(router.stream(desk.call(2, keys="ab")))
    desk.now += 10
    items = list(router.stream(desk.call(2, keys="ab")))
    assert sentences(items) == ["Skipped Model 0 for now: key not accepted, 50 s left."]
    assert len(first.asked) == 1
    assert desk.events("blacklisted", "cooldown") == []
    assert [hint["model"] for hint in desk.hints()] == ["m1"]
    desk.now += 50
    list(router.stream(desk.call(2, keys="ab")))
    assert len(first.asked) == 2


def test_another_persons_key_is_not_held_back_by_it(desk: Desk) -> None:
    first = Scripted([fault("auth")], ANSWER)
    router = desk.router(first, Scripted(ANSWER))
    list(router.stream(desk.call(2, keys="ab")))
    *_, last = router.stream(desk.call(2, keys="cb"))
    assert isinstance(last, Attempt)
    assert last.model_key == "m0"


def test_an_account_without_credit_for_one_model_may_have_some_for_another(desk: Desk) -> None:
    *_, last = desk.router(Scripted([fault("quota")]), Scripted(ANSWER)).stream(desk.call(2, keys="aa"))
    assert isinstance(last, Attempt)
    assert last.model_key == "m1"


def test_a_slow_candidate_is_left_when_its_time_is_up(desk: Desk) -> None:
    def drag() -> None:
        desk.now += 70

    slow = Scripted([drag, Usage(input=1), drag, Usage(input=2), TextDelta("late")])
    items = list(desk.router(slow, Scripted(ANSWER), deadlines=Deadlines(120, 300)).stream(desk.call(2)))
    assert sentences(items) == ["Fell back from Model 0: timed out."]
    assert slow.closed == 1
    assert [(row["status"], row["error_class"]) for row in desk.rows()] == [("error", "timeout"), ("ok", None)]


def test_the_last_candidate_has_all_the_time_that_is_left(desk: Desk) -> None:
    def drag() -> None:
        desk.now += 200

    *_, last = desk.router(Scripted([drag, Usage(input=1), *ANSWER]), deadlines=Deadlines(120, 300)).stream(desk.call())
    assert isinstance(last, Attempt)
    assert last.status == "ok"


def test_once_it_has_begun_an_answer_may_take_its_time(desk: Desk) -> None:
    def drag() -> None:
        desk.now += 1_000

    *_, last = desk.router(Scripted([TextDelta("Well"), drag, *ANSWER]), Scripted()).stream(desk.call(2))
    assert isinstance(last, Attempt)
    assert (last.status, last.model_key) == ("ok", "m0")


def test_no_candidate_is_begun_after_the_overall_deadline(desk: Desk) -> None:
    def drag() -> None:
        desk.now += 400

    third = Scripted(ANSWER)
    with pytest.raises(ProviderError, match="a network fault"):
        list(desk.router(Scripted([drag, fault("network")]), third).stream(desk.call(2)))
    assert third.asked == []


def test_nothing_is_waited_for_beyond_the_deadline(desk: Desk) -> None:
    def drag() -> None:
        desk.now += 118

    second = Scripted(ANSWER)
    list(desk.router(Scripted([drag, fault("rate-limit", retry_after=5.0)]), second).stream(desk.call(2)))
    assert desk.waits == []
    assert len(second.asked) == 1


def test_an_adapter_that_cannot_be_built_gives_way_to_the_next(desk: Desk) -> None:
    def open_adapter(candidate: Candidate) -> Scripted:
        if candidate.model_key == "m0":
            raise fault("bad-request", "The base URL is not a web address.")
        return Scripted(ANSWER)

    router = Router(desk.ledger, None, open_adapter)
    *_, last = router.stream(desk.call(2))
    assert isinstance(last, Attempt)
    assert (last.model_key, last.attempt) == ("m1", 1)
    with pytest.raises(ProviderError, match="not a web address"):
        list(router.stream(desk.call(1)))


def only(desk: Desk, endpoint: str) -> ProviderError:
    return fault("model-incompatible", f"only supported in v1/{endpoint}", suggested_endpoint=endpoint)


def test_a_learned_endpoint_is_asked_straight_away_the_next_time(any_desk: Desk) -> None:
    provider = Scripted([only(any_desk, "responses")], ANSWER, ANSWER, endpoints=BOTH)
    router = any_desk.router(provider)
    items = list(router.stream(any_desk.call()))
    assert sentences(items) == ["Model 0 is served through responses; asked there instead."]
    hint = any_desk.hint()
    assert (hint["supported_endpoints"], hint["unsupported_endpoints"]) == (["responses"], ["chat/completions"])
    assert (hint["preferred_endpoint"], hint["error_count"], hint["success_count"]) == ("responses", 0, 1)
    assert sentences(list(router.stream(any_desk.call()))) == []
    assert [endpoint for _, endpoint in provider.asked] == ["chat/completions", "responses", "responses"]
    assert [(event, detail) for _, event, detail in any_desk.events("learned_endpoint")] == [
        ("learned_endpoint", {"endpoint": "responses", "instead_of": "chat/completions"})
    ]


def test_it_is_learned_back_when_the_provider_changes_its_mind(any_desk: Desk) -> None:
    provider = Scripted([only(any_desk, "responses")], ANSWER, [only(any_desk, "chat/completions")], ANSWER, ANSWER, endpoints=BOTH)
    router = any_desk.router(provider)
    for _ in range(3):
        list(router.stream(any_desk.call()))
    hint = any_desk.hint()
    assert (hint["supported_endpoints"], hint["unsupported_endpoints"]) == (["chat/completions"], ["responses"])
    assert [endpoint for _, endpoint in provider.asked] == ["chat/completions", "responses", "responses", *["chat/completions"] * 2]


def test_endpoints_that_point_at_each_other_end_in_one_counted_error(any_desk: Desk) -> None:
    provider = Scripted([only(any_desk, "responses")], [only(any_desk, "chat/completions")], endpoints=BOTH)
    with pytest.raises(ProviderError):
        list(any_desk.router(provider).stream(any_desk.call()))
    assert len(provider.asked) == 2
    assert any_desk.hint()["error_count"] == 1


def test_a_preferred_endpoint_nobody_speaks_is_not_asked(any_desk: Desk) -> None:
    any_desk.know("m0", preferred_endpoint="embeddings")
    provider = Scripted(ANSWER)
    list(any_desk.router(provider).stream(any_desk.call()))
    assert provider.asked == [("upstream-0", "chat/completions")]


def refusal(words: str) -> ProviderError:
    return fault("bad-request", words, status=400)


RENAME = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
DROP = "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported."


def test_refused_parameters_are_sent_otherwise_in_the_same_call_and_from_then_on(any_desk: Desk) -> None:
    provider = Scripted([refusal(RENAME)], [refusal(DROP)], ANSWER, ANSWER)
    router = any_desk.router(provider)

    def ask() -> list[Any]:
        return list(router.stream(any_desk.call(temperature=0.3, max_tokens=50)))

    assert sentences(ask()) == [
        "Model 0 does not take max_tokens; it was sent as max_completion_tokens.",
        "Model 0 does not take temperature; it was left out.",
    ]
    assert sentences(ask()) == []
    sent = [(r.max_tokens, r.temperature, dict(r.extra)) for r in provider.requests]
    limit = {"max_completion_tokens": 50}
    assert sent == [(50, 0.3, {}), (None, 0.3, limit), (None, None, limit), (None, None, limit)]
    assert any_desk.waits == []
    hint = any_desk.hint()
    assert (hint["error_count"], hint["success_count"]) == (0, 2)
    assert {name: (e["action"], e["to"], e["state"]) for name, e in hint["learned_parameters"].items()} == {
        "max_tokens": ("rename", "max_completion_tokens", "learned"),
        "temperature": ("drop", None, "learned"),
    }
    assert all(e["evidence"] and e["at"] for e in hint["learned_parameters"].values())
    assert [detail["parameter"] for _, _, detail in any_desk.events("learned_parameter")] == ["max_tokens", "temperature"]


def test_what_an_admin_rejected_is_sent_as_asked_and_not_learned_again(any_desk: Desk) -> None:
    rejected = {"temperature": {"action": "drop", "to": None, "evidence": DROP, "at": "2026-01-01", "state": "rejected"}}
    any_desk.know("m0", learned_parameters=rejected)
    provider = Scripted([refusal(DROP)])
    with pytest.raises(ProviderError, match="Only the default"):
        list(any_desk.router(provider).stream(any_desk.call(temperature=0.3)))
    assert [request.temperature for request in provider.requests] == [0.3]
    assert any_desk.hint()["learned_parameters"] == rejected


@pytest.mark.parametrize("state", ["learned", "accepted"])
def test_what_is_known_is_applied_at_once(any_desk: Desk, state: str) -> None:
    entry = {"action": "drop", "to": None, "evidence": DROP, "at": "2026-01-01", "state": state}
    any_desk.know("m0", learned_parameters={"temperature": entry})
    provider = Scripted(ANSWER)
    list(any_desk.router(provider).stream(any_desk.call(temperature=0.3)))
    assert [request.temperature for request in provider.requests] == [None]


def test_a_change_that_does_not_help_is_not_remembered(any_desk: Desk) -> None:
    with pytest.raises(ProviderError):
        list(any_desk.router(Scripted([refusal(DROP)], [refusal("No.")])).stream(any_desk.call(temperature=0.3)))
    assert any_desk.hint()["learned_parameters"] == {}
    assert any_desk.events("learned_parameter") == []


def test_a_provider_that_refuses_the_same_over_and_over_is_believed_once(any_desk: Desk) -> None:
    provider = Scripted(*[[refusal(RENAME)] for _ in range(9)])
    with pytest.raises(ProviderError):
        list(any_desk.router(provider).stream(any_desk.call(max_tokens=50)))
    assert len(provider.asked) == 2


def test_a_changed_request_has_its_retries_before_it(any_desk: Desk) -> None:
    busy = fault("network")
    provider = Scripted([refusal(DROP)], [busy], [busy], ANSWER)
    *_, last = any_desk.router(provider).stream(any_desk.call(temperature=0.3))
    assert isinstance(last, Attempt)
    assert last.status == "ok"


def test_what_one_candidate_refuses_another_still_gets(any_desk: Desk) -> None:
    second = Scripted(ANSWER)
    call: RoutedCall = any_desk.call(2, temperature=0.3)
    list(any_desk.router(Scripted([refusal(DROP)], [fault("quota")]), second).stream(call))
    assert [request.temperature for request in second.requests] == [0.3]
