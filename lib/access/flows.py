"""Sign-ins that go on elsewhere: what this side keeps of them, found again by a secret in the browser's cookie."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.access.refusals import WRONG_CODE
from lib.access.sessions import hashed, new_token
from lib.credentials import Vault
from lib.errors import SignInRefused, WrongEncryptionKey
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import sessions

CALLBACK = "/api/auth/callback"
"""Where mailed links and other providers lead back to."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Whose a sign-in is that has begun and is not through: no profile has this id, so it admits to nothing."""
FLOW = timedelta(hours=1)
"""How long a begun sign-in may take; Supabase's own links live as long."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that goes on elsewhere: the secret for the browser's state cookie, and where to go next, if anywhere."""

    state: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """A sign-in that came back: the new session's token, and the page that was asked for before."""

    token: str
    onward: str


class Stopped(SignInRefused):
    """A sign-in that came back and did not work; ``onward`` is the page that was asked for before."""

    def __init__(self, message: str, onward: str) -> None:
        super().__init__(message)
        self.onward = onward


@dataclass(frozen=True)
class Flows:
    """Keeps begun sign-ins, encrypted; the browser holds only what finds its own."""

    engine: Engine
    vault: Vault
    clock: Callable[[], datetime]

    def begin(self, flow: Mapping[str, str]) -> str:
        """Keep what a begun sign-in needs on this side; return the secret for the browser."""
        state, now = new_token(), self.clock()
        values = {"id_hash": hashed(state), "user_id": NOBODY, "created_at": now, "expires_at": now + FLOW, "last_seen_at": now}
        sealed = {"flow": self.vault.seal(json.dumps(dict(flow)), ("flows", hashed(state)))}
        with store_faults(), writing(self.engine).begin() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= now))
            connection.execute(sa.insert(sessions).values(**values, data=sealed))
        return state

    def read(self, state: str | None) -> dict[str, str]:
        """Return what a begun sign-in kept; raises SignInRefused when there is none, or no longer."""
        with store_faults(), self.engine.connect() as connection:
            data = connection.scalar(sa.select(sessions.c.data).where(*self._found(state)))
        return self._opened(state, data)

    def take(self, state: str | None) -> dict[str, str]:
        """Return what a begun sign-in kept, and forget it: of two who come at once, one gets it."""
        with store_faults(), writing(self.engine).begin() as connection:
            data = connection.scalar(sa.delete(sessions).where(*self._found(state)).returning(sessions.c.data))
        return self._opened(state, data)

    def forget(self, state: str | None) -> None:
        """Forget a begun sign-in."""
        with store_faults(), writing(self.engine).begin() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.id_hash == hashed(state or ""), sessions.c.user_id == NOBODY))

    def _found(self, state: str | None) -> tuple[sa.ColumnElement[bool], ...]:
        return sessions.c.id_hash == hashed(state or ""), sessions.c.user_id == NOBODY, sessions.c.expires_at > self.clock()

    def _opened(self, state: str | None, data: Mapping[str, str] | None) -> dict[str, str]:
        if not data:
            raise SignInRefused(WRONG_CODE)
        try:
            found: dict[str, str] = json.loads(self.vault.open(data["flow"], ("flows", hashed(state or ""))))
        except WrongEncryptionKey:
            raise SignInRefused(WRONG_CODE) from None
        return found
