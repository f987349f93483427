"""What is remembered of a provider and model pair: its own faults are counted, everybody else's are not."""

from __future__ import annotations

import threading

import pytest

from lib.chat import Finish, TextDelta
from lib.errors import ErrorKind, ProviderError
from tests.routing.desk import Desk, Scripted

ANSWER = [TextDelta("ok"), Finish("stop")]


def fail(desk: Desk, kind: ErrorKind) -> None:
    error = ProviderError("key sk-proj-abcdefghijklmnop refused", kind=kind, retryable=False)
    with pytest.raises(ProviderError):
        list(desk.router(Scripted([error])).stream(desk.call()))


@pytest.mark.parametrize("kind", ["model-incompatible", "unknown"])
def test_a_fault_of_the_pair_counts(any_desk: Desk, kind: ErrorKind) -> None:
    fail(any_desk, kind)
    fail(any_desk, kind)
    (hint,) = any_desk.hints()
    assert (hint["provider"], hint["model"], hint["error_count"], hint["success_count"]) == ("openai", "m0", 2, 0)
    assert hint["last_error_type"] == kind
    assert "abcdefghijklmnop" not in hint["last_error_message"]


@pytest.mark.parametrize("kind", ["timeout", "network", "rate-limit"])
def test_a_fault_that_passes_is_noted_and_not_counted(any_desk: Desk, kind: ErrorKind) -> None:
    fail(any_desk, kind)
    (hint,) = any_desk.hints()
    assert (hint["error_count"], hint["last_error_type"]) == (0, kind)


@pytest.mark.parametrize("kind", ["auth", "quota", "bad-request", "context-length", "content-filter"])
def test_a_fault_of_the_caller_or_the_key_says_nothing_about_the_model(any_desk: Desk, kind: ErrorKind) -> None:
    fail(any_desk, kind)
    assert any_desk.hints() == []


def test_a_success_counts_and_leaves_the_last_error_to_be_read(any_desk: Desk) -> None:
    fail(any_desk, "unknown")
    list(any_desk.router(Scripted(ANSWER)).stream(any_desk.call()))
    (hint,) = any_desk.hints()
    assert (hint["error_count"], hint["success_count"], hint["last_error_type"]) == (1, 1, "unknown")
    assert hint["last_success_time"] >= hint["last_error_time"]


def test_parallel_calls_lose_no_count(any_desk: Desk) -> None:
    router = any_desk.router(Scripted(*[ANSWER] * 40))
    threads = [threading.Thread(target=lambda: [list(router.stream(any_desk.call())) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (hint,) = any_desk.hints()
    assert hint["success_count"] == 40


def test_nothing_is_learned_when_learning_is_off(any_desk: Desk) -> None:
    list(any_desk.router(Scripted(ANSWER), learn=False).stream(any_desk.call()))
    assert any_desk.hints() == []
