"""Amounts as JSON carries them."""

from __future__ import annotations

from lib.money import usd


def usd_text(nano: int | None) -> str | None:
    """Return nano-dollars as an exact decimal string of dollars, such as "0.0000275"; None is unpriced."""
    if nano is None:
        return None
    return format(usd(nano).normalize() + 0, "f")
