"""Single calls: the newest of a range page by page, and one with its receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.filters import NO_FILTERS, Filters
from lib.analytics.labels import labels_of
from lib.analytics.ranges import Range, Scope
from lib.chat import Usage
from lib.errors import NotFound
from lib.pricing import Line as ReceiptLine
from lib.pricing import Price, receipt_lines
from lib.pricing.prices import price_from_row
from lib.store.faults import store_faults
from lib.store.schema import llm_model_prices
from lib.store.usage_tables import llm_usage_log
from lib.usage.values import own_number

PAGE = 50


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt as the log has it; an open one still runs."""

    id: int
    request_id: str
    attempt: int
    is_final: bool
    started_at: datetime
    status: str
    user_id: str | None
    user_name: str | None
    model_id: int | None
    model_key: str
    model_name: str
    provider: str
    provider_name: str
    endpoint: str | None
    source: str
    conversation_id: str | None
    key_scope: str | None
    is_sample: bool
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    usage_extra: Mapping[str, int] | None
    usage_source: str
    cost_nano_usd: int | None
    cache_saving_nano_usd: int | None
    price_id: int | None
    price_source: str | None
    ttft_ms: int | None
    latency_ms: int | None
    error_class: str | None
    error_status: int | None
    error_message: str | None
    finish_reason: str | None

    @property
    def usage(self) -> Usage | None:
        """The tokens as a value; None when the provider reported none."""
        if self.usage_source == "none":
            return None
        return Usage(
            input=self.input_tokens or 0,
            output=self.output_tokens or 0,
            cache_read=self.cache_read_tokens or 0,
            cache_write=self.cache_write_tokens or 0,
            reasoning=self.reasoning_tokens or 0,
            cache_write_1h=self.cache_write_1h_tokens or 0,
            extra=self.usage_extra or {},
        )


@dataclass(frozen=True, slots=True)
class CallDetail:
    """A call with every attempt of its request and the receipt: what was charged, line by line, at which price."""

    call: Call
    attempts: tuple[Call, ...]
    price: Price | None
    receipt: tuple[ReceiptLine, ...]


COLUMNS = tuple(llm_usage_log.c[f.name] for f in fields(Call))
"""The columns of the log that make a Call, in its order."""


def recent_calls(
    engine: Engine,
    scope: Scope,
    range_: Range,
    filters: Filters = NO_FILTERS,
    *,
    limit: int = PAGE,
    before_id: int | None = None,
) -> list[Call]:
    """Return the newest attempts of a range, open ones too; ``before_id`` continues after the last one of a page."""
    log = llm_usage_log.c
    query = (
        sa.select(*COLUMNS)
        .where(log.started_at >= range_.start, log.started_at < range_.end, *_kept(filters), *_own(scope))
        .order_by(log.started_at.desc(), log.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        last = sa.select(log.started_at).where(log.id == before_id).scalar_subquery()
        query = query.where(sa.tuple_(log.started_at, log.id) < sa.tuple_(last, sa.literal(before_id)))
    with store_faults(), engine.connect() as connection:
        return named(connection, scope, [Call(**row) for row in connection.execute(query).mappings()])


def call(engine: Engine, scope: Scope, call_id: int) -> CallDetail:
    """Return one call with its receipt; raise NotFound when it is not there or not within the scope."""
    log = llm_usage_log.c
    with store_faults(), engine.connect() as connection:
        found = connection.execute(sa.select(*COLUMNS).where(log.id == call_id, *_own(scope))).mappings().first()
        if found is None:
            raise NotFound("There is no such call here.")
        (one,) = named(connection, scope, [Call(**found)])
        query = sa.select(*COLUMNS).where(log.request_id == one.request_id, *_own(scope)).order_by(log.attempt)
        attempts = tuple(named(connection, scope, [Call(**row) for row in connection.execute(query).mappings()]))
        price = _price(connection, one.price_id)
    usage = one.usage
    return CallDetail(one, attempts, price, tuple(receipt_lines(price, usage)) if price and usage else ())


def named(connection: Connection, scope: Scope, calls: list[Call]) -> list[Call]:
    """Give a person's own models and providers their names, for that person alone; the log has none of them."""
    models = labels_of(connection, "model", {c.model_key for c in calls if own_number(c.model_key)}, scope.user_id)
    providers = labels_of(connection, "provider", {c.provider for c in calls if own_number(c.provider)}, scope.user_id)
    if not models:
        return calls
    return [
        replace(c, model_name=models.get(c.model_key, c.model_name), provider_name=providers.get(c.provider, c.provider_name))
        for c in calls
    ]


def _own(scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [] if scope.user_id is None else [llm_usage_log.c.user_id == scope.user_id]


def _kept(filters: Filters) -> list[sa.ColumnElement[bool]]:
    log = llm_usage_log.c
    wanted = (
        (log.model_key, filters.models),
        (log.provider, filters.providers),
        (log.source, filters.sources),
        (log.status, filters.statuses),
        (log.error_class, filters.error_classes),
    )
    found: list[sa.ColumnElement[bool]] = [column.in_(values) for column, values in wanted if values]
    if filters.users:
        found.append(of_users(filters.users))
    if filters.keys:
        found.append(of_keys(filters.keys))
    return found if filters.sample is None else [*found, log.is_sample.is_(filters.sample)]


def of_users(users: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a call is of one of these users, "" being nobody."""
    user, ids = llm_usage_log.c.user_id, [user for user in users if user]
    # One alone is asked for by "=", or SQLite would not walk the user's calls in the order of time.
    theirs = [user == ids[0] if len(ids) == 1 else user.in_(ids)] if ids else []
    return sa.or_(*theirs, *([user.is_(None)] if "" in users else []))


def of_keys(scopes: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a call was paid with one of these keys, "" being none."""
    key, named = llm_usage_log.c.key_scope, [scope for scope in scopes if scope]
    return sa.or_(*([key.in_(named)] if named else []), *([key.is_(None)] if "" in scopes else []))


def _price(connection: Connection, price_id: int | None) -> Price | None:
    if price_id is None:
        return None
    row = connection.execute(sa.select(llm_model_prices).where(llm_model_prices.c.id == price_id)).mappings().first()
    return None if row is None else price_from_row(dict(row))
