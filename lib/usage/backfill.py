"""Pricing calls that had no price when they were made: only what is unpriced is filled in, exactly, and with an audit entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.chat import Usage
from lib.pricing import Price, cache_saving, cost
from lib.pricing.logged import COUNTED, Counted, calls_of
from lib.pricing.prices import price_from_row
from lib.store.audit import append_entry, lock_audit
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import llm_model_prices
from lib.store.usage_tables import WITHOUT_COST, llm_usage_log

ACTION = "llm_usage_log.price"
"""What the audit log calls it."""
BATCH = 200
"""Calls priced in one transaction, a quarter of a second; who is interrupted keeps what was done, and goes on by asking again."""

PAUSE_S = 0.05
"""Seconds between two of them: SQLite lets nobody else write meanwhile, and those who wait look again only now and then."""

Progress = Callable[[int], object]
"""Called with how many calls were looked at so far."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was priced: calls and their exact cost in nano-dollars, and how many calls still have no price that fits them."""

    calls: int
    cost_nano: int
    left: int


_log = llm_usage_log.c
_UNPRICED = sa.and_(sa.true(), sa.text(WITHOUT_COST))
_FILL = sa.update(llm_usage_log).where(_log.id == sa.bindparam("row_id"), _log.cost_nano_usd.is_(None))


def unseen(done: int) -> None:
    """Tell nobody how far it is."""


def first_unpriced(engine: Engine, model_id: int, model_key: str) -> datetime | None:
    """Return when the earliest call of a model was made whose tokens are known and whose cost is not; None when there is none."""
    query = sa.select(_log.started_at).where(*calls_of(model_id, model_key), _UNPRICED).order_by(_log.started_at).limit(1)
    with store_faults(), engine.connect() as connection:
        return connection.scalar(query)


def fill_in(
    engine: Engine,
    model_id: int,
    model_key: str,
    actor: Actor,
    clock: Callable[[], datetime],
    progress: Progress = unseen,
    sleep: Callable[[float], None] = time.sleep,
) -> Filled:
    """Give a model's unpriced calls the cost they have at the price in force when each was made.

    A call that has a cost keeps it, and one that no price of its time fits stays unpriced. The rollups follow by their
    triggers. Each batch is one transaction with an entry in the audit log that says what it added.
    """
    calls = cost_nano = left = 0
    after: tuple[datetime, int] | None = None
    with store_faults():
        while True:
            with writing(engine).begin() as connection:
                lock_audit(connection)  # before any row, so that it cannot be part of a deadlock
                waiting = _batch(connection, model_id, model_key, after)
                prices = _prices(connection, model_id)
                filled = [row for row in (_filled(call, prices) for call in waiting) if row is not None]
                if filled:
                    connection.execute(_FILL, filled)
                    append_entry(connection, clock(), actor, ACTION, "llm_models", str(model_id), None, _told(model_key, waiting, filled))
            calls, left = calls + len(filled), left + len(waiting) - len(filled)
            cost_nano += sum(row["cost_nano_usd"] for row in filled)
            if len(waiting) < BATCH:
                return Filled(calls, cost_nano, left)
            after = (waiting[-1].started_at, waiting[-1].id)
            progress(calls + left)
            sleep(PAUSE_S)


def _batch(connection: Connection, model_id: int, model_key: str, after: tuple[datetime, int] | None) -> list[Counted]:
    query = sa.select(*COUNTED).where(*calls_of(model_id, model_key), _UNPRICED).order_by(_log.started_at, _log.id).limit(BATCH)
    if after is not None:
        moment, row_id = after
        query = query.where(sa.or_(_log.started_at > moment, sa.and_(_log.started_at == moment, _log.id > row_id)))
    return [Counted._make(row) for row in connection.execute(query.with_for_update())]


def _prices(connection: Connection, model_id: int) -> list[Price]:
    query = sa.select(llm_model_prices).where(llm_model_prices.c.model_id == model_id)
    rows = connection.execute(query.order_by(llm_model_prices.c.valid_from, llm_model_prices.c.id)).mappings()
    return [price_from_row(dict(row)) for row in rows]


def _filled(call: Counted, prices: Sequence[Price]) -> dict[str, Any] | None:
    """Return what a call's row becomes; None where no price of its time can name its cost."""
    price = next((p for p in reversed(prices) if p.valid_from is not None and p.valid_from <= call.started_at), None)
    usage = Usage(
        input=call.input,
        output=call.output,
        cache_read=call.cache_read,
        cache_write=call.cache_write,
        cache_write_1h=call.cache_write_1h,
        reasoning=call.reasoning,
        extra=call.extra or {},
    )
    nano = cost(price, usage)
    if price is None or nano is None:
        return None
    return {
        "row_id": call.id,
        "cost_nano_usd": nano,
        "cache_saving_nano_usd": cache_saving(price, usage),
        "price_id": price.id,
        "price_source": price.source,
    }


def _told(model_key: str, waiting: Sequence[Counted], filled: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the audit log is told of one batch; amounts are text, so that no digit is lost."""
    done = {row["row_id"] for row in filled}
    times = [call.started_at for call in waiting if call.id in done]
    return {
        "model_key": model_key,
        "calls": len(filled),
        "cost_nano_usd": str(sum(row["cost_nano_usd"] for row in filled)),
        "from": min(times).isoformat(),
        "to": max(times).isoformat(),
        "price_ids": sorted({row["price_id"] for row in filled}),
    }
