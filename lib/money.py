"""Exact money: prices are Decimal USD per 1M tokens, a call's cost is an integer of nano-dollars."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

NANO_PER_USD = 1_000_000_000
_NANO_PER_TOKEN_AT_ONE_USD_PER_MILLION = 1_000  # 1 USD / 1M tokens = 1e-6 USD = 1,000 nano-USD a token


def token_cost(tokens: int, usd_per_million: Decimal) -> Decimal:
    """Return the exact nano-dollars of some tokens at a price, unrounded."""
    return tokens * usd_per_million * _NANO_PER_TOKEN_AT_ONE_USD_PER_MILLION


def round_nano(amounts: Iterable[Decimal]) -> int:
    """Add exact nano-dollar amounts and round half-even once, as one call's cost."""
    return int(sum(amounts, Decimal(0)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def usd(nano: int | Decimal) -> Decimal:
    """Return nano-dollars as exact dollars."""
    return Decimal(nano) / NANO_PER_USD


def format_usd(nano: int | None) -> str:
    """Write a cost for people: cents from a dollar up, enough digits to see it below; None is "unpriced".

    >>> format_usd(2_878_557_152_000), format_usd(12_345_000), format_usd(27_750), format_usd(0), format_usd(None)
    ('$2,878.56', '$0.0123', '$0.0000278', '$0.00', 'unpriced')
    """
    if nano is None:
        return "unpriced"
    amount = usd(nano)
    size = abs(amount)
    sign = "-" if amount < 0 else ""
    if size == 0 or size >= Decimal("0.99995"):  # from there on four digits would round up to a dollar
        return f"{sign}${size:,.2f}"
    digits = 2 - size.adjusted()  # three significant digits
    return f"{sign}${size:.{max(digits, 4)}f}"


def exact_usd(nano: int | Decimal | None) -> str:
    """Write a cost with every digit it has, for receipts and hover; None is "unpriced"."""
    if nano is None:
        return "unpriced"
    amount = usd(nano).normalize()
    return f"${amount:,f}"
