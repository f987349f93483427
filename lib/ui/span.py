"""A custom range as the address writes it: whole local days, or moments of the half-hour slots that every figure is kept by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from lib.analytics import Bucket, Range, custom
from lib.errors import InvalidValue

_SLOT = timedelta(minutes=30)
_MOST = timedelta(days=7)
_MOMENT = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True)
class Span:
    """Local days from ``first`` to ``last``, both included; or moments in UTC, the last one excluded."""

    first: date
    last: date

    @classmethod
    def read(cls, first: str, last: str) -> Self:
        """Return what two words of an address say; raises ValueError when they are neither two days nor two moments."""
        if "T" in first and "T" in last:
            start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
            if start.tzinfo is None or end.tzinfo is None:
                raise ValueError("a moment without a timezone")
            return cls(_floor(start), _floor(end + _SLOT - timedelta(microseconds=1)))
        return cls(date.fromisoformat(first), date.fromisoformat(last))

    @classmethod
    def of(cls, buckets: Sequence[Bucket]) -> Self:
        """Return exactly what neighbouring steps of a chart cover, in the timezone they are in."""
        start, end = buckets[0].start, buckets[-1].end
        if _elapsed(buckets[0]) <= timedelta(hours=2):
            return cls(start.astimezone(UTC), end.astimezone(UTC))
        # Where a timezone lies a quarter of an hour off the slots, a day begins on the slot before its midnight.
        return cls(
            (start.astimezone(UTC) + _SLOT / 2).astimezone(start.tzinfo).date(),
            (end.astimezone(UTC) - _SLOT).astimezone(end.tzinfo).date(),
        )

    @property
    def written(self) -> tuple[str, str]:
        """The two words for the address; read anywhere, moments are the same ones."""
        if isinstance(self.first, datetime) and isinstance(self.last, datetime):
            return self.first.strftime(_MOMENT), self.last.strftime(_MOMENT)
        return self.first.isoformat(), self.last.isoformat()

    def range(self, now: datetime, tz: ZoneInfo) -> Range:
        """Return the range to ask for; raises InvalidValue when it cannot be shown."""
        if isinstance(self.first, datetime) and isinstance(self.last, datetime):
            if not timedelta() < self.last - self.first <= _MOST or not 1970 <= self.first.year <= 9000:
                raise InvalidValue("A range of hours begins after 1970, ends after it begins and is at most a week long.", field="last")
            return Range(self.first, self.last, tz, "hour", now)
        return custom(self.first, self.last, now, tz)

    def days(self, tz: ZoneInfo) -> tuple[date, date]:
        """Return the local days it touches, the first and the last."""
        if isinstance(self.first, datetime) and isinstance(self.last, datetime):
            return self.first.astimezone(tz).date(), (self.last - _SLOT).astimezone(tz).date()
        return self.first, self.last

    def words(self, tz: ZoneInfo) -> str:
        """Write it as people do, the year left out."""
        first, last = self.days(tz)
        if isinstance(self.first, datetime) and isinstance(self.last, datetime):
            start, end = self.first.astimezone(tz), self.last.astimezone(tz)
            return f"{start:%d %b %H:%M} – {end:%H:%M}" if first == last else f"{start:%d %b %H:%M} – {end:%d %b %H:%M}"
        return f"{first:%d %b}" if first == last else f"{first:%d %b} – {last:%d %b}"


def label(bucket: Bucket) -> str:
    """Write one step of a chart: a day, or the clock time an hour begins at."""
    if _elapsed(bucket) <= timedelta(hours=2):
        return f"{bucket.start:%a %d %b, %H:%M}"
    return f"{(bucket.start.astimezone(UTC) + _SLOT / 2).astimezone(bucket.start.tzinfo):%a %d %b}"


def _elapsed(bucket: Bucket) -> timedelta:
    return bucket.end.astimezone(UTC) - bucket.start.astimezone(UTC)  # in UTC: clock faces lie across a clock change


def _floor(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)
