"""What a model costs: rates of one date, and the rates that apply to one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

PriceSource = Literal["seed", "catalogue", "manual", "sync"]
UNITS_PER_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per 1M tokens, exact; None means not known, which is not the same as free.

    ``cache_write_5m`` is the plain cache write. ``reasoning`` is None when reasoning costs what output costs.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None

    def overridden(self, by: Rates) -> Rates:
        """Return these rates with those that ``by`` sets in their place."""
        return Rates(**dict(self.items()) | {name: rate for name, rate in by.items() if rate is not None})

    def times(self, factor: Decimal) -> Rates:
        """Return every rate multiplied by a factor, as a markup or a discount does."""
        return Rates(**{name: None if rate is None else rate * factor for name, rate in self.items()})

    def items(self) -> list[tuple[str, Decimal | None]]:
        """Return (name, rate) of every rate, in display order."""
        return [(name, getattr(self, name)) for name in RATE_NAMES]


RATE_NAMES = tuple(f.name for f in fields(Rates))


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates that replace the base rates for the whole call once its input exceeds ``above`` tokens."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(Rates):
    """What one model costs from a moment on: its base rates, and what changes them.

    ``extra_rates`` is USD per single unit of whatever Usage.extra counts, such as "web_searches"; a rate for
    "requests" is charged once per call. ``source`` says where the numbers come from, ``source_detail`` which list
    and entry. ``id`` and ``model_id`` are None for a price that is not stored.
    """

    tiers: tuple[Tier, ...] = ()
    extra_rates: Mapping[str, Decimal] = field(default_factory=dict)
    source: PriceSource = "manual"
    source_detail: str | None = None
    valid_from: datetime | None = None
    id: int | None = None
    model_id: int | None = None

    def rates_for(self, input_tokens: int) -> Rates:
        """Return the rates of a call with this much input, cache included."""
        rates = Rates(**dict(self.items()))
        for tier in sorted(self.tiers, key=lambda t: t.above):
            if input_tokens > tier.above:
                rates = rates.overridden(tier.rates)
        return rates

    def times(self, factor: Decimal) -> Price:
        """Return this price with every rate multiplied, tiers and extra rates too."""
        rates: dict[str, Any] = dict(Rates.times(self, factor).items())
        return replace(
            self,
            **rates,
            tiers=tuple(Tier(t.above, t.rates.times(factor)) for t in self.tiers),
            extra_rates={unit: rate * factor for unit, rate in self.extra_rates.items()},
        )

    def from_source(self, source: PriceSource) -> Price:
        """Return this price as one that came in by another way, such as a seed."""
        return replace(self, source=source)
