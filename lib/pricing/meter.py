"""The cost of many calls at one price: what ``cost`` says of each, with the rates made whole numbers once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from lib.chat import Usage
from lib.pricing.cost import cost
from lib.pricing.price import Price, Rates

Meter = Callable[[int, int, int, int, int, int, "Mapping[str, int] | None"], int | None]
"""Takes input, output, cache read, cache write, of it for an hour, reasoning and extra counts; returns nano-dollars, None for unpriced."""

_NANO_PER_UNIT = 1_000  # of one token at 1 USD per 1M
_MOST_PLACES = 12
"""Decimals of a nano-dollar beyond which Decimal itself would round: such prices are left to ``cost``."""


def meter(price: Price) -> Meter:
    """Return a function that prices calls exactly as ``cost`` does, about fifteen times faster.

    A report over a month of calls asks it for each of them.
    """
    everything = [Rates(**dict(price.items())), *(tier.rates for tier in price.tiers)]
    places = max((_places(rate) for rates in everything for _, rate in rates.items() if rate is not None), default=0)
    plain = "requests" not in price.extra_rates and places <= _MOST_PLACES
    scale: int = 10**places
    starts = sorted({tier.above for tier in price.tiers}, reverse=True)
    by_start = [(above, _whole(price.rates_for(above + 1), scale)) for above in starts]
    base = _whole(price.rates_for(0), scale)

    def measure(
        read: int, written: int, cached: int, stored: int, stored_1h: int, thought: int, extra: Mapping[str, int] | None
    ) -> int | None:
        if extra or not plain:
            return cost(price, Usage(read, written, cached, stored, thought, stored_1h, dict(extra or {})))
        if min(read, written, cached, stored, stored_1h, thought) < 0:
            return None
        if cached + stored > read or stored_1h > stored or thought > written:
            return None
        rates = next((rates for above, rates in by_start if read > above), base)
        apart = 0 if rates[5] is None else thought
        total = 0
        for units, rate in zip((read - cached - stored, written - apart, cached, stored - stored_1h, stored_1h, apart), rates, strict=True):
            if units:
                if rate is None:
                    return None
                total += units * rate
        nano, rest = divmod(total, scale)
        return nano + (2 * rest > scale or (2 * rest == scale and nano % 2 == 1))

    return measure


def _places(rate: Decimal) -> int:
    """Return how many decimal places the nano-dollars of one token have."""
    exponent = (rate * _NANO_PER_UNIT).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _whole(rates: Rates, scale: int) -> tuple[int | None, ...]:
    order = (rates.input, rates.output, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.reasoning)
    return tuple(None if rate is None else int(rate * _NANO_PER_UNIT * scale) for rate in order)
