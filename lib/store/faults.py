"""Translate what a database driver says into sentences a person can act on."""

from __future__ import annotations

import re
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
    "refused-password": "The database server refuses the user or the password of DATABASE_URL. Copy both again; in the password,"
    " signs such as @ : / # ? and % are written as %40 %3A %2F %23 %3F and %25.",
    "no-database": "The server has no database of the name in DATABASE_URL. Correct the name, or create the database.",
    "missing-schema": "The database has no Modeldeck tables yet. Run: python -m lib db upgrade",
    "older-schema": "The database was made by an older Modeldeck. Run: python -m lib db upgrade",
    "refused-key": "Supabase refuses the API key. Copy SUPABASE_PUBLISHABLE_KEY and SUPABASE_SECRET_KEY again from its API settings.",
    "wrong-pooler": "Supabase's pooler knows no such project. Copy the whole connection string again from Connect in its dashboard:"
    " its user is postgres.PROJECT, and its host cannot be guessed.",
    "no-project": "Supabase does not answer. When the project is paused, restore it in its dashboard; otherwise check SUPABASE_URL.",
    "paused": "The Supabase project is paused. Restore it in its dashboard, then try again.",
    "busy": "Supabase limits how often it may be asked. Wait a minute, then try again.",
    "not-granted": "The database's user may not do this. DATABASE_URL must name the owner of the tables; the rights of ANALYTICS_URL's"
    " user are renewed by: python -m lib db analytics-role",
    "too-slow": "The answer took longer than the database allows this user. Choose a shorter range or fewer filters, then try again.",
    "newer-schema": "The database was made by a newer Modeldeck. Update Modeldeck, or point it at another database.",
}
MIGRATE_SUPABASE = (
    "The Supabase project lacks tables or functions of this version. Run: supabase db push"
    " (or, in a new project, paste supabase/setup.sql into its SQL editor)."
)
STALE_SENTENCE = "Somebody changed or removed this in the meantime. Reload to see the current state, then try again."
_SQLITE_CODES: tuple[tuple[str, StoreFault], ...] = (
    ("SQLITE_BUSY", "locked"),
    ("SQLITE_LOCKED", "locked"),
    ("SQLITE_READONLY", "read-only"),
    ("SQLITE_CANTOPEN", "read-only"),
    ("SQLITE_PERM", "read-only"),
    ("SQLITE_FULL", "disk-full"),
    ("SQLITE_IOERR_WRITE", "disk-full"),
    ("SQLITE_IOERR_FSYNC", "disk-full"),
    ("SQLITE_IOERR_TRUNCATE", "disk-full"),
    ("SQLITE_IOERR_SHMSIZE", "disk-full"),
    ("SQLITE_IOERR", "corrupt"),
    ("SQLITE_CORRUPT", "corrupt"),
    ("SQLITE_NOTADB", "corrupt"),
)
"""How SQLite's error names begin, the more particular first."""
_SQLITE_SIGNS: tuple[tuple[str, StoreFault], ...] = (("no such table", "missing-schema"), ("no such column", "older-schema"))
_SQLSTATES: dict[str, StoreFault] = {
    "42P01": "missing-schema",
    "3F000": "missing-schema",
    "42703": "older-schema",
    "25006": "read-only",
    "42501": "not-granted",
    "53100": "disk-full",
    "40001": "locked",
    "40P01": "locked",
    "55P03": "locked",
    "57014": "locked",
}
_REFUSALS = (
    ("keep the last admin", "This is the last admin. Make somebody else an admin first."),
    ("append-only", "This is a record: it can be added to, but what it holds cannot be changed or removed."),
    ("unique", "This name or key is already taken; choose another."),
    ("foreign key", "Something else still refers to this, or it refers to something that is gone."),
    ("not null", "A required value is missing."),
    ("null value", "A required value is missing."),
)
_NO_TENANT = re.compile(r"tenant.{0,40}(user )?.{0,80}not found", re.IGNORECASE)
"""What Supabase's pooler says, in several spellings, to a host or a user of another project."""
_SERVER_SAYS: tuple[tuple[re.Pattern[str], StoreFault], ...] = (
    (_NO_TENANT, "wrong-pooler"),
    (re.compile(r"password authentication failed|no password supplied|role \S+ does not exist"), "refused-password"),
    (re.compile(r"database \S+ does not exist"), "no-database"),
    (re.compile(r"due to statement timeout"), "too-slow"),
)
"""What a server says while a connection is made, when its driver passes no code on."""
_SQLSTATE_CLASSES: dict[str, StoreFault] = {
    "08": "unreachable",  # the connection failed or broke
    "28": "refused-password",  # the server knows no such user or password
    "3D": "no-database",
    "53": "unreachable",  # too many connections, out of memory
    "57": "unreachable",  # shutting down or starting up
    "58": "disk-full",  # the server's own files failed it
    "XX": "corrupt",
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
        if (fault := _fault(error)) is None:
            raise
        raise fault from None
    except sqlalchemy.exc.StatementError:  # a value the column's type cannot even send
        raise InvalidValue("A value does not fit its column.") from None


def _fault(error: sqlalchemy.exc.DBAPIError) -> StoreUnavailable | InvalidValue | None:
    """Return what a driver's error means; None for one that only a mistake in our own SQL can cause."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InternalError):
        for sign, fault in _SERVER_SAYS:
            if sign.search(str(error.orig)):
                return unavailable(fault)
    if reason := _SQLSTATES.get(sqlstate or "") or _SQLSTATE_CLASSES.get((sqlstate or "")[:2]) or sqlite_fault(error.orig):
        return unavailable(reason)
    if isinstance(error, sqlalchemy.exc.DataError):
        return InvalidValue("A value does not fit its column.")
    if sqlstate is None and isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError):
        return unavailable("unreachable")
    return None


def sqlite_fault(error: BaseException | None) -> StoreFault | None:
    """Return what is wrong with a SQLite file, from the error its driver raised."""
    code = getattr(error, "sqlite_errorname", None)
    if code is None:
        return None
    for prefix, reason in _SQLITE_CODES:
        if code.startswith(prefix):
            return reason
    text = str(error).lower()
    return next((reason for sign, reason in _SQLITE_SIGNS if sign in text), None)


def _refused(error: sqlalchemy.exc.IntegrityError) -> InvalidValue:
    return refusal(str(error.orig), _blamed(error))


def refusal(said: str, blamed: str | None) -> InvalidValue:
    """Return the error for a constraint's refusal, by what the database said of it and the column it blames."""
    text = said.lower()
    for sign, sentence in _REFUSALS:
        if sign in text:
            return InvalidValue(sentence, field=blamed)
    return InvalidValue("A value is not one of those allowed.")


def _blamed(error: sqlalchemy.exc.IntegrityError) -> str | None:
    """Return the column a missing or taken value belongs to, where the database names exactly one."""
    if diagnostics := getattr(error.orig, "diag", None):
        return diagnostics.column_name  # type: ignore[no-any-return]
    _, separator, column = str(error.orig).rpartition(": ")[2].partition(".")
    return column if separator and column.isidentifier() else None
