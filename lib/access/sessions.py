"""Sessions: a random token in the browser's cookie, its hash and its end in the database."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.access.roles import Principal, Role
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import profiles, sessions

LONGEST = timedelta(days=30)
"""A session ends after this, however much it is used."""
IDLE = timedelta(days=7)
"""A session that nobody used for this long has ended."""
_SEEN_EVERY = timedelta(minutes=5)
"""How exact last_seen_at is: writing it on every click would cost more than anybody gains."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Who is signed in; safe to use from many threads and processes."""

    engine: Engine
    clock: Callable[[], datetime]

    def start(self, user_id: str) -> str:
        """Sign a person in and return the new token; it is not kept, only its hash is."""
        with store_faults(), writing(self.engine).begin() as connection:
            return start(connection, user_id, self.clock())

    def principal(self, token: str | None) -> Principal | None:
        """Return who a token belongs to, with the role as it is now; None for a token that is unknown, over or revoked.

        A person switched off has no principal from the next question on.
        """
        if not token:
            return None
        now = self.clock()
        query = (
            sa.select(profiles.c.user_id, profiles.c.email, profiles.c.display_name, profiles.c.role, sessions.c.last_seen_at)
            .join(profiles, profiles.c.user_id == sessions.c.user_id)
            .where(
                sessions.c.id_hash == hashed(token),
                sessions.c.revoked_at.is_(None),
                sessions.c.expires_at > now,
                sessions.c.last_seen_at > now - IDLE,
                profiles.c.is_active,
            )
        )
        with store_faults(), self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.last_seen_at <= now - _SEEN_EVERY:
            self._seen(hashed(token), row.user_id, now)
        return Principal(row.user_id, row.display_name or row.email or "Somebody", Role(row.role), hashed(token))

    def end(self, token: str) -> None:
        """Sign out: the token is worth nothing from now on."""
        with store_faults(), writing(self.engine).begin() as connection:
            _revoke(connection, sessions.c.id_hash == hashed(token), self.clock())

    def end_all(self, user_id: str) -> None:
        """Sign a person out everywhere."""
        with store_faults(), writing(self.engine).begin() as connection:
            end_all(connection, user_id, self.clock())

    def _seen(self, id_hash: str, user_id: str, now: datetime) -> None:
        with store_faults(), writing(self.engine).begin() as connection:
            connection.execute(sa.update(sessions).where(sessions.c.id_hash == id_hash).values(last_seen_at=now))
            connection.execute(sa.update(profiles).where(profiles.c.user_id == user_id).values(last_seen_at=now))


def new_token() -> str:
    """Return a token nobody can guess."""
    return secrets.token_urlsafe(32)


def start(connection: Connection, user_id: str, now: datetime, token: str = "", data: Mapping[str, str] | None = None) -> str:
    """Write a new session within a transaction and return its token; those long over are removed on the way."""
    token = token or new_token()
    connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= now))
    connection.execute(
        sa.insert(sessions).values(
            id_hash=hashed(token), user_id=user_id, data=dict(data or {}), created_at=now, expires_at=now + LONGEST, last_seen_at=now
        )
    )
    connection.execute(sa.update(profiles).where(profiles.c.user_id == user_id).values(last_seen_at=now))
    return token


def end_all(connection: Connection, user_id: str, now: datetime) -> None:
    """End every session of a person within a transaction."""
    _revoke(connection, sessions.c.user_id == user_id, now)


def _revoke(connection: Connection, which: sa.ColumnElement[bool], now: datetime) -> None:
    connection.execute(sa.update(sessions).where(which, sessions.c.revoked_at.is_(None)).values(revoked_at=now))


def hashed(token: str) -> str:
    """Return what is kept of a token: 256 random bits need no salt."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
