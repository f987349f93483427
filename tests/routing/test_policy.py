"""What follows each kind of failure: what passes is waited for, what is the caller's fault is said at once."""

from __future__ import annotations

from typing import get_args

import pytest

from lib.errors import ErrorKind, ProviderError
from lib.routing import NextCandidate, NextEndpoint, Retry, Stop, Verdict, decide
from lib.routing.policy import LONGEST_WAIT_S, RULES


def test_every_kind_of_error_has_a_rule() -> None:
    assert set(RULES) == set(get_args(ErrorKind))


@pytest.mark.parametrize(
    ("kind", "verdicts"),
    [
        ("network", [Retry(0.5), Retry(1.0), NextCandidate()]),
        ("rate-limit", [Retry(0.5), Retry(1.0), NextCandidate()]),
        ("timeout", [Retry(0.5), NextCandidate()]),
        ("quota", [NextCandidate()]),
        ("auth", [NextCandidate()]),
        ("model-incompatible", [NextCandidate()]),
        ("unknown", [NextCandidate()]),
        ("context-length", [Stop()]),
        ("content-filter", [Stop()]),
        ("bad-request", [Stop()]),
    ],
)
def test_the_table(kind: ErrorKind, verdicts: list[Verdict]) -> None:
    error = ProviderError("no", kind=kind)
    assert [decide(error, tries) for tries in range(1, len(verdicts) + 1)] == verdicts


@pytest.mark.parametrize(("after", "verdict"), [(0.0, Retry(0.0)), (LONGEST_WAIT_S, Retry(LONGEST_WAIT_S)), (10.1, NextCandidate())])
def test_a_provider_is_waited_for_as_long_as_a_person_would_wait(after: float, verdict: Verdict) -> None:
    assert decide(ProviderError("slow down", kind="rate-limit", retry_after=after), 1) == verdict


def test_a_request_that_can_never_fit_the_limit_is_not_tried_again() -> None:
    assert decide(ProviderError("too large", kind="rate-limit", status=429, retryable=False), 1) == NextCandidate()


def test_the_endpoint_a_provider_names_is_tried_first() -> None:
    error = ProviderError("only in v1/responses", kind="model-incompatible", suggested_endpoint="responses")
    assert decide(error, 1) == NextEndpoint("responses")


@pytest.mark.parametrize(
    ("kind", "verdict"), [("model-incompatible", NextCandidate()), ("bad-request", Stop()), ("rate-limit", Retry(0.5))]
)
def test_an_endpoint_that_cannot_serve_leaves_what_the_kind_of_error_says(kind: ErrorKind, verdict: Verdict) -> None:
    error = ProviderError("only in v1/responses", kind=kind, suggested_endpoint="responses")
    assert decide(error, 1, endpoint=False) == verdict
