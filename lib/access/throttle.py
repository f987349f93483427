"""How often a wrong password may be tried, counted in the database so that every process counts together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.errors import TooManyAttempts
from lib.store.account_tables import sign_in_failures

WINDOW = timedelta(minutes=15)
LIMITS: Mapping[str, int] = {"email": 10, "address": 100, "flow": 100}
"""Failures allowed within the window for one e-mail address, and for one network address that many people may share.

A flow is a sign-in begun with another provider, counted by network address.
"""
_LOCK_SEED = 7310949
"""Keeps these advisory locks apart from all others."""


def subjects(email: str, address: str) -> tuple[str, ...]:
    """Return what failures are counted under."""
    return (f"email:{email}", f"address:{address}")


def count_try(connection: Connection, counted: Sequence[str], now: datetime) -> None:
    """Count a try as failed before its password is looked at, so that tries made at once cannot pass the limit together.

    Raises TooManyAttempts, counting nothing, when too many failed lately. Failures that no longer matter are forgotten.
    """
    _one_at_a_time(connection, counted)
    at = sign_in_failures.c.at
    connection.execute(sa.delete(sign_in_failures).where(at <= now - WINDOW))
    query = (
        sa.select(sign_in_failures.c.subject, sa.func.count(), sa.func.min(at))
        .where(sign_in_failures.c.subject.in_(counted))
        .group_by(sign_in_failures.c.subject)
    )
    for subject, count, first in connection.execute(query):
        if count >= LIMITS[subject.partition(":")[0]]:
            minutes = max(1, -(-int((first + WINDOW - now).total_seconds()) // 60))
            raise TooManyAttempts(f"Too many wrong passwords. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}.")
    connection.execute(sa.insert(sign_in_failures), [{"subject": subject, "at": now} for subject in counted])


def forget_tries(connection: Connection, counted: Sequence[str], now: datetime) -> None:
    """Start an e-mail address anew after its right password, and take this one try back from the network address."""
    subject, at = sign_in_failures.c.subject, sign_in_failures.c.at
    email, address = counted
    connection.execute(sa.delete(sign_in_failures).where(subject == email))
    this = sa.select(sign_in_failures.c.id).where(subject == address, at == now).limit(1)
    connection.execute(sa.delete(sign_in_failures).where(sign_in_failures.c.id.in_(this)))


def _one_at_a_time(connection: Connection, counted: Sequence[str]) -> None:
    """Hold off every other try of the same subjects until this transaction ends; SQLite's one writer has no need to."""
    if connection.dialect.name == "postgresql":
        for subject in sorted(counted):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(subject, _LOCK_SEED))))
