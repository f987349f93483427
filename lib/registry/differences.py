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


def _price(price: Price) -> str:
    parts = [f"{name.replace('_', ' ')} {rate:f}" for name, rate in price.items() if rate is not None]
    if price.tiers:
        parts.append(f"{len(price.tiers)} tier{'s' if len(price.tiers) > 1 else ''}")
    parts += [f"{unit} {rate:f}" for unit, rate in price.extra_rates.items()]
    return ", ".join(parts) or "unpriced"
