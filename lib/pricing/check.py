"""The price check: what models cost here beside what the catalogue says, a comparison of values and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from lib.pricing.price import RATE_NAMES, Price, PriceSource

if TYPE_CHECKING:
    from lib.pricing.catalogue import CataloguePrice

CheckState = Literal["missing", "differs", "own", "announced", "same", "unknown"]
"""missing: no price here, one in the catalogue; own: differs, but somebody decided so; announced: a dated change to come."""

OWN_SOURCES: frozenset[PriceSource] = frozenset({"manual", "sync"})
"""Where prices come from that the catalogue does not outrank: an admin, or the provider's own list."""


NO_PRICE = Price(source_detail="no price")
"""What stands in for the absence of a price once there was one: no rate is known, so calls are unpriced again."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model as the check sees it; ``dated`` are its stored prices yet to come, in order."""

    model_id: int
    key: str
    name: str
    reference: str | None
    price: Price | None
    dated: tuple[Price, ...] = ()

    def price_at(self, moment: datetime) -> Price | None:
        """Return the price in force at a moment to come, as things are stored now."""
        return _in_force(self.dated, moment) or self.price


@dataclass(frozen=True, slots=True)
class RateChange:
    """One rate in USD, per 1M tokens or, with ``each``, per piece: here and in the catalogue; None where it is not known."""

    label: str
    before: Decimal | None
    after: Decimal | None
    each: bool = False


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What the check says of one model.

    ``offered`` is the price that would be stored now, None when nothing would; ``announced`` are those that would be
    stored with their dates.
    """

    subject: Subject
    state: CheckState
    theirs: CataloguePrice | None = None
    offered: Price | None = None
    changes: tuple[RateChange, ...] = ()
    announced: tuple[Price, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether there is something to take from the catalogue."""
        return self.offered is not None or bool(self.announced)

    @property
    def taken_by_all(self) -> bool:
        """Whether applying all takes it: not where an admin or the provider itself named the price."""
        price = self.subject.price
        return self.is_open and not (is_known(price) and price is not None and price.source in OWN_SOURCES)


def compare(subjects: Iterable[Subject], known: Mapping[str, CataloguePrice]) -> list[CheckRow]:
    """Return a row for each model; ``known`` are the catalogue's prices by reference."""
    return [_row(subject, known.get(subject.reference or "")) for subject in subjects]


def is_known(price: Price | None) -> bool:
    """Whether a price names any rate: one without stands for the absence of a price."""
    return price is not None and (any(rate is not None for _, rate in price.items()) or bool(price.tiers) or bool(price.extra_rates))


def same_rates(one: Price, other: Price) -> bool:
    """Whether two prices charge every call alike, whatever their sources and dates."""
    return not rate_changes(one, other)


def rate_changes(before: Price, after: Price) -> tuple[RateChange, ...]:
    """Return every rate in which two prices differ, those above a tier's start named with it.

    Reasoning without a rate of its own costs what output costs, so it differs only where it is charged differently.
    """
    changes = list(_token_changes(before, after, 0, RATE_NAMES))
    for above in sorted({tier.above for tier in (*before.tiers, *after.tiers)}):
        changes += _token_changes(before, after, above, RATE_NAMES, base=tuple(changes))
    for unit in sorted({*before.extra_rates, *after.extra_rates}):
        old, new = before.extra_rates.get(unit), after.extra_rates.get(unit)
        if old != new:
            changes.append(RateChange(unit.replace("_", " ").capitalize(), old, new, each=True))
    return tuple(changes)


def taken(ours: Price | None, theirs: Price) -> Price:
    """Return the price to store when the catalogue's is taken: what it does not name keeps our rate.

    A rate it leaves out is not known to it, which is no reason to forget it; only for reasoning it means "as output".
    """
    if ours is None:
        return theirs
    named: dict[str, Any] = {name: old if new is None else new for (name, old), (_, new) in zip(ours.items(), theirs.items(), strict=True)}
    return replace(theirs, **named | {"reasoning": theirs.reasoning}, extra_rates={**ours.extra_rates, **theirs.extra_rates})


def _row(subject: Subject, theirs: CataloguePrice | None) -> CheckRow:
    if theirs is None:
        return CheckRow(subject, "unknown")
    ours = subject.price if is_known(subject.price) else None
    offered = taken(ours, theirs.price)
    announced = tuple(_announced(subject, ours, theirs.upcoming))
    if ours is None:
        return CheckRow(subject, "missing", theirs, offered, rate_changes(Price(), offered), announced)
    changes = rate_changes(ours, offered)
    if changes:
        return CheckRow(subject, "own" if ours.source in OWN_SOURCES else "differs", theirs, offered, changes, announced)
    if announced:
        return CheckRow(subject, "announced", theirs, None, rate_changes(ours, announced[0]), announced)
    return CheckRow(subject, "same", theirs)


def _announced(subject: Subject, ours: Price | None, upcoming: Sequence[Price]) -> Iterator[Price]:
    """Yield the announced prices that are not stored yet, each compared with what would be in force by then."""
    stored = list(subject.dated)
    for price in upcoming:
        then = _in_force(stored, price.valid_from) or ours
        wanted = taken(then, price)
        if then is None or not same_rates(then, wanted):
            stored.append(wanted)
            yield wanted


def _in_force(dated: Sequence[Price], moment: datetime | None) -> Price | None:
    latest: Price | None = None
    newest: datetime | None = None
    for price in dated:  # of several of one date the last one counts
        if price.valid_from is None or moment is None or price.valid_from > moment:
            continue
        if newest is None or newest <= price.valid_from:
            latest, newest = price, price.valid_from
    return latest


def _token_changes(
    before: Price, after: Price, above: int, names: Sequence[str], *, base: tuple[RateChange, ...] = ()
) -> Iterator[RateChange]:
    """Yield the rates that differ in calls just above a size, but those that only repeat how they differ below it."""
    old, new = before.rates_for(above + 1 if above else 0), after.rates_for(above + 1 if above else 0)
    told = {change.label: (change.before, change.after) for change in base}
    for name in names:
        was, now = getattr(old, name), getattr(new, name)
        if name == "reasoning":
            was, now = (was, now) if was is None and now is None else (_or(was, old.output), _or(now, new.output))
        label = _LABELS[name]
        if was != now and told.get(label) != (was, now):
            yield RateChange(f"{label} above {above:,} tokens" if above else label, was, now)


def _or(rate: Decimal | None, otherwise: Decimal | None) -> Decimal | None:
    return otherwise if rate is None else rate


_LABELS = {
    "input": "Input",
    "output": "Output",
    "cache_read": "Cache read",
    "cache_write_5m": "Cache write, 5 minutes",
    "cache_write_1h": "Cache write, 1 hour",
    "reasoning": "Reasoning",
}
