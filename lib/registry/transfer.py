"""Carrying the registry as JSON from one installation to another, without any key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lib.errors import InvalidValue
from lib.pricing import Price
from lib.pricing.prices import adding, price_from_json, price_to_json
from lib.providers.catalog import KINDS
from lib.registry.checks import model_values, provider_values
from lib.registry.reader import MODELS, PROVIDERS
from lib.registry.values import CAPABILITIES, Model, Provider
from lib.store.base import Change, Insert, Store, Update

FORMAT = "modeldeck-models"
FORMAT_VERSION = 1
_PROVIDER_FIELDS = ("display_name", "base_url", "settings", "is_active")
_MODEL_FIELDS = (
    "upstream_id",
    "vendor",
    "priced_as",
    "display_name",
    "model_type",
    "context_window",
    "max_output_tokens",
    "defaults",
    "constraints",
    "settings",
    "fallbacks",
    "is_active",
    "hidden",
)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import does, by model key; ``providers`` are the slugs it adds or changes."""

    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    providers: tuple[str, ...]


@dataclass
class Plan:
    """The changes an import will make: providers first, for models refer to them."""

    result: ImportResult
    providers: list[Change] = field(default_factory=list)
    new_models: list[tuple[str, dict[str, Any], Price | None]] = field(default_factory=list)
    models: list[Change] = field(default_factory=list)
    prices: list[tuple[int, Price]] = field(default_factory=list)


def export(providers: Iterable[Provider], models: Iterable[Model], at: datetime) -> dict[str, Any]:
    """Return everyone's providers and models as a JSON document."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "exported_at": at.isoformat(),
        "providers": [{"slug": p.slug, "kind": p.kind, **_provider(p)} for p in providers if p.owner_id is None],
        "models": [
            {"model_key": m.model_key, "provider": m.provider.slug, **_model(m), "price": price_to_json(m.price) if m.price else None}
            for m in models
            if m.owner_id is None
        ],
    }


def plan(document: Any, providers: Sequence[Provider], models: Sequence[Model]) -> Plan:
    """Compare a document with what is there; raise InvalidValue listing every problem, one sentence a line."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InvalidValue("This is not a Modeldeck export: it does not say so in its format field.")
    if document.get("version") != FORMAT_VERSION:
        raise InvalidValue(f"This export has version {document.get('version')}; this Modeldeck reads version {FORMAT_VERSION}.")
    problems: list[str] = []
    made = Plan(ImportResult((), (), (), ()))
    slugs = _plan_providers(made, _entries(document, "providers", "slug", problems), providers, problems)
    known = {p.slug for p in providers if p.owner_id is None} | {entry["slug"] for entry in _entries(document, "providers", "slug", [])}
    outcome = _plan_models(made, _entries(document, "models", "model_key", problems), known, models, problems)
    if problems:
        raise InvalidValue("\n".join(problems))
    made.result = ImportResult(outcome["added"], outcome["updated"], outcome["unchanged"], slugs)
    return made


def carry_out(store: Store, made: Plan, now: datetime, created_by: str) -> None:
    """Make the planned changes: providers, then models, then prices; each step in one transaction."""
    if made.providers:
        store.apply(made.providers)
    ids = {row["slug"]: row["id"] for row in store.select(PROVIDERS, columns=("id", "slug"), where={"owner_id": None})}
    inserts = [Insert(MODELS, [{**row, "provider_id": ids[slug]}]) for slug, row, _ in made.new_models]
    stored = store.apply([*inserts, *made.models]) if inserts or made.models else []
    prices = [(rows[0]["id"], price) for rows, (_, _, price) in zip(stored, made.new_models, strict=False) if price]
    changes = [adding(model_id, price, now, created_by) for model_id, price in (*prices, *made.prices)]
    if changes:
        store.apply(changes)


def _provider(provider: Provider) -> dict[str, Any]:
    return {
        "display_name": provider.display_name,
        "base_url": provider.own_base_url,
        "settings": dict(provider.settings),
        "is_active": provider.is_active,
    }


def _model(model: Model) -> dict[str, Any]:
    values = {name: getattr(model, name) for name in _MODEL_FIELDS}
    return {**values, "fallbacks": list(model.fallbacks), "capabilities": [c for c in CAPABILITIES if c in model.capabilities]}


def _entries(document: Mapping[str, Any], section: str, name: str, problems: list[str]) -> list[Mapping[str, Any]]:
    entries = document.get(section, [])
    if not isinstance(entries, list):
        problems.append(f"{section} must be a list.")
        return []
    good: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    for place, entry in enumerate(entries, start=1):
        key = entry.get(name) if isinstance(entry, Mapping) else None
        if not isinstance(key, str) or not key:
            problems.append(f"Entry {place} of {section} has no {name}.")
        elif key in seen:
            problems.append(f"{key} is listed twice in {section}.")
        else:
            seen.add(key)
            good.append(entry)
    return good


def _plan_providers(made: Plan, entries: list[Mapping[str, Any]], providers: Sequence[Provider], problems: list[str]) -> tuple[str, ...]:
    there = {p.slug: p for p in providers if p.owner_id is None}
    changed: list[str] = []
    for entry in entries:
        slug, present = entry["slug"], there.get(entry["slug"])
        if entry.get("kind") not in KINDS or (present and present.kind != entry["kind"]):
            problems.append(f"{slug}: the kind of provider must be {present.kind if present else 'one of ' + ', '.join(KINDS)}.")
            continue
        try:
            values = provider_values({name: entry[name] for name in _PROVIDER_FIELDS if name in entry})
            values |= {} if present else provider_values({"slug": slug})
        except InvalidValue as error:
            problems.append(f"{slug}: {error}")
            continue
        if present is None:
            made.providers.append(Insert(PROVIDERS, [{"display_name": KINDS[entry["kind"]].label, **values, "kind": entry["kind"]}]))
        elif difference := {n: v for n, v in values.items() if _provider(present)[n] != v}:
            made.providers.append(Update(PROVIDERS, difference, {"id": present.id}, present.version))
        else:
            continue
        changed.append(slug)
    return tuple(changed)


def _plan_models(
    made: Plan, entries: list[Mapping[str, Any]], slugs: set[str], models: Sequence[Model], problems: list[str]
) -> dict[str, tuple[str, ...]]:
    there = {m.model_key: m for m in models if m.owner_id is None}
    last = max((m.display_order for m in models), default=0)
    outcome: dict[str, list[str]] = {"added": [], "updated": [], "unchanged": []}
    for place, entry in enumerate(entries, start=1):
        key, present = entry["model_key"], there.get(entry["model_key"])
        try:
            values, price = _model_entry(entry, present, slugs)
        except InvalidValue as error:
            problems.append(f"{key}: {error}")
            continue
        if present is None:
            made.new_models.append((entry["provider"], {**values, "display_order": last + place * 10}, price))
            outcome["added"].append(key)
            continue
        now = model_values({name: value for name, value in _model(present).items() if name in values})
        difference = {name: value for name, value in values.items() if now.get(name, key) != value}
        other_price = price is not None and (present.price is None or _rates(price) != _rates(present.price))
        if difference:
            made.models.append(Update(MODELS, difference, {"id": present.id}, present.version))
        if other_price and price is not None:
            made.prices.append((present.id, price))
        outcome["updated" if difference or other_price else "unchanged"].append(key)
    return {name: tuple(keys) for name, keys in outcome.items()}


def _model_entry(entry: Mapping[str, Any], present: Model | None, slugs: set[str]) -> tuple[dict[str, Any], Price | None]:
    """Return the columns and price an entry asks for; raise InvalidValue where it makes no sense."""
    slug = entry.get("provider")
    if slug not in slugs:
        raise InvalidValue(f"its provider {slug!r} is neither here nor in the export.")
    if present is not None and present.provider.slug != slug:
        raise InvalidValue(f"it belongs to {present.provider.slug} here; remove or rename one of the two first.")
    given = {name: entry[name] for name in (*_MODEL_FIELDS, "capabilities") if name in entry}
    if present is None:
        given = {"model_key": entry["model_key"], "upstream_id": entry["model_key"], "display_name": entry["model_key"], **given}
    price = entry.get("price")
    return model_values(given), price_from_json(price) if price is not None else None


def _rates(price: Price) -> tuple[object, ...]:
    return (price.items(), price.tiers, dict(price.extra_rates))
