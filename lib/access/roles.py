"""Principals, their roles, and the check every page and service makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lib.errors import NotAllowed

LOCAL_USER_ID = "00000000-0000-4000-8000-000000000001"
"""The one user of the embedded mode; a real UUID so that rows keep their owner when a team mode comes later."""


class Role(StrEnum):
    """What a principal may do; each role includes those after it."""

    ADMIN = "admin"
    ANALYST = "analyst"
    MEMBER = "member"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what the other may."""
        order = list(Role)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """The person or program behind a request."""

    user_id: str
    name: str
    role: Role
    session: str = field(default="", compare=False, repr=False)
    """What the session's row is found by, where somebody is signed in; it is not the token, and admits nobody."""


LOCAL_ADMIN = Principal(LOCAL_USER_ID, "Local admin", Role.ADMIN)


def require(principal: Principal, role: Role) -> None:
    """Raise NotAllowed, with a sentence, unless the principal's role includes this one."""
    if not principal.role.includes(role):
        article = "an" if role in (Role.ADMIN, Role.ANALYST) else "a"
        raise NotAllowed(f"This needs {article} {role} account; you are signed in as {principal.name} ({principal.role}).")
