"""Check values before they are sent, so that SQLite refuses what Postgres would and every refusal names its column."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from lib.errors import InvalidValue
from lib.store.types import ExactDecimal, Timestamp

_INT32, _INT64 = 2**31, 2**63


def checked(column: sa.Column[Any], value: Any) -> Any:
    """Return the value as its column keeps it; raises InvalidValue with the column as its field."""
    if value is None or isinstance(value, sa.ClauseElement):
        return value
    for kind, check, wanted in _KINDS:
        if isinstance(column.type, kind):
            try:
                return check(value)
            except (TypeError, ValueError):
                raise InvalidValue(f"{column.name} must be {wanted}.", field=column.name) from None
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _whole(limit: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        if not -limit <= value < limit:
            raise ValueError
        return value

    return check


def _exact(value: Any) -> Decimal:
    """A float has already lost what was meant, so it is refused."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise TypeError
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError
    return number


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError
    if value.tzinfo is None:
        raise ValueError
    return value


def _uuid(value: Any) -> str:
    if not isinstance(value, str | uuid.UUID):
        raise TypeError
    return str(uuid.UUID(str(value)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    if "\0" in value:
        raise ValueError
    value.encode()  # a lone surrogate is no text any database takes
    return value


def _json(value: Any) -> Any:
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


_KINDS: tuple[tuple[type[Any], Callable[[Any], Any], str], ...] = (
    (Timestamp, _moment, "a date and time with a timezone"),
    (ExactDecimal, _exact, "an exact number: a Decimal or a whole number"),
    (sa.Boolean, _boolean, "true or false"),
    (sa.BigInteger, _whole(_INT64), "a whole number of at most 64 bits"),
    (sa.Integer, _whole(_INT32), "a whole number of at most 32 bits"),
    (sa.JSON, _json, "a value that JSON can hold"),
    (sa.Text, _text, "text without NUL characters"),
    (sa.String, _uuid, "a UUID"),  # UuidText; every other text column is Text
)
"""Each kind of column with its check and what a refusal asks for; the first that fits counts, so the narrow stand first."""
