"""Translate what a Supabase project answers into sentences a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
from postgrest.exceptions import APIError

from lib.errors import InvalidValue, ModeldeckError, NotAllowed, SignInRequired, StaleVersion, StoreError, StoreFault, StoreUnavailable
from lib.logs import get_logger
from lib.store.faults import MIGRATE_SUPABASE, STALE_SENTENCE, refusal, unavailable
from lib.store.supabase_sql import STALE

SESSION_OVER = "Your session is over. Sign in again."
_FORBIDDEN = "Your role does not permit this, so nothing was changed."
_OVER = frozenset({"PGRST301", "PGRST302", "PGRST303"})
"""A token that is malformed, expired or missing; PostgREST 12 calls an expired one PGRST301, later ones PGRST303."""
_UNMIGRATED = frozenset({"42P01", "42703", "42883", "3F000", "PGRST106", "PGRST202", "PGRST204", "PGRST205"})
_STATUSES: Mapping[int, tuple[StoreFault, str]] = {
    401: ("refused-key", ""),
    402: ("paused", "Supabase has restricted this project for its usage. Its dashboard says why."),
    404: ("no-project", "There is no Supabase project at SUPABASE_URL. Copy it again from the project's API settings."),
    429: ("busy", ""),
    540: ("paused", ""),
    544: ("busy", "The database of the Supabase project takes too long to answer. Try again in a moment."),
}
"""HTTP status → fault, and a sentence of its own where the fault's would mislead."""
_QUOTED = re.compile(r'column "([a-z_][a-z0-9_]*)"')


@contextmanager
def rest_faults(url: str) -> Iterator[None]:
    """Turn what supabase-py and httpx raise inside into errors of ours; ``url`` is the project's."""
    try:
        yield
    except APIError as error:
        raise explained(str(error.code or ""), error.message or "", url) from None
    except httpx.HTTPError as error:
        raise no_answer(url, error) from None


def explained(code: str, message: str, url: str) -> ModeldeckError:
    """Return the error for PostgREST's or Postgres' code, or the HTTP status where there is none."""
    if code in _OVER:
        return SignInRequired(SESSION_OVER)
    if code == STALE:
        return StaleVersion(STALE_SENTENCE)
    if code == "42501":
        return NotAllowed(_FORBIDDEN)
    if code in _UNMIGRATED:
        return StoreUnavailable(MIGRATE_SUPABASE, reason="missing-schema")
    if code.startswith("23"):
        blamed = _QUOTED.search(message)
        return refusal(message, blamed.group(1) if blamed else None)
    if code.startswith("22"):
        return InvalidValue("A value does not fit its column.")
    if code in ("40001", "40P01", "55P03", "57014"):
        return unavailable("locked")
    if "API key" in message:
        return http_fault(401, url)
    if code.isdecimal() and len(code) == 3:
        return http_fault(int(code), url)
    if code.startswith(("08", "53", "57", "PGRST00")):
        return StoreUnavailable(f"The Supabase project cannot reach its own database ({code}); see its dashboard.", reason="unreachable")
    get_logger("store").error("supabase.unexpected", code=code, message=message)
    return StoreError(f"The Supabase project refused this in an unexpected way ({code}); the server's log says more.")


def http_fault(status: int, url: str) -> StoreUnavailable:
    """Return the error for an HTTP status that is not about what was asked."""
    if status in _STATUSES:
        reason, sentence = _STATUSES[status]
        return StoreUnavailable(sentence, reason=reason) if sentence else unavailable(reason)
    return no_answer(url)


def no_answer(url: str, error: httpx.HTTPError | None = None) -> StoreUnavailable:
    """Return the error for a project that cannot be reached."""
    host = urlsplit(url).hostname or "SUPABASE_URL"
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return StoreUnavailable(_STATUSES[544][1], reason="busy")
    return unavailable("no-project", f"asked at {host}")
