"""The people of a team: who they are, what they may do, and changing that without ever losing the last admin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.access import sessions
from lib.access.links import Link, Purpose, make_link
from lib.access.roles import Role
from lib.errors import InvalidValue, NotFound
from lib.store.account_tables import accounts, identities, sign_in_links
from lib.store.audit import append_audit, append_entry, lock_audit
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import profiles

LAST_ADMIN = "This is the last admin. Make somebody else an admin first."
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>\"'(),:;\\]{1,64}@[^@\s\x00-\x1f.]+(?:\.[^@\s\x00-\x1f.]+)*")
_LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the team; ``state`` is "invited" until they set a password or came in by single sign-on."""

    user_id: str
    email: str
    display_name: str | None
    role: Role
    is_active: bool
    state: str
    has_subscription: bool
    is_trial: bool
    expiry_date: datetime | None
    last_seen_at: datetime | None
    created_at: datetime
    invited_until: datetime | None


@dataclass(frozen=True)
class People:
    """Reads and changes people; every change is written to the audit log with it. Callers check who may."""

    engine: Engine
    clock: Callable[[], datetime]

    @property
    def makes_links(self) -> bool:
        """Whether links are made here with which people set their passwords; otherwise they are sent mails."""
        return True

    @property
    def _query(self) -> sa.Select[Any]:
        """What is read of a person."""
        return _QUERY

    def list(self) -> list[Person]:
        """Return everybody with an e-mail address, the active first, then by address."""
        query = self._query.where(profiles.c.email.is_not(None)).order_by(profiles.c.is_active.desc(), profiles.c.email)
        with store_faults(), self.engine.connect() as connection:
            return [_person(row) for row in _rows(connection, query)]

    def get(self, email: str) -> Person:
        """Return the person with this address; raises NotFound, or InvalidValue for what is no address."""
        with store_faults(), self.engine.connect() as connection:
            return self._by_email(connection, normal_email(email))

    def invite(self, email: str, role: Role, actor: Actor, origin: str = "") -> Link:
        """Add a person and return the link with which they set a password; one not used yet is replaced.

        ``origin`` is this server's address, where a mail has to lead to it. Raises InvalidValue for a malformed address or
        one that already signs in.
        """
        address, now = normal_email(email), self.clock()
        with store_faults(), writing(self.engine).begin() as connection:
            lock_audit(connection)
            row = self._invitable(connection, address)
            user_id = row["user_id"] if row is not None else str(uuid4())
            if row is None:
                add_person(connection, user_id, address, role, actor, now)
            elif row["role"] != role:
                change_person(connection, user_id, {"role": str(role)}, actor, now)
            link = make_link(connection, user_id, address, "invite", actor.name, now)
            append_entry(connection, now, actor, "account.invite", "profiles", user_id, None, {"email": address, "role": str(role)})
            return link

    def reset(self, email: str, actor: Actor) -> Link:
        """Return a link with which a person sets a new password; the old one works until then.

        Single sign-on knows them by their e-mail address again the next time, as if it were the first.
        """
        address, now = normal_email(email), self.clock()
        with store_faults(), writing(self.engine).begin() as connection:
            lock_audit(connection)
            person = self._by_email(connection, address)
            if not person.is_active:
                raise InvalidValue(f"{address} is switched off. Switch the account on first.", field="email")
            purpose: Purpose = "reset" if person.state == "joined" else "invite"
            connection.execute(sa.delete(identities).where(identities.c.user_id == person.user_id))
            link = make_link(connection, person.user_id, address, purpose, actor.name, now)
            append_entry(connection, now, actor, "account.reset_link", "profiles", person.user_id, None, {"email": address})
            return link

    def set_role(self, email: str, role: Role, actor: Actor) -> Person:
        """Give a person another role, at once and everywhere; raises InvalidValue when no admin would be left."""
        return self._set(email, {"role": str(role)}, actor, keep_admin=role is not Role.ADMIN)

    def set_active(self, email: str, active: bool, actor: Actor) -> Person:
        """Switch an account on, or off with all its sessions; raises InvalidValue when no admin would be left."""
        return self._set(email, {"is_active": active}, actor, keep_admin=not active)

    def set_subscription(self, email: str, *, has_subscription: bool, is_trial: bool, expiry_date: datetime | None, actor: Actor) -> Person:
        """Set what a person's subscription is; a trial needs the date it ends on."""
        if is_trial and expiry_date is None:
            raise InvalidValue("A trial needs a date on which it ends.", field="expiry_date")
        values = {"has_subscription": has_subscription, "is_trial": is_trial, "expiry_date": expiry_date}
        return self._set(email, values, actor, keep_admin=False)

    def grant_admin(self, email: str, actor: Actor) -> tuple[Person, Link | None]:
        """Make somebody an admin, adding them when they are new; return the link to hand them when they need one."""
        try:
            person = self.get(email)
        except NotFound:
            link = self.invite(email, Role.ADMIN, actor)
            return self.get(email), link
        if not person.is_active:
            self.set_active(email, True, actor)
        if person.role is not Role.ADMIN:
            self.set_role(email, Role.ADMIN, actor)
        return self.get(email), self.reset(email, actor) if person.state == "invited" else None

    def _set(self, email: str, values: Mapping[str, Any], actor: Actor, *, keep_admin: bool) -> Person:
        address, now = normal_email(email), self.clock()
        with store_faults(), writing(self.engine).begin() as connection:
            lock_audit(connection)
            person = self._by_email(connection, address)
            if keep_admin and person.role is Role.ADMIN and person.is_active and not self._other_admins(connection, person.user_id):
                raise InvalidValue(LAST_ADMIN, field="role")
            change_person(connection, person.user_id, values, actor, now)
            if values.get("is_active") is False:
                sessions.end_all(connection, person.user_id, now)
            return self._by_email(connection, address)

    def _invitable(self, connection: Connection, address: str) -> dict[str, Any] | None:
        """Return the row of somebody who was invited before, None for somebody new; raises InvalidValue for anybody else."""
        row = next(_rows(connection, self._query.where(profiles.c.email == address)), None)
        if row is not None and (_joined(row) or not row["is_active"]):
            what = "signs in already" if row["is_active"] else "has an account that is switched off"
            raise InvalidValue(f"{address} {what}.", field="email")
        return row

    def _by_email(self, connection: Connection, address: str) -> Person:
        row = next(_rows(connection, self._query.where(profiles.c.email == address)), None)
        if row is None:
            raise NotFound(f"Nobody here has the e-mail address {address}.")
        return _person(row)

    def _other_admins(self, connection: Connection, user_id: str) -> bool:
        """Whether an admin who can sign in is left; the caller holds the audit lock, so no two changes decide this at once."""
        query = self._query.where(profiles.c.role == str(Role.ADMIN), profiles.c.is_active, profiles.c.user_id != user_id)
        return any(_person(row).state == "joined" for row in _rows(connection, query))


def normal_email(email: str) -> str:
    """Return an e-mail address as it is stored, in lower case; raises InvalidValue when it cannot be one."""
    address = email.strip().lower()
    if len(address) > _LONGEST_EMAIL or not _EMAIL.fullmatch(address) or not address.isprintable():
        raise InvalidValue("Write an e-mail address such as ada@example.com.", field="email")
    return address


def add_person(connection: Connection, user_id: str, address: str, role: Role, actor: Actor, now: datetime) -> None:
    """Add somebody who has no way to sign in yet, within a transaction."""
    values = {"user_id": user_id, "email": address, "role": str(role), "created_at": now, "updated_at": now}
    row = next(_rows(connection, sa.insert(profiles).values(values).returning(profiles)))
    connection.execute(sa.insert(accounts).values(user_id=user_id, created_at=now, updated_at=now))
    append_audit(connection, now, actor, "insert", profiles, None, row)


def change_person(connection: Connection, user_id: str, values: Mapping[str, Any], actor: Actor, now: datetime) -> None:
    """Change a profile and say so in the audit log, within a transaction."""
    which = profiles.c.user_id == user_id
    before = next(_rows(connection, sa.select(profiles).where(which)))
    change = sa.update(profiles).where(which).values(**values, updated_at=now, version=profiles.c.version + 1)
    after = next(_rows(connection, change.returning(profiles)))
    append_audit(connection, now, actor, "update", profiles, before, after)


def _rows(connection: Connection, statement: sa.Executable) -> Iterator[dict[str, Any]]:
    return (dict(row) for row in connection.execute(statement).mappings().all())


def _joined(row: Mapping[str, Any]) -> bool:
    """Whether somebody has a way to sign in: a password, single sign-on, or an account kept elsewhere."""
    return not row.get("pending") and (row["account"] is None or row["password_hash"] is not None or row["linked"])


def _person(row: Mapping[str, Any]) -> Person:
    return Person(
        user_id=row["user_id"],
        email=row["email"],
        display_name=row["display_name"],
        role=Role(row["role"]),
        is_active=row["is_active"],
        state="joined" if _joined(row) else "invited",
        has_subscription=row["has_subscription"],
        is_trial=row["is_trial"],
        expiry_date=row["expiry_date"],
        last_seen_at=row["last_seen_at"],
        created_at=row["created_at"],
        invited_until=row["invited_until"],
    )


_QUERY = (
    sa.select(
        profiles,
        accounts.c.user_id.label("account"),
        accounts.c.password_hash,
        sa.exists().where(identities.c.user_id == profiles.c.user_id).label("linked"),
        sa.select(sa.func.max(sign_in_links.c.expires_at))
        .where(sign_in_links.c.user_id == profiles.c.user_id, sign_in_links.c.used_at.is_(None))
        .scalar_subquery()
        .label("invited_until"),
    )
    .select_from(profiles)
    .outerjoin(accounts, accounts.c.user_id == profiles.c.user_id)
)
