"""The router: carries a call through attempts until one answers, each a row of the ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from lib.chat import Completion, Event, Finish, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError, StreamTruncated
from lib.logs import get_logger, redact
from lib.net import pause, within
from lib.providers import ProviderAdapter
from lib.routing.cooldown import RefusedKeys
from lib.routing.hints import Hints, NoHints
from lib.routing.policy import DEADLINES, Deadlines
from lib.routing.trip import Again, Leave, Step, Tries, Trip
from lib.routing.values import Candidate, Item, Notice, Routed, RoutedCall
from lib.usage import Attempt, AttemptStart, Book, ClosedStatus, OpenAttempt, Outcome

__all__ = ["Candidate", "OpenAdapter", "Routed", "RoutedCall", "Router"]

_JITTER = 0.25
"""Part of a wait that chance adds, so that callers refused together do not return together."""

OpenAdapter = Callable[[Candidate], ProviderAdapter]
_Item = TypeVar("_Item", bound=Event | Completion)
_Ask = Callable[[ProviderAdapter, Request, str], Iterator[_Item]]
_CONTENT = (TextDelta, ReasoningDelta, ToolCall)
_BEGUN = (*_CONTENT, Finish, Completion)


@dataclass(frozen=True, slots=True)
class _Tried:
    attempt: Attempt
    error: ProviderError | None
    step: Step | None


class Router:
    """Makes attempts, retries what passes by itself, goes on to other candidates, and writes each attempt down.

    After the first content event nothing is retried: what a person has seen is not said twice.
    """

    def __init__(
        self,
        ledger: Book,
        hints: Hints | None,
        open_adapter: OpenAdapter,
        *,
        deadlines: Deadlines = DEADLINES,
        timer: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = pause,
        chance: Callable[[], float] = random.random,
        log: Any = None,
    ) -> None:
        self._ledger = ledger
        self._hints: Hints = NoHints() if hints is None else hints
        self._open_adapter = open_adapter
        self._deadlines = deadlines
        self._timer = timer
        self._sleep = sleep
        self._chance = chance
        self._keys = RefusedKeys(timer)
        self._log = log or get_logger("router")

    def stream(self, call: RoutedCall) -> Generator[Item, None, None]:
        """Yield events as they come, each attempt as it closes, the final one last, and notices of what happens between.

        Raises ProviderError after the failed final attempt (NoCandidateLeft when several candidates failed), and
        StoreUnavailable before anything is sent when the ledger cannot be written. Closing the generator ends the
        provider's stream and closes the attempt as cancelled.
        """
        return self._route(call, _streamed)

    def complete(self, call: RoutedCall) -> Routed:
        """Return the whole answer, with the same attempts and errors as ``stream``."""
        attempts: list[Attempt] = []
        told: list[Notice] = []
        completion = Completion()
        for item in self._route(call, _whole):
            match item:
                case Attempt():
                    attempts.append(item)
                case Notice():
                    told.append(item)
                case Completion():
                    completion = item
        return Routed(completion, tuple(attempts), tuple(told))

    def _route(self, call: RoutedCall, ask: _Ask[_Item]) -> Generator[_Item | Attempt | Notice, None, None]:
        began = self._timer()
        trip = Trip(call, self._hints.rank(call.candidates), self._keys)
        while (candidate := trip.next()) is not None:
            for notice in trip.told():
                model = next((c.pair[1] for c in call.candidates if c.model_key == notice.model_key), notice.model_key)
                self._log.info(f"call.{notice.kind}", request_id=call.request_id, model=model, because=notice.reason)
                yield notice
            last = not trip.more
            ends = began + self._deadlines.overall
            if not last:
                ends = min(ends, self._timer() + self._deadlines.candidate)
            try:
                adapter = self._open_adapter(candidate)
            except ProviderError as error:  # nothing was sent: an address or key nobody could call with
                trip.failed(candidate, error)
            else:
                tries = Tries(call.request, self._hints.adapt(call.request, candidate), candidate, adapter.endpoints, ends, last=last)
                served = yield from self._candidate(trip, tries, candidate, adapter, ask)
                if served:
                    return
            if self._timer() >= began + self._deadlines.overall:
                break
        raise trip.error()

    def _candidate(
        self, trip: Trip, tries: Tries, candidate: Candidate, adapter: ProviderAdapter, ask: _Ask[_Item]
    ) -> Generator[_Item | Attempt | Notice, None, bool]:
        """Ask one candidate until it answers or there is no more to try; raise what no candidate would do better with."""
        why = trip.why(candidate, tries.learned)
        while True:
            opened = self._ledger.open(_start(trip.call, candidate, tries.endpoint, trip.number()))
            self._log.info(
                "call.started",
                request_id=trip.call.request_id,
                attempt=opened.start.attempt,
                model=candidate.pair[1],
                provider=candidate.pair[0],
                endpoint=tries.endpoint,
                why=why,
            )
            asked = partial(ask, adapter, replace(tries.request, model=candidate.upstream_id), tries.endpoint)
            tried = yield from self._attempt(opened, asked, trip, tries)
            yield tried.attempt
            if tried.error is None or tried.step is None:
                self._keys.accept(candidate)
                return True
            self._log_error(opened, tried.error, tried.step)
            match tried.step:
                case Again():
                    why = tried.step.why
                    if tried.step.notice is not None:
                        yield tried.step.notice
                    if tried.step.after is not None:
                        self._sleep(tried.step.after)
                case Leave(stop=stop):
                    trip.failed(candidate, tried.error)
                    if stop:
                        raise tried.error
                    return False

    def _attempt(self, opened: OpenAttempt, ask: Callable[[], Iterator[_Item]], trip: Trip, tries: Tries) -> Generator[_Item, None, _Tried]:
        timer = self._timer
        began = timer()
        first: float | None = None
        usage: Usage | None = None
        finish: FinishReason | None = None
        status: ClosedStatus = "cancelled"  # what it is if the reader leaves; every other end says so below
        error: ProviderError | None = None
        step: Step | None = None
        knows = True
        events: Iterator[_Item] | None = None
        try:
            events = iter(ask())
            for event in chain(_until_content(events, tries.ends, timer, opened.start.provider_name), events):
                if isinstance(event, _CONTENT):
                    if first is None:
                        first = timer()
                elif isinstance(event, Usage):
                    usage = event
                elif isinstance(event, Finish):
                    finish, status = event.reason, "ok"
                elif isinstance(event, Completion):
                    usage, finish, status = event.usage, event.finish_reason, "ok"
                yield event
            if finish is None:
                raise StreamTruncated(provider=opened.start.provider)
        except ProviderError as failure:
            if finish is None:  # after the finish the answer is whole, whatever becomes of the connection
                status, error = "error", failure
                step = tries.after(failure, first is not None, timer(), 1 + _JITTER * self._chance())
        except Exception as defect:
            status, knows = "error", False  # a defect of ours says nothing about the model
            error = ProviderError(f"Modeldeck failed while reading the answer ({type(defect).__name__}).", provider=opened.start.provider)
            raise
        finally:
            latency = timer() - began
            try:
                close = getattr(events, "close", None)
                if close is not None:
                    close()
            finally:
                attempt = self._ledger.close(
                    opened,
                    Outcome(
                        status=status,
                        usage=usage,
                        ttft_ms=None if first is None else round((first - began) * 1000),
                        latency_ms=round(latency * 1000),
                        error=error,
                        finish_reason=finish,
                    ),
                    partial(self._hints.learn, lesson=trip.lesson(tries, status, step)) if knows else None,
                )
        return _Tried(attempt, error, step)

    def _log_error(self, opened: OpenAttempt, error: ProviderError, step: Step) -> None:
        self._log.warning(
            "call.error",
            request_id=opened.start.request_id,
            attempt=opened.start.attempt,
            model=(opened.start.alias or opened.start).model_key,
            provider=(opened.start.alias or opened.start).provider,
            error_class=error.kind,
            status=error.status,
            error=redact(str(error)) if opened.start.alias is None else "not told, since the model is a person's own",
            then=step.name,
        )


def _until_content(events: Iterator[_Item], ends: float, timer: Callable[[], float], provider: str) -> Iterator[_Item]:
    """Yield events through the first one with content, which must come before ``ends`` on the timer."""
    while True:
        with within(ends - timer()):
            event = next(events, None)
        if event is None:
            return
        yield event
        if isinstance(event, _BEGUN):
            return
        if timer() > ends:
            raise ProviderError(f"{provider} did not begin its answer in time. Try again in a moment.", kind="timeout", provider=provider)


def _streamed(adapter: ProviderAdapter, request: Request, endpoint: str) -> Iterator[Event]:
    return adapter.stream(request, endpoint)


def _whole(adapter: ProviderAdapter, request: Request, endpoint: str) -> Iterator[Completion]:
    yield adapter.complete(request, endpoint)


def _start(call: RoutedCall, candidate: Candidate, endpoint: str, number: int) -> AttemptStart:
    return AttemptStart(
        request_id=call.request_id,
        attempt=number,
        model_key=candidate.model_key,
        model_name=candidate.model_name,
        provider=candidate.provider,
        provider_name=candidate.provider_name,
        source=call.source,
        endpoint=endpoint,
        model_id=candidate.model_id,
        provider_id=candidate.provider_id,
        user_id=call.user_id,
        user_name=call.user_name,
        conversation_id=call.conversation_id,
        message_id=call.message_id,
        api_token_id=call.api_token_id,
        key_scope=candidate.key_scope,
        price=candidate.price,
        alias=candidate.alias,
    )
