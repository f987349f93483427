"""What to do after a failure: a pure verdict from the kind of error and how often it was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lib.errors import ErrorKind, ProviderError

LONGEST_WAIT_S = 10.0
"""A provider that asks for a longer wait than this is not waited for: a person sits in front of the answer."""

_FIRST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the same model on the same endpoint again after at least ``after`` seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class NextEndpoint:
    """Ask the same model on the endpoint the provider named."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class NextCandidate:
    """Leave this model; another one may serve the call."""


@dataclass(frozen=True, slots=True)
class Stop:
    """No model would do better with this request."""


Verdict = Retry | NextEndpoint | NextCandidate | Stop


@dataclass(frozen=True, slots=True)
class _Rule:
    retries: int
    then: NextCandidate | Stop


RULES: Mapping[ErrorKind, _Rule] = {
    "timeout": _Rule(1, NextCandidate()),  # each try may already have cost the person a minute
    "network": _Rule(2, NextCandidate()),
    "rate-limit": _Rule(2, NextCandidate()),
    "quota": _Rule(0, NextCandidate()),
    "auth": _Rule(0, NextCandidate()),
    "model-incompatible": _Rule(0, NextCandidate()),
    "unknown": _Rule(0, NextCandidate()),
    "context-length": _Rule(0, Stop()),
    "content-filter": _Rule(0, Stop()),
    "bad-request": _Rule(0, Stop()),
}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a call may take until its first word: with one candidate while others wait, and with all of them."""

    candidate: float = 120.0  # as long as a provider may be silent
    overall: float = 300.0  # two candidates that do not answer at all, and a third that does


DEADLINES = Deadlines()


def decide(error: ProviderError, tries: int, *, endpoint: bool = True) -> Verdict:
    """Return what follows a failure before the first content event; ``tries`` counts this model's tries so far, from 1.

    ``endpoint`` False means that the endpoint the provider named, if any, cannot serve this call.
    """
    if error.suggested_endpoint is not None and endpoint:
        return NextEndpoint(error.suggested_endpoint)
    rule = RULES[error.kind]
    wait = error.retry_after if error.retry_after is not None else _FIRST_WAIT_S * 2 ** (tries - 1)
    if error.retryable and tries <= rule.retries and wait <= LONGEST_WAIT_S:
        return Retry(wait)
    return rule.then
