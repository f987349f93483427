"""Seeding: put back the built-ins that are missing, and leave everything else alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from lib.errors import InvalidValue
from lib.pricing import Price
from lib.pricing.catalogue import CataloguePrice
from lib.pricing.prices import adding
from lib.registry.builtin_models import BUILTIN_MODELS, BuiltinModel, display_orders
from lib.registry.builtin_providers import BUILTIN_PROVIDERS
from lib.registry.reader import MODELS, PROVIDERS
from lib.registry.values import CAPABILITIES
from lib.store.base import Change, Row, Store

Catalogue = Callable[[Sequence[str], datetime], Mapping[str, CataloguePrice]]
DEMO_PRICE = Price(
    input=Decimal(0),
    output=Decimal(0),
    cache_read=Decimal(0),
    cache_write_5m=Decimal(0),
    source="seed",
    source_detail="the demo is free",
)
"""A price of nothing, which is not the same as no price: demo calls cost what they cost, and sums stay true."""


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What a seed did, by model key: added, kept as they were, given a price, and still without one."""

    added: tuple[str, ...]
    kept: tuple[str, ...]
    priced: tuple[str, ...]
    unpriced: tuple[str, ...]
    added_providers: tuple[str, ...]


def seed(store: Store, catalogue: Catalogue, now: datetime, created_by: str) -> SeedResult:
    """Add the built-in providers, models and prices that are missing; what is there is never changed.

    Two processes that seed at once end up with one set: the one that loses the race looks again.
    """
    try:
        return _seed(store, catalogue, now, created_by)
    except InvalidValue:
        return _seed(store, catalogue, now, created_by)


def _seed(store: Store, catalogue: Catalogue, now: datetime, created_by: str) -> SeedResult:
    added_providers = _add_providers(store)
    rows = _global_models(store)
    missing = [model for model in BUILTIN_MODELS if model.key not in rows]
    unpriced = _without_price(store, [rows[m.key]["id"] for m in BUILTIN_MODELS if m.key in rows])
    references = {m.key: rows[m.key]["priced_as"] if m.key in rows else m.priced_as for m in BUILTIN_MODELS}
    wanted = [references[m.key] for m in BUILTIN_MODELS if m in missing or rows[m.key]["id"] in unpriced]
    known = catalogue(sorted({reference for reference in wanted if reference}), now)
    _add_models(store, missing, known)
    rows = _global_models(store)
    priced: list[str] = []
    changes: list[Change] = []
    bare = _without_price(store, [rows[m.key]["id"] for m in BUILTIN_MODELS])
    for model in BUILTIN_MODELS:
        model_id = rows[model.key]["id"]
        prices = _prices(model, known.get(references[model.key] or ""))
        if model_id in bare and prices:
            priced.append(model.key)
            changes.extend(adding(model_id, price, price.valid_from or now, created_by) for price in prices)
    if changes:
        store.apply(changes)
    return SeedResult(
        added=tuple(m.key for m in missing),
        kept=tuple(m.key for m in BUILTIN_MODELS if m not in missing),
        priced=tuple(priced),
        unpriced=tuple(m.key for m in BUILTIN_MODELS if rows[m.key]["id"] in bare and m.key not in priced),
        added_providers=added_providers,
    )


def _add_providers(store: Store) -> tuple[str, ...]:
    there = {row["slug"] for row in store.select(PROVIDERS, columns=("slug",), where={"owner_id": None})}
    rows = [{"slug": p.slug, "kind": p.kind, "display_name": p.display_name} for p in BUILTIN_PROVIDERS if p.slug not in there]
    if rows:
        store.insert(PROVIDERS, rows)
    return tuple(row["slug"] for row in rows)


def _add_models(store: Store, missing: Sequence[BuiltinModel], known: Mapping[str, CataloguePrice]) -> None:
    if not missing:
        return
    providers = {row["slug"]: row["id"] for row in store.select(PROVIDERS, columns=("id", "slug"), where={"owner_id": None})}
    orders = display_orders()
    store.insert(MODELS, [_row(m, providers[m.provider], orders[m.key], known.get(m.priced_as or "")) for m in missing])


def _row(model: BuiltinModel, provider_id: int, order: int, entry: CataloguePrice | None) -> dict[str, Any]:
    limits = {name: list(ends) for name, ends in model.constraints.items()}
    if model.max_output_tokens is not None:
        limits["max_tokens"] = [1, model.max_output_tokens]
    return {
        "model_key": model.key,
        "provider_id": provider_id,
        "upstream_id": model.upstream_id,
        "vendor": model.vendor,
        "priced_as": model.priced_as,
        "display_name": model.display_name,
        "capabilities": {name: True for name in CAPABILITIES if name in model.capabilities},
        "context_window": (entry.context_window if entry else None) or model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "constraints": limits,
        "is_active": model.is_active,
        "display_order": order,
    }


def _prices(model: BuiltinModel, entry: CataloguePrice | None) -> list[Price]:
    """Return the prices to store: today's, and those announced with their dates."""
    if model.provider == "demo":
        return [DEMO_PRICE]
    return [price.from_source("seed") for price in (entry.price, *entry.upcoming)] if entry else []


def _global_models(store: Store) -> dict[str, Row]:
    rows = store.select(MODELS, columns=("id", "model_key", "priced_as"), where={"owner_id": None})
    return {row["model_key"]: row for row in rows}


def _without_price(store: Store, model_ids: Sequence[int]) -> frozenset[int]:
    if not model_ids:
        return frozenset()
    rows = store.select("llm_model_prices", columns=("model_id",), where={"model_id": list(model_ids)})
    return frozenset(model_ids) - {row["model_id"] for row in rows}
