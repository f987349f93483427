"""The people of a Supabase project: accounts are Supabase's, roles and subscriptions are ours."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from lib.access.links import Link
from lib.access.people import People, Person, normal_email
from lib.access.roles import Role
from lib.access.supabase import ensure_profile
from lib.errors import InvalidValue, NotFound
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults

ADD_THERE = "People are added in Supabase, in its dashboard under Authentication → Users; here they are members until you change that."
RESET_THERE = "Passwords are kept by Supabase: send a recovery mail from its dashboard, or let them sign in by a link."
_USERS = sa.table("users", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("email", sa.Text), schema="auth")


@dataclass(frozen=True)
class SupabasePeople(People):
    """Reads and changes people through the server's own connection, with every rule that People keeps."""

    @property
    def invites(self) -> bool:
        """Supabase adds people and keeps their passwords."""
        return False

    def invite(self, email: str, role: Role, actor: Actor) -> Link:
        """Refuse: Supabase adds people."""
        raise InvalidValue(ADD_THERE, field="email")

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
                    f"The Supabase project has no user {address}. Add them in its dashboard under Authentication → Users,"
                    " or let them sign in once; then run this again.",
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
