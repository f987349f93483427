"""Changing several models at once: planned as a diff, applied in one transaction, taken back exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from lib.errors import InvalidValue
from lib.pricing import Price
from lib.pricing.prices import adding, check_price
from lib.registry.checks import model_values
from lib.registry.values import Model
from lib.store.base import Change, Store, Update

_MODELS = "llm_models"
PRICE = "price"


@dataclass(frozen=True, slots=True)
class BulkChange:
    """What to do to several models; None leaves a thing as it is.

    ``first_place`` numbers them in the order given from there on, in steps of ten. ``price_factor`` multiplies every
    rate of those that have a price, ``price`` stands in for it.
    """

    is_active: bool | None = None
    hidden: bool | None = None
    fallbacks: tuple[str, ...] | None = None
    first_place: int | None = None
    price_factor: Decimal | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class BulkEdit:
    """One field of one model, before and after; ``field`` is "price" or a column."""

    model_id: int
    name: str
    field: str
    before: Any
    after: Any
    version: int


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What a change would do; models it would leave as they are have no edit."""

    edits: tuple[BulkEdit, ...]

    @property
    def models(self) -> int:
        """How many models it changes."""
        return len({edit.model_id for edit in self.edits})


@dataclass(frozen=True, slots=True)
class BulkUndo:
    """A change that was made, with the version each model had right after it."""

    edits: tuple[BulkEdit, ...]

    @property
    def models(self) -> int:
        """How many models it changed."""
        return len({edit.model_id for edit in self.edits})


def plan(models: Sequence[Model], change: BulkChange) -> BulkPlan:
    """Compare what models are with what they would become; raise InvalidValue for what cannot be."""
    return BulkPlan(tuple(edit for place, model in enumerate(models) for edit in _edits(model, change, place)))


def carry_out(store: Store, made: BulkPlan, now: datetime, created_by: str) -> BulkUndo:
    """Write a plan, refusing it whole where a model has another version by now."""
    after = _write(store, made.edits, [(edit.model_id, edit.field, edit.after) for edit in made.edits], now, created_by)
    return BulkUndo(tuple(BulkEdit(e.model_id, e.name, e.field, e.before, e.after, after[e.model_id]) for e in made.edits))


def take_back(store: Store, undo: BulkUndo, now: datetime, created_by: str) -> int:
    """Write what was before, refusing it whole where a model has another version by now."""
    _write(store, undo.edits, [(edit.model_id, edit.field, edit.before) for edit in undo.edits], now, created_by)
    return undo.models


def _edits(model: Model, change: BulkChange, place: int) -> list[BulkEdit]:
    wanted: dict[str, Any] = {"is_active": change.is_active, "hidden": change.hidden}
    if change.fallbacks is not None:
        wanted["fallbacks"] = tuple(key for key in change.fallbacks if key != model.model_key)
    if change.first_place is not None:
        wanted["display_order"] = change.first_place + 10 * place
    asked = {name: value for name, value in wanted.items() if value is not None}
    model_values(asked)
    if (price := _price(model, change)) is not None:
        asked[PRICE] = price
    before = {name: getattr(model, name) for name in asked}
    return [
        BulkEdit(model.id, model.display_name, name, before[name], value, model.version)
        for name, value in asked.items()
        if not _same(before[name], value)
    ]


def _price(model: Model, change: BulkChange) -> Price | None:
    if change.price_factor is not None:
        if not (change.price_factor.is_finite() and change.price_factor >= 0):
            raise InvalidValue("A price is changed by a number, 0 or more.", field="price_factor")
        if model.price is None:
            return None
        detail = f"× {change.price_factor:f}"
        price = replace(model.price.times(change.price_factor), source="manual", source_detail=detail, valid_from=None)
    elif change.price is not None:
        price = change.price
    else:
        return None
    check_price(price)
    return price


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, Price) and isinstance(after, Price):
        return (before.items(), before.tiers, dict(before.extra_rates)) == (after.items(), after.tiers, dict(after.extra_rates))
    return bool(before == after)


def _write(
    store: Store, edits: Sequence[BulkEdit], values: Sequence[tuple[int, str, Any]], now: datetime, created_by: str
) -> dict[int, int]:
    """Write values in one transaction and return each model's version after it.

    A price is a row of its own, so a model whose price alone changes is touched as well: its version says that it is
    no longer the one that was planned with.
    """
    versions = {edit.model_id: edit.version for edit in edits}
    columns: dict[int, dict[str, Any]] = {model_id: {} for model_id in versions}
    changes: list[Change] = []
    for model_id, field, value in values:
        if field == PRICE:
            changes.append(adding(model_id, value or _UNPRICED, now, created_by))
        else:
            columns[model_id][field] = list(value) if isinstance(value, tuple) else value
    for model_id, row in columns.items():
        changes.append(Update(_MODELS, row or {"updated_at": now}, {"id": model_id}, versions[model_id]))
    stored = store.apply(changes) if changes else []
    return {row["id"]: row["version"] for rows in stored for row in rows if "model_key" in row}


_UNPRICED = Price(source_detail="no price")
"""What stands in for the absence of a price once there was one: no rate is known, so calls are unpriced again."""
