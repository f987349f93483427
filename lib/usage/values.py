"""What the ledger is told about an attempt, and what it hands back once the attempt is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.engine import Connection

from lib.chat import FinishReason, Usage
from lib.errors import ProviderError
from lib.pricing import Price

Source = Literal["playground", "api", "cli", "test", "probe"]
ClosedStatus = Literal["ok", "error", "cancelled"]
KeyScope = Literal["model", "user", "system"]


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """One attempt about to be made: who asks what of whom, and the price in force.

    ``attempt`` counts from 1 within a request. Ids are kept beside names, so that the row still reads well
    after the model, provider or person is gone.
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


Learn = Callable[[Connection, Attempt], None]
"""Runs in the transaction that closes the attempt; when it fails, the close is written without it."""

Params = dict[str, Any]
