"""A registry with one real model and a few real calls, and the desk that loads sample data beside them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.chat import Usage
from lib.errors import ProviderError
from lib.pricing import Price, price_at
from lib.pricing.prices import adding
from lib.routing import SqlHints
from lib.sample import Desk
from lib.store.base import Actor
from lib.store.grains import KNOWN, ROLLUPS
from lib.store.schema import metadata
from lib.store.sql import SqlStore
from lib.usage import AttemptStart, Ledger, Outcome

NOW = datetime(2026, 5, 7, 15, 40, tzinfo=UTC)
ACTOR = Actor("Ada", None, "cli")
_CHANGING = {"audit_log", "instances", "rollup_state", *(known.name for known in KNOWN)}
"""What grows or beats by itself: records, heartbeats, and the numbers under which rollups know names, which count nothing."""


def desk_on(engine: Engine) -> Desk:
    """Return what loading works with, on a clock that stands still."""
    return Desk(engine, SqlStore(engine, ACTOR, clock=lambda: NOW), ACTOR, lambda: NOW)


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table that loading and clearing must leave as it was."""
    folded = {rollup.name for rollup in ROLLUPS} if engine.dialect.name == "postgresql" else set()  # as far as they are folded by now
    tables = [t for t in metadata.sorted_tables if t.name not in _CHANGING | folded]
    with engine.connect() as connection:
        return {t.name: [tuple(row) for row in connection.execute(sa.select(t).order_by(*t.primary_key.columns))] for t in tables}


def add_real_calls(engine: Engine) -> None:
    """Write a real provider, model and price, and three calls that the router learned from."""
    store = SqlStore(engine, ACTOR, clock=lambda: NOW)
    provider = store.insert("llm_providers", [{"slug": "acme", "kind": "openai", "display_name": "Acme"}])[0]["id"]
    row = {"model_key": "alpha", "upstream_id": "alpha", "display_name": "Alpha", "provider_id": provider, "is_active": True}
    model = store.insert("llm_models", [row])[0]["id"]
    store.apply([adding(model, Price(input=Decimal(3), output=Decimal(15)), NOW, "Ada")])
    price = price_at(store, model, NOW)
    ledger = Ledger(engine, instance_id=str(UUID(int=1)), clock=lambda: NOW)
    for number, error in enumerate((None, ProviderError("Not today.", kind="model-incompatible"), None)):
        start = AttemptStart(
            *(str(UUID(int=100 + number)), 1, "alpha", "Alpha", "acme", "Acme", "api"), model_id=model, provider_id=provider, price=price
        )
        usage = None if error else Usage(input=1_000 + number, output=50)
        outcome = Outcome("error" if error else "ok", usage, 20, 90, error)
        ledger.close(ledger.open(start), outcome, SqlHints(engine, clock=lambda: NOW).learn)


@pytest.fixture
def desk(database_engine: Engine) -> Desk:
    """A desk on either database, real calls in it."""
    add_real_calls(database_engine)
    return desk_on(database_engine)


@pytest.fixture
def embedded(sqlite_engine: Engine) -> Desk:
    """A desk on an embedded database, real calls in it."""
    add_real_calls(sqlite_engine)
    return desk_on(sqlite_engine)
