"""Which rollups answer a question exactly: the narrowest that know its dimensions, the widest rows that fit its edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lib.store.grains import GRAINS, SLOT_MS, Dimension, Grain, Subject
from lib.store.types import epoch_ms


@dataclass(frozen=True, slots=True)
class Span:
    """The slots [low, high), all of which count for one bucket of the answer."""

    bucket: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Part:
    """The spans one rollup answers; ``grain`` None means the log itself."""

    grain: Grain | None
    spans: tuple[Span, ...]


def span(bucket: int, start: datetime, end: datetime) -> Span:
    """Return the slots that begin within a span of time."""
    return Span(bucket, -(-epoch_ms(start) // SLOT_MS), -(-epoch_ms(end) // SLOT_MS))


def plan(subject: Subject, needed: Iterable[Dimension] | None, spans: Iterable[Span]) -> list[Part]:
    """Share the spans out among rollups, wide rows first; what no rollup can answer goes to the log.

    ``needed`` names the dimensions the question splits or filters by; None when only the log can tell.
    """
    grains = () if needed is None else family(subject, frozenset(needed))
    left = [s for s in spans if s.low < s.high]
    parts = []
    for grain in sorted(grains, key=lambda g: -g.slots):
        fitting, left = _fit(left, grain.slots)
        if fitting:
            parts.append(Part(grain, tuple(fitting)))
    return [*parts, Part(None, tuple(left))] if left else parts


def family(subject: Subject, needed: frozenset[Dimension]) -> tuple[Grain, ...]:
    """Return the rollups of one subject that know these dimensions, of each width the one with fewest rows; none when no rollup does."""
    found: dict[int, Grain] = {}
    for grain in GRAINS:
        if grain.subject == subject and needed <= frozenset(grain.dimensions):
            found.setdefault(grain.slots, grain)
    return tuple(found.values())


def _fit(spans: list[Span], width: int) -> tuple[list[Span], list[Span]]:
    """Cut each span into the whole rows of a width and what is left at its ends."""
    fitting, left = [], []
    for one in spans:
        low, high = -(-one.low // width) * width, one.high // width * width
        if low < high:
            fitting.append(Span(one.bucket, low, high))
            ends = (Span(one.bucket, one.low, low), Span(one.bucket, high, one.high))
            left += [end for end in ends if end.low < end.high]
        else:
            left.append(one)
    return fitting, left
