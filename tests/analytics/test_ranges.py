"""Ranges begin and end where the reader's own clock says, and impossible ones are refused with a sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.analytics import EVERYBODY, Scope, custom, preset
from lib.errors import InvalidValue

NOW = datetime(2026, 3, 5, 20, 10, tzinfo=UTC)


def test_seven_days_in_calcutta_begin_at_its_midnight() -> None:
    range_ = preset("7d", NOW, ZoneInfo("Asia/Kolkata"))  # 01:40 on the 6th there
    assert (range_.start, range_.end) == (datetime(2026, 2, 27, 18, 30, tzinfo=UTC), datetime(2026, 3, 6, 18, 30, tzinfo=UTC))
    assert range_.until == datetime(2026, 3, 5, 20, 30, tzinfo=UTC)


def test_the_last_24_hours_end_with_the_running_local_hour() -> None:
    range_ = preset("24h", NOW, ZoneInfo("Asia/Kolkata"))
    assert (range_.start, range_.end) == (datetime(2026, 3, 4, 20, 30, tzinfo=UTC), datetime(2026, 3, 5, 20, 30, tzinfo=UTC))
    buckets = range_.buckets()
    assert len(buckets) == 24
    assert {b.start.minute for b in buckets} == {0}
    assert [b.partial for b in buckets] == [False] * 23 + [True]


def test_where_midnight_is_a_quarter_past_the_day_begins_on_the_slot_before() -> None:
    range_ = preset("7d", NOW, ZoneInfo("Asia/Kathmandu"))
    assert [b.start.strftime("%H:%M") for b in range_.buckets()] == ["23:45"] * 7
    hours = preset("24h", NOW, ZoneInfo("Asia/Kathmandu")).buckets()
    assert {b.start.strftime("%M") for b in hours} == {"45"}
    assert hours[-1].partial


def test_days_are_as_long_as_the_clocks_say() -> None:
    lengths = [
        (b.end.astimezone(UTC) - b.start.astimezone(UTC)) / timedelta(hours=1)
        for b in custom(date(2025, 10, 24), date(2025, 10, 27), NOW, ZoneInfo("Europe/Berlin")).buckets()
    ]
    assert lengths == [24, 24, 25, 24]


def test_up_to_three_days_are_drawn_by_the_hour() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert len(custom(date(2025, 10, 26), date(2025, 10, 26), NOW, berlin).buckets()) == 25
    assert custom(date(2025, 10, 24), date(2025, 10, 26), NOW, berlin).step == "hour"
    assert custom(date(2025, 10, 23), date(2025, 10, 26), NOW, berlin).step == "day"


def test_a_range_that_lies_ahead_compares_with_nothing() -> None:
    range_ = custom(date(2026, 4, 1), date(2026, 4, 10), NOW, ZoneInfo("UTC"))
    before = range_.previous()
    assert before.start == before.end


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (date(2026, 3, 5), date(2026, 3, 4), "last"),
        (date(2010, 1, 1), date(2026, 3, 4), "first"),
        (date(1, 1, 1), date(1, 1, 2), "first"),
        (date(9999, 12, 30), date.max, "first"),
    ],
)
def test_an_impossible_range_is_refused(first: date, last: date, field: str) -> None:
    with pytest.raises(InvalidValue, match="choose") as refusal:
        custom(first, last, NOW, ZoneInfo("UTC"))
    assert refusal.value.field == field


def test_members_see_their_own_calls_and_analysts_everybodys() -> None:
    assert Scope.of(LOCAL_ADMIN) == EVERYBODY
    assert Scope.of(Principal("u", "Ada", Role.ANALYST)) == EVERYBODY
    assert Scope.of(Principal("u", "Ada", Role.MEMBER)) == Scope("u")
