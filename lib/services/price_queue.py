"""The queue of what nobody can price: models with calls that have no cost, and models on without a price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics.memory import remembered
from lib.pricing import Price
from lib.pricing.check import is_known
from lib.registry.values import SAMPLE
from lib.services.price_reading import SPAN, Clock, slot_of, subjects
from lib.store.faults import store_faults
from lib.store.grains import UNPRICED
from lib.store.schema import llm_model_prices, llm_models, llm_providers
from lib.store.usage_tables import WITHOUT_COST, llm_usage_log
from lib.usage.values import OWN


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model somebody should set a price for; ``calls`` of the last 30 days have tokens and no cost.

    ``editable`` is False where an admin cannot: the model is gone, or somebody's own. ``price`` is the present one, when
    calls were made before it or need a rate it does not name.
    """

    model_id: int | None
    key: str
    name: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    first_at: datetime | None
    last_at: datetime | None
    price: Price | None
    editable: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """What has no price, the most calls first.

    ``tokenless`` calls have no token count, so that no price can name their cost; ``private`` ones are of people's own
    models, whose price is their owners' matter.
    """

    rows: tuple[Unpriced, ...]
    tokenless: int
    private: int = 0

    @property
    def calls(self) -> int:
        """How many calls wait for a price."""
        return sum(row.calls for row in self.rows)

    @property
    def called(self) -> int:
        """How many models they are of."""
        return sum(row.calls > 0 for row in self.rows)


def unpriced(engine: Engine, clock: Clock) -> Queue:
    """Return what nobody can price, of the last 30 days."""
    return _unpriced(engine, slot_of(clock), clock)


def without_price(engine: Engine, clock: Clock, keys: Iterable[str]) -> int:
    """Return how many of everyone's models with these keys have no price now: a short look, however long the log."""
    wanted = tuple(sorted(set(keys)))
    return _without_price(engine, slot_of(clock), clock, wanted) if wanted else 0


@remembered
def _without_price(engine: Engine, slot: datetime, clock: Clock, keys: tuple[str, ...]) -> int:
    with store_faults(), engine.connect() as connection:
        bare = connection.execute(_bare(clock(), llm_models.c.model_key.in_(keys))).all()
        return sum(not is_known(s.price) for s in subjects(connection, clock(), [row.id for row in bare])) if bare else 0


@remembered
def _unpriced(engine: Engine, slot: datetime, clock: Clock) -> Queue:
    with store_faults(), engine.connect() as connection:
        called = connection.execute(_called(slot - SPAN)).all()
        bare = connection.execute(_bare(clock(), llm_models.c.is_active)).all()
        with_tokens = [row for row in called if row.calls > row.tokenless and not row.model_key.startswith(OWN)]
        ids = {row.model_id for row in with_tokens if row.model_id is not None} | {row.id for row in bare}
        prices = {s.model_id: s.price for s in subjects(connection, clock(), ids)} if ids else {}
        models = {row.id: row for row in connection.execute(_models(ids))} if ids else {}
    rows = [_queued(row, models, prices) for row in with_tokens]
    listed = {row.model_id for row in rows}
    rows += [
        Unpriced(row.id, row.model_key, row.display_name, row.provider, 0, 0, 0, None, None, None, True, True)
        for row in bare
        if row.id not in listed and not is_known(prices.get(row.id))
    ]
    tokenless = sum(row.tokenless for row in called)
    private = sum(row.calls - row.tokenless for row in called if row.model_key.startswith(OWN))
    return Queue(tuple(sorted(rows, key=lambda r: (-r.calls, r.name))), tokenless, private)


def _queued(row: Any, models: Mapping[int, Any], prices: Mapping[int, Price | None]) -> Unpriced:
    model = models.get(row.model_id)
    if model is not None and model.model_key != row.model_key:  # SQLite gave the id of a deleted model to another
        model = None
    return Unpriced(
        row.model_id if model else None,
        row.model_key,
        model.display_name if model else row.model_key,
        model.provider if model else row.provider,
        row.calls - row.tokenless,
        int(row.input_tokens or 0),
        int(row.output_tokens or 0),
        row.first_at,
        row.last_at,
        prices.get(row.model_id) if model else None,
        model is not None and model.owner_id is None,
        bool(model and model.is_active),
    )


def _called(since: datetime) -> sa.Select[Any]:
    """Return the query for the unpriced calls of real models by model; WITHOUT_COST names the index they are found in."""
    log = llm_usage_log.c
    tokenless = sa.and_(log.input_tokens.is_(None), log.output_tokens.is_(None))
    at = sa.case((sa.not_(tokenless), log.started_at))
    return (
        sa.select(
            log.model_id,
            log.model_key,
            log.provider,
            sa.func.count().label("calls"),
            sa.func.sum(sa.case((tokenless, 1), else_=0)).label("tokenless"),
            sa.func.sum(log.input_tokens).label("input_tokens"),
            sa.func.sum(log.output_tokens).label("output_tokens"),
            sa.func.min(at, type_=log.started_at.type).label("first_at"),
            sa.func.max(at, type_=log.started_at.type).label("last_at"),
        )
        .where(log.started_at >= since, sa.text(WITHOUT_COST), sa.text(UNPRICED), sa.not_(log.is_sample))
        .group_by(log.model_id, log.model_key, log.provider)
    )


def _models(ids: Iterable[int]) -> sa.Select[Any]:
    models = llm_models.c
    return (
        sa.select(
            models.id,
            models.model_key,
            models.display_name,
            models.owner_id,
            models.is_active,
            llm_providers.c.display_name.label("provider"),
        )
        .join(llm_providers, llm_providers.c.id == models.provider_id)
        .where(models.id.in_(list(ids)))
    )


def _bare(now: datetime, only: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the query for those of everyone's models that name no main rate now."""
    models, prices = llm_models.c, llm_model_prices.c
    latest = (
        sa.select(prices.id)
        .where(prices.model_id == models.id, prices.valid_from <= now)
        .order_by(prices.valid_from.desc(), prices.id.desc())
        .limit(1)
        .correlate(llm_models)
        .scalar_subquery()
    )
    return (
        sa.select(models.id, models.model_key, models.display_name, llm_providers.c.display_name.label("provider"))
        .join(llm_providers, llm_providers.c.id == models.provider_id)
        .outerjoin(llm_model_prices, prices.id == latest)
        .where(models.owner_id.is_(None), models.model_type != SAMPLE, only)
        .where(prices.input.is_(None), prices.output.is_(None))
    )
