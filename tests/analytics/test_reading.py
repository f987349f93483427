"""What only the log can tell is read from the part of it that matters, or a filter would make a page of a big log wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics import EVERYBODY, Filters, Scope, errors_series, latency_by, preset, usage_by, usage_series, usage_totals
from lib.store.grains import rollup_state
from tests.analytics.rows import insert, logged

RANGE = preset("90d", datetime(2026, 3, 5, 12, 10, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
ADA = "00000000-0000-4000-8000-00000000000a"
ERRORS, ANSWERS = Filters(statuses=("error",)), Filters(statuses=("ok",))


def steps(engine: Engine, ask: Callable[[], object]) -> list[str]:
    """Return how SQLite goes about what is asked of it: the steps that reach into the log."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    ask()
    sa.event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all() for text, given in asked if text.startswith("SELECT")
        ]
    return [row[3] for plan in plans for row in plan if " t " in row[3] and ("llm_usage_log" in row[3] or "SCAN t" in row[3])]


@pytest.mark.parametrize(
    "ask",
    [
        lambda e: usage_totals(e, EVERYBODY, RANGE, ERRORS),
        lambda e: usage_series(e, EVERYBODY, RANGE, ERRORS, by="model"),
        lambda e: usage_totals(e, EVERYBODY, RANGE, Filters(error_classes=("timeout",))),
        lambda e: errors_series(e, EVERYBODY, RANGE, Filters(sources=("api",))),
        lambda e: usage_totals(e, EVERYBODY, RANGE, ANSWERS),
        lambda e: usage_series(e, EVERYBODY, RANGE, ANSWERS, by="model"),
    ],
)
def test_figures_of_failures_and_of_answers_read_only_the_failures(sqlite_engine: Engine, ask: Callable[[Engine], object]) -> None:
    found = steps(sqlite_engine, lambda: ask(sqlite_engine))
    assert found and all("ix_llm_usage_log_failed" in step for step in found), found


@pytest.mark.parametrize(
    ("ask", "filters"),
    [(latency_by, ANSWERS), (latency_by, Filters(statuses=("ok", "error")))],
)
def test_latency_is_that_of_answers_anyway_and_needs_no_log(sqlite_engine: Engine, ask: Callable[..., object], filters: Filters) -> None:
    assert steps(sqlite_engine, lambda: ask(sqlite_engine, "model", EVERYBODY, RANGE, filters)) == []


def test_all_statuses_are_the_same_as_none(sqlite_engine: Engine) -> None:
    every = Filters(statuses=("ok", "error", "cancelled", "interrupted"))
    assert steps(sqlite_engine, lambda: usage_totals(sqlite_engine, EVERYBODY, RANGE, every)) == []


def test_whose_key_paid_for_all_calls_never_needs_the_log(sqlite_engine: Engine) -> None:
    assert steps(sqlite_engine, lambda: usage_by(sqlite_engine, "key", EVERYBODY, RANGE)) == []


@pytest.mark.parametrize(("tz", "log_read"), [("UTC", False), ("Asia/Kolkata", True)])
def test_whose_key_paid_for_one_person_s_calls_reads_no_others(sqlite_engine: Engine, tz: str, log_read: bool) -> None:
    """Their whole days are counted; of a day cut by their timezone their own calls are read, and nobody else's."""
    range_ = preset("90d", RANGE.now, ZoneInfo(tz))
    found = steps(sqlite_engine, lambda: usage_by(sqlite_engine, "key", Scope(ADA), range_))
    assert bool(found) is log_read
    assert all("SEARCH t USING INDEX ix_llm_usage_log_user_id_started_at (user_id=? AND started_at>" in step for step in found), found


def test_calls_the_log_no_longer_holds_are_not_taken_for_answers(sqlite_engine: Engine) -> None:
    moment = RANGE.now - timedelta(days=30)
    insert(sqlite_engine, [logged(started_at=moment, status="error", error_class="timeout"), logged(started_at=moment), logged()])
    assert usage_totals(sqlite_engine, EVERYBODY, RANGE, ANSWERS).current.attempts == 2
    with sqlite_engine.begin() as connection:
        connection.execute(sa.update(rollup_state).values(frozen_before=RANGE.now - timedelta(days=2)))
        connection.execute(sa.text("DELETE FROM llm_usage_log WHERE started_at < (SELECT frozen_before FROM rollup_state)"))
    assert usage_totals(sqlite_engine, EVERYBODY, RANGE).current.attempts == 3
    assert usage_totals(sqlite_engine, EVERYBODY, RANGE, ANSWERS).current.attempts == 1  # what is known of single calls
