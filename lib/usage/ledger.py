"""The ledger: a row for every attempt, written before the request leaves and closed however it ends."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.errors import ProviderError, StoreError, StoreUnavailable
from lib.logs import get_logger, redact
from lib.pricing import cache_saving, cost
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.sql import utc_now
from lib.store.usage_tables import llm_usage_log as log_table
from lib.usage import instances
from lib.usage.values import Alias, Attempt, AttemptStart, Learn, OpenAttempt, Outcome, Params

INTERVAL_S = 10.0
"""Seconds between two heartbeats of a living process."""

LAPSE_S = 3 * INTERVAL_S
"""Seconds without a heartbeat after which a process counts as dead."""

_MESSAGE_LIMIT = 2_000
_UNTOLD = "The message is not kept, since the model is a person's own."
_PAUSES = (0.05, 0.2)
_INSERT = sa.insert(log_table).returning(log_table.c.id)
_CLOSE = sa.update(log_table).where(log_table.c.id == sa.bindparam("row_id"))
_SUPERSEDE = (
    sa.update(log_table)
    .where(log_table.c.request_id == sa.bindparam("of_request"), log_table.c.attempt == sa.bindparam("of_attempt"))
    .values(is_final=sa.false())
)


@dataclass(frozen=True, slots=True)
class _Closing:
    """A close that still has to reach the database."""

    params: Params
    attempt: Attempt
    learn: Learn | None


class Ledger:
    """Opens and closes the rows of llm_usage_log for one running process.

    The last attempt of a request is the final one: closing marks it so, and opening a further attempt takes the
    mark from the one before, so that a process may die at any moment and leave a true log.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        instance_id: str,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        log: Any = None,
    ) -> None:
        self._engine = writing(engine)
        self._instance_id = instance_id
        self._clock = clock
        self._sleep = sleep
        self._log = log or get_logger("ledger")
        self._waiting: deque[_Closing] = deque()
        self._flushing = threading.Lock()

    @property
    def instance_id(self) -> str:
        """The id this process registered under."""
        return self._instance_id

    @property
    def unsaved(self) -> int:
        """How many finished attempts wait in memory because the database could not be written."""
        return len(self._waiting)

    def open(self, start: AttemptStart) -> OpenAttempt:
        """Write the row of an attempt about to be made; raise StoreUnavailable when the call cannot be accounted for."""
        started_at = self._clock()
        with store_faults(), self._engine.begin() as connection:
            if start.attempt > 1:
                connection.execute(_SUPERSEDE, {"of_request": start.request_id, "of_attempt": start.attempt - 1})
            row_id = connection.execute(_INSERT, _opening(start, self._instance_id, started_at)).scalar_one()
        return OpenAttempt(row_id, start, started_at)

    def close(self, opened: OpenAttempt, outcome: Outcome, learn: Learn | None = None) -> Attempt:
        """Complete the row with its outcome, usage and exact cost, and let ``learn`` write in the same transaction.

        Never raises for the database's sake: what cannot be written now is kept, logged and saved by a later
        heartbeat, and the attempt returned says ``saved=False``.
        """
        attempt = closed_attempt(opened, outcome)
        closing = _Closing(_closing(attempt), attempt, learn)
        for pause in (*_PAUSES, None):
            try:
                self._write(closing)
                return attempt
            except StoreUnavailable as error:
                # A lock was already waited for as long as the busy timeout says: do not keep the person waiting twice.
                if pause is None or error.reason == "locked":
                    self._waiting.append(closing)
                    self._log.error("ledger.close_delayed", request_id=attempt.request_id, reason=error.reason, unsaved=self.unsaved)
                    break
                self._sleep(pause)
            except StoreError as error:
                self._refused(closing, error)
                break
        return replace(attempt, saved=False)

    def flush(self) -> int:
        """Save the attempts that wait in memory, oldest first, and return how many; raise at the first that cannot be."""
        saved = 0
        with self._flushing:
            while self._waiting:
                closing = self._waiting[0]
                try:
                    self._write(closing)
                    saved += 1
                except StoreUnavailable:
                    raise
                except StoreError as error:
                    self._refused(closing, error)
                self._waiting.popleft()
        if saved:
            self._log.info("ledger.flushed", saved=saved)
        return saved

    def register(self, version: str) -> None:
        """Enter this process in the table of instances; raise StoreUnavailable when the table cannot be written."""
        with store_faults(), self._engine.begin() as connection:
            instances.register(connection, self._instance_id, version, self._clock())

    def heartbeat(self) -> None:
        """Show that this process lives, and save what waits in memory."""
        with store_faults(), self._engine.begin() as connection:
            instances.beat(connection, self._instance_id, self._clock())
        self.flush()

    def mark_interrupted(self, *, lapse: float = LAPSE_S) -> int:
        """Close, as interrupted, the open rows of processes that stopped or fell silent for ``lapse`` seconds; return how many."""
        with store_faults(), self._engine.begin() as connection:
            marked = instances.mark_interrupted(connection, self._clock(), lapse)
        if marked:
            self._log.warning("ledger.interrupted", calls=marked)
        return marked

    def stop(self) -> None:
        """Save what waits and mark this process as stopped."""
        self.flush()
        with store_faults(), self._engine.begin() as connection:
            instances.stop(connection, self._instance_id, self._clock())

    def _write(self, closing: _Closing) -> None:
        """Write a close with what is learned from it; when learning fails, roll both back and write the close alone."""
        with store_faults():
            if closing.learn is not None:
                try:
                    with self._engine.begin() as connection:
                        connection.execute(_CLOSE, closing.params)
                        _learn(connection, closing.learn, closing.attempt)
                    return
                except _NotLearned as error:
                    self._log.warning("hints.not_learned", request_id=closing.attempt.request_id, error=str(error))
            with self._engine.begin() as connection:
                connection.execute(_CLOSE, closing.params)

    def _refused(self, closing: _Closing, error: StoreError) -> None:
        self._log.error("ledger.close_refused", request_id=closing.attempt.request_id, error=redact(str(error)))


class _NotLearned(Exception):
    """What ``learn`` raised, named and redacted."""


def _learn(connection: Connection, learn: Learn, attempt: Attempt) -> None:
    # A savepoint would not do: SQLite may roll the whole transaction back on a full disk, close included.
    try:
        learn(connection, attempt)
    except Exception as error:  # whatever goes wrong with a hint, the call itself is accounted for
        raise _NotLearned(redact(f"{type(error).__name__}: {error}")) from error


def closed_row(start: AttemptStart, started_at: datetime, outcome: Outcome) -> Params:
    """Return the columns of an attempt as the ledger leaves them after opening and closing it, for calls nobody made here.

    The row has no id and no instance; it is marked final.
    """
    row = {**_opening(start, None, started_at), **_closing(closed_attempt(OpenAttempt(0, start, started_at), outcome))}
    del row["row_id"]
    return row


def _opening(start: AttemptStart, instance_id: str | None, started_at: datetime) -> Params:
    named = start.alias or start
    return {
        "request_id": start.request_id,
        "attempt": start.attempt,
        "instance_id": instance_id,
        "started_at": started_at,
        "status": "open",
        "user_id": start.user_id,
        "user_name": start.user_name,
        "model_id": start.model_id,
        "model_key": named.model_key,
        "model_name": named.model_name,
        "provider_id": start.provider_id,
        "provider": named.provider,
        "provider_name": named.provider_name,
        "endpoint": start.endpoint,
        "source": start.source,
        "conversation_id": start.conversation_id,
        "message_id": start.message_id,
        "api_token_id": start.api_token_id,
        "key_scope": "own" if start.key_scope == "model" else start.key_scope,
        "is_sample": start.is_sample,
        "usage_source": "none",
    }


def closed_attempt(opened: OpenAttempt, outcome: Outcome) -> Attempt:
    """Return an attempt as it is once it is closed, with its exact cost."""
    start, usage = opened.start, outcome.usage
    price = start.price if usage is not None else None
    return Attempt(
        id=opened.id,
        request_id=start.request_id,
        attempt=start.attempt,
        model_key=start.model_key,
        model_name=start.model_name,
        provider=start.provider,
        provider_name=start.provider_name,
        endpoint=start.endpoint,
        status=outcome.status,
        usage=usage,
        usage_source="none" if usage is None else "provider",
        cost_nano_usd=cost(price, usage) if price is not None and usage is not None else None,
        price_id=price.id if price else None,
        price_source=price.source if price else None,
        ttft_ms=outcome.ttft_ms,
        latency_ms=outcome.latency_ms,
        error=outcome.error,
        finish_reason=outcome.finish_reason,
        key_scope=start.key_scope,
        started_at=opened.started_at,
        cache_saving_nano_usd=cache_saving(price, usage),
        alias=start.alias,
    )


def _closing(attempt: Attempt) -> Params:
    usage, error = attempt.usage, attempt.error
    return {
        "row_id": attempt.id,
        "status": attempt.status,
        "is_final": True,
        "input_tokens": usage.input if usage else None,
        "cache_read_tokens": usage.cache_read if usage else None,
        "cache_write_tokens": usage.cache_write if usage else None,
        "cache_write_1h_tokens": usage.cache_write_1h if usage else None,
        "output_tokens": usage.output if usage else None,
        "reasoning_tokens": usage.reasoning if usage else None,
        "usage_extra": dict(usage.extra) if usage and usage.extra else None,
        "usage_source": attempt.usage_source,
        "cost_nano_usd": attempt.cost_nano_usd,
        "cache_saving_nano_usd": attempt.cache_saving_nano_usd,
        "price_id": attempt.price_id,
        "price_source": attempt.price_source,
        "ttft_ms": attempt.ttft_ms,
        "latency_ms": attempt.latency_ms,
        "error_class": error.kind if error else None,
        "error_status": error.status if error else None,
        "error_message": _message(error, attempt.alias) if error else None,
        "finish_reason": attempt.finish_reason,
    }


def _message(error: ProviderError, alias: Alias | None) -> str:
    if alias is not None:
        return _UNTOLD  # providers name models and addresses in what they say
    return redact(str(error)).replace("\x00", "")[:_MESSAGE_LIMIT]  # Postgres refuses NUL in text
