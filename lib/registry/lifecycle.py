"""A model's copy, and its end: what refers to it, and the changes that leave nothing pointing nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lib.pricing import price_history
from lib.pricing.prices import adding
from lib.registry.values import Model
from lib.store.base import Change, Delete, Row, Store, Update

_MODELS = "llm_models"
_OWN = ("id", "created_at", "updated_at", "version", "is_default", "last_synced_at")
_LONGEST_KEY, _LONGEST_NAME = 180, 180


@dataclass(frozen=True, slots=True)
class Dependents:
    """What refers to a model: the keys of models that fall back on it, conversations last held with it, and its dated prices."""

    fallback_of: tuple[str, ...]
    conversations: int
    prices: int
    is_default: bool


def duplicate(store: Store, model_id: int, now: datetime, created_by: str) -> int:
    """Add a switched-off copy of a model with the prices in force and announced, and return its id."""
    row = store.select(_MODELS, where={"id": model_id})[0]
    values = {name: value for name, value in row.items() if name not in _OWN}
    values |= {
        "model_key": _free_key(store, row),
        "display_name": f"{row['display_name'][:_LONGEST_NAME]} (copy)",
        "is_active": False,
        "display_order": row["display_order"] + 1,
    }
    copy_id: int = store.insert(_MODELS, [values])[0]["id"]
    history = price_history(store, model_id)
    past = [price for price in history if price.valid_from is None or price.valid_from <= now]
    upcoming = [price for price in history if price.valid_from is not None and price.valid_from > now]
    if prices := [*past[-1:], *upcoming]:
        store.apply([adding(copy_id, price, max(price.valid_from or now, now), created_by) for price in prices])
    return copy_id


def dependents(store: Store, model: Model, models: Sequence[Model]) -> Dependents:
    """Count what refers to a model, as far as the store's principal may see it."""
    return Dependents(
        fallback_of=tuple(other.model_key for other in _falling_back(model, models)),
        conversations=store.count("conversations", where={"model_id": model.id}),
        prices=store.count("llm_model_prices", where={"model_id": model.id}),
        is_default=model.is_default,
    )


def deletion(model: Model, models: Sequence[Model], version: int | None) -> list[Change]:
    """Return the changes that remove a model and every mention of it among the fallbacks of those of the same owner."""
    changes: list[Change] = [
        Update(_MODELS, {"fallbacks": [key for key in other.fallbacks if key != model.model_key]}, {"id": other.id}, other.version)
        for other in _falling_back(model, models)
    ]
    return [*changes, Delete(_MODELS, {"id": model.id}, version)]


def _falling_back(model: Model, models: Sequence[Model]) -> list[Model]:
    return [o for o in models if o.id != model.id and o.owner_id == model.owner_id and model.model_key in o.fallbacks]


def _free_key(store: Store, row: Row) -> str:
    stem = f"{row['model_key'][:_LONGEST_KEY]}-copy"
    where: dict[str, Any] = {"owner_id": row["owner_id"]}
    taken = {found["model_key"] for found in store.select(_MODELS, columns=("model_key",), where=where)}
    key, number = stem, 1
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key
