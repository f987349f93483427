"""Translate what a database driver says into sentences a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy.exc

from lib.errors import InvalidValue, StoreFault, StoreUnavailable

_SENTENCES: dict[StoreFault, str] = {
    "locked": "Another process holds the database. Close it, or wait a moment, then try again.",
    "read-only": "The database cannot be written. Check the permissions of its file and folder, then try again.",
    "disk-full": "The disk is full, so nothing was saved. Free some space, then try again.",
    "corrupt": "The database file is damaged. Restore it from a backup; the damaged file was left as it is.",
    "unreachable": "The database does not answer. Check that its server runs and that DATABASE_URL is right.",
    "missing-schema": "The database has no Modeldeck tables yet. Run: python -m lib db upgrade",
    "older-schema": "The database was made by an older Modeldeck. Run: python -m lib db upgrade",
    "newer-schema": "The database was made by a newer Modeldeck. Update Modeldeck, or point it at another database.",
}
_SQLITE_SIGNS: tuple[tuple[str, StoreFault], ...] = (
    ("database is locked", "locked"),
    ("database table is locked", "locked"),
    ("readonly database", "read-only"),
    ("unable to open database file", "read-only"),
    ("disk is full", "disk-full"),
    ("disk i/o error", "disk-full"),
    ("malformed", "corrupt"),
    ("not a database", "corrupt"),
    ("no such table", "missing-schema"),
    ("no such column", "older-schema"),
)
_SQLSTATES: dict[str, StoreFault] = {
    "42P01": "missing-schema",
    "3F000": "missing-schema",
    "42703": "older-schema",
    "25006": "read-only",
    "53100": "disk-full",
    "55P03": "locked",
    "57014": "locked",
}


def unavailable(reason: StoreFault, detail: str = "") -> StoreUnavailable:
    """Return the error for a fault, with its sentence and an optional detail."""
    return StoreUnavailable(_SENTENCES[reason] + (f" ({detail})" if detail else ""), reason=reason)


@contextmanager
def store_faults() -> Iterator[None]:
    """Turn driver errors raised inside into StoreUnavailable or InvalidValue; others pass."""
    try:
        yield
    except sqlalchemy.exc.IntegrityError as error:
        raise _refused(error) from None
    except sqlalchemy.exc.TimeoutError:
        raise unavailable("locked") from None
    except sqlalchemy.exc.DBAPIError as error:
        raise _fault(error) from None


def _fault(error: sqlalchemy.exc.DBAPIError) -> StoreUnavailable | InvalidValue:
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None and sqlstate in _SQLSTATES:
        return unavailable(_SQLSTATES[sqlstate])
    if isinstance(error, sqlalchemy.exc.DataError):
        return InvalidValue("A value does not fit its column.")
    text = str(error.orig).lower()
    for sign, reason in _SQLITE_SIGNS:
        if sign in text:
            return unavailable(reason)
    return unavailable("unreachable")


def _refused(error: sqlalchemy.exc.IntegrityError) -> InvalidValue:
    text = str(error.orig).lower()
    if "unique" in text:
        return InvalidValue("This name or key is already taken; choose another.")
    if "foreign key" in text:
        return InvalidValue("Something else still refers to this, or it refers to something that is gone.")
    if "not null" in text or "null value" in text:
        return InvalidValue("A required value is missing.")
    return InvalidValue("A value is not one of those allowed.")
