"""Writing what was chosen of a discovery plan, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lib.pricing.prices import TABLE as PRICES
from lib.pricing.prices import adding
from lib.providers import ModelInfo
from lib.registry.discovery import DiscoveryPlan, PlannedModel
from lib.registry.discovery_new import free_key
from lib.store.base import Change, Insert, Made, Update

_MODELS = "llm_models"
_TOGETHER = 100
"""Rows in one insert: Supabase's function grows one list an insert, and long ones grow slowly."""


def still_new(rows: Sequence[PlannedModel], provider: str, here: Collection[str], taken: Collection[str]) -> list[PlannedModel]:
    """Return planned rows as they fit by now: without models that somebody added meanwhile, and with keys that are free."""
    fitting, keys = [], set(taken)
    for row in rows:
        if row.action == "added":
            if row.upstream_id in here:
                continue
            if row.model_key in keys:
                key = free_key(provider, ModelInfo(row.upstream_id, row.name), keys)
                row = replace(row, model_key=key, values={**row.values, "model_key": key})
            keys.add(row.model_key)
        fitting.append(row)
    return fitting


def changes(plan: DiscoveryPlan, rows: Sequence[PlannedModel], now: datetime, created_by: str, last_order: int) -> list[Change]:
    """Return what writes the given rows of a plan; new models stand behind ``last_order``, switched off.

    An update carries the version that was planned with, so that all is refused when somebody changed a model since.
    """
    added = [row for row in rows if row.action == "added"]
    inserts: list[Change] = []
    prices: list[dict[str, Any]] = []
    for part, some in enumerate(_chunks(added)):
        columns = [
            {
                **row.values,
                "provider_id": plan.provider_id,
                "display_order": last_order + 10 * (part * _TOGETHER + place),
                "last_synced_at": now,
            }
            for place, row in enumerate(some, start=1)
        ]
        inserts.append(Insert(_MODELS, columns))
        prices += [price | {"model_id": Made(part, place)} for place, row in enumerate(some) for price in _prices(row, now, created_by)]
    written = [_update(row, now) for row in rows if row.model_id is not None]
    prices += [price | {"model_id": row.model_id} for row in rows if row.model_id is not None for price in _prices(row, now, created_by)]
    if plan.first_seen:
        written.append(Update(_MODELS, {"last_synced_at": now}, {"id": list(plan.first_seen)}))
    return [*inserts, *written, *(Insert(PRICES, some) for some in _chunks(prices))]


def _update(row: PlannedModel, now: datetime) -> Change:
    seen = {} if row.action == "gone" else {"last_synced_at": now}
    return Update(_MODELS, {**row.values, **seen}, {"id": row.model_id}, row.version)


def _prices(row: PlannedModel, now: datetime, created_by: str) -> list[dict[str, Any]]:
    return [dict(adding(0, price, price.valid_from or now, created_by).rows[0]) for price in row.prices]


def _chunks(rows: Sequence[Any]) -> list[list[Any]]:
    return [list(rows[start : start + _TOGETHER]) for start in range(0, len(rows), _TOGETHER)]
