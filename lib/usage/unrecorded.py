"""The ledger's stand-in while there is no database: attempts run as always, and are written to the log alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from lib.logs import get_logger
from lib.store.sql import utc_now
from lib.usage.ledger import closed_attempt
from lib.usage.values import Attempt, AttemptStart, Learn, OpenAttempt, Outcome


class Unrecorded:
    """Opens and closes attempts without keeping them; each comes back with ``saved=False`` and leaves a line in the log."""

    def __init__(self, clock: Callable[[], datetime] = utc_now, log: Any = None) -> None:
        self._clock = clock
        self._log = log or get_logger("ledger")

    def open(self, start: AttemptStart) -> OpenAttempt:
        """Begin an attempt that no table will show."""
        return OpenAttempt(0, start, self._clock())

    def close(self, opened: OpenAttempt, outcome: Outcome, learn: Learn | None = None) -> Attempt:
        """End it; nothing is learned from it."""
        attempt = replace(closed_attempt(opened, outcome), saved=False)
        usage = attempt.usage
        self._log.warning(
            "call.unrecorded",
            request_id=attempt.request_id,
            provider=attempt.provider,
            model=attempt.model_key,
            status=attempt.status,
            input_tokens=usage.input if usage else None,
            output_tokens=usage.output if usage else None,
        )
        return attempt
