"""Who was blacklisted from when to when, and the probes that tried to bring them back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.compatibility import concerns, model_labels
from lib.analytics.filters import NO_FILTERS, Filters
from lib.analytics.ranges import Range, Scope
from lib.sample import SampleHint, sample_hints
from lib.store.faults import store_faults
from lib.store.schema import hint_events, model_compatibility_hints

_LISTING = ("blacklisted", "manually_blacklisted")
_ENDING = ("recovered", "unblacklisted", "reset", "cleaned_up")
_PROBES = ("probe_ok", "probe_failed")
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """A time on the blacklist; ``end`` None means still, ``by`` names who listed it, None the router itself.

    ``ended`` says what ended it, in the words of the events: recovered, unblacklisted, reset, or manually_blacklisted
    when a person's word took the router's place.
    """

    start: datetime
    end: datetime | None
    reason: str | None
    by: str | None
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeMark:
    """One probe; ``by`` names who asked for it, None the schedule; ``message`` is why it failed."""

    at: datetime
    ok: bool
    message: str | None
    by: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to one model in a range, oldest first; the last lines are as of now."""

    provider: str
    model: str
    label: str
    listed: tuple[Listed, ...]
    probes: tuple[ProbeMark, ...]
    is_blacklisted: bool
    is_probing: bool
    next_probe_at: datetime | None
    probe_failures: int
    is_sample: bool = False


def blacklist_timeline(engine: Engine, scope: Scope, range_: Range, filters: Filters = NO_FILTERS) -> list[Timeline]:
    """Return every model that was on the blacklist or probed in the range, those still on it first, then the newest.

    A time on the blacklist is given whole, also where it began before the range. Only filters by model and provider
    apply, and ``sample``; one person's scope is told nothing.
    """
    if scope.user_id is not None:
        return []
    found: list[Timeline] = []
    if not filters.sample:
        with store_faults(), engine.connect() as connection:
            found += _real(connection, range_, filters)
    if filters.sample is not False:
        found += [_of_sample(hint) for hint in sample_hints(engine) if hint.blacklisted_at and concerns(filters, hint.provider, hint.model)]
    cut = [_within(one, range_) for one in found]
    return sorted((one for one in cut if one.listed or one.probes), key=_order)


def _real(connection: Connection, range_: Range, filters: Filters) -> list[Timeline]:
    events = hint_events.c
    query = sa.select(hint_events).where(events.event.in_((*_LISTING, *_ENDING, *_PROBES)), events.at < range_.end)
    by_pair: dict[Pair, list[Any]] = {}
    for event in connection.execute(query.order_by(events.at, events.id)).mappings():
        by_pair.setdefault((event["provider"], event["model"]), []).append(event)
    hints = {(row["provider"], row["model"]): row for row in connection.execute(sa.select(model_compatibility_hints)).mappings()}
    labels = model_labels(connection)
    pairs = {pair for pair in {*by_pair, *(p for p, row in hints.items() if row["is_blacklisted"])} if concerns(filters, *pair)}
    return [_timeline(pair, labels.get(pair, pair[1]), by_pair.get(pair, []), hints.get(pair), range_) for pair in pairs]


def _timeline(pair: Pair, label: str, events: Iterable[Any], hint: Any, range_: Range) -> Timeline:
    listed: list[Listed] = []
    probes: list[ProbeMark] = []
    for event in events:
        name, at, detail = event["event"], event["at"], event["detail"]
        is_open = bool(listed) and listed[-1].end is None
        if name in _PROBES:
            probes.append(ProbeMark(at, name == "probe_ok", detail.get("message"), event["actor"]))
        elif name in _ENDING:
            if is_open:
                listed[-1] = replace(listed[-1], end=at, ended=name)
        elif not is_open or name == "manually_blacklisted":
            if is_open:
                listed[-1] = replace(listed[-1], end=at, ended=name)
            listed.append(Listed(at, None, detail.get("reason"), event["actor"]))
    now = hint is not None and hint["is_blacklisted"]
    since = (hint["last_error_time"] or hint["updated_at"]) if now else None
    if since is not None and since < range_.end and not listed:  # it was listed before events were kept
        listed.append(Listed(since, None, hint["blacklist_reason"], None))
    lease = hint["probe_lease_until"] if hint is not None else None
    return Timeline(
        *(*pair, label, tuple(listed), tuple(probes)),
        is_blacklisted=bool(now),
        is_probing=lease is not None and lease > range_.now,
        next_probe_at=hint["next_probe_at"] if now else None,
        probe_failures=hint["probe_failures"] if hint is not None else 0,
    )


def _of_sample(hint: SampleHint) -> Timeline:
    listed = () if hint.blacklisted_at is None else (Listed(hint.blacklisted_at, None, hint.blacklist_reason, None),)
    return Timeline(hint.provider, hint.model, hint.model, listed, (), hint.is_blacklisted, False, None, 0, is_sample=True)


def _within(one: Timeline, range_: Range) -> Timeline:
    listed = tuple(s for s in one.listed if s.start < range_.end and (s.end is None or s.end >= range_.start))
    return replace(one, listed=listed, probes=tuple(p for p in one.probes if range_.start <= p.at < range_.end))


def _order(one: Timeline) -> tuple[bool, float, str, str]:
    newest = max([s.start for s in one.listed] + [p.at for p in one.probes])
    return not one.is_blacklisted, -newest.timestamp(), one.provider, one.model
