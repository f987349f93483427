"""Who is asking: principals and roles, the people of a team, and how they sign in."""

from lib.access.accounts import Accounts
from lib.access.links import Link
from lib.access.people import People, Person
from lib.access.roles import LOCAL_ADMIN, LOCAL_USER_ID, Principal, Role, require
from lib.access.sessions import Sessions
from lib.access.subscription import Subscription, require_subscription

__all__ = [
    "LOCAL_ADMIN",
    "LOCAL_USER_ID",
    "Accounts",
    "Link",
    "People",
    "Person",
    "Principal",
    "Role",
    "Sessions",
    "Subscription",
    "require",
    "require_subscription",
]
