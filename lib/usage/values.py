"""What the ledger is told about an attempt, and what it hands back once the attempt is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from sqlalchemy.engine import Connection

from lib.chat import FinishReason, Usage
from lib.errors import ProviderError
from lib.pricing import Price

Source = Literal["playground", "api", "cli", "test", "probe"]
ClosedStatus = Literal["ok", "error", "cancelled"]
KeyScope = Literal["model", "user", "system"]


@dataclass(frozen=True, slots=True)
class Alias:
    """The names that stand in the log for a model that is somebody's own, where others read the log."""

    model_key: str
    model_name: str
    provider: str
    provider_name: str


OWN = "~own"
"""How the keys of aliases begin, of models and providers alike; no key that is typed can begin so."""


def own_key(row_id: int | None) -> str:
    """Return what stands for the key of somebody's own model or provider; one not saved yet has no number.

    >>> own_key(17), own_key(None)
    ('~own-17', '~own')
    """
    return f"{OWN}-{row_id}" if row_id else OWN


def own_number(key: str) -> int | None:
    """Return the id of the model or provider that an alias stands for; None for any other key.

    >>> own_number("~own-17"), own_number("~own"), own_number("gpt-5")
    (17, None, None)
    """
    start, _, number = key.partition("-")
    return int(number) if start == OWN and number.isascii() and number.isdecimal() else None


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """One attempt about to be made: who asks what of whom, and the price in force.

    ``attempt`` counts from 1 within a request. Ids are kept beside names, so that the row still reads well
    after the model, provider or person is gone. ``alias`` is written in place of the names of somebody's own model.
    """

    request_id: str
    attempt: int
    model_key: str
    model_name: str
    provider: str
    provider_name: str
    source: Source
    endpoint: str | None = None
    model_id: int | None = None
    provider_id: int | None = None
    user_id: str | None = None
    user_name: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    api_token_id: int | None = None
    key_scope: KeyScope | None = None
    is_sample: bool = False
    price: Price | None = None
    alias: Alias | None = None


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt whose row is written and still open; ``id`` is the row's."""

    id: int
    start: AttemptStart
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; times are whole milliseconds since the request left."""

    status: ClosedStatus
    usage: Usage | None = None
    ttft_ms: int | None = None
    latency_ms: int | None = None
    error: ProviderError | None = None
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A closed attempt, as its row has it.

    ``cost_nano_usd`` is None when no price is known for what was used. ``saved`` is False while the row waits in
    memory because the database could not be written; the heartbeat saves it later.
    """

    id: int
    request_id: str
    attempt: int
    model_key: str
    model_name: str
    provider: str
    provider_name: str
    endpoint: str | None
    status: ClosedStatus
    usage: Usage | None
    usage_source: Literal["provider", "none"]
    cost_nano_usd: int | None
    price_id: int | None
    price_source: str | None
    ttft_ms: int | None
    latency_ms: int | None
    error: ProviderError | None
    finish_reason: FinishReason | None
    key_scope: KeyScope | None
    started_at: datetime
    saved: bool = True
    cache_saving_nano_usd: int | None = None
    alias: Alias | None = None


Learn = Callable[[Connection, Attempt], None]
"""Runs in the transaction that closes the attempt; when it fails, the close is written without it."""

Params = dict[str, Any]


class Book(Protocol):
    """Where attempts are written down: the ledger, or what stands in for it."""

    def open(self, start: AttemptStart) -> OpenAttempt: ...
    def close(self, opened: OpenAttempt, outcome: Outcome, learn: Learn | None = None) -> Attempt: ...
