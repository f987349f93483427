"""Custom ranges: what a brush covers is written to the address and read back as exactly the same moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.analytics import custom, preset
from lib.errors import InvalidValue
from lib.ui.span import Span, label

ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Chatham"]
CHANGES = [datetime(2026, 3, 8, 12, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC), datetime(2026, 4, 5, 2, tzinfo=UTC)]
"""Around them clocks change in New York and St John's, and on Lord Howe by half an hour."""


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["24h", "7d", "90d"]),
    st.one_of(st.sampled_from(CHANGES), st.integers(1_577_836_800, 1_798_761_600).map(lambda second: datetime.fromtimestamp(second, UTC))),
    st.data(),
)
def test_a_brushed_range_covers_exactly_its_bars(zone: str, name: str, now: datetime, data: st.DataObject) -> None:
    tz = ZoneInfo(zone)
    buckets = preset(name, now, tz).buckets()  # type: ignore[arg-type]
    first = data.draw(st.integers(0, len(buckets) - 1))
    last = data.draw(st.integers(first, len(buckets) - 1))
    span = Span.of(buckets[first : last + 1])
    read = Span.read(*span.written)
    shown = read.range(now, tz)
    assert read == span
    assert shown.start.astimezone(UTC) == buckets[first].start.astimezone(UTC)
    assert shown.end.astimezone(UTC) == buckets[last].end.astimezone(UTC)
    if name == "24h":
        assert [b.start.astimezone(UTC) for b in shown.buckets()] == [b.start.astimezone(UTC) for b in buckets[first : last + 1]]
    assert "\n" not in span.words(tz)
    assert label(buckets[first])


def test_hours_in_the_address_are_the_same_moments_for_every_reader() -> None:
    span = Span.read("2026-11-18T08:30Z", "2026-11-18T10:30Z")
    assert span == Span.read("2026-11-18T14:00+05:30", "2026-11-18T16:00+05:30")
    assert span.words(ZoneInfo("Asia/Kolkata")) == "18 Nov 14:00 – 16:00"
    assert span.words(ZoneInfo("Pacific/Auckland")) == "18 Nov 21:30 – 23:30"
    assert Span.read("2026-11-17T22:00Z", "2026-11-18T02:00Z").words(ZoneInfo("UTC")) == "17 Nov 22:00 – 18 Nov 02:00"


def test_moments_between_the_slots_are_widened_to_them() -> None:
    assert Span.read("2026-11-18T08:44Z", "2026-11-18T09:01Z").written == ("2026-11-18T08:30Z", "2026-11-18T09:30Z")


@pytest.mark.parametrize(
    "words",
    [("x", "y"), ("2026-11-18", "2026-11-19T10:00Z"), ("2026-11-18T10:00", "2026-11-18T11:00"), ("2026-13-01", "2026-13-02"), ("", "")],
)
def test_what_is_no_range_is_refused(words: tuple[str, str]) -> None:
    with pytest.raises(ValueError):
        Span.read(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("2026-11-18T10:00Z", "2026-11-18T10:00Z"),
        ("2026-11-18T10:00Z", "2026-11-18T09:00Z"),
        ("2026-11-01T10:00Z", "2026-11-18T09:00Z"),
        ("2026-11-19", "2026-11-18"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(words: tuple[str, str]) -> None:
    with pytest.raises(InvalidValue):
        Span.read(*words).range(datetime(2026, 11, 20, tzinfo=UTC), ZoneInfo("UTC"))


def test_days_brushed_are_the_days_of_the_calendar() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    buckets = preset("7d", now, ZoneInfo("Asia/Kathmandu")).buckets()
    span = Span.of(buckets[1:3])
    assert span == Span(date(2026, 11, 15), date(2026, 11, 16))
    assert span.range(now, ZoneInfo("Asia/Kathmandu")) == custom(date(2026, 11, 15), date(2026, 11, 16), now, ZoneInfo("Asia/Kathmandu"))
    assert label(buckets[1]) == "Sun 15 Nov"
    assert buckets[1].end - buckets[1].start == timedelta(days=1)
