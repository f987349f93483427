"""The router: carries a call through attempts until one answers, each a row of the ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from pydantic import SecretStr

from lib.chat import Completion, Event, Finish, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError, StreamTruncated
from lib.logs import get_logger, redact
from lib.pricing import Price
from lib.providers import ProviderAdapter
from lib.routing.hints import Hints
from lib.routing.policy import NextEndpoint, Retry, Stop, decide
from lib.usage import Attempt, AttemptStart, ClosedStatus, KeyScope, Ledger, OpenAttempt, Outcome, Source

_JITTER = 0.25
"""Part of a wait that chance adds, so that callers refused together do not return together."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may serve a call, with the key and address to reach it; ``why`` says for the log how it came to be one."""

    model_key: str
    model_name: str
    upstream_id: str
    kind: str
    provider: str
    provider_name: str
    endpoint: str
    model_id: int | None = None
    provider_id: int | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    key_scope: KeyScope | None = None
    price: Price | None = None
    options: dict[str, Any] = field(default_factory=dict)
    why: str = "asked for"


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """A request on its way: what is asked (each candidate puts its own model id in), of whom, and for whom."""

    request_id: str
    request: Request
    candidates: tuple[Candidate, ...]
    source: Source
    user_id: str | None = None
    user_name: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    api_token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """A whole answer and every attempt it took, the one that answered last."""

    completion: Completion
    attempts: tuple[Attempt, ...]


OpenAdapter = Callable[[Candidate], ProviderAdapter]
_Item = TypeVar("_Item", bound=Event | Completion)
_CONTENT = (TextDelta, ReasoningDelta, ToolCall)


@dataclass(frozen=True, slots=True)
class _Tried:
    attempt: Attempt
    error: ProviderError | None
    content: bool


class Router:
    """Makes attempts, retries what passes by itself, and writes each one down.

    After the first content event nothing is retried: what a person has seen is not said twice.
    """

    def __init__(
        self,
        ledger: Ledger,
        hints: Hints | None,
        open_adapter: OpenAdapter,
        *,
        timer: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        log: Any = None,
    ) -> None:
        self._ledger = ledger
        self._learn = hints.learn if hints is not None else None
        self._open_adapter = open_adapter
        self._timer = timer
        self._sleep = sleep
        self._chance = chance
        self._log = log or get_logger("router")

    def stream(self, call: RoutedCall) -> Generator[Event | Attempt, None, None]:
        """Yield events as they come and each attempt as it closes, the final one last.

        Raises ProviderError after the failed final attempt, and StoreUnavailable before anything is sent when the
        ledger cannot be written. Closing the generator ends the provider's stream and closes the attempt as cancelled.
        """
        return self._route(call, _streamed)

    def complete(self, call: RoutedCall) -> Routed:
        """Return the whole answer, with the same attempts and errors as ``stream``."""
        attempts: list[Attempt] = []
        completion = Completion()
        for item in self._route(call, _whole):
            match item:
                case Attempt():
                    attempts.append(item)
                case Completion():
                    completion = item
        return Routed(completion, tuple(attempts))

    def _route(
        self, call: RoutedCall, ask: Callable[[ProviderAdapter, Request, str], Iterator[_Item]]
    ) -> Generator[_Item | Attempt, None, None]:
        number = 0
        for place, candidate in enumerate(call.candidates, start=1):
            adapter = self._open_adapter(candidate)
            request = replace(call.request, model=candidate.upstream_id)
            endpoint, spoken, tries, why = candidate.endpoint, {candidate.endpoint}, 0, candidate.why
            while True:
                number, tries = number + 1, tries + 1
                opened = self._ledger.open(_start(call, candidate, endpoint, number))
                self._log.info(
                    "call.started",
                    request_id=call.request_id,
                    attempt=number,
                    model=candidate.model_key,
                    provider=candidate.provider,
                    endpoint=endpoint,
                    why=why,
                )
                tried = yield from self._attempt(opened, partial(ask, adapter, request, endpoint))
                yield tried.attempt
                if tried.error is None:
                    return
                verdict = Stop() if tried.content else decide(tried.error, tries)
                self._log_error(opened, tried.error, type(verdict).__name__)
                if isinstance(verdict, Retry):
                    why = "tried again"
                    self._sleep(verdict.after * (1 + _JITTER * self._chance()))
                elif isinstance(verdict, NextEndpoint) and verdict.endpoint in adapter.endpoints - spoken:
                    endpoint, why = verdict.endpoint, "endpoint the provider named"
                    spoken.add(endpoint)
                elif isinstance(verdict, Stop) or place == len(call.candidates):
                    raise tried.error
                else:
                    break

    def _attempt(self, opened: OpenAttempt, ask: Callable[[], Iterator[_Item]]) -> Generator[_Item, None, _Tried]:
        timer = self._timer
        began = timer()
        first: float | None = None
        usage: Usage | None = None
        finish: FinishReason | None = None
        status: ClosedStatus = "cancelled"  # what it is if the reader leaves; every other end says so below
        error: ProviderError | None = None
        learn = self._learn
        events: Iterator[_Item] | None = None
        try:
            events = ask()
            for event in events:
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
        except Exception as defect:
            status, learn = "error", None  # a defect of ours says nothing about the model
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
                    learn,
                )
        return _Tried(attempt, error, content=first is not None)

    def _log_error(self, opened: OpenAttempt, error: ProviderError, verdict: str) -> None:
        self._log.warning(
            "call.error",
            request_id=opened.start.request_id,
            attempt=opened.start.attempt,
            model=opened.start.model_key,
            provider=opened.start.provider,
            error_class=error.kind,
            status=error.status,
            error=redact(str(error)),
            then=verdict,
        )


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
    )
