"""What wants somebody's attention: models the router avoids, calls without a price, models that fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics.filters import NO_FILTERS, Filters
from lib.analytics.ranges import Range, Scope
from lib.analytics.usage import usage_by
from lib.sample import SampleHint, sample_hints
from lib.store.faults import store_faults
from lib.store.schema import hint_events, llm_models, model_compatibility_hints

FAILING_FROM = 5
"""Fewer failures than this in a range are an accident, not a problem."""
FAILING_PART = 0.2
"""Part of a model's attempts from which it counts as failing."""


@dataclass(frozen=True, slots=True)
class Blacklisted:
    """A model the router avoids: why, since when, and what it has been seen to do."""

    provider: str
    model: str
    reason: str | None
    since: datetime | None
    error_count: int
    success_count: int
    last_error_type: str | None
    last_error_message: str | None
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to look into; ``calls`` are the attempts it concerns in the range, ``detail`` one plain sentence."""

    kind: Literal["blacklisted", "unpriced", "failing"]
    model_key: str
    label: str
    calls: int
    detail: str


def blacklist(engine: Engine) -> list[Blacklisted]:
    """Return every blacklisted pair of provider and model, the newest first; ``since`` is the last event that listed it.

    Sample models are told of too: their state is kept apart from the hints, where the router would read it.
    """
    hints, events = model_compatibility_hints.c, hint_events.c
    since = (
        sa.select(sa.func.max(events.at))
        .where(events.provider == hints.provider, events.model == hints.model, events.event.in_(("blacklisted", "manually_blacklisted")))
        .scalar_subquery()
    )
    query = sa.select(
        hints.provider,
        hints.model,
        hints.blacklist_reason,
        sa.type_coerce(sa.func.coalesce(since, hints.last_error_time), hints.last_error_time.type),
        hints.error_count,
        hints.success_count,
        hints.last_error_type,
        hints.last_error_message,
        hints.last_error_time,
    ).where(hints.is_blacklisted)
    with store_faults(), engine.connect() as connection:
        found = [Blacklisted(*row) for row in connection.execute(query)]
    found += [_of_sample(hint) for hint in sample_hints(engine) if hint.is_blacklisted]
    return sorted(found, key=lambda b: (-b.since.timestamp() if b.since else 0.0, b.provider, b.model))


def _of_sample(hint: SampleHint) -> Blacklisted:
    return Blacklisted(
        hint.provider,
        hint.model,
        hint.blacklist_reason,
        hint.blacklisted_at,
        hint.error_count,
        hint.success_count,
        hint.last_error_type,
        hint.last_error_message,
        hint.last_error_time,
    )


def problems(
    engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS, *, blacklisted: Sequence[Blacklisted] | None = None
) -> list[Problem]:
    """Return what wants attention in a range, blacklisted models first, then unpriced calls, then models that fail.

    ``blacklisted`` are those to report, by default ``blacklist(engine)``; one person's scope is told of none.
    """
    if scope.user_id is not None:
        blacklisted = ()
    elif blacklisted is None:
        blacklisted = blacklist(engine)
    shares = {share.key: share for share in usage_by(engine, "model", scope, range_, filters)}
    found = []
    for one in blacklisted:
        if _concerned(one, filters):
            share = shares.get(one.model)
            label = share.label if share else _name(engine, one.model)
            found.append(Problem("blacklisted", one.model, label, share.totals.attempts if share else 0, _blacklisted(one)))
    for share in sorted(shares.values(), key=lambda s: (-s.totals.unpriced, s.key)):
        if share.totals.unpriced:
            count = f"{share.totals.unpriced:,} {'call has' if share.totals.unpriced == 1 else 'calls have'} no price."
            found.append(Problem("unpriced", share.key, share.label, share.totals.unpriced, count))
    for share in sorted(shares.values(), key=lambda s: (-s.totals.errors, s.key)):
        totals = share.totals
        if totals.errors >= FAILING_FROM and totals.errors >= FAILING_PART * totals.attempts:
            part = f"{totals.errors:,} of {totals.attempts:,} attempts failed."
            found.append(Problem("failing", share.key, share.label, totals.errors, part))
    return found


def _concerned(one: Blacklisted, filters: Filters) -> bool:
    return (not filters.models or one.model in filters.models) and (not filters.providers or one.provider in filters.providers)


def _blacklisted(one: Blacklisted) -> str:
    reason = (one.reason or one.last_error_message or "No reason was noted").rstrip(".")
    return f"{reason}."


def _name(engine: Engine, model_key: str) -> str:
    query = sa.select(llm_models.c.display_name).where(llm_models.c.model_key == model_key)
    with store_faults(), engine.connect() as connection:
        return connection.scalar(query) or model_key
