"""Which person is meant by somebody whom an OpenID provider names, and who may come in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.access.oidc_provider import Identity
from lib.access.people import add_person, normal_email
from lib.access.refusals import NOT_INVITED, NOT_VERIFIED, SWITCHED_OFF, TAKEN
from lib.access.roles import Role
from lib.errors import InvalidValue, SignInRefused
from lib.store.account_tables import identities, sign_in_links
from lib.store.audit import append_entry, lock_audit
from lib.store.base import Actor
from lib.store.schema import profiles

_LONGEST_NAME = 80


def person_of(connection: Connection, identity: Identity, allowed_domains: Sequence[str], now: datetime) -> str:
    """Return the id of the person an identity belongs to, within a transaction.

    The first time they are found by their verified e-mail address, or become members where the operator lets everybody
    of its domain in; from then on the provider's own id for them counts, whatever their address is. Raises SignInRefused.
    """
    user_id = _linked(connection, identity)
    if user_id is None:
        lock_audit(connection)  # two first sign-ins at once become one person
        user_id = _linked(connection, identity) or _link(connection, identity, allowed_domains, now)
    if not connection.scalar(sa.select(profiles.c.is_active).where(profiles.c.user_id == user_id)):
        raise SignInRefused(SWITCHED_OFF)
    return user_id


def _linked(connection: Connection, identity: Identity) -> str | None:
    which = identities.c.issuer == identity.issuer, identities.c.subject == identity.subject
    found: str | None = connection.scalar(sa.select(identities.c.user_id).where(*which))
    return found


def _link(connection: Connection, identity: Identity, allowed_domains: Sequence[str], now: datetime) -> str:
    try:
        email = normal_email(identity.email)
    except InvalidValue:
        raise SignInRefused(NOT_VERIFIED) from None
    person = connection.execute(
        sa.select(profiles.c.user_id, profiles.c.display_name, profiles.c.is_active).where(profiles.c.email == email)
    )
    row = person.one_or_none()
    name = identity.name.strip()[:_LONGEST_NAME]
    if row is not None and not row.is_active:
        raise SignInRefused(SWITCHED_OFF)
    if row is None and email.rpartition("@")[2] not in allowed_domains:
        raise SignInRefused(NOT_INVITED)
    user_id: str = row.user_id if row is not None else str(uuid4())
    actor = Actor((row.display_name if row is not None else name) or email, user_id, "page")
    if row is None:
        add_person(connection, user_id, email, Role.MEMBER, actor, now)
    taken = identities.c.issuer == identity.issuer, identities.c.user_id == user_id
    if connection.scalar(sa.select(identities.c.subject).where(*taken)) is not None:
        raise SignInRefused(TAKEN)  # the provider has given the address to somebody else since
    if name and (row is None or not row.display_name):
        connection.execute(sa.update(profiles).where(profiles.c.user_id == user_id).values(display_name=name, updated_at=now))
    connection.execute(sa.delete(sign_in_links).where(sign_in_links.c.user_id == user_id, sign_in_links.c.used_at.is_(None)))
    connection.execute(sa.insert(identities).values(issuer=identity.issuer, subject=identity.subject, user_id=user_id, created_at=now))
    append_entry(connection, now, actor, "account.link", "profiles", user_id, None, {"issuer": identity.issuer})
    return user_id
