"""Models as commands show them: a document for programs, lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lib.pricing import Price
from lib.registry import Model

ON, WAITING, OFF = "🟢", "🟡", "⚪"
"""Usable now; switched on but not usable, for the reason given; switched off."""

RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")


def found(models: Sequence[Model]) -> Iterator[str]:
    """Yield the models, grouped by provider: circle, name, upstream id, key, and which one is the default."""
    yield f"Found {len(models)} LLM models in database:"
    providers = {model.provider.id: model.provider for model in models}
    for provider in providers.values():
        yield f"  {provider.display_name}"
        yield from (line(model) for model in models if model.provider.id == provider.id)


def line(model: Model) -> str:
    """Return one model's line; ID is the id the provider knows it by.

    ``🟢 Claude 3.7 Sonnet (ID: 28, Key: claude-3-7-sonnet) [DEFAULT]``
    """
    circle = ON if model.usable else WAITING if model.is_active else OFF
    default = " [DEFAULT]" if model.is_default else ""
    why = f": {model.why_not}" if model.is_active and model.why_not else ""
    return f"   {circle} {model.display_name} (ID: {model.upstream_id}, Key: {model.model_key}){default}{why}"


def model_document(model: Model) -> dict[str, Any]:
    """Return a model as JSON; prices are decimal strings in USD per 1M tokens, absent rates null."""
    price = model.price
    return {
        "id": model.id,
        "key": model.model_key,
        "name": model.display_name,
        "provider": model.provider.slug,
        "upstream_id": model.upstream_id,
        "vendor": model.vendor,
        "type": model.model_type,
        "capabilities": sorted(model.capabilities),
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "active": model.is_active,
        "available": model.is_available,
        "hidden": model.hidden,
        "default": model.is_default,
        "usable": model.usable,
        "why_not": model.why_not,
        "fallbacks": list(model.fallbacks),
        "price": None if price is None else _price_document(price),
    }


def details(model: Model) -> Iterator[str]:
    """Yield everything about one model, a line each."""
    document = model_document(model)
    price = document.pop("price")
    yield line(model).strip()
    for name, value in document.items():
        if name not in ("name", "key", "upstream_id", "default"):
            yield f"  {name.replace('_', ' ')}: {_words(value)}"
    if price is None:
        yield "  price: none known, so its calls are unpriced"
        return
    rates = ", ".join(f"{name.replace('_', ' ')} {price[name]}" for name in RATES if price[name] is not None)
    since = f", valid from {price['valid_from'][:10]}" if price["valid_from"] else ""
    yield f"  price in USD per 1M tokens: {rates} (from {price['source']}{since})"


def _price_document(price: Price) -> dict[str, Any]:
    valid_from = price.valid_from.isoformat() if price.valid_from else None
    return {name: _rate(getattr(price, name)) for name in RATES} | {"source": price.source, "valid_from": valid_from}


def _rate(value: Any) -> str | None:
    return None if value is None else format(value.normalize(), "f")


def _words(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
