"""The people of a Supabase project: accounts are Supabase's, roles and subscriptions are ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from lib.access.flows import CALLBACK
from lib.access.links import Link
from lib.access.people import People, Person, change_person, normal_email
from lib.access.roles import Role
from lib.access.supabase import ensure_profile
from lib.access.supabase_admin import SupabaseAdmin
from lib.errors import InvalidValue, NotFound
from lib.store.audit import append_entry, lock_audit
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import profiles

RESET_THERE = "Passwords are kept by Supabase: send a recovery mail from its dashboard, or let them sign in by a link."
_MAIL = timedelta(hours=1)
"""How long a mailed link works, unless the project says otherwise."""
_MOMENTS = ("invited_at", "email_confirmed_at", "last_sign_in_at")
_USERS = sa.table(
    "users", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("email", sa.Text), *(sa.column(name) for name in _MOMENTS), schema="auth"
)
_PENDING = sa.exists().where(
    _USERS.c.id == profiles.c.user_id,
    _USERS.c.invited_at.is_not(None),
    _USERS.c.email_confirmed_at.is_(None),
    _USERS.c.last_sign_in_at.is_(None),
)
"""SQL for whether somebody was sent an invitation and has not followed it."""


@dataclass(frozen=True)
class SupabasePeople(People):
    """Reads and changes people through the server's own connection, with every rule that People keeps."""

    admin: SupabaseAdmin

    @property
    def makes_links(self) -> bool:
        """Supabase keeps passwords, and sends mails."""
        return False

    @property
    def _query(self) -> sa.Select[Any]:
        """The same, and whether an invitation is still to be followed."""
        return super()._query.add_columns(_PENDING.label("pending"))

    def invite(self, email: str, role: Role, actor: Actor, origin: str = "") -> Link:
        """Have Supabase add a person and send them a mail, again when the last was not followed; then give them the role.

        The link returned has no token, for nobody here gets to know it. Raises InvalidValue for a malformed address or one
        that already signs in, TooManyAttempts, or StoreUnavailable.
        """
        address = normal_email(email)
        with store_faults(), self.engine.connect() as connection:
            self._invitable(connection, address)
        user_id = self.admin.invite(address, origin + CALLBACK if origin else "")
        now = self.clock()
        with store_faults(), writing(self.engine).begin() as connection:
            lock_audit(connection)
            ensure_profile(connection, user_id, address, now)
            if connection.scalar(sa.select(profiles.c.role).where(profiles.c.user_id == user_id)) != role:
                change_person(connection, user_id, {"role": str(role)}, actor, now)
            append_entry(connection, now, actor, "account.invite", "profiles", user_id, None, {"email": address, "role": str(role)})
        return Link(address, "invite", "", now + _MAIL)

    def reset(self, email: str, actor: Actor) -> Link:
        """Refuse: Supabase keeps passwords."""
        raise InvalidValue(RESET_THERE, field="email")

    def grant_admin(self, email: str, actor: Actor) -> tuple[Person, Link | None]:
        """Make somebody an admin who has an account in Supabase; raises InvalidValue, with what to do, when nobody has."""
        address = normal_email(email)
        with store_faults(), writing(self.engine).begin() as connection:
            user_id = connection.scalar(sa.select(_USERS.c.id).where(sa.func.lower(_USERS.c.email) == address))
            if user_id is None:
                raise InvalidValue(
                    f"The Supabase project has no user {address}. Invite them (access invite), or add them in its dashboard under"
                    " Authentication → Users; then run this again.",
                    field="email",
                )
            ensure_profile(connection, user_id, address, self.clock())
        try:
            person = self.get(address)
        except NotFound:
            raise InvalidValue(f"The profile of {address} carries another address. Change it in Supabase, then run this again.") from None
        if not person.is_active:
            self.set_active(address, True, actor)
        if person.role is not Role.ADMIN:
            self.set_role(address, Role.ADMIN, actor)
        return self.get(address), None
