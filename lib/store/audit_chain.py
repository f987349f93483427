"""Checking the audit log's chain: every entry as it was written, and none missing between two."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.audit import FIRST_HASH, entry_hash
from lib.store.schema import audit_log


@dataclass(frozen=True, slots=True)
class Chain:
    """What the check found: the last entry, its hash, and the entries that are not as they were written.

    An unbroken chain tells neither that newer entries were cut off its end nor that somebody with the database wrote
    all of it anew; the last entry's hash, noted somewhere else, does.
    """

    last: int
    hash: str
    broken: tuple[int, ...]


def check_chain(connection: Connection) -> Chain:
    """Compute every entry's hash again, in the order of the log."""
    previous, expected, broken = FIRST_HASH, 1, list[int]()
    rows = connection.execution_options(yield_per=1000).execute(sa.select(audit_log).order_by(audit_log.c.id)).mappings()
    for row in rows:
        if row["id"] != expected or row["previous_hash"] != previous or row["hash"] != entry_hash(dict(row)):
            broken.append(row["id"])
        previous, expected = row["hash"], row["id"] + 1
    return Chain(expected - 1, previous, tuple(broken))


def hash_at(connection: Connection, number: int) -> str | None:
    """Return an entry's hash, None when it is not there."""
    return connection.scalar(sa.select(audit_log.c.hash).where(audit_log.c.id == number))


def broken_sentence(number: int) -> str:
    """Say what is amiss with an entry."""
    return f"Entry {number} of the audit log was changed, or one before it was removed."
