"""Every figure equals a slow count over the log itself, in any timezone and on days when clocks change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from lib.analytics import (
    EVERYBODY,
    Filters,
    PresetName,
    Range,
    Scope,
    Totals,
    custom,
    errors_by,
    errors_series,
    latency_by,
    latency_percentiles,
    latency_series,
    movers,
    preset,
    usage_by,
    usage_series,
    usage_totals,
)
from lib.store.grains import LATENCY_EDGES, MEASURES
from tests.analytics.rows import Row, emptied, insert, logged, recomputed

ADA, BOB = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
PLACES: tuple[tuple[str, datetime], ...] = (
    ("UTC", datetime(2026, 3, 1, tzinfo=UTC)),  # the end of a short month
    ("Asia/Kolkata", datetime(2025, 12, 31, 18, 30, tzinfo=UTC)),  # half an hour off, the turn of a year
    ("America/St_Johns", datetime(2026, 3, 8, 5, 30, tzinfo=UTC)),  # half an hour off, a day of 23 hours
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # clocks go back by half an hour
    ("Australia/Lord_Howe", datetime(2025, 10, 4, 15, 30, tzinfo=UTC)),  # and forward by half an hour
    ("Europe/Berlin", datetime(2025, 10, 26, 1, tzinfo=UTC)),  # a day of 25 hours
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),  # a day of 23 hours
    ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),  # a day without a midnight
    ("America/Havana", datetime(2025, 11, 2, 5, tzinfo=UTC)),  # a day with two
)
tokens = st.none() | st.integers(0, 10**9)
durations = st.none() | st.sampled_from([0, 1, 19, 20, 21, 23, 24, 599_999, 600_000, 900_000]) | st.integers(0, 30_000)


@st.composite
def histories(draw: st.DrawFn) -> tuple[ZoneInfo, datetime, list[Row]]:
    """A timezone, a moment near one of its clock changes, and calls around that moment."""
    name, change = draw(st.sampled_from(PLACES))
    now = change + timedelta(minutes=draw(st.integers(-26 * 60, 26 * 60) | st.integers(0, 6 * 24 * 60)), seconds=draw(st.integers(0, 59)))
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        far = draw(st.sampled_from([180, 26 * 60, 16 * 24 * 60]))
        midnight = datetime.combine(now.astimezone(ZoneInfo(name)).date(), time(), ZoneInfo(name)) - timedelta(
            days=draw(st.integers(-1, 2) | st.integers(3, 15))
        )
        near = draw(st.sampled_from([now, midnight.astimezone(UTC) + timedelta(minutes=60)]))
        model = draw(st.sampled_from([("sonnet", "anthropic"), ("gpt", "openai"), ("gpt-azure", "azure")]))
        rows.append(
            logged(
                started_at=near
                - timedelta(minutes=draw(st.integers(-60, far if near == now else 120)), milliseconds=draw(st.integers(0, 59_999))),
                model_id=draw(st.none() | st.integers(1, 2)),
                model_key=model[0],
                provider=model[1],
                source=draw(st.sampled_from(["playground", "api"])),
                status=draw(st.sampled_from(["ok", "ok", "ok", "error", "cancelled", "interrupted", "open"])),
                attempt=draw(st.integers(1, 2)),
                is_final=draw(st.booleans()),
                is_sample=draw(st.booleans()),
                user_id=draw(st.sampled_from([None, ADA, BOB])),
                key_scope=draw(st.sampled_from([None, "own", "user", "system"])),
                input_tokens=draw(tokens),
                output_tokens=draw(tokens),
                cache_read_tokens=draw(tokens),
                cache_write_tokens=draw(tokens),
                cache_write_1h_tokens=draw(tokens),
                reasoning_tokens=draw(tokens),
                cost_nano_usd=draw(st.none() | st.integers(0, 10**12)),
                cache_saving_nano_usd=draw(st.none() | st.integers(-(10**12), 10**12)),
                error_class=draw(st.sampled_from([None, "timeout", "quota", "network"])),
                latency_ms=draw(durations),
                ttft_ms=draw(durations),
            )
        )
    return ZoneInfo(name), now, rows


filters = st.builds(
    Filters,
    models=st.sampled_from([(), ("sonnet",), ("gpt", "gpt-azure")]),
    providers=st.sampled_from([(), ("openai", "anthropic")]),
    sources=st.sampled_from([(), ("api",)]),
    keys=st.sampled_from([(), (), ("own", "user"), ("",)]),
    statuses=st.sampled_from([(), (), ("ok",), ("error", "cancelled"), ("ok", "error"), ("ok", "error", "cancelled", "interrupted")]),
    sample=st.sampled_from([None, None, True, False]),
    users=st.sampled_from([(), (), (), (ADA,), ("", BOB)]),
    error_classes=st.sampled_from([(), (), (), ("timeout", "quota")]),
)
scopes = st.sampled_from([EVERYBODY, EVERYBODY, Scope(ADA)])
slow = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


COLUMNS = {"model": "model_key", "provider": "provider", "source": "source", "user": "user_id", "key": "key_scope"}


def named(row: Row, column: str) -> str:
    return row[column] or ""


def kept(rows: list[Row], scope: Scope, wanted: Filters) -> list[Row]:
    return [
        r
        for r in rows
        if r["status"] != "open"
        and scope.user_id in (None, r["user_id"])
        and (not wanted.models or r["model_key"] in wanted.models)
        and (not wanted.providers or r["provider"] in wanted.providers)
        and (not wanted.sources or r["source"] in wanted.sources)
        and (not wanted.keys or (r["key_scope"] or "") in wanted.keys)
        and (not wanted.statuses or r["status"] in wanted.statuses)
        and wanted.sample in (None, r["is_sample"])
        and (not wanted.users or (r["user_id"] or "") in wanted.users)
        and (not wanted.error_classes or r["error_class"] in wanted.error_classes)
    ]


def local_day(row: Row, tz: ZoneInfo) -> date:
    day: date = row["started_at"].astimezone(tz).date()
    return day


def local_hour(moment: datetime, tz: ZoneInfo) -> tuple[Any, ...]:
    local = moment.astimezone(tz)
    return local.date(), local.hour, local.utcoffset()


def in_days(rows: list[Row], tz: ZoneInfo, last: date, days: int) -> list[Row]:
    return [r for r in rows if last - timedelta(days=days) < local_day(r, tz) <= last]


def nearest_rank(durations: list[int], part: float) -> int:
    ordered = sorted(durations)
    return next(value for place, value in enumerate(ordered, start=1) if place >= part * len(ordered))


def assert_close(found: Any, durations: list[int]) -> None:
    """A percentile from buckets lies in the very bucket the exact one lies in."""
    if not durations:
        assert found is None
        return
    assert found.calls == len(durations)
    for part, value in ((0.5, found.p50), (0.9, found.p90), (0.95, found.p95), (0.99, found.p99)):
        exact = nearest_rank(durations, part)
        lower = max(edge for edge in LATENCY_EDGES if edge <= exact)
        upper = min((edge for edge in LATENCY_EDGES if edge > exact), default=lower + 1)
        assert lower <= value < upper


def good(rows: list[Row], column: str = "latency_ms") -> list[int]:
    return [r[column] for r in rows if r["status"] == "ok" and r[column] is not None]


def test_the_figures_cover_every_measure_the_rollups_keep() -> None:
    assert [name for name, _ in MEASURES] == list(Totals.__slots__)


@slow
@given(history=histories(), wanted=filters, scope=scopes, days=st.sampled_from([7, 30]))
def test_days(database: Engine, history: tuple[ZoneInfo, datetime, list[Row]], wanted: Filters, scope: Scope, days: int) -> None:
    tz, now, rows = history
    insert(emptied(database), rows)
    range_ = preset("7d" if days == 7 else "30d", now, tz)
    today = now.astimezone(tz).date()
    expected = in_days(kept(rows, scope, wanted), tz, today, days)

    assert usage_totals(database, scope, range_, wanted).current == recomputed(expected)
    check_breakdowns(database, scope, range_, wanted, expected)
    check_errors(database, scope, range_, wanted, expected)
    check_series(database, scope, range_, wanted, expected, lambda moment: moment.astimezone(tz).date())
    assert [b.start.date() for b in range_.buckets()] == [today - timedelta(days=n) for n in reversed(range(days))]
    assert [b.partial for b in range_.buckets()] == [False] * (days - 1) + [True]


@slow
@given(history=histories(), wanted=filters, scope=scopes)
def test_hours(database: Engine, history: tuple[ZoneInfo, datetime, list[Row]], wanted: Filters, scope: Scope) -> None:
    tz, now, rows = history
    insert(emptied(database), rows)
    range_ = preset("24h", now, tz)
    expected = [r for r in kept(rows, scope, wanted) if range_.start <= r["started_at"] < range_.end]

    assert range_.end - range_.start >= timedelta(hours=23, minutes=30)
    assert range_.start <= now < range_.end <= now + timedelta(hours=1)
    assert usage_totals(database, scope, range_, wanted).current == recomputed(expected)
    check_breakdowns(database, scope, range_, wanted, expected)
    check_errors(database, scope, range_, wanted, expected)
    check_series(database, scope, range_, wanted, expected, lambda moment: local_hour(moment, tz))


@slow
@given(history=histories(), wanted=filters, scope=scopes)
def test_the_period_before_is_as_long_and_cut_at_the_same_hour(
    database: Engine, history: tuple[ZoneInfo, datetime, list[Row]], wanted: Filters, scope: Scope
) -> None:
    tz, now, rows = history
    insert(emptied(database), rows)
    last = now.astimezone(tz).date() - timedelta(days=1)
    range_ = custom(last - timedelta(days=6), last, now, tz)
    expected = in_days(kept(rows, scope, wanted), tz, last - timedelta(days=7), 7)
    assert usage_totals(database, scope, range_, wanted).previous == recomputed(expected)
    check_movers(database, scope, range_, wanted, in_days(kept(rows, scope, wanted), tz, last, 7), expected)

    running = preset("7d", now, tz)
    before = running.previous()
    assert before.start.astimezone(tz).date() == running.start.astimezone(tz).date() - timedelta(days=7)
    assert abs((before.end - before.start) - (running.until - running.start)) <= timedelta(hours=1), "a clock change at most"
    assert before.end <= running.start


def test_what_nobody_and_one_person_asked_and_came_through_is_all_counted(engine: Engine) -> None:
    """Part of the answer comes from rollups and part from the log, which name nobody differently."""
    cases = [(None, "ok"), (BOB, "ok"), (ADA, "ok"), (None, "error"), (BOB, "interrupted")]
    rows = [logged(user_id=user, status=status) for user, status in cases]
    insert(engine, rows)
    now = rows[0]["started_at"] + timedelta(hours=1)
    wanted = Filters(users=("", BOB), statuses=("ok",))
    assert usage_totals(engine, EVERYBODY, preset("7d", now, ZoneInfo("UTC")), wanted).current == recomputed(rows[:2])


def check_breakdowns(engine: Engine, scope: Scope, range_: Range, wanted: Filters, expected: list[Row]) -> None:
    for by, column in COLUMNS.items():
        keys = {named(r, column) for r in expected}
        shares = usage_by(engine, by, scope, range_, wanted)  # type: ignore[arg-type]  # the literals above
        assert {s.key: s.totals for s in shares} == {k: recomputed([r for r in expected if named(r, column) == k]) for k in keys}
        assert [s.totals.cost_nano_usd for s in shares] == sorted((s.totals.cost_nano_usd for s in shares), reverse=True)
        found = latency_by(engine, by, scope, range_, wanted)  # type: ignore[arg-type]
        for key in keys:
            assert_close(found.get(key), good([r for r in expected if named(r, column) == key]))
    assert_close(latency_percentiles(engine, scope, range_, wanted), good(expected))
    assert_close(latency_percentiles(engine, scope, range_, wanted, metric="ttft"), good(expected, "ttft_ms"))


def check_errors(engine: Engine, scope: Scope, range_: Range, wanted: Filters, expected: list[Row]) -> None:
    for by, column in (("model", "model_key"), ("provider", "provider"), ("class", "error_class")):
        shares = errors_by(engine, by, scope, range_, wanted)  # type: ignore[arg-type]  # the literals above
        counted = Counter((r["error_class"], r[column]) for r in expected if r["error_class"])
        assert {(s.error_class, s.key): s.attempts for s in shares} == counted
        assert [s.attempts for s in shares] == sorted(counted.values(), reverse=True)


def check_movers(engine: Engine, scope: Scope, range_: Range, wanted: Filters, now: list[Row], before: list[Row]) -> None:
    for by, column in COLUMNS.items():
        costs: dict[str, list[int]] = {}
        for which, rows in enumerate((before, now)):
            for row in rows:
                costs.setdefault(named(row, column), [0, 0])[which] += row["cost_nano_usd"] or 0
        changed = {key: tuple(pair) for key, pair in costs.items() if pair[0] != pair[1]}
        found = movers(engine, by, scope, range_, wanted, limit=9)  # type: ignore[arg-type]
        assert {m.key: (m.before_nano, m.after_nano) for m in found} == changed
        sizes = [abs(m.after_nano - m.before_nano) for m in found]
        assert sizes == sorted(sizes, reverse=True)
        assert movers(engine, by, scope, range_, wanted, limit=1) == found[:1]  # type: ignore[arg-type]


def check_series(
    engine: Engine, scope: Scope, range_: Range, wanted: Filters, expected: list[Row], step_of: Callable[[datetime], Any]
) -> None:
    buckets = range_.buckets()
    # Compared in UTC: Python holds a time that occurs twice, as an autumn midnight can, equal to no other.
    assert (buckets[0].start.astimezone(UTC), buckets[-1].end.astimezone(UTC)) == (range_.start, range_.end)
    assert all(a.end.astimezone(UTC) == b.start.astimezone(UTC) for a, b in pairwise(buckets))
    in_bucket = [[r for r in expected if step_of(r["started_at"]) == step_of(b.start)] for b in buckets]
    (total,) = usage_series(engine, scope, range_, wanted).lines
    assert total.values == tuple(recomputed(rows) for rows in in_bucket)
    for by, column in COLUMNS.items():
        series = usage_series(engine, scope, range_, wanted, by=by)  # type: ignore[arg-type]
        assert {line.key for line in series.lines} == {named(r, column) for r in expected}
        for line in series.lines:
            assert line.values == tuple(recomputed([r for r in rows if named(r, column) == line.key]) for rows in in_bucket)
    for line in usage_series(engine, scope, range_, wanted, by="status").lines:
        assert [v.attempts for v in line.values] == [len([r for r in rows if r["status"] == line.key]) for rows in in_bucket]
    errors = errors_series(engine, scope, range_, wanted)
    assert {line.error_class for line in errors.lines} == {r["error_class"] for r in expected if r["error_class"]}
    for failed in errors.lines:
        assert failed.values == tuple(len([r for r in rows if r["error_class"] == failed.error_class]) for rows in in_bucket)
    for found, rows in zip(latency_series(engine, scope, range_, wanted), in_bucket, strict=True):
        assert_close(found, good(rows))


@pytest.mark.parametrize("name", ["24h", "7d", "30d", "90d"])
def test_an_empty_log_is_zeros_and_gaps(engine: Engine, name: PresetName) -> None:
    range_ = preset(name, datetime(2026, 3, 5, 12, 10, tzinfo=UTC), ZoneInfo("Asia/Kolkata"))
    (line,) = usage_series(engine, EVERYBODY, range_).lines
    assert set(line.values) == {Totals()}
    assert line.values[0].mean_latency_ms is None
    assert set(latency_series(engine, EVERYBODY, range_)) == {None}
    assert usage_by(engine, "model", EVERYBODY, range_) == []
    assert usage_series(engine, EVERYBODY, range_, by="model").lines == ()
    assert latency_percentiles(engine, EVERYBODY, range_) is None


def test_a_single_call_is_its_own_percentile(engine: Engine) -> None:
    now = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
    insert(engine, [logged(started_at=now, latency_ms=7)])
    found = latency_percentiles(engine, EVERYBODY, preset("24h", now, ZoneInfo("UTC")))
    assert found is not None
    assert (found.calls, found.p50, found.p90, found.p95, found.p99) == (1, 7, 7, 7, 7)


def test_every_measure_of_the_rollups_is_a_figure_in_the_same_order() -> None:
    """Sums are read by place: a measure out of order would show tokens as dollars."""
    assert tuple(field.name for field in fields(Totals)) == tuple(name for name, _ in MEASURES)


def test_every_wide_row_of_a_rollup_is_used(engine: Engine) -> None:
    """A range of months at half-hour edges, counted from days, blocks and half-hours, is the same as counted from the log."""
    now = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
    rows = [
        logged(
            started_at=now - timedelta(minutes=53 * n),
            model_key=f"m{n % 3}",
            model_id=n % 3,
            source=("api", "cli")[n % 2],
            user_id=(ADA, BOB, None)[n % 3],
            cost_nano_usd=n,
            latency_ms=n,
            error_class=None if n % 7 else "timeout",
        )
        for n in range(2_600)
    ]
    insert(engine, rows)
    names: tuple[PresetName, ...] = ("7d", "90d")
    for name in names:
        range_ = preset(name, now, ZoneInfo("Asia/Kolkata"))
        expected = [r for r in rows if range_.start <= r["started_at"] < range_.end]
        for wanted in (
            Filters(),
            Filters(models=("m1",)),
            Filters(sources=("api",)),
            Filters(users=(ADA,)),
            Filters(users=(ADA,), models=("m0",)),
        ):
            check_breakdowns(engine, EVERYBODY, range_, wanted, kept(expected, EVERYBODY, wanted))
            check_errors(engine, EVERYBODY, range_, wanted, kept(expected, EVERYBODY, wanted))
        check_series(engine, EVERYBODY, range_, Filters(), expected, lambda moment: moment.astimezone(ZoneInfo("Asia/Kolkata")).date())
