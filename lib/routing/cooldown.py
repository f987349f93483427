"""Cooling down: how long a model that is briefly out of order, or a key that was refused, is asked last."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from lib.errors import ErrorKind, ProviderError
from lib.routing.values import Candidate

FIRST_S, LONGEST_S = 5.0, 300.0
"""Seconds of the first cooldown and of the longest; each one in a row is twice as long as the one before."""

ASKED_FOR_S = 600.0
"""Seconds honoured when the provider says itself when to come back."""

KEY_S = 60.0
"""Seconds a refused key is asked last. In this process only: a person may have mended it by then."""

WORDS: dict[ErrorKind, str] = {
    "timeout": "timed out",
    "network": "not reachable or failing on its side",
    "rate-limit": "rate limited",
    "quota": "out of quota or credit",
    "auth": "key not accepted",
    "model-incompatible": "cannot serve this model this way",
    "context-length": "request too long",
    "content-filter": "content blocked",
    "bad-request": "request not accepted",
    "unknown": "failed without saying why",
}
"""Each kind of error in a few words, to stand after a model's name."""


def cooldown(error: ProviderError, before: int) -> timedelta:
    """Return how long a pair cools down after ``before`` cooldowns in a row.

    >>> [cooldown(ProviderError("", kind="network"), n).seconds for n in (0, 1, 5, 6, 99)]
    [5, 10, 160, 300, 300]
    """
    if error.retry_after is not None:
        return timedelta(seconds=min(max(error.retry_after, 1.0), ASKED_FOR_S))
    return timedelta(seconds=min(FIRST_S * 2 ** min(before, 10), LONGEST_S))


class RefusedKeys:
    """Keys that a provider refused a moment ago, known by their fingerprints; safe from many threads.

    A key without credit is remembered for the model alone, since some providers count each model apart.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[tuple[str, str, str], tuple[float, ErrorKind]] = {}

    def refuse(self, candidate: Candidate, kind: ErrorKind) -> None:
        """Remember that a candidate's key was refused just now."""
        now = self._clock()
        with self._lock:
            self._until = {key: entry for key, entry in self._until.items() if entry[0] > now}
            self._until[self._key(candidate, candidate.model_key if kind == "quota" else "")] = (now + KEY_S, kind)

    def accept(self, candidate: Candidate) -> None:
        """Forget it: the key has worked."""
        if self._until:
            with self._lock:
                for model in ("", candidate.model_key):
                    self._until.pop(self._key(candidate, model), None)

    def refused(self, candidate: Candidate) -> tuple[ErrorKind, float] | None:
        """Return why a candidate's key is asked last and for how many seconds more; None when it is not."""
        if not self._until:
            return None
        for model in ("", candidate.model_key):
            until, kind = self._until.get(self._key(candidate, model), (0.0, "auth"))
            if (left := until - self._clock()) > 0:
                return kind, left
        return None

    @staticmethod
    def _key(candidate: Candidate, model: str) -> tuple[str, str, str]:
        secret = candidate.api_key.get_secret_value() if candidate.api_key else ""
        return candidate.pair[0], hashlib.sha256(secret.encode()).hexdigest(), model
