"""The ledger: no call goes unrecorded, no cost is wrong, and no database fault costs a person their answer."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.chat import Usage
from lib.errors import ProviderError, StoreUnavailable
from lib.pricing import Price
from lib.store.schema import hint_events
from lib.store.usage_tables import llm_usage_log
from lib.usage import Attempt, AttemptStart, Ledger, Outcome
from tests.usage.counting import counted

PRICE = Price(input=Decimal("3"), output=Decimal("15"), cache_read=Decimal("0.3"), source="catalogue", id=7, model_id=3)


def start(**values: Any) -> AttemptStart:
    given: dict[str, Any] = {
        "request_id": str(uuid4()),
        "attempt": 1,
        "model_key": "sonnet",
        "model_name": "Claude Sonnet",
        "provider": "anthropic",
        "provider_name": "Anthropic",
        "source": "playground",
        "endpoint": "messages",
        "model_id": 3,
        "provider_id": 2,
        "price": PRICE,
    }
    return AttemptStart(**given | values)


def rows(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(r) for r in connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()]


def row(engine: Engine) -> dict[str, Any]:
    (only,) = rows(engine)
    return only


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def ledger(engine: Engine, clock: Any, pauses: list[float]) -> Ledger:
    return Ledger(engine, instance_id=str(uuid4()), clock=clock, sleep=pauses.append)


@pytest.fixture
def embedded_ledger(embedded: Engine, clock: Any, pauses: list[float]) -> Ledger:
    return Ledger(embedded, instance_id=str(uuid4()), clock=clock, sleep=pauses.append)


def test_a_call_is_on_record_before_it_is_made(ledger: Ledger, engine: Engine) -> None:
    opened = ledger.open(start(user_name="Ada"))
    stored = row(engine)
    assert (stored["id"], stored["status"], stored["is_final"], stored["user_name"]) == (opened.id, "open", False, "Ada")
    assert stored["instance_id"] == ledger.instance_id


@pytest.mark.parametrize(("resolved", "logged"), [("model", "own"), ("user", "user"), ("system", "system"), (None, None)])
def test_the_log_names_whose_key_paid_in_the_words_that_bills_use(
    ledger: Ledger, engine: Engine, resolved: Any, logged: str | None
) -> None:
    ledger.open(start(key_scope=resolved))
    assert row(engine)["key_scope"] == logged


def test_cost_is_exact_with_cache_charged_once_at_its_own_rate(ledger: Ledger, engine: Engine) -> None:
    usage = Usage(input=1_001, output=333, cache_read=500, reasoning=100, extra={})
    attempt = ledger.close(ledger.open(start()), Outcome("ok", usage, ttft_ms=120, latency_ms=900, finish_reason="stop"))
    assert attempt.cost_nano_usd == 501 * 3_000 + 500 * 300 + 333 * 15_000
    stored = row(engine)
    assert stored["cost_nano_usd"] == attempt.cost_nano_usd
    assert (stored["input_tokens"], stored["cache_read_tokens"], stored["output_tokens"]) == (1_001, 500, 333)
    assert (stored["price_id"], stored["price_source"], stored["usage_source"]) == (7, "catalogue", "provider")
    assert (stored["ttft_ms"], stored["latency_ms"], stored["finish_reason"], stored["is_final"]) == (120, 900, "stop", True)


@pytest.mark.parametrize(("price", "usage"), [(None, Usage(input=5, output=5)), (PRICE, None), (Price(input=Decimal(1)), Usage(5, 5))])
def test_what_has_no_price_is_unpriced_and_never_free(ledger: Ledger, engine: Engine, price: Price | None, usage: Usage | None) -> None:
    attempt = ledger.close(ledger.open(start(price=price)), Outcome("ok", usage, latency_ms=1))
    assert attempt.cost_nano_usd is None
    assert row(engine)["cost_nano_usd"] is None
    assert counted(engine, "unpriced") == (1,)


def test_a_failure_is_recorded_without_the_key_a_provider_quoted(ledger: Ledger, engine: Engine) -> None:
    error = ProviderError("Incorrect API key provided: sk-proj-abcdefghijklmnop1234.\x00", kind="auth", status=401)
    ledger.close(ledger.open(start()), Outcome("error", latency_ms=12, error=error))
    stored = row(engine)
    assert (stored["status"], stored["error_class"], stored["error_status"]) == ("error", "auth", 401)
    assert "abcdefghijklmnop" not in stored["error_message"]
    assert "\x00" not in stored["error_message"]


def test_only_the_last_attempt_of_a_request_is_final_wherever_the_process_dies(ledger: Ledger, engine: Engine) -> None:
    request = str(uuid4())
    error = ProviderError("busy", kind="rate-limit", status=429)
    ledger.close(ledger.open(start(request_id=request)), Outcome("error", latency_ms=1, error=error))
    assert [r["is_final"] for r in rows(engine)] == [True]  # had it died here, the request would count as failed
    second = ledger.open(start(request_id=request, attempt=2))
    assert [r["is_final"] for r in rows(engine)] == [False, False]
    ledger.close(second, Outcome("ok", Usage(1, 1), latency_ms=1))
    assert counted(engine, "attempts", "requests", "failed_requests") == (2, 1, 0)


def learned(connection: Connection, attempt: Attempt) -> None:
    values = {"at": attempt.started_at, "provider": attempt.provider, "model": attempt.model_key, "event": "learned"}
    connection.execute(sa.insert(hint_events), values)


def broken(connection: Connection, attempt: Attempt) -> None:
    learned(connection, attempt)
    raise RuntimeError("no such hint: sk-proj-abcdefghijklmnop1234")


def events(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(hint_events)).scalar_one()


def test_what_is_learned_is_written_with_the_close(ledger: Ledger, engine: Engine) -> None:
    ledger.close(ledger.open(start()), Outcome("ok", Usage(1, 1)), learned)
    assert (row(engine)["status"], events(engine)) == ("ok", 1)


def test_a_hint_store_that_fails_loses_only_the_hint(ledger: Ledger, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    attempt = ledger.close(ledger.open(start()), Outcome("ok", Usage(1, 1)), broken)
    assert attempt.saved
    assert (row(engine)["status"], events(engine)) == ("ok", 0)
    assert "hints.not_learned" in caplog.text
    assert "abcdefghijklmnop" not in caplog.text


def test_an_answer_survives_a_locked_database_and_is_saved_by_a_later_heartbeat(
    embedded_ledger: Ledger, embedded: Engine, database_file: Path
) -> None:
    opened = embedded_ledger.open(start())
    other = sqlite3.connect(database_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    attempt = embedded_ledger.close(opened, Outcome("ok", Usage(10, 10), latency_ms=5), learned)
    assert (attempt.saved, attempt.cost_nano_usd, embedded_ledger.unsaved) == (False, 180_000, 1)
    with pytest.raises(StoreUnavailable, match="Another process holds the database"):
        embedded_ledger.heartbeat()
    assert (embedded_ledger.unsaved, row(embedded)["status"]) == (1, "open")
    other.execute("ROLLBACK")
    other.close()
    embedded_ledger.heartbeat()
    assert (embedded_ledger.unsaved, row(embedded)["status"], row(embedded)["cost_nano_usd"], events(embedded)) == (0, "ok", 180_000, 1)


def test_a_full_disk_refuses_the_next_call_and_keeps_the_running_answer(
    embedded_ledger: Ledger, embedded: Engine, pauses: list[float]
) -> None:
    opened = embedded_ledger.open(start())
    with embedded.connect() as connection:
        size = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    filler = "x" * 200_000

    def limit(pages: int) -> None:
        embedded.dispose()  # each connection has a limit of its own

        @sa.event.listens_for(embedded, "connect")
        def _limit(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA max_page_count={pages}")

    limit(size)
    with pytest.raises(StoreUnavailable, match="The disk is full"):
        for _ in range(1_000):
            embedded_ledger.open(start(model_name=filler))
    error = ProviderError("long", kind="unknown")
    attempt = embedded_ledger.close(
        opened, Outcome("error", error=error, latency_ms=1), lambda connection, a: learned(connection, replace(a, model_key=filler))
    )
    assert attempt.status == "error"
    limit(size * 1_000)
    embedded_ledger.flush()
    assert next(r for r in rows(embedded) if r["id"] == opened.id)["status"] == "error"
    assert all(0 < pause < 1 for pause in pauses)


def test_a_call_that_cannot_be_accounted_for_is_refused(embedded_ledger: Ledger, embedded: Engine, database_file: Path) -> None:
    other = sqlite3.connect(database_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as refusal:
        embedded_ledger.open(start())
    other.execute("ROLLBACK")
    other.close()
    assert refusal.value.reason == "locked"
    assert rows(embedded) == []
