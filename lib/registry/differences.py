"""A difference in words: what a field is called, and its value before and after, as people read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lib.pricing import Price

_WORDS = {
    "is_active": "switch",
    "is_available": "seen at the provider",
    "is_default": "default",
    "hidden": "pickers",
    "display_order": "place",
    "upstream_id": "upstream id",
    "base_url": "base URL",
    "priced_as": "priced as",
}
_PAIRS = {"is_active": ("on", "off"), "hidden": ("hidden", "shown")}
_NONE = "none"


def word(field: str) -> str:
    """Return what people call a field.

    >>> word("is_active"), word("max_output_tokens")
    ('switch', 'max output tokens')
    """
    return _WORDS.get(field, field.replace("_", " "))


def said(field: str, value: Any) -> str:
    """Return one side of a difference.

    >>> said("is_active", False), said("fallbacks", ["a", "b"]), said("defaults", {}), said("vendor", None)
    ('off', 'a, b', 'none', 'none')
    """
    if isinstance(value, Price):
        return _price(value)
    if isinstance(value, bool):
        yes, no = _PAIRS.get(field, ("yes", "no"))
        return yes if value else no
    if field == "capabilities" and isinstance(value, Mapping):
        value = [name for name, has in value.items() if has]
    if value is None or value == "" or value == [] or value == {}:
        return "unpriced" if field == "price" else _NONE
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def pair(field: str, before: Any, after: Any) -> tuple[str, str]:
    """Return both sides of a difference; of two prices only the rates that differ.

    >>> pair("hidden", False, True)
    ('shown', 'hidden')
    """
    if not (isinstance(before, Price) and isinstance(after, Price)):
        return said(field, before), said(field, after)
    old, new = _rates(before), _rates(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    sides = [", ".join(f"{name} {rates[name]}" for name in names if name in rates) for rates in (old, new)]
    return sides[0] or _NONE, sides[1] or _NONE


def _price(price: Price) -> str:
    return ", ".join(f"{name} {rate}" for name, rate in _rates(price).items()) or "unpriced"


def _rates(price: Price) -> dict[str, str]:
    rates = {name.replace("_", " "): f"{rate:f}" for name, rate in price.items() if rate is not None}
    for tier in price.tiers:
        rates |= {f"{name.replace('_', ' ')} above {tier.above:,}": f"{rate:f}" for name, rate in tier.rates.items() if rate is not None}
    return rates | {unit.replace("_", " "): f"{rate:f}" for unit, rate in price.extra_rates.items()}
