"""The list of calls shows each call once, whichever way one pages and whatever is filtered, and counts them truly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from lib.analytics import ALL_CALLS, EVERYBODY, Call, CallFilters, Range, Scope, calls_page, count_calls, preset
from lib.errors import InvalidValue
from lib.store.engine import writing
from lib.store.usage_tables import llm_usage_log
from tests.analytics.rows import Row, emptied, insert, logged

NOW = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
RANGE = preset("7d", NOW, ZoneInfo("Asia/Kolkata"))
ADA, BOB = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
errors = st.sampled_from([None, None, "timeout", "rate-limit"])
amounts = st.none() | st.integers(0, 5)


@st.composite
def calls(draw: st.DrawFn) -> Row:
    model = draw(st.sampled_from([("sonnet", "anthropic"), ("gpt", "openai"), ("gpt", "azure")]))
    error_class = draw(errors)
    return logged(
        started_at=NOW - timedelta(minutes=draw(st.integers(-300, 60) | st.integers(0, 8 * 24 * 60)), milliseconds=draw(st.integers(0, 2))),
        model_id=draw(st.none() | st.integers(1, 2)),
        model_key=model[0],
        provider=model[1],
        source=draw(st.sampled_from(["playground", "api"])),
        status=draw(st.sampled_from(["ok", "ok", "ok", "error", "cancelled", "interrupted", "open"])),
        is_sample=draw(st.booleans()),
        user_id=draw(st.sampled_from([None, ADA, BOB])),
        key_scope=draw(st.sampled_from([None, "own", "user", "system"])),
        input_tokens=draw(amounts),
        cost_nano_usd=draw(amounts),
        latency_ms=draw(amounts),
        error_class=error_class,
        error_message=draw(st.sampled_from([None, "100% of it Was_slow", "Quota used up"])) if error_class else None,
    )


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.sampled_from([(), (), (), *((value,) for value in values), values])


call_filters = st.builds(
    CallFilters,
    models=some("sonnet", "gpt"),
    providers=some("openai", "azure"),
    users=some(ADA, BOB, ""),
    sources=some("api", "playground"),
    keys=some("own", "system", ""),
    statuses=some("ok", "error", "open", "cancelled"),
    error_classes=some("timeout", "quota"),
    min_cost_nano=st.sampled_from([None, None, 2]),
    max_cost_nano=st.sampled_from([None, None, 3]),
    min_latency_ms=st.sampled_from([None, None, 2]),
    max_latency_ms=st.sampled_from([None, None, 3]),
    text=st.sampled_from(["", "", "", "was_SLOW", "100%", "100_", "used"]),
    sample=st.sampled_from([None, None, True, False]),
    unpriced_only=st.sampled_from([False, False, True]),
)


def wanted(row: Row, scope: Scope, f: CallFilters) -> bool:
    """The filters once more, one by one in Python."""

    def within(value: int | None, least: int | None, most: int | None) -> bool:
        return (least is None or (value is not None and value >= least)) and (most is None or (value is not None and value <= most))

    moved_nothing = row["ttft_ms"] is None and (row["input_tokens"] or 0) + (row["output_tokens"] or 0) == 0
    unpriced = row["cost_nano_usd"] is None and row["status"] != "open" and not (row["status"] == "error" and moved_nothing)
    return (
        RANGE.start <= row["started_at"] < RANGE.end
        and scope.user_id in (None, row["user_id"])
        and (not f.models or row["model_key"] in f.models)
        and (not f.providers or row["provider"] in f.providers)
        and (not f.users or (row["user_id"] or "") in f.users)
        and (not f.sources or row["source"] in f.sources)
        and (not f.keys or (row["key_scope"] or "") in f.keys)
        and (not f.statuses or row["status"] in f.statuses)
        and (not f.error_classes or row["error_class"] in f.error_classes)
        and within(row["cost_nano_usd"], f.min_cost_nano, f.max_cost_nano)
        and within(row["latency_ms"], f.min_latency_ms, f.max_latency_ms)
        and f.text.lower() in (row["error_message"] or "").lower()
        and f.sample in (None, row["is_sample"])
        and (unpriced or not f.unpriced_only)
    )


def pages(engine: Engine, scope: Scope, filters: CallFilters, limit: int) -> list[tuple[Call, ...]]:
    """Every page from the newest to the oldest."""
    page = calls_page(engine, scope, RANGE, filters, limit=limit)
    assert page.newer is None
    found = [page.calls]
    while page.older:
        page = calls_page(engine, scope, RANGE, filters, limit=limit, before=page.older)
        found.append(page.calls)
    return found


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(calls(), max_size=14), call_filters, st.sampled_from([EVERYBODY, EVERYBODY, Scope(ADA)]), st.integers(1, 5))
def test_pages_hold_every_wanted_call_once_both_ways(
    database: Engine, rows: list[Row], filters: CallFilters, scope: Scope, limit: int
) -> None:
    ids = insert(emptied(database), rows)
    order = sorted(
        ((row["started_at"], number) for number, row in zip(ids, rows, strict=True) if wanted(row, scope, filters)), reverse=True
    )
    found = pages(database, scope, filters, limit)
    assert [call.id for page in found for call in page] == [number for _, number in order]
    assert all(len(page) == limit for page in found[:-1])
    assert count_calls(database, scope, RANGE, filters) == len(order)
    assert count_calls(database, scope, RANGE, filters, cap=3) == (len(order) if len(order) <= 3 else None)

    back = calls_page(database, scope, RANGE, filters, limit=limit, before=None)
    for page in found[1:]:
        back = calls_page(database, scope, RANGE, filters, limit=limit, before=back.older)
        assert back.calls == page
    for page in reversed(found[:-1]):
        back = calls_page(database, scope, RANGE, filters, limit=limit, after=back.newer)
        assert [call.id for call in back.calls] == [call.id for call in page]
        assert back.older


@pytest.mark.parametrize("token", ["1", "x.1", "1.x", "-1.2", "1." + "9" * 60, "²." + "1", "1.2.3"])
def test_a_page_nobody_was_shown_is_refused(engine: Engine, token: str) -> None:
    with pytest.raises(InvalidValue):
        calls_page(engine, EVERYBODY, RANGE, before=token)


def test_a_rare_model_is_found_across_the_whole_range(engine: Engine) -> None:
    rows = [logged(started_at=NOW - timedelta(minutes=n)) for n in range(300)]
    rare = [logged(started_at=NOW - timedelta(hours=n), model_key="rare", model_id=9) for n in (1, 30, 100)]
    insert(engine, rows + rare)
    page = calls_page(engine, EVERYBODY, RANGE, CallFilters(models=("rare",)), limit=2)
    assert [call.started_at for call in page.calls] == [rare[0]["started_at"], rare[1]["started_at"]]
    assert len(calls_page(engine, EVERYBODY, RANGE, CallFilters(models=("rare",)), limit=2, before=page.older).calls) == 1


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (ALL_CALLS, "ix_llm_usage_log_started_at"),
        (CallFilters(users=(ADA,)), "ix_llm_usage_log_user"),
        (CallFilters(statuses=("error",)), "ix_llm_usage_log_failed"),
        (CallFilters(text="slow"), "ix_llm_usage_log_failed"),
        (CallFilters(unpriced_only=True), "ix_llm_usage_log_without_cost"),
        (CallFilters(models=("sonnet",)), "ix_llm_usage_log_open"),
        (CallFilters(keys=("system",)), "ix_llm_usage_log_open"),
    ],
)
def test_a_page_is_sought_in_order(sqlite_engine: Engine, filters: CallFilters, index: str) -> None:
    """Sorting millions of calls to show fifty would take seconds."""
    plans: list[str] = []
    with writing(sqlite_engine).begin() as connection:
        connection.execute(sa.insert(llm_usage_log), [logged(started_at=NOW - timedelta(minutes=n), user_id=ADA) for n in range(3)])

    @sa.event.listens_for(sqlite_engine, "before_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "FROM llm_usage_log" in statement:
            plans.append(" / ".join(row[-1] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)))

    _range: Range = RANGE
    assert calls_page(sqlite_engine, EVERYBODY, _range, filters).newer is None
    assert index in plans[0]
    assert not any("TEMP B-TREE" in plan for plan in plans[:1] if index != "ix_llm_usage_log_open")
    assert not any("SCAN llm_usage_log" in plan and "USING" not in plan for plan in plans)
