"""Built-in accounts: an e-mail address and a password, checked here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.access import links, passwords, sessions, throttle
from lib.access.links import Invited
from lib.access.people import normal_email
from lib.errors import InvalidValue, SignInRefused, TooManyAttempts
from lib.logs import get_logger
from lib.store.account_tables import accounts
from lib.store.audit import append_entry, lock_audit
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import profiles

WRONG = "This e-mail address and password do not go together. Try again, or ask an admin for a new link."
"""Said of an unknown address and of a wrong password alike, so that nobody learns who has an account."""
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Accounts:
    """Signs people in by password; safe to use from many threads and processes."""

    engine: Engine
    clock: Callable[[], datetime]

    def sign_in(self, email: str, password: str, address: str) -> str:
        """Return a new session's token; raises SignInRefused or TooManyAttempts with the sentence to show.

        ``address`` is the network address asking; failures are counted for it and for the e-mail address.
        """
        now, counted = self.clock(), throttle.subjects(_given(email), address)
        with store_faults(), writing(self.engine).begin() as connection:
            try:
                throttle.count_try(connection, counted, now)
            except TooManyAttempts:
                get_logger("access").warning("sign_in.throttled", address=address)
                raise
            row = connection.execute(_ACCOUNT.where(profiles.c.email == _given(email))).one_or_none()
        checked = passwords.verify_password(row.password_hash if row else None, password)
        if row is None or not row.is_active or not checked.right:
            get_logger("access").warning("sign_in.refused", address=address)
            raise SignInRefused(WRONG)
        with store_faults(), writing(self.engine).begin() as connection:
            throttle.forget_tries(connection, counted, now)
            if checked.rehash:
                _set_hash(connection, row.user_id, checked.rehash, now)
            return sessions.start(connection, row.user_id, now)

    def invited(self, token: str) -> Invited:
        """Return whom a link belongs to; raises InvalidValue with the sentence to show when it is worth nothing."""
        with store_faults(), self.engine.connect() as connection:
            return links.read_link(connection, token, self.clock())

    def join(self, token: str, password: str, display_name: str = "") -> str:
        """Set a password by a link, sign its person out everywhere else, and return a new session's token.

        The link is worth nothing afterwards. Raises InvalidValue when the link or the password cannot be used.
        """
        person = self.invited(token)
        name = display_name.strip()[:_LONGEST_NAME] or person.display_name
        hashed = passwords.hash_password(passwords.check_password(password, person.email))
        now, actor = self.clock(), Actor(name or person.email, person.user_id, "page")
        with store_faults(), writing(self.engine).begin() as connection:
            lock_audit(connection)
            links.use_link(connection, token, now)
            _set_hash(connection, person.user_id, hashed, now)
            connection.execute(sa.update(profiles).where(profiles.c.user_id == person.user_id).values(display_name=name, updated_at=now))
            sessions.end_all(connection, person.user_id, now)
            append_entry(connection, now, actor, "account.password_set", "profiles", person.user_id, None, {"by": person.purpose})
            return sessions.start(connection, person.user_id, now)


def _given(email: str) -> str:
    """Return an address as accounts keep it; one that cannot be anybody's is no error here, it is merely wrong."""
    try:
        return normal_email(email)
    except InvalidValue:
        return ""


def _set_hash(connection: Connection, user_id: str, hashed: str, now: datetime) -> None:
    values: dict[str, Any] = {"password_hash": hashed, "password_set_at": now, "updated_at": now}
    if not connection.execute(sa.update(accounts).where(accounts.c.user_id == user_id).values(values)).rowcount:
        connection.execute(sa.insert(accounts).values(user_id=user_id, created_at=now, **values))


_ACCOUNT = (
    sa.select(profiles.c.user_id, profiles.c.email, profiles.c.is_active, accounts.c.password_hash)
    .select_from(profiles)
    .join(accounts, accounts.c.user_id == profiles.c.user_id)
)
