"""Writing an import in one transaction, and taking it back in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from lib.pricing import Price
from lib.pricing.prices import TABLE as PRICES
from lib.pricing.prices import adding
from lib.registry.reader import MODELS, PROVIDERS
from lib.registry.transfer_plan import ImportPlan, Item
from lib.store.base import Change, Delete, Insert, Made, Row, Store, Update

_UNPRICED = Price(source_detail="no price")
_TOGETHER = 100
"""Rows in one insert: Supabase's function grows one list an insert, and long ones grow slowly."""


@dataclass(frozen=True)
class ImportUndo:
    """An import that was made: the changes that take it back, and the prices that stood before, by model id."""

    changes: tuple[Change, ...]
    prices: tuple[tuple[int, Price], ...]
    models: int


def carry_out(store: Store, plan: ImportPlan, now: datetime, created_by: str) -> ImportUndo:
    """Write a plan, all or nothing; raise StaleVersion when somebody changed one of its rows since it was made."""
    new = [item for item in plan.providers if item.there is None]
    old = [item for item in plan.providers if item.there is not None and item.changes]
    added = [item for item in plan.models if item.there is None]
    changed = sorted((item for item in plan.models if item.there is not None and item.changes), key=_default_goes_first)
    places = _providers(plan, new, len(changed))
    changes: list[Change] = [_update(MODELS, item, now) for item in changed]
    changes += [Insert(PROVIDERS, [item.values for item in new])] if new else []
    changes += [_update(PROVIDERS, item, now) for item in old]
    first = len(changes)
    changes += [Insert(MODELS, [{**item.values, "provider_id": places[item.provider]} for item in some]) for some in _chunks(added)]
    prices = [(Made(first + n // _TOGETHER, n % _TOGETHER), item.price) for n, item in enumerate(added) if item.price]
    prices += [(_there(item).id, item.price) for item in changed if item.price]
    changes += [Insert(PRICES, list(some)) for some in _chunks([_price_row(owner, price, now, created_by) for owner, price in prices])]
    stored = store.apply(changes) if changes else []
    return _undo(changed, new, old, stored, first)


def take_back(store: Store, undo: ImportUndo, now: datetime, created_by: str) -> int:
    """Take an import back, all or nothing, and return how many models that touched; raise StaleVersion as carry_out does."""
    store.apply([*undo.changes, *(adding(model_id, price, now, created_by) for model_id, price in undo.prices)])
    return undo.models


def _default_goes_first(item: Item) -> bool:
    """One model must stop being the default before another can be."""
    return bool(item.values.get("is_default", True))


def _providers(plan: ImportPlan, new: Sequence[Item], place: int) -> Mapping[str, int | Made]:
    return {**plan.providers_there, **{item.key: Made(place, row) for row, item in enumerate(new)}}


def _there(item: Item) -> Any:
    return item.there


def _update(table: str, item: Item, now: datetime) -> Update:
    """Return the change of a row that is there; a new price alone touches its model too, so that its version tells."""
    there = _there(item)
    return Update(table, dict(item.values) or {"updated_at": now}, {"id": there.id}, there.version)


def _price_row(owner: int | Made, price: Price, now: datetime, created_by: str) -> Mapping[str, Any]:
    return {**adding(0, price, price.valid_from or now, created_by).rows[0], "model_id": owner}


def _undo(changed: Sequence[Item], new: Sequence[Item], old: Sequence[Item], stored: Sequence[list[Row]], first: int) -> ImportUndo:
    rows = {(place, row["id"]): row["version"] for place, each in enumerate(stored[:first]) for row in each}
    made = [row for each in stored[first:] for row in each if "model_key" in row]
    # What takes the default's place goes before the default comes back, for that would touch it.
    back: list[Change] = [Delete(MODELS, {"id": row["id"]}, row["version"]) for row in made]
    crowned = sorted(enumerate(changed), key=lambda one: not one[1].values.get("is_default", False))
    back += [_before(MODELS, item, rows[place, _there(item).id]) for place, item in crowned]
    inserted = stored[len(changed)] if new else []
    back += [Delete(PROVIDERS, {"id": row["id"]}, row["version"]) for row in inserted]
    start = len(changed) + bool(new)
    back += [_before(PROVIDERS, item, rows[start + n, _there(item).id]) for n, item in enumerate(old)]
    prices = tuple((_there(item).id, _there(item).price or _UNPRICED) for item in changed if item.price)
    return ImportUndo(tuple(back), prices, len(changed) + len(made))


def _before(table: str, item: Item, version: int) -> Update:
    there = _there(item)
    values = {edit.field: edit.before for edit in item.edits if edit.field in item.values}
    if not values:
        values = {"display_name": there.display_name}
    return Update(table, values, {"id": there.id}, version)


def _chunks(rows: Sequence[Any]) -> Iterator[list[Any]]:
    waiting = iter(rows)
    while some := list(islice(waiting, _TOGETHER)):
        yield some
