"""Prices: dated rates per model, the exact cost of a call, and the public catalogue they are compared with."""

from __future__ import annotations

from lib.pricing.cost import Line, cache_saving, cost, receipt_lines, unpriced_because
from lib.pricing.price import Price, PriceSource, Rates, Tier
from lib.pricing.prices import price_at, price_history, prices_at

__all__ = [
    "Line",
    "Price",
    "PriceSource",
    "Rates",
    "Tier",
    "cache_saving",
    "cost",
    "price_at",
    "price_history",
    "prices_at",
    "receipt_lines",
    "unpriced_because",
]
