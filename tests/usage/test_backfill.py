"""Calls made before their model had a price are priced afterwards: exactly, once, with a trace, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.chat import Usage
from lib.pricing import Price, cache_saving, cost
from lib.pricing.prices import adding
from lib.store.base import Actor
from lib.store.schema import audit_log
from lib.store.sql import SqlStore
from lib.store.usage_tables import llm_usage_log
from lib.store.verify import verify
from lib.usage import AttemptStart, Ledger, Outcome, backfill
from lib.usage.backfill import fill_in, first_unpriced
from tests.usage.counting import counted

D = Decimal
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
EARLY, LATE = NOW - timedelta(days=20), NOW - timedelta(days=10)
CHEAP = Price(input=D("0.15"), output=D("0.6"), cache_read=D("0.075"))
DEAR = Price(input=D("2.5"), output=D(10), cache_read=D("0.25"))
ACTOR = Actor("Ada")


class Books:
    """A model, its prices and its calls."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.slept: list[float] = []
        self.store = SqlStore(engine, ACTOR, clock=lambda: NOW)
        owner = self.store.insert("llm_providers", [{"slug": "p", "kind": "openai", "display_name": "P"}])[0]["id"]
        row = {"model_key": "m", "upstream_id": "m", "display_name": "M", "provider_id": owner}
        self.model_id: int = self.store.insert("llm_models", [row])[0]["id"]

    def price(self, price: Price, since: datetime) -> None:
        self.store.apply([adding(self.model_id, price, since, "Ada")])

    def call(self, at: datetime, usage: Usage | None, **values: Any) -> None:
        start = AttemptStart(str(uuid4()), 1, "m", "M", "p", "P", "api", model_id=self.model_id, provider_id=1)
        ledger = Ledger(self.engine, instance_id=str(uuid4()), clock=lambda: at)
        opened = ledger.open(replace(start, **values))
        if usage is not None or not values.get("is_sample"):
            ledger.close(opened, Outcome("ok", usage))

    def fill(self, **more: Any) -> backfill.Filled:
        return fill_in(self.engine, self.model_id, "m", ACTOR, lambda: NOW, sleep=self.slept.append, **more)

    def rows(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(r) for r in connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.started_at)).mappings()]

    def entries(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(audit_log).where(audit_log.c.action == backfill.ACTION).order_by(audit_log.c.id))
            return [dict(r) for r in found.mappings()]


@pytest.fixture
def books(database_engine: Engine) -> Books:
    return Books(database_engine)


def test_each_call_is_priced_at_its_own_date_and_the_rollups_and_the_audit_log_follow(books: Books) -> None:
    usage = Usage(input=1_001, output=99, cache_read=500)
    books.price(CHEAP, EARLY)
    books.price(DEAR, LATE)
    for at in (EARLY - timedelta(milliseconds=1), EARLY, LATE - timedelta(milliseconds=1), LATE):
        books.call(at, usage)
    assert first_unpriced(books.engine, books.model_id, "m") == EARLY - timedelta(milliseconds=1)
    done = books.fill()
    costs = [row["cost_nano_usd"] for row in books.rows()]
    cheap, dear = cost(CHEAP, usage), cost(DEAR, usage)
    assert costs == [None, cheap, cheap, dear]
    assert (done.calls, done.cost_nano, done.left) == (3, sum(filter(None, costs)), 1)
    saved = [row["cache_saving_nano_usd"] for row in books.rows()]
    assert saved == [None, cache_saving(CHEAP, usage), cache_saving(CHEAP, usage), cache_saving(DEAR, usage)]
    assert {row["price_source"] for row in books.rows()} == {None, "manual"}
    assert counted(books.engine, "cost_nano_usd", "unpriced", "cache_saving_nano_usd") == (done.cost_nano, 1, sum(filter(None, saved)))
    (entry,) = books.entries()
    assert (entry["actor"], entry["subject"], entry["subject_id"]) == ("Ada", "llm_models", str(books.model_id))
    assert (entry["after"]["calls"], entry["after"]["cost_nano_usd"]) == (3, str(done.cost_nano))
    assert entry["after"]["from"] == EARLY.isoformat()
    assert verify(books.engine).ok


def test_a_call_that_has_a_cost_keeps_it_and_so_do_calls_of_others(books: Books) -> None:
    books.call(LATE, Usage(10, 10), price=replace(DEAR, id=9))
    books.call(LATE, Usage(10, 10), model_id=books.model_id + 1)
    books.call(LATE, Usage(10, 10), model_key="an earlier model of this id")
    books.call(LATE, Usage(10, 10), is_sample=True)
    books.call(LATE, None)
    books.call(LATE, None, is_sample=True)
    before = books.rows()
    books.price(CHEAP, EARLY)
    assert books.fill() == backfill.Filled(0, 0, 0)
    assert books.rows() == before
    assert books.entries() == []
    assert first_unpriced(books.engine, books.model_id, "m") is None


def test_a_call_no_rate_fits_stays_unpriced_until_the_rate_is_known(books: Books) -> None:
    books.price(Price(input=D(1), output=D(2)), EARLY)
    books.call(LATE, Usage(10, 1, cache_read=4))
    assert books.fill() == backfill.Filled(0, 0, 1)
    books.price(Price(input=D(1), output=D(2), cache_read=D("0.1")), EARLY)
    assert books.fill() == backfill.Filled(1, 6_000 + 400 + 2_000, 0)
    assert books.fill() == backfill.Filled(0, 0, 0)


def test_who_is_interrupted_keeps_what_was_done_and_goes_on_by_asking_again(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "BATCH", 3)
    for n in range(8):
        books.call(EARLY + timedelta(seconds=n // 2), Usage(100 + n, n), price=None)
    books.price(CHEAP, EARLY)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        books.fill(progress=stop)
    assert sum(row["cost_nano_usd"] is not None for row in books.rows()) == 3
    looked: list[int] = []
    assert books.fill(progress=looked.append).calls == 5
    assert looked == [3]
    assert books.slept == [backfill.PAUSE_S], "others get their turn to write"
    assert all(row["cost_nano_usd"] == cost(CHEAP, Usage(row["input_tokens"], row["output_tokens"])) for row in books.rows())
    assert [entry["after"]["calls"] for entry in books.entries()] == [3, 3, 2]
    assert sum(int(entry["after"]["cost_nano_usd"]) for entry in books.entries()) == counted(books.engine, "cost_nano_usd")[0]
    assert verify(books.engine).ok
