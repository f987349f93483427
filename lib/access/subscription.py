"""The subscription rule: who may call models where REQUIRE_SUBSCRIPTION is on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.access.roles import LOCAL_USER_ID, Principal
from lib.errors import SubscriptionRequired
from lib.store.faults import store_faults
from lib.store.schema import profiles

REQUIRED = "Active subscription required for LLM API"
"""The exact words that clients of the systems before this one look for."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a person has: a subscription, a trial, and the moment the trial ends."""

    has_subscription: bool = False
    is_trial: bool = False
    expiry_date: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether models may be called: with a subscription, or on a trial that has an end and has not reached it."""
        return self.has_subscription or (self.is_trial and self.expiry_date is not None and self.expiry_date > now)


def require_subscription(engine: Engine, principal: Principal, now: datetime) -> None:
    """Raise SubscriptionRequired unless the person may call models now; whoever runs the server's own commands may."""
    if principal.user_id in ("", LOCAL_USER_ID):
        return
    columns = (profiles.c.has_subscription, profiles.c.is_trial, profiles.c.expiry_date)
    with store_faults(), engine.connect() as connection:
        row = connection.execute(sa.select(*columns).where(profiles.c.user_id == principal.user_id)).one_or_none()
    if row is None or not Subscription(*row).is_active(now):
        raise SubscriptionRequired(REQUIRED)
