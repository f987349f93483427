"""Compatibility hints: what each provider and model pair has been seen to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from lib.errors import TRANSIENT_KINDS, ErrorKind
from lib.logs import get_logger, redact
from lib.store.schema import model_compatibility_hints as hints
from lib.store.sql import utc_now
from lib.usage import Attempt

COUNTED: frozenset[ErrorKind] = frozenset({"model-incompatible", "unknown"})
"""Faults of the pair itself. Those that pass are noted but not counted; those of the caller or the key are neither."""


class Hints(Protocol):
    """What the router tells its memory."""

    def learn(self, connection: Connection, attempt: Attempt) -> None:
        """Record how an attempt ended, inside the transaction that closes it."""
        ...


class SqlHints:
    """Hints in model_compatibility_hints, counted by the database so that parallel calls lose none."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now, log: Any = None) -> None:
        self._clock = clock
        self._log = log or get_logger("hints")

    def learn(self, connection: Connection, attempt: Attempt) -> None:
        now = self._clock()
        pair = {"provider": attempt.provider, "model": attempt.model_key, "created_at": now, "updated_at": now}
        if attempt.status == "ok":
            row = {**pair, "success_count": 1, "error_count": 0, "last_success_time": now}
            successes = connection.execute(_SUCCESS[connection.dialect.name], row).scalar_one()
            if successes == 1:
                self._log.info("hints.first_success", request_id=attempt.request_id, provider=attempt.provider, model=attempt.model_key)
        elif attempt.error is not None and attempt.error.kind in COUNTED | TRANSIENT_KINDS:
            row = {
                **pair,
                "success_count": 0,
                "error_count": int(attempt.error.kind in COUNTED),
                "last_error_type": attempt.error.kind,
                "last_error_message": redact(str(attempt.error)).replace("\x00", ""),
                "last_error_time": now,
            }
            connection.execute(_ERROR[connection.dialect.name], row)


def _upsert(dialect: Any, columns: tuple[str, ...]) -> Any:
    statement = dialect.insert(hints)
    new = statement.excluded
    counts = {name: hints.c[name] + new[name] for name in ("success_count", "error_count")}
    replaced = {name: new[name] for name in ("updated_at", *columns)}
    return statement.on_conflict_do_update(index_elements=["provider", "model"], set_={**counts, **replaced}).returning(
        hints.c.success_count
    )


_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}
_SUCCESS = {name: _upsert(dialect, ("last_success_time",)) for name, dialect in _DIALECTS.items()}
_ERROR = {name: _upsert(dialect, ("last_error_type", "last_error_message", "last_error_time")) for name, dialect in _DIALECTS.items()}
