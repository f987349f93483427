"""Whose calls and from when: scopes, ranges in the reader's timezone, and the buckets a chart draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from lib.access import Principal, Role
from lib.errors import InvalidValue
from lib.store.grains import SLOT_MS

Step = Literal["hour", "day"]
PresetName = Literal["24h", "7d", "30d", "90d"]

SLOT = timedelta(milliseconds=SLOT_MS)
_HALF_SLOT = SLOT / 2
_HOURS_UP_TO = 3  # days of a custom range that are still drawn by the hour
_LONGEST_DAYS = 3_660

PRESETS: Mapping[PresetName, tuple[Step, int]] = {"24h": ("hour", 24), "7d": ("day", 7), "30d": ("day", 30), "90d": ("day", 90)}
"""Each preset's step and how many of them it covers, the running one included."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose calls are counted: one user's, or everybody's when ``user_id`` is None."""

    user_id: str | None = None

    @classmethod
    def of(cls, principal: Principal) -> Scope:
        """Return what a principal may see: analysts and admins everything, members their own calls."""
        return cls(None if principal.role.includes(Role.ANALYST) else principal.user_id)


EVERYBODY = Scope()


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a chart, in the reader's timezone; ``partial`` while it is still running.

    Take differences in UTC: Python subtracts times of one zone by their clock faces, even across a clock change.
    """

    start: datetime
    end: datetime
    partial: bool


@dataclass(frozen=True, slots=True)
class Range:
    """A span [start, end) in steps of the reader's local hours or days, seen at the moment ``now``.

    Edges lie on the half-hour slots of the rollups. Days last 23 to 25 hours where clocks change. In a timezone
    that is a quarter of an hour off those slots (Nepal, Chatham) each step begins on the slot before.
    """

    start: datetime
    end: datetime
    tz: ZoneInfo
    step: Step
    now: datetime

    @property
    def slot(self) -> datetime:
        """The beginning of the slot that is running now."""
        return _floor(self.now)

    @property
    def until(self) -> datetime:
        """The end of the slot that is running now, or the range's end when that has passed."""
        return max(self.start, min(self.end, self.slot + SLOT))

    def buckets(self) -> tuple[Bucket, ...]:
        """Return the steps, oldest first and without gaps."""
        edges = list(self._days() if self.step == "day" else self._hours())
        return tuple(
            Bucket(a.astimezone(self.tz), b.astimezone(self.tz), partial=a <= self.now < b)
            for a, b in zip(edges, [*edges[1:], self.end], strict=True)
        )

    def previous(self) -> Range:
        """Return the period before, as long as this one, and no further than this one has come by now."""
        if self.step == "hour":
            back = self.end - self.start
            return Range(self.start - back, self.until - back, self.tz, self.step, self.now)
        days = len(list(self._days()))
        start = _midnight(self._date(self.start) - timedelta(days=days), self.tz)
        if self.until == self.end:
            return Range(start, self.start, self.tz, self.step, self.now)
        wall = self.until.astimezone(self.tz).replace(tzinfo=None) - timedelta(days=days)
        end = _floor(wall.replace(tzinfo=self.tz).astimezone(UTC))
        return Range(start, max(start, min(end, self.start)), self.tz, self.step, self.now)

    def _date(self, edge: datetime) -> date:
        return (edge + _HALF_SLOT).astimezone(self.tz).date()

    def _days(self) -> Iterator[datetime]:
        day = self._date(self.start)
        edge = self.start
        while edge < self.end:
            yield edge
            day += timedelta(days=1)
            edge = _midnight(day, self.tz)

    def _hours(self) -> Iterator[datetime]:
        slot, before = self.start, None
        while slot < self.end:
            local = (slot + _HALF_SLOT).astimezone(self.tz)
            key = (local.date(), local.hour, local.utcoffset())
            if key != before:
                yield slot
            slot, before = slot + SLOT, key


def preset(name: PresetName, now: datetime, tz: ZoneInfo) -> Range:
    """Return a named range that ends with the running hour or day."""
    step, count = PRESETS[name]
    running = (_floor(now) + _HALF_SLOT).astimezone(tz)  # the middle of the running slot decides which step it is in
    if step == "day":
        return _days(running.date() - timedelta(days=count - 1), running.date(), now, tz, "day")
    hour = _floor(running.astimezone(UTC) - timedelta(minutes=running.minute))
    return Range(hour - timedelta(hours=count - 1), hour + timedelta(hours=1), tz, "hour", now)


def custom(first: date, last: date, now: datetime, tz: ZoneInfo) -> Range:
    """Return the local days from ``first`` to ``last``, both included; raise InvalidValue when they cannot be shown."""
    if last < first:
        raise InvalidValue("The range ends before it begins: choose a later last day.", field="last")
    days = (last - first).days + 1
    if days > _LONGEST_DAYS:
        raise InvalidValue("The range is longer than ten years: choose a later first day.", field="first")
    if first.year < 1970 or last.year > 9000:
        raise InvalidValue("The range lies outside what can be shown: choose days after 1970.", field="first")
    return _days(first, last, now, tz, "hour" if days <= _HOURS_UP_TO else "day")


def _days(first: date, last: date, now: datetime, tz: ZoneInfo, step: Step) -> Range:
    return Range(_midnight(first, tz), _midnight(last + timedelta(days=1), tz), tz, step, now)


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    return _floor(datetime.combine(day, time(), tz).astimezone(UTC))


def _floor(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)
