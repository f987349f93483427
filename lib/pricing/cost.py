"""The cost of one call: every unit at its own rate, added exactly and rounded once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from lib.chat import Usage
from lib.money import round_nano, token_cost
from lib.pricing.price import UNITS_PER_MILLION, Price

_BILLED = {"billed_input_tokens": ("Billed input", "input"), "billed_output_tokens": ("Billed output", "output")}
"""Counts in Usage.extra that are paid instead of the tokens the model worked on."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a receipt: units at a rate, and their exact nano-dollars (not yet rounded).

    ``usd_per_million`` is USD per 1M units of whatever the line counts; None on the rounding line.
    """

    label: str
    units: int
    usd_per_million: Decimal | None
    nano: Decimal


@dataclass(frozen=True, slots=True)
class _Part:
    label: str
    units: int
    usd_per_million: Decimal | None


def cost(price: Price | None, usage: Usage | None) -> int | None:
    """Return a call's cost in whole nano-dollars, rounded half-even once.

    None means unpriced, and is never zero by accident: no usage, no price, a rate missing for units that are
    there, or counts that contradict each other (see ``unpriced_because``).
    """
    if price is None or usage is None or unpriced_because(price, usage):
        return None
    return round_nano(_nano(part) for part in _parts(price, usage))


def cache_saving(price: Price | None, usage: Usage | None) -> int | None:
    """Return what the cached tokens of a call cost less than plain input would have, in whole nano-dollars, rounded half-even once.

    Writing a cache may cost more than plain input, so the saving may be negative. None means not known: no usage, no
    price, or a rate missing for tokens that were read from a cache or written to one.
    """
    if price is None or usage is None or _contradiction(usage):
        return None
    rates = price.rates_for(usage.input)
    cached = (
        (usage.cache_read, rates.cache_read),
        (usage.cache_write - usage.cache_write_1h, rates.cache_write_5m),
        (usage.cache_write_1h, rates.cache_write_1h),
    )
    saved = []
    for tokens, rate in cached:
        if tokens and (rate is None or rates.input is None):
            return None
        if tokens and rate is not None and rates.input is not None:
            saved.append(token_cost(tokens, rates.input - rate))
    return round_nano(saved)


def receipt_lines(price: Price | None, usage: Usage | None) -> list[Line]:
    """Return the lines that make up a call's cost; none when it is unpriced.

    The lines' ``nano`` are exact and add up to ``cost`` exactly: where their sum is a fraction of a nano-dollar,
    a last line "Rounding" (0 units, no rate, at most half a nano-dollar either way) closes the gap.
    """
    total = cost(price, usage)
    if price is None or usage is None or total is None:
        return []
    lines = [Line(part.label, part.units, part.usd_per_million, _nano(part)) for part in _parts(price, usage) if part.units]
    gap = total - sum((line.nano for line in lines), Decimal(0))
    return [*lines, Line("Rounding", 0, None, gap)] if gap else lines


def unpriced_because(price: Price | None, usage: Usage | None) -> str | None:
    """Return the sentence that says why a call has no cost, or None when it has one."""
    if usage is None:
        return "The provider reported no usage."
    if price is None:
        return "No price is set for this model."
    if _contradiction(usage):
        return "The token counts the provider reported contradict each other."
    for part in _parts(price, usage):
        if part.units and part.usd_per_million is None:
            return f"No rate is set for {part.label[0].lower()}{part.label[1:]} ({part.units:,})."
    return None


def _parts(price: Price, usage: Usage) -> list[_Part]:
    rates = price.rates_for(usage.input)
    reasoning = usage.reasoning if rates.reasoning is not None else 0
    parts = [
        _Part("Input", usage.input - usage.cache_read - usage.cache_write, rates.input),
        _Part("Cache read", usage.cache_read, rates.cache_read),
        _Part("Cache write, 5 minutes", usage.cache_write - usage.cache_write_1h, rates.cache_write_5m),
        _Part("Cache write, 1 hour", usage.cache_write_1h, rates.cache_write_1h),
        _Part("Output", usage.output - reasoning, rates.output),
        _Part("Reasoning", reasoning, rates.reasoning),
    ]
    if any(unit in usage.extra for unit in _BILLED):  # the provider bills other counts than those its model worked on
        parts = [_Part(label, usage.extra.get(unit, 0), getattr(rates, rate)) for unit, (label, rate) in _BILLED.items()]
    per_call = {"requests": 1} if "requests" in price.extra_rates else {}
    for unit, count in sorted({**per_call, **usage.extra}.items()):
        if unit in _BILLED:
            continue
        rate = price.extra_rates.get(unit)
        parts.append(_Part(unit.replace("_", " ").capitalize(), count, None if rate is None else rate * UNITS_PER_MILLION))
    return parts


def _nano(part: _Part) -> Decimal:
    return token_cost(part.units, part.usd_per_million) if part.usd_per_million is not None else Decimal(0)


def _contradiction(usage: Usage) -> bool:
    """Whether a part is larger than its whole, or a count is negative: no sum of such counts can be trusted."""
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.cache_write_1h, usage.reasoning)
    return (
        min(*counts, *usage.extra.values()) < 0
        or usage.cache_read + usage.cache_write > usage.input
        or usage.cache_write_1h > usage.cache_write
        or usage.reasoning > usage.output
    )
