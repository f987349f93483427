"""What a provider offers against what the registry knows of it: a plan of what is new, changed, gone and back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lib.errors import InvalidValue
from lib.pricing import Price
from lib.pricing.catalogue import CataloguePrice
from lib.providers import ModelInfo
from lib.providers.adapter import CHAT
from lib.registry import discovery_new as new
from lib.registry.checks import model_values
from lib.registry.discovery_facts import SIZES, FieldChange, differences, differs, reference
from lib.registry.discovery_types import type_by_name
from lib.registry.values import CAPABILITIES, Model, Provider

Action = Literal["added", "changed", "gone", "back"]
ACTIONS: tuple[Action, ...] = ("added", "changed", "gone", "back")
PRICE = "price"
UNUSABLE = "unusable"
"""The type of what has a name, or anything else, that no model here can have."""
_LONGEST_ID = 200
_LARGEST = 2**31 - 1
_DATED = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|\d{4})$")


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """What a refresh would do to one model; ``model_id`` and ``version`` are None for a new one.

    ``values`` are the columns to write, ``prices`` the rows to add. Not ``sure`` is what only a person should take: a
    model that is on and missing in a list in which it never was, since some providers serve more than they list.
    """

    action: Action
    upstream_id: str
    model_key: str
    name: str
    fields: tuple[FieldChange, ...]
    values: Mapping[str, Any]
    prices: tuple[Price, ...] = ()
    model_id: int | None = None
    version: int | None = None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class DiscoveryPlan:
    """What a refresh of one provider would do.

    ``first_seen`` are the ids of models that are as listed, and were never seen before. ``left_out`` counts by type what
    is listed and no model for chats. ``doubt`` says why a person should look before anything of it is applied.
    """

    provider_id: int
    provider: str
    provider_name: str
    listed: int
    rows: tuple[PlannedModel, ...]
    first_seen: tuple[int, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    doubt: str | None = None

    def of(self, action: Action) -> tuple[PlannedModel, ...]:
        """Return the models to which this would happen."""
        return tuple(row for row in self.rows if row.action == action)

    @property
    def counts(self) -> dict[str, int]:
        """How many models would be added, changed, gone and back."""
        return {action: len(self.of(action)) for action in ACTIONS}


def references(provider: Provider, listed: Sequence[ModelInfo], models: Sequence[Model]) -> set[str]:
    """Return what to ask the price catalogue for before planning: new models, and those here that lack a price or differ."""
    here = {_spoken(provider.kind, model.upstream_id) for model in models}
    fresh = {new.reference_of(provider.kind, info) for info in _chats(listed) if _spoken(provider.kind, info.id) not in here}
    by_id = {_spoken(provider.kind, info.id): info for info in listed}
    known = {
        reference(model) for model in models if model.price is None or differs(model, by_id.get(_spoken(provider.kind, model.upstream_id)))
    }
    return {each for each in fresh | known if each}


def plan(
    provider: Provider,
    listed: Sequence[ModelInfo],
    models: Sequence[Model],
    *,
    seen: Collection[int],
    taken: Collection[str],
    known: Mapping[str, CataloguePrice],
) -> DiscoveryPlan:
    """Compare a provider's list with the models here; what an admin decided is left alone.

    Args:
        models: everyone's models of this provider.
        seen: ids of those that were in its list at some time.
        taken: keys of everyone's models, of whatever provider.
        known: the catalogue's answer to ``references``.
    """
    by_id = {_spoken(provider.kind, info.id): info for info in map(_sized, listed)}
    present = _presence(provider.kind, by_id)
    rows: list[PlannedModel] = []
    first_seen: list[int] = []
    for model in models:
        if present(model.upstream_id):
            row = _present(model, by_id.get(_spoken(provider.kind, model.upstream_id)), known)
            if row is not None:
                rows.append(row)
            elif model.id not in seen:
                first_seen.append(model.id)
        elif model.is_available:
            rows.append(_gone(model, sure=model.id in seen or not model.is_active))
    here, keys = {_spoken(provider.kind, model.upstream_id) for model in models}, set(taken)
    left_out = Counter(_type(info) for info in by_id.values() if _type(info) != CHAT)
    for info in _chats(by_id.values()):
        if _spoken(provider.kind, info.id) not in here:
            try:
                rows.append(_added(provider, info, keys, known))
                keys.add(rows[-1].model_key)
            except InvalidValue:
                left_out[UNUSABLE] += 1
    return DiscoveryPlan(
        *(provider.id, provider.slug, provider.display_name, len(by_id)),
        rows=tuple(sorted(rows, key=lambda row: (ACTIONS.index(row.action), row.name.casefold()))),
        first_seen=tuple(first_seen),
        left_out=dict(left_out),
        doubt=_doubt(provider, by_id, [m for m in models if m.is_available], seen, present),
    )


def _added(provider: Provider, info: ModelInfo, taken: Collection[str], known: Mapping[str, CataloguePrice]) -> PlannedModel:
    values = model_values(new.columns(provider, info, taken, known))
    entry = known.get(values["priced_as"] or "")
    prices = (entry.price, *entry.upcoming) if entry else ()
    shown = {name: values[name] for name in SIZES if values[name]} | {"capabilities": frozenset(values["capabilities"])}
    fields = [FieldChange(name, None, value) for name, value in shown.items()] + [FieldChange(PRICE, None, price) for price in prices[:1]]
    return PlannedModel("added", info.id, values["model_key"], values["display_name"], tuple(fields), values, prices)


def _present(model: Model, info: ModelInfo | None, known: Mapping[str, CataloguePrice]) -> PlannedModel | None:
    """Return what changes about a model that is listed; nothing but its presence is known of one listed under another name."""
    fields = [] if info is None else differences(model, info, known)
    values = {change.field: change.after for change in fields}
    if "capabilities" in values:
        values["capabilities"] = {name: True for name in CAPABILITIES if name in values["capabilities"]}
    if info is not None and fields:
        values["settings"] = {**model.settings, new.LISTED: new.facts(info)}
    if "max_output_tokens" in values and list(model.constraints.get("max_tokens", ())) == [1, model.max_output_tokens]:
        values["constraints"] = {**model.constraints, "max_tokens": [1, values["max_output_tokens"]]}
    prices: tuple[Price, ...] = ()
    priced_as = reference(model)
    if model.price is None and (entry := known.get(priced_as or "")):
        prices = (entry.price, *entry.upcoming)
        fields.append(FieldChange(PRICE, None, entry.price))
        values |= {} if model.priced_as else {"priced_as": priced_as}
    if not model.is_available:
        fields.insert(0, FieldChange("is_available", False, True))
        values["is_available"] = True
    if not fields:
        return None
    action: Action = "changed" if model.is_available else "back"
    return PlannedModel(
        *(action, model.upstream_id, model.model_key, model.display_name, tuple(fields), values, prices, model.id, model.version)
    )


def _gone(model: Model, *, sure: bool) -> PlannedModel:
    fields = (FieldChange("is_available", True, False),)
    return PlannedModel(
        *("gone", model.upstream_id, model.model_key, model.display_name, fields, {"is_available": False}, (), model.id, model.version),
        sure=sure,
    )


def _chats(listed: Collection[ModelInfo]) -> list[ModelInfo]:
    return [info for info in {info.id: info for info in listed}.values() if _type(info) == CHAT]


def _type(info: ModelInfo) -> str:
    """Return what a listed model is: as its provider says, else as its name does; an id that cannot be stored is of no use."""
    if len(info.id) > _LONGEST_ID or not info.id.isprintable() or "*" in info.id or info.id != info.id.strip():
        return UNUSABLE
    return type_by_name(info.base or info.id) if info.model_type == CHAT else info.model_type


def _sized(info: ModelInfo) -> ModelInfo:
    """Return a listed model without sizes that nothing can have."""
    window, limit = (size if (size or 0) <= _LARGEST else None for size in (info.context_window, info.max_output_tokens))
    return replace(info, context_window=window, max_output_tokens=limit)


def _spoken(kind: str, upstream_id: str) -> str:
    """Return an upstream id in the one of its spellings that lists use."""
    if kind == "google":
        return upstream_id.removeprefix("models/")
    return f"{upstream_id}:latest" if kind == "ollama" and ":" not in upstream_id else upstream_id


def _presence(kind: str, by_id: Mapping[str, ModelInfo]) -> Callable[[str], bool]:
    """Return whether an id can be called by what a list says: as it is, by an alias of a dated one, or without who serves it."""
    aliases = {_DATED.sub("", listed) for listed in by_id} | {_DATED.sub("-latest", listed) for listed in by_id}

    def present(upstream_id: str) -> bool:
        spoken = _spoken(kind, upstream_id)
        served = spoken.rpartition(":")[0] if kind in ("huggingface", "openrouter") else ""
        return spoken in by_id or spoken in aliases or bool(served and served in by_id)

    return present


def _doubt(
    provider: Provider, by_id: Mapping[str, ModelInfo], there: Sequence[Model], seen: Collection[int], present: Callable[[str], bool]
) -> str | None:
    """Return why a list may be wrong rather than shorter; a key with fewer rights or a server half up answers like this."""
    before = [model for model in there if model.id in seen]
    still = sum(present(model.upstream_id) for model in before)
    if not by_id and there:
        return f"{provider.display_name} lists no models at all, and {len(there)} are here."
    if still * 2 < len(before):
        return f"{provider.display_name} lists only {still} of the {len(before)} models it listed before."
    return None
