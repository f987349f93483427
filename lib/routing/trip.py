"""One call's way: which candidate comes next, what one candidate is asked, and what each failure leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lib.chat import Request
from lib.errors import NoCandidateLeft, ProviderError
from lib.routing import notices
from lib.routing.cooldown import WORDS, RefusedKeys
from lib.routing.learning import apply, change_for
from lib.routing.policy import LONGEST_WAIT_S, SHORT_WAIT_S, NextEndpoint, Retry, Stop, decide
from lib.routing.values import Adaptation, Candidate, Change, Lesson, Notice, Ranking, RoutedCall, Skip
from lib.usage import ClosedStatus

MOST_CHANGES = 6
"""Parameters of one request sent otherwise, before it is the request that is wrong."""


@dataclass(frozen=True, slots=True)
class Again:
    """Ask the same candidate once more, after a pause where what failed has to pass first; ``why`` is for the log."""

    name: str
    why: str
    notice: Notice | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Ask this candidate no more; with ``stop``, nor any other one."""

    name: str
    stop: bool = False


Step = Again | Leave


class Tries:
    """What one candidate is asked: its request and endpoint as they change with what its provider says.

    It has until ``ends`` to begin its answer; ``last`` says that no other candidate waits.
    """

    def __init__(
        self, asked: Request, adapted: Adaptation, candidate: Candidate, endpoints: frozenset[str], ends: float, *, last: bool = True
    ) -> None:
        spoken = adapted.endpoint in endpoints or candidate.endpoint not in endpoints
        self.request = adapted.request if spoken else asked
        self.endpoint = adapted.endpoint if spoken else candidate.endpoint
        self.learned = adapted.why if spoken else None
        self.ends = ends
        self.refused: list[str] = []
        self.changes: list[Change] = []
        self._candidate = candidate
        self._endpoints = endpoints
        self._closed = set(candidate.known.rejected)
        self._tries = 0
        self._patience = LONGEST_WAIT_S if last else SHORT_WAIT_S

    def after(self, error: ProviderError, content: bool, now: float, jitter: float) -> Step:
        """Return what follows a failure of the try at hand, and prepare the next one."""
        self._tries += 1
        if content:
            return Leave("Stop", stop=True)
        other = error.suggested_endpoint
        verdict = decide(error, self._tries, endpoint=other in self._endpoints - {self.endpoint, *self.refused})
        if isinstance(verdict, NextEndpoint):
            self.refused.append(self.endpoint)
            self.endpoint = verdict.endpoint
            self._tries -= 1
            return Again("NextEndpoint", "endpoint the provider named", notices.other_endpoint(self._candidate, verdict.endpoint))
        if (change := self._change(error)) is not None:
            return Again("Adapt", f"{change.name} sent otherwise", notices.other_parameter(self._candidate, change))
        if isinstance(verdict, Retry) and verdict.after <= self._patience and now + verdict.after * jitter < self.ends:
            seconds = verdict.after * jitter
            return Again("Retry", "tried again", notices.waiting(self._candidate, error, seconds), seconds)
        return Leave("Stop", stop=True) if isinstance(verdict, Stop) else Leave("NextCandidate")

    def _change(self, error: ProviderError) -> Change | None:
        if len(self.changes) >= MOST_CHANGES:
            return None
        change = change_for(error, self.request, self.endpoint, self._closed)
        if change is None:
            return None
        changed = apply(change, self.request, self.endpoint)
        if changed == self.request:
            return None
        self.request = changed
        self.changes.append(change)
        self._closed |= {change.name}
        self._tries -= 1  # another request than the one that was refused
        return change


class Trip:
    """The way through a call's candidates: who is next, who was passed over, who failed and how."""

    def __init__(self, call: RoutedCall, ranking: Ranking, keys: RefusedKeys) -> None:
        self.call = call
        self.failures: list[tuple[Candidate, ProviderError]] = []
        self._keys = keys
        self._given = {candidate.pair: place for place, candidate in reversed(list(enumerate(call.candidates)))}
        self._waiting = self._order(ranking)
        self._now: Skip | None = None
        self._here: Candidate | None = None
        self._left: tuple[Candidate, ProviderError] | None = None
        self._told: set[tuple[str, str]] = set()
        self._number = 0

    def _order(self, ranking: Ranking) -> list[tuple[Candidate, Skip | None]]:
        """Put candidates whose key was refused a moment ago behind the usable ones."""
        ranked = [(candidate, ranking.skips.get(place)) for place, candidate in enumerate(ranking.candidates)]
        for place, (candidate, skip) in enumerate(ranked):
            if skip is None and (refusal := self._keys.refused(candidate)) is not None:
                named = (candidate.told_as, candidate.model_key, candidate.model_name)
                ranked[place] = candidate, Skip(*named, "key", WORDS[refusal[0]], refusal[1])
        return sorted(ranked, key=lambda r: 0 if r[1] is None else 2 if r[1].kind == "blacklisted" else 1)

    @property
    def more(self) -> bool:
        """Whether another candidate waits that is worth leaving this one for."""
        return bool(self._waiting)

    def number(self) -> int:
        """Return the number of the next attempt."""
        self._number += 1
        return self._number

    def next(self) -> Candidate | None:
        """Return the next candidate, None when none is left."""
        while self._waiting:
            candidate, self._now = self._waiting.pop(0)
            if (same := self._refused_now(candidate)) is None:
                self._here = candidate
                return candidate
            self.failures.append((candidate, same))
        return None

    def told(self) -> Iterator[Notice]:
        """Yield what is to be said before the candidate at hand is asked: who failed before it, and who is passed over for it."""
        if self._left is not None:
            yield notices.fell_back(*self._left)
            self._left = None
        for skip in self._passed_over():
            if (skip.provider, skip.model_key) not in self._told:
                self._told.add((skip.provider, skip.model_key))
                yield notices.skipped(skip)
        if self._now is not None and self._now.kind == "blacklisted":
            yield notices.last_resort(self._now)

    def why(self, candidate: Candidate, learned: str | None) -> str:
        """Return for the log why a candidate is asked."""
        put_back = [f"{self._now.kind}, nothing else left"] if self._now is not None and not self.more else []
        return ", ".join([candidate.why, *put_back, *([learned] if learned else [])])

    def failed(self, candidate: Candidate, error: ProviderError) -> None:
        """Note how a candidate failed in the end; a refused key is not asked again at once."""
        self._left = candidate, error
        self.failures.append(self._left)
        if error.kind in ("auth", "quota"):
            self._keys.refuse(candidate, error.kind)

    def lesson(self, tries: Tries, status: ClosedStatus, step: Step | None) -> Lesson:
        """Return what there is to learn from the attempt that ends now, beside how it ended."""
        around = isinstance(step, Again) and step.after is None
        ended = status == "ok" or (isinstance(step, Leave) and (step.stop or not self._waiting))
        return Lesson(
            counts=not around,
            cools=not isinstance(step, Again),
            refused=tuple(tries.refused),
            changes=tuple(tries.changes),
            skips=tuple(self._passed_over()) if ended else (),
        )

    def error(self) -> ProviderError:
        """Return what to raise when every candidate has failed: the one's own error, or all of them by name."""
        unusable = [f"{skip.model_name}: not tried, {_lower(skip.reason)}." for skip in self.call.unusable]
        if not self.failures:
            return ProviderError("No model could be asked.", kind="bad-request")
        if len(self.failures) == 1 and not unusable:
            return self.failures[0][1]
        reasons = [f"{candidate.model_name}: {error}" for candidate, error in self.failures]
        count = len(self.failures)
        lead = "None of the models that may serve this call answered." if count > 1 else "The model did not answer, and no fallback could."
        failures = tuple((candidate.model_name, error) for candidate, error in self.failures)
        return NoCandidateLeft(" ".join([lead, *reasons, *unusable]), failures)

    def _passed_over(self) -> list[Skip]:
        """Return whom the candidate at hand is asked in place of: they came before it and still wait, or cannot be asked."""
        place = self._given.get(self._here.pair, 0) if self._here is not None else 0
        waiting = [skip for candidate, skip in self._waiting if skip is not None and self._given.get(candidate.pair, 0) < place]
        return [*waiting, *(self.call.unusable if self.failures else ())]

    def _refused_now(self, candidate: Candidate) -> ProviderError | None:
        """Return the error that a candidate with a key refused within this very call would bring again."""
        for earlier, error in self.failures:
            same = (earlier.provider, earlier.api_key, earlier.base_url) == (candidate.provider, candidate.api_key, candidate.base_url)
            if error.kind == "auth" and same:
                return error
        return None


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:] if reason[1:2].islower() else reason
