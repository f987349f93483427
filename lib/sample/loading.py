"""Loading sample data and taking it away: in short transactions beside whatever else is written, whole or cleaned up later.

The sample models are stored first and removed last, so that sample calls never stand without them, and one look at
them tells whether there is anything. A load or a clear that was cut off is cleaned up by the next one of either.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.errors import InvalidValue, StoreError
from lib.pricing.prices import adding, price_from_row
from lib.registry.reader import MODELS
from lib.registry.reader import PROVIDERS as PROVIDER_TABLE
from lib.registry.values import SAMPLE
from lib.sample.calls import Cast, Role, sample_calls
from lib.sample.catalog import MODELS as SAMPLE_MODELS
from lib.sample.catalog import PROVIDER_OF, PROVIDERS, SampleModel
from lib.sample.hints import Tally
from lib.sample.pace import Pace
from lib.sample.rhythm import span
from lib.store.audit import append_entry
from lib.store.base import Actor, Delete, Row, Store
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import llm_models, llm_providers
from lib.store.usage_tables import llm_usage_log

Progress = Callable[[int, int], None]
"""Called with (calls written or removed so far, calls in all)."""

MOST_CALLS, MOST_DAYS = 20_000_000, 1_830
_FIRST_ORDER = 1_000_000
"""Display order of the sample models: after every real one."""
_BEFORE = timedelta(days=1)
_OVERTAKEN = "Somebody else loaded or cleared sample data in the meantime, so this load was given up."


def unseen(done: int, total: int) -> None:
    """Show nobody how far it is."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load wrote: rows of the log (``calls``) of so many requests, and how many earlier sample rows it ``replaced``."""

    calls: int
    requests: int
    replaced: int
    models: int
    users: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a clear took away."""

    calls: int
    models: int


@dataclass(frozen=True, slots=True)
class Desk:
    """What loading works with: ``store`` is the registry under the admin's name, ``engine`` the log's database."""

    engine: Engine
    store: Store
    actor: Actor
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    timer: Callable[[], float] = time.perf_counter


def has_sample(engine: Engine) -> bool:
    """Whether there is sample data, a part of it included."""
    with store_faults(), engine.connect() as connection:
        return connection.scalar(sa.select(sa.exists().where(llm_providers.c.kind == SAMPLE))) or False


def load(desk: Desk, calls: int, days: int, seed: int, progress: Progress = unseen) -> Loaded:
    """Put sample data in place of any that is there; the same numbers at the same moment bring the same calls.

    Raises InvalidValue for numbers out of bounds, before anything is changed, and StoreError when another load or clear overtook it.
    """
    _check(calls, days)
    now = desk.clock()
    replaced = _remove(desk)
    run = str(uuid4())
    cast = _store_cast(desk, run, days, now)
    range_, tally, pace = span(days, now), Tally(), _pace(desk)
    users, requests, done = set[str](), 0, 0
    rows = sample_calls(cast, calls, days, seed, now)
    progress(0, calls)
    while batch := list(itertools.islice(rows, pace.size)):
        with pace, store_faults(), writing(desk.engine).begin() as connection:
            _still_ours(connection, run)
            _insert(connection, batch)
        for row in batch:
            tally.count(row)
            users.add(row["user_id"])
            requests += row["attempt"] == 1
        done += len(batch)
        progress(done, calls)
    tally.save(desk.store, cast, range_)
    loaded = Loaded(done, requests, replaced, len(cast), len(users), range_.start, range_.end)
    _note(desk, "sample.load", {"calls": done, "days": days, "seed": seed, "replaced": replaced})
    return loaded


def clear(desk: Desk, progress: Progress = unseen) -> Cleared:
    """Take all sample data away and nothing else; what was loaded in part goes too."""
    models = desk.store.count(MODELS, where={"model_type": SAMPLE})
    there = has_sample(desk.engine)
    calls = _remove(desk, progress)
    if there or calls:
        _note(desk, "sample.clear", {"calls": calls})
    return Cleared(calls, models)


def _pace(desk: Desk) -> Pace:
    return Pace(desk.sleep, desk.timer, alone=desk.engine.dialect.name == "sqlite")


def _check(calls: int, days: int) -> None:
    for name, value, most in (("calls", calls, MOST_CALLS), ("days", days, MOST_DAYS)):
        if not 1 <= value <= most:
            raise InvalidValue(f"The number of {name} must be from 1 to {most:,}, not {value:,}.", field=name)


def _store_cast(desk: Desk, run: str, days: int, now: datetime) -> Cast:
    """Store the sample providers, models and prices, and return them with their ids."""
    known = {"kind": SAMPLE, "is_active": False, "settings": {"run": run}}
    rows = [{"slug": p.slug, "display_name": p.display_name, **known} for p in PROVIDERS]
    provider_ids = {row["slug"]: row["id"] for row in desk.store.insert(PROVIDER_TABLE, rows)}
    models = [_model_row(model, provider_ids[model.provider], place) for place, model in enumerate(SAMPLE_MODELS)]
    model_ids = {row["model_key"]: row["id"] for row in desk.store.insert(MODELS, models)}
    start = now - timedelta(days=days)
    prices = [
        adding(model_ids[model.key], price, start + (now - start) * part - _BEFORE, desk.actor.name)
        for model in SAMPLE_MODELS
        for part, price in model.prices
    ]
    stored: dict[int, list[Row]] = {}
    for (row,) in desk.store.apply(prices):
        stored.setdefault(row["model_id"], []).append(row)
    return {model.key: _role(model, model_ids[model.key], provider_ids[model.provider], stored) for model in SAMPLE_MODELS}


def _model_row(model: SampleModel, provider_id: int, place: int) -> dict[str, Any]:
    return {
        "model_key": model.key,
        "provider_id": provider_id,
        "upstream_id": model.key,
        "display_name": model.display_name,
        "model_type": SAMPLE,
        "capabilities": {"streaming": True} | ({"reasoning": True} if model.reasoning else {}),
        "context_window": model.context_window,
        "fallbacks": [model.fallback] if model.fallback else [],
        "is_active": False,
        "is_available": False,
        "hidden": True,
        "display_order": _FIRST_ORDER + place * 10,
    }


def _role(model: SampleModel, model_id: int, provider_id: int, prices: dict[int, list[Row]]) -> Role:
    own = tuple(price_from_row(row) for row in prices.get(model_id, ()))
    return Role(model, PROVIDER_OF[model.provider], model_id, provider_id, own)


def _still_ours(connection: Connection, run: str) -> None:
    """Raise unless this load's providers are still there as it stored them; until the transaction ends they stay so."""
    query = sa.select(llm_providers.c.settings, llm_providers.c.version).where(llm_providers.c.kind == SAMPLE)
    found = connection.execute(query.order_by(llm_providers.c.id).limit(1).with_for_update(read=True)).first()
    if found is None or found.version != 1 or found.settings.get("run") != run:
        raise StoreError(_OVERTAKEN)


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    statement = sa.insert(llm_usage_log)
    if connection.dialect.name == "postgresql":
        statement = statement.returning(llm_usage_log.c.id)  # makes one statement of many rows, and so one run of its trigger
    connection.execute(statement, rows)


def _remove(desk: Desk, progress: Progress = unseen) -> int:
    """Remove every sample call, then the sample models; return how many calls went."""
    # A new version tells a load that is still running to stop: from here on it cannot add another row.
    desk.store.update(PROVIDER_TABLE, {"updated_at": desk.clock()}, where={"kind": SAMPLE})
    log, is_sample = llm_usage_log.c, llm_providers.c.kind == SAMPLE
    with store_faults(), desk.engine.connect() as connection:
        provider_ids = connection.scalars(sa.select(llm_providers.c.id).where(is_sample)).all()
        model_ids = connection.scalars(sa.select(llm_models.c.id).join(llm_providers).where(is_sample)).all()
        total = connection.scalar(sa.select(sa.func.count()).where(log.model_id.in_(model_ids), log.is_sample)) or 0
    pace, removed = _pace(desk), 0
    for model_id in model_ids:
        while True:
            chosen = sa.select(log.id).where(log.model_id == model_id, log.is_sample).limit(pace.size)
            with pace, store_faults(), writing(desk.engine).begin() as connection:
                gone = connection.execute(sa.delete(llm_usage_log).where(log.id.in_(chosen))).rowcount
            if not gone:
                break
            removed += gone
            progress(removed, max(total, removed))
    if provider_ids:
        desk.store.apply([Delete(MODELS, {"provider_id": list(provider_ids)}), Delete(PROVIDER_TABLE, {"kind": SAMPLE})])
    return removed


def _note(desk: Desk, action: str, what: dict[str, Any]) -> None:
    with store_faults(), writing(desk.engine).begin() as connection:
        append_entry(connection, desk.clock(), desk.actor, action, "llm_usage_log", None, None, what)
