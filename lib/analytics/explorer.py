"""The list of calls page by page, over a log of any size.

A page is sought, never counted up to: it begins at a call and goes on towards older or newer ones. Where a filter is
one the rollups know, they say in which half-hours there is anything to find, so that a rare model costs no long search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.calls import COLUMNS, PAGE, Call, named, of_keys, of_users
from lib.analytics.filters import Filters, Status
from lib.analytics.plan import family, span
from lib.analytics.ranges import SLOT, Range, Scope
from lib.analytics.sources import Question, ask
from lib.errors import InvalidValue
from lib.store.faults import store_faults
from lib.store.grains import SLOT_MS, UNPRICED, Dimension, reader
from lib.store.types import epoch_ms
from lib.store.usage_tables import FAILED, WITHOUT_COST, llm_usage_log

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_SLOTS = 200
_FAILURES = frozenset(("error", "cancelled", "interrupted"))


@dataclass(frozen=True, slots=True)
class CallFilters:
    """Which calls are listed; an empty tuple or None means all of them.

    Amounts are inclusive nano-dollars, durations inclusive milliseconds. ``text`` is looked for in error messages,
    whatever its case. ``users`` are ids, "" for calls without a user; ``keys`` whose key paid: own (the model's), user
    or system, "" for calls that needed none.
    """

    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    error_classes: tuple[str, ...] = ()
    min_cost_nano: int | None = None
    max_cost_nano: int | None = None
    min_latency_ms: int | None = None
    max_latency_ms: int | None = None
    text: str = ""
    sample: bool | None = None
    unpriced_only: bool = False
    keys: tuple[str, ...] = ()


ALL_CALLS = CallFilters()


@dataclass(frozen=True, slots=True)
class CallsPage:
    """Calls, newest first, and where the pages beside this one begin: ``before=older`` and ``after=newer``; None at an end."""

    calls: tuple[Call, ...]
    older: str | None
    newer: str | None


@dataclass(frozen=True, slots=True)
class _Edge:
    """The call a page begins after."""

    started_at: datetime
    id: int


def calls_page(
    engine: Engine,
    scope: Scope,
    range_: Range,
    filters: CallFilters = ALL_CALLS,
    *,
    limit: int = PAGE,
    before: str | None = None,
    after: str | None = None,
) -> CallsPage:
    """Return one page of a range's attempts, open ones too; raise InvalidValue when ``before`` or ``after`` is not one of ours.

    Without either it is the newest page. A page asked for with ``after`` is full too: its calls are those just newer.
    """
    edge = _edge(before or after)
    newer_first = after is None
    with store_faults(), engine.connect() as connection:
        rows = named(connection, scope, _read(connection, scope, range_, filters, edge, limit + 1, newest=newer_first))
    more, rows = len(rows) > limit, rows[:limit]
    calls = tuple(rows if newer_first else reversed(rows))
    if not calls:
        return CallsPage((), None, None)
    has_older, has_newer = (more, edge is not None) if newer_first else (True, more)
    return CallsPage(calls, _token(calls[-1]) if has_older else None, _token(calls[0]) if has_newer else None)


def count_calls(engine: Engine, scope: Scope, range_: Range, filters: CallFilters = ALL_CALLS, *, cap: int = 10_000) -> int | None:
    """Return how many attempts the list has; None when they are more than ``cap``."""
    with store_faults(), engine.connect() as connection:
        conditions = _conditions(scope, filters)
        if _rolled(filters, scope) and _on_slots(range_):
            question = Question("usage", scope, _plain(filters), (span(0, range_.start, range_.end),))
            found = sum(int(row[2]) for row in ask(connection, question))
            still_open = connection.scalars(sa.select(llm_usage_log.c.started_at).where(*conditions, _OPEN))
            found += sum(range_.start <= moment < range_.end for moment in still_open)
        else:
            within = _within(range_.start, range_.end)
            some = sa.select(sa.literal(1)).select_from(llm_usage_log).where(*within, *conditions).limit(cap + 1).subquery()
            found = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return None if found > cap else found


def _exactly(condition: str) -> sa.ColumnElement[bool]:
    """Return a condition word for word: SQLite takes a partial index only for the very condition it was made with."""
    return sa.and_(sa.true(), sa.text(condition))


# By id, or SQLite would rather walk a person's or a day's calls than the short index of open ones.
_OPEN = llm_usage_log.c.id.in_(sa.select(sa.column("id")).select_from(sa.text("llm_usage_log")).where(_exactly("status = 'open'")))


def _read(
    connection: Connection, scope: Scope, range_: Range, filters: CallFilters, edge: _Edge | None, wanted: int, *, newest: bool
) -> list[Call]:
    log = llm_usage_log.c
    start, end = range_.start, range_.end
    conditions = _conditions(scope, filters)
    if edge is not None:
        conditions.append(_beyond(edge, newest=newest))
        start, end = (start, min(end, edge.started_at + _TICK)) if newest else (max(start, edge.started_at), end)
    order = (log.started_at.desc(), log.id.desc()) if newest else (log.started_at, log.id)
    query = sa.select(*COLUMNS).where(*conditions).order_by(*order).limit(wanted)
    dimension = _guide(filters)
    if dimension is None:
        return _calls(connection, query.where(*_within(start, end)))
    still_open = sa.select(*COLUMNS).where(*conditions, _OPEN)  # the rollups do not know them yet; few, and found without their time
    found = [call for call in _calls(connection, still_open) if start <= call.started_at < end]
    closed: list[Call] = []
    for windows in _windows(connection, dimension, filters, start, end, wanted, newest=newest):
        ranges = [sa.and_(*_within(max(low, start), min(high, end))) for low, high in windows]
        closed += _calls(connection, query.where(sa.or_(*ranges), log.status != "open"))
        if len(closed) >= wanted:
            break
    return sorted(found + closed, key=lambda c: (c.started_at, c.id), reverse=newest)[:wanted]


_TICK = timedelta(milliseconds=1)


def _calls(connection: Connection, query: sa.Select[Any]) -> list[Call]:
    return [Call(*row) for row in connection.execute(query)]


def _windows(
    connection: Connection,
    dimension: Dimension,
    filters: CallFilters,
    start: datetime,
    end: datetime,
    wanted: int,
    *,
    newest: bool,
) -> Iterator[list[tuple[datetime, datetime]]]:
    """Yield stretches of time that hold the next ``wanted`` closed calls of the filters rollups know, then those after them."""
    view = reader(next(g.table for g in family("usage", frozenset((dimension,))) if g.slots == 1))
    low, high = epoch_ms(start) // SLOT_MS, -(-epoch_ms(end) // SLOT_MS)
    known = _kept(view.c, _plain(filters))
    total = sa.func.sum(view.c.attempts)
    slots = sa.select(view.c.slot, total).where(*known).group_by(view.c.slot).having(total != 0)
    slots = slots.order_by(view.c.slot.desc() if newest else view.c.slot).limit(_MOST_SLOTS)
    while low < high:
        taken, calls = list[int](), 0
        for slot, attempts in connection.execute(slots.where(view.c.slot >= low, view.c.slot < high)):
            taken.append(slot)
            calls += int(attempts)
            if calls >= wanted:
                break
        if not taken:
            return
        yield _joined(sorted(taken))
        low, high = (low, taken[-1]) if newest else (taken[-1] + 1, high)


def _joined(slots: Sequence[int]) -> list[tuple[datetime, datetime]]:
    """Return the stretches of neighbouring slots."""
    found: list[tuple[datetime, datetime]] = []
    for slot in slots:
        low = _EPOCH + slot * SLOT
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], low + SLOT)
        else:
            found.append((low, low + SLOT))
    return found


def _guide(filters: CallFilters) -> Dimension | None:
    """Return the dimension whose rollup says where to look; None where the log's own indexes or its order do better."""
    if filters.unpriced_only or _failures_only(filters):
        return None
    if filters.models or filters.providers:
        return "model"
    if len(filters.users) > 1:  # one alone has an index
        return "user"
    return "source" if filters.sources else "key" if filters.keys else None


def _failures_only(filters: CallFilters) -> bool:
    return bool(filters.text or filters.error_classes or (filters.statuses and _FAILURES.issuperset(filters.statuses)))


def _rolled(filters: CallFilters, scope: Scope) -> bool:
    """Whether the filters are all ones that one rollup can count by."""
    plain = replace(ALL_CALLS, **{name: getattr(filters, name) for name in ("models", "providers", "users", "sources", "keys", "sample")})
    own = bool(filters.users) or scope.user_id is not None
    return filters == plain and not (own and (filters.models or filters.providers or filters.sources))


def _on_slots(range_: Range) -> bool:
    return epoch_ms(range_.start) % SLOT_MS == 0 and epoch_ms(range_.end) % SLOT_MS == 0


def _plain(filters: CallFilters) -> Filters:
    return Filters(filters.models, filters.providers, filters.sources, sample=filters.sample, users=filters.users, keys=filters.keys)


def _kept(columns: Any, filters: Filters) -> list[sa.ColumnElement[bool]]:
    """Return those filters that a view has a column for."""
    wanted = (
        *(("model_key", filters.models), ("provider", filters.providers), ("user_id", filters.users)),
        *(("source", filters.sources), ("key_scope", filters.keys)),
    )
    found: list[sa.ColumnElement[bool]] = [columns[name].in_(values) for name, values in wanted if values and name in columns]
    return found if filters.sample is None else [*found, columns["is_sample"].is_(filters.sample)]


def _within(start: datetime, end: datetime) -> list[sa.ColumnElement[bool]]:
    return [llm_usage_log.c.started_at >= start, llm_usage_log.c.started_at < end]


def _beyond(edge: _Edge, *, newest: bool) -> sa.ColumnElement[bool]:
    log = llm_usage_log.c
    if newest:
        return sa.or_(log.started_at < edge.started_at, sa.and_(log.started_at == edge.started_at, log.id < edge.id))
    return sa.or_(log.started_at > edge.started_at, sa.and_(log.started_at == edge.started_at, log.id > edge.id))


def _conditions(scope: Scope, filters: CallFilters) -> list[sa.ColumnElement[bool]]:
    log = llm_usage_log.c
    wanted = (
        (log.model_key, filters.models),
        (log.provider, filters.providers),
        (log.source, filters.sources),
        (log.status, filters.statuses),
        (log.error_class, filters.error_classes),
    )
    found: list[sa.ColumnElement[bool]] = [column.in_(values) for column, values in wanted if values]
    if scope.user_id is not None:
        found.append(log.user_id == scope.user_id)
    if filters.users:
        found.append(of_users(filters.users))
    if filters.keys:
        found.append(of_keys(filters.keys))
    bounds = (
        (log.cost_nano_usd, filters.min_cost_nano, filters.max_cost_nano),
        (log.latency_ms, filters.min_latency_ms, filters.max_latency_ms),
    )
    for column, least, most in bounds:
        found += ([] if least is None else [column >= least]) + ([] if most is None else [column <= most])
    if filters.text:
        found.append(log.error_message.icontains(filters.text, autoescape=True))
    if filters.sample is not None:
        found.append(log.is_sample.is_(filters.sample))
    if filters.unpriced_only:
        found += [_exactly(WITHOUT_COST), _exactly(UNPRICED)]
    elif _failures_only(filters):
        found.append(_exactly(FAILED))
    return found


def _token(one: Call) -> str:
    return f"{epoch_ms(one.started_at)}.{one.id}"


def _edge(token: str | None) -> _Edge | None:
    if token is None:
        return None
    moment, _, number = token.partition(".")
    if not (moment.isascii() and moment.isdigit() and number.isascii() and number.isdigit() and len(token) < 40):
        raise InvalidValue("This page of calls is not one that was shown: begin again with the newest.", field="page")
    return _Edge(_EPOCH + timedelta(milliseconds=int(moment)), int(number))
