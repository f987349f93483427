"""When sample calls happen: hours of a growing range, busy by day and week, and the moments the story turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
"""Where the made-up team works; its days, weekends and nights are those of this timezone."""

GROWTH = 1.3
"""How much more is called at the end of a range than at its beginning, as a part."""

_SETTLED = timedelta(minutes=2)
"""The newest call began at least so long ago: it is over by now."""
_HOUR = timedelta(hours=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Span:
    """The range that is filled, [start, end), and what happens in it.

    From ``withdrawn`` on one model's provider ever more often refuses it, until at ``blacklisted`` nobody asks for it
    any more. During ``incident`` one provider fails; a range without an earlier working day has none.
    """

    start: datetime
    end: datetime
    withdrawn: datetime
    blacklisted: datetime
    incident: tuple[datetime, datetime] | None

    def progress(self, at: datetime) -> float:
        """Return how much of the range has passed, from 0 to 1."""
        return (at - self.start) / (self.end - self.start)

    def hours(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the clock hours of the range, its first and last cut to it."""
        low = self.start
        while low < self.end:
            high = min(low.replace(minute=0, second=0, microsecond=0) + _HOUR, self.end)
            yield low, high
            low = high


def span(days: int, now: datetime) -> Span:
    """Return the range of so many days up to now."""
    start = now.astimezone(UTC) - timedelta(days=days)
    end = now.astimezone(UTC) - _SETTLED
    whole = end - start
    return Span(start, end, start + whole * 0.45, start + whole * 0.6, _incident(start, end))


def is_weekend(local: datetime) -> bool:
    """Whether a local moment falls on Saturday or Sunday."""
    return local.weekday() >= _SATURDAY


def _incident(start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    """Return six hours of a working day, an eighth of the range ago or as close before it as there is one."""
    day = (end - (end - start) / 8).astimezone(ZONE).date()
    while datetime.combine(day, time(), ZONE) > start:
        from_nine = datetime.combine(day, time(9), ZONE)
        if not is_weekend(from_nine) and from_nine > start and from_nine + 6 * _HOUR < end:
            return from_nine.astimezone(UTC), (from_nine + 6 * _HOUR).astimezone(UTC)
        day -= timedelta(days=1)
    return None
