"""Links that let one person set a password once: an invitation, or a reset made by an admin."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.access.sessions import hashed
from lib.errors import InvalidValue
from lib.store.account_tables import sign_in_links
from lib.store.schema import profiles

Purpose = Literal["invite", "reset"]
LIFETIMES: dict[Purpose, timedelta] = {"invite": timedelta(days=7), "reset": timedelta(hours=24)}
PATH = "/join"
GONE = "This link has been used or is too old. Ask an admin for a new one."


@dataclass(frozen=True, slots=True)
class Link:
    """A link to hand to one person; ``token`` is shown once and kept nowhere, and empty where Supabase mails the link itself."""

    email: str
    purpose: Purpose
    token: str
    expires_at: datetime

    @property
    def path(self) -> str:
        """What follows the server's address; empty where there is nothing to hand over."""
        return "" if not self.token else f"{PATH}?token={self.token}"


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom an unused link belongs to."""

    user_id: str
    email: str
    display_name: str | None
    purpose: Purpose


def make_link(connection: Connection, user_id: str, email: str, purpose: Purpose, created_by: str, now: datetime) -> Link:
    """Write a new link within a transaction; earlier ones of the same person stop working."""
    connection.execute(sa.delete(sign_in_links).where(sign_in_links.c.user_id == user_id))
    link = Link(email, purpose, secrets.token_urlsafe(32), now + LIFETIMES[purpose])
    connection.execute(
        sa.insert(sign_in_links).values(
            token_hash=hashed(link.token),
            user_id=user_id,
            purpose=purpose,
            created_by=created_by,
            created_at=now,
            expires_at=link.expires_at,
        )
    )
    return link


def read_link(connection: Connection, token: str, now: datetime) -> Invited:
    """Return whom a link belongs to; raises InvalidValue when it is unknown, used or too old, or its person switched off."""
    query = (
        sa.select(profiles.c.user_id, profiles.c.email, profiles.c.display_name, sign_in_links.c.purpose)
        .join(profiles, profiles.c.user_id == sign_in_links.c.user_id)
        .where(
            sign_in_links.c.token_hash == hashed(token),
            sign_in_links.c.used_at.is_(None),
            sign_in_links.c.expires_at > now,
            profiles.c.is_active,
        )
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise InvalidValue(GONE, field="token")
    return Invited(row.user_id, row.email, row.display_name, row.purpose)


def use_link(connection: Connection, token: str, now: datetime) -> None:
    """Mark a link as used; raises InvalidValue when another request was faster."""
    change = sa.update(sign_in_links).where(sign_in_links.c.token_hash == hashed(token), sign_in_links.c.used_at.is_(None))
    if connection.execute(change.values(used_at=now)).rowcount != 1:
        raise InvalidValue(GONE, field="token")
