"""A planned change in words, for people who read it before it is applied."""

from __future__ import annotations

from typing import Any

from lib.pricing import Price
from lib.registry.discovery import PRICE, PlannedModel
from lib.registry.discovery_facts import FieldChange

_NAMES = {"context_window": "context", "max_output_tokens": "output", "display_name": "name"}


def changed(row: PlannedModel) -> str:
    """Say what changes about a model, such as "context 8,000 → 16,000, tools added"; of a new one what it is."""
    shown = [change for change in row.fields if change.field not in (PRICE, "is_available")]
    return ", ".join(text for change in shown if (text := _said(change)))


def price(row: PlannedModel) -> str:
    """Say what a model would cost from now on, where that is new; "" where it is not."""
    found = next((change.after for change in row.fields if change.field == PRICE), None)
    return f"${_rate(found.input)} in, ${_rate(found.output)} out" if isinstance(found, Price) else ""


def _said(change: FieldChange) -> str:
    name = _NAMES.get(change.field, change.field)
    if change.field == "capabilities":
        before, after = change.before or frozenset(), change.after
        if change.before is None:
            return ", ".join(sorted(after - {"streaming"}))
        parts = [("added", after - before), ("removed", before - after)]
        return ", ".join(f"{', '.join(sorted(names))} {what}" for what, names in parts if names)
    if change.before is None:
        return f"{name} {_value(change.after)}"
    return f"{name} {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _rate(rate: Any) -> str:
    return "?" if rate is None else f"{rate:.2f}" if rate == round(rate, 2) else format(rate.normalize(), "f")
