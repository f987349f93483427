"""The sample calls themselves: conversations made up hour by hour, each attempt as the ledger would have written it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

from lib.chat import FinishReason, Usage
from lib.errors import ProviderError
from lib.pricing import Price
from lib.routing import NextCandidate, Retry, decide
from lib.sample.cache import Cache
from lib.sample.catalog import BLACKLISTED, INCIDENT_PROVIDER, SampleModel, SampleProvider
from lib.sample.failures import FAILURES, OUTAGE, WITHDRAWN, Failure, provider_error
from lib.sample.people import PEOPLE, Person, UseCase
from lib.sample.rhythm import GROWTH, ZONE, Span, is_weekend, span
from lib.usage import AttemptStart, Outcome, closed_row
from lib.usage.values import Params

_STOPPED, _CUT_OFF, _TRUNCATED = 0.018, 0.002, 0.015
"""Parts of streamed calls that the reader stops, that end with their process, and that run into the output limit."""
_FALLS_BACK = 0.75
_FAILS_AGAIN = 0.3
Choice = TypeVar("Choice")


@dataclass(frozen=True, slots=True)
class Role:
    """A model of the catalogue as it is stored: with its ids, and its prices from the oldest on."""

    model: SampleModel
    provider: SampleProvider
    model_id: int
    provider_id: int
    prices: tuple[Price, ...] = ()

    def price_at(self, at: datetime) -> Price | None:
        """Return the price in force at a moment."""
        return next((price for price in reversed(self.prices) if price.valid_from is not None and price.valid_from <= at), None)


Cast = Mapping[str, Role]
"""Every role by its model's key."""


def sample_calls(cast: Cast, calls: int, days: int, seed: int, now: datetime) -> Iterator[Params]:
    """Yield exactly so many rows of the log over the days before ``now``, oldest hour first.

    The same arguments yield the same rows.
    """
    return _Play(cast, calls, span(days, now), Random(seed)).rows()


@dataclass(frozen=True, slots=True)
class _Turn:
    """One request of a conversation: what is sent, and what a good answer would look like."""

    person: Person
    use: UseCase
    conversation_id: str | None
    sent: int
    answer: int
    cache: Cache


@dataclass(frozen=True, slots=True)
class _Tried:
    """An attempt's row and when it ended; ``usage`` is that of an answer, ``error`` set when another attempt may follow."""

    row: Params
    ended: datetime
    usage: Usage | None
    error: ProviderError | None


class _Play:
    def __init__(self, cast: Cast, calls: int, range_: Span, random: Random) -> None:
        self._cast = cast
        self._calls = calls
        self._span = range_
        self._random = random
        self._shared: dict[tuple[str, int, str], Cache] = {}

    def rows(self) -> Iterator[Params]:
        hours = [(low, high, self._busy(low, high)) for low, high in self._span.hours()]
        total, made, passed = math.fsum(busy for *_, busy in hours), 0, 0.0
        for low, high, busy in hours:
            passed += busy
            due = min(self._calls, round(self._calls * passed / total))
            rows: list[Params] = []
            while made + len(rows) < due:
                rows += self._conversation(low, high, self._calls - made - len(rows))
            made += len(rows)
            yield from sorted(rows, key=_started_at)

    def _busy(self, low: datetime, high: datetime) -> float:
        local = low.astimezone(ZONE)
        grown = 1 + GROWTH * self._span.progress(low)
        return (
            math.fsum(_activity(person, local) for person in PEOPLE)
            * grown
            * self._random.lognormvariate(0, 0.18)
            * ((high - low).seconds or 1)
        )

    def _conversation(self, low: datetime, high: datetime, room: int) -> list[Params]:
        """Return a conversation's attempts, at most so many, from a moment of this hour on."""
        random = self._random
        local = low.astimezone(ZONE)
        person = self._one_of(PEOPLE, [_activity(person, local) for person in PEOPLE])
        use = self._one_of([use for use, _ in person.uses], [weight for _, weight in person.uses])
        at = low + (high - low) * random.random()
        role = self._role(person, at)
        conversation_id = self._uuid() if use.source == "playground" else None
        key = (person.user_id, use.prefix, role.model.key)
        cache = self._shared.get(key, Cache()).only(use.prefix)
        sent = use.prefix + self._tokens(use.input, use.spread)
        rows: list[Params] = []
        for number in range(self._turns(use.turns)):
            if at >= self._span.end or len(rows) >= room or sent > role.model.context_window * 0.9:
                break
            turn = _Turn(person, use, conversation_id, sent, self._tokens(use.output, use.spread), cache)
            tries = self._request(role, turn, at, room - len(rows))
            rows += [tried.row for tried in tries]
            last = tries[-1]
            if last.usage is None or last.row["model_key"] != role.model.key:
                break
            cache = cache.after(last.usage, last.ended, use)
            if number == 0:
                self._shared[key] = cache
            sent += last.usage.output - last.usage.reasoning + self._tokens(max(12, use.input // 3), use.spread)
            at = last.ended + timedelta(seconds=random.lognormvariate(math.log(use.pause_s), 0.7))
        return rows or self._conversation(low, high, room)

    def _role(self, person: Person, at: datetime) -> Role:
        """Return whom a person asks at a moment; a blacklisted model's place is taken by its fallback."""
        progress = self._span.progress(at)
        weights = [weight * (1 + self._cast[key].model.grows * progress) for key, weight in person.models]
        key = self._one_of([key for key, _ in person.models], weights)
        if key == BLACKLISTED and at >= self._span.blacklisted:
            key = self._cast[key].model.fallback or key
        return self._cast[key]

    def _request(self, role: Role, turn: _Turn, at: datetime, room: int) -> list[_Tried]:
        """Return the attempts of one request, followed up by the router's own rules."""
        request_id, tries, found = self._uuid(), 1, list[_Tried]()
        while True:
            start = self._start(role, turn, request_id, len(found) + 1, at)
            found.append(self._attempt(role, turn, start, at, tries))
            last = found[-1]
            if last.error is None or len(found) >= room:
                return found
            verdict = decide(last.error, tries)
            if isinstance(verdict, Retry):
                tries, wait = tries + 1, verdict.after * self._random.uniform(1, 1.25)
            elif isinstance(verdict, NextCandidate) and role.model.fallback and self._random.random() < _FALLS_BACK:
                role, tries, wait = self._cast[role.model.fallback], 1, 0.002
                turn = replace(turn, cache=Cache())
            else:
                return found
            if len(found) >= 4 or last.ended >= self._span.end:
                return found
            last.row["is_final"] = False
            at = last.ended + timedelta(seconds=wait)

    def _start(self, role: Role, turn: _Turn, request_id: str, number: int, at: datetime) -> AttemptStart:
        return AttemptStart(
            request_id=request_id,
            attempt=number,
            model_key=role.model.key,
            model_name=role.model.display_name,
            provider=role.provider.slug,
            provider_name=role.provider.display_name,
            source=turn.use.source,
            endpoint=role.provider.endpoint,
            model_id=role.model_id,
            provider_id=role.provider_id,
            user_id=turn.person.user_id,
            user_name=turn.person.name,
            conversation_id=turn.conversation_id,
            key_scope="user" if role.provider.slug in turn.person.keys else "system",
            is_sample=True,
            price=role.price_at(at),
        )

    def _attempt(self, role: Role, turn: _Turn, start: AttemptStart, at: datetime, tries: int) -> _Tried:
        random = self._random
        failure = self._failure(role, at, tries)
        if failure is not None:
            latency = self._around(failure.latency_ms, 0.0 if failure.kind == "timeout" else 0.5)
            model = role.model
            error = provider_error(
                failure, provider=role.provider.display_name, model=model.key, window=model.context_window, random=random
            )
            return self._tried(start, at, Outcome("error", latency_ms=latency, error=error), error=error)
        usage = self._usage(role, turn, at)
        ttft, latency = self._pace(role, usage, at)
        streamed = random.random() < turn.use.streamed
        luck = random.random() if streamed else 1.0
        if luck < _STOPPED:
            part = random.random()
            seen = replace(usage, output=max(usage.reasoning, round(usage.output * part)))
            told = seen if random.random() < 0.7 else None  # some providers count only at the end, which was not waited for
            return self._tried(start, at, Outcome("cancelled", told, ttft, ttft + round((latency - ttft) * part)))
        if luck < _STOPPED + _CUT_OFF:
            tried = self._tried(start, at, Outcome("cancelled"))
            tried.row["status"] = "interrupted"
            return tried
        finish: FinishReason = (
            "tool_calls" if random.random() < turn.use.tool_calls else "length" if luck < 1 and random.random() < _TRUNCATED else "stop"
        )
        return self._tried(start, at, Outcome("ok", usage, ttft if streamed else None, latency, finish_reason=finish), usage=usage)

    def _tried(
        self, start: AttemptStart, at: datetime, outcome: Outcome, *, usage: Usage | None = None, error: ProviderError | None = None
    ) -> _Tried:
        ended = at + timedelta(milliseconds=outcome.latency_ms or 0)
        return _Tried(closed_row(start, at, outcome), ended, usage, error)

    def _failure(self, role: Role, at: datetime, tries: int) -> Failure | None:
        """Decide whether an attempt fails, and how."""
        among, share = FAILURES, role.model.failing
        if role.model.key == BLACKLISTED and at >= self._span.withdrawn:
            leaving = (at - self._span.withdrawn) / (self._span.blacklisted - self._span.withdrawn)
            among, share = WITHDRAWN, min(0.95, 0.25 + leaving)
        elif role.provider.slug == INCIDENT_PROVIDER and self._in_incident(at):
            among, share = OUTAGE, 0.6
        elif tries > 1:
            among, share = FAILURES[:1], _FAILS_AGAIN
        if self._random.random() >= share:
            return None
        return self._one_of(among, [failure.weight for failure in among])

    def _usage(self, role: Role, turn: _Turn, at: datetime) -> Usage:
        reasoning = round(turn.answer * role.model.reasoning * self._random.lognormvariate(0, 0.5))
        read, write, write_1h = turn.cache.used(role.provider.caching, turn.sent, turn.use, at, self._random)
        return Usage(
            input=turn.sent,
            output=turn.answer + reasoning,
            cache_read=read,
            cache_write=write,
            reasoning=reasoning,
            cache_write_1h=write_1h,
        )

    def _pace(self, role: Role, usage: Usage, at: datetime) -> tuple[int, int]:
        """Return time to first token and whole latency in ms: what is read, then what is thought, then what is written."""
        slow = 2.5 if role.provider.slug == INCIDENT_PROVIDER and self._in_incident(at) else 1.0
        per_token = 1_000 / role.model.tokens_per_s * self._random.lognormvariate(0, 0.25) * slow
        reading = (usage.input - usage.cache_read) * 0.03
        ttft = self._around(role.model.ttft_ms, 0.4) * slow + reading + usage.reasoning * per_token
        return round(ttft), round(ttft + (usage.output - usage.reasoning) * per_token)

    def _in_incident(self, at: datetime) -> bool:
        incident = self._span.incident
        return incident is not None and incident[0] <= at < incident[1]

    def _turns(self, mean: float) -> int:
        return 1 if mean <= 1 else 1 + int(self._random.expovariate(1 / (mean - 0.5)))

    def _tokens(self, median: int, sigma: float) -> int:
        return max(1, self._around(median, sigma))

    def _around(self, median: int, sigma: float) -> int:
        return round(median * self._random.lognormvariate(0, sigma))

    def _one_of(self, choices: Sequence[Choice], weights: Sequence[float]) -> Choice:
        return self._random.choices(choices, cum_weights=list(itertools.accumulate(weights)))[0]

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def _activity(person: Person, local: datetime) -> float:
    return person.share * person.hours[local.hour] * (person.weekend if is_weekend(local) else 1.0)


def _started_at(row: Params) -> datetime:
    at: datetime = row["started_at"]
    return at
