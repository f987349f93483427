"""What an import would do: every problem in its file, or the difference it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib.errors import InvalidValue
from lib.pricing import Price
from lib.pricing.prices import price_from_json
from lib.providers.catalog import KINDS
from lib.registry.checks import model_problems, model_values, provider_problems, provider_values
from lib.registry.transfer import (
    FORMAT,
    FORMAT_VERSION,
    MODEL_FIELDS,
    PROVIDER_FIELDS,
    ImportRefused,
    Problem,
    Source,
    model_fields,
    provider_fields,
)
from lib.registry.values import Model, Provider

PRICE = "price"


@dataclass(frozen=True)
class ImportEdit:
    """One field of one provider or model, before and after; ``field`` is "price" or a column."""

    key: str
    name: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Item:
    """One provider or model of an import: what is there now (None when it is new), and the columns it gets.

    ``values`` holds what differs only, of a new one everything; ``provider`` is the slug a model belongs to.
    """

    key: str
    name: str
    there: Provider | Model | None
    values: Mapping[str, Any]
    provider: str = ""
    price: Price | None = None

    @property
    def changes(self) -> bool:
        """Whether anything is to be written for it."""
        return self.there is None or bool(self.values) or self.price is not None

    @property
    def edits(self) -> list[ImportEdit]:
        """The difference it makes to what is there."""
        if self.there is None:
            return []
        before = _stored(self.there)
        made = [ImportEdit(self.key, self.name, name, before[name], value) for name, value in self.values.items()]
        if self.price is not None:
            made.append(ImportEdit(self.key, self.name, PRICE, getattr(self.there, PRICE), self.price))
        return made


@dataclass(frozen=True)
class ImportPlan:
    """What an import does to each provider and model of its file; ``providers_there`` are ids by slug."""

    providers: tuple[Item, ...]
    models: tuple[Item, ...]
    providers_there: Mapping[str, int]

    @property
    def items(self) -> tuple[Item, ...]:
        """Providers, then models."""
        return (*self.providers, *self.models)

    @property
    def edits(self) -> tuple[ImportEdit, ...]:
        """Every difference to what is there; what is new has none."""
        return tuple(edit for item in self.items for edit in item.edits)

    @property
    def is_empty(self) -> bool:
        """Whether everything is as the file says already."""
        return not any(item.changes for item in self.items)

    @property
    def result(self) -> ImportResult:
        """The plan in model keys."""
        added = tuple(item.key for item in self.models if item.there is None)
        updated = tuple(item.key for item in self.models if item.there is not None and item.changes)
        return ImportResult(
            added,
            updated,
            tuple(item.key for item in self.models if not item.changes),
            tuple(item.key for item in self.providers if item.changes),
        )


@dataclass(frozen=True)
class ImportResult:
    """What an import does, by model key; ``providers`` are the slugs it adds or changes."""

    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    providers: tuple[str, ...]


def plan(source: Source, providers: Sequence[Provider], models: Sequence[Model], now: datetime) -> ImportPlan:
    """Compare a file with what is there; raise ImportRefused with every problem in it."""
    document = source.document
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InvalidValue("This is not a Modeldeck export: it does not say so in its format field.")
    if document.get("version") != FORMAT_VERSION:
        raise InvalidValue(f"This export has version {document.get('version')}; this Modeldeck reads version {FORMAT_VERSION}.")
    problems = list(source.problems)
    global_providers = {p.slug: p for p in providers if p.owner_id is None}
    named = _entries(source, "providers", "slug", problems)
    items = tuple(_provider_items(source, named, global_providers, problems))
    entries = _entries(source, "models", "model_key", problems)
    slugs = {*global_providers, *(entry["slug"] for entry in named)}
    planned = _Models(source, {m.model_key: m for m in models if m.owner_id is None}, slugs, now, problems)
    made = [*planned.items(entries)]
    if problems:
        raise ImportRefused(problems)
    return ImportPlan(items, tuple(made), {slug: p.id for slug, p in global_providers.items()})


def _entries(source: Source, section: str, name: str, problems: list[Problem]) -> list[Mapping[str, Any]]:
    entries = source.document.get(section, [])
    if not isinstance(entries, list):
        problems.append(Problem("", None, f"{section} must be a list."))
        return []
    good: dict[str, Mapping[str, Any]] = {}
    for place, entry in enumerate(entries, start=1):
        key = entry.get(name) if isinstance(entry, Mapping) else None
        if not isinstance(key, str) or not key:
            problems.append(Problem("", None, f"Entry {place} of {section} has no {name}."))
        elif key in good:
            problems.append(Problem("", None, f"{key} is listed twice in {section}."))
        else:
            good[key] = entry
    return list(good.values())


def _provider_items(
    source: Source, entries: Sequence[Mapping[str, Any]], there: Mapping[str, Provider], problems: list[Problem]
) -> Iterator[Item]:
    for entry in entries:
        slug, present, kind = entry["slug"], there.get(entry["slug"]), entry.get("kind")
        if not isinstance(kind, str) or kind not in KINDS or (present and present.kind != kind):
            wanted = present.kind if present else "one of " + ", ".join(KINDS)
            problems.append(source.problem("providers", slug, "kind", f"the kind of provider must be {wanted}."))
            continue
        given = {name: entry[name] for name in PROVIDER_FIELDS if name in entry}
        if found := provider_problems({**given, **({} if present else {"slug": slug})}):
            problems += [source.problem("providers", slug, name, sentence) for name, sentence in found.items()]
            continue
        values = provider_values(given)
        if present is None:
            full = {"display_name": KINDS[kind].label, **values, "slug": slug, "kind": kind}
            yield Item(slug, str(full["display_name"]), None, full)
        else:
            before = provider_fields(present)
            yield Item(slug, present.display_name, present, {n: v for n, v in values.items() if before[n] != v})


@dataclass
class _Models:
    """Models of a file beside those that are there."""

    source: Source
    there: Mapping[str, Model]
    slugs: set[str]
    now: datetime
    problems: list[Problem]

    def items(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
        last = max((m.display_order for m in self.there.values()), default=0)
        default = ""
        for place, entry in enumerate(entries, start=1):
            key, present = entry["model_key"], self.there.get(entry["model_key"])
            if (found := self._amiss(entry, present, default)) is not None:
                self.problems += [self.source.problem("models", key, name, sentence) for name, sentence in found]
                continue
            default = key if entry.get("is_default") else default
            values = self._values(entry, present)
            price = self._price(entry, present)
            name = str(values["display_name"] if present is None else present.display_name)
            if present is None:
                yield Item(key, name, None, {"display_order": last + place * 10, **values}, entry["provider"], price)
                continue
            before = _stored(present)
            yield Item(key, name, present, {n: v for n, v in values.items() if before[n] != v}, entry["provider"], price)
        yield from self._dethroned(default, {entry["model_key"] for entry in entries})

    def _amiss(self, entry: Mapping[str, Any], present: Model | None, default: str) -> list[tuple[str | None, str]] | None:
        """Return (field, sentence) of all that is wrong with an entry, None when nothing is."""
        slug = entry.get("provider")
        if slug not in self.slugs:
            return [("provider", f"its provider {slug!r} is neither here nor in the export.")]
        if present is not None and present.provider.slug != slug:
            return [("provider", f"it belongs to {present.provider.slug} here; remove or rename one of the two first.")]
        found: list[tuple[str | None, str]] = list(model_problems(self._given(entry, present)).items())
        chosen = entry.get("is_default", False)
        if not isinstance(chosen, bool):
            found.append(("is_default", "Is default is either true or false."))
        elif chosen and default:
            found.append(("is_default", f"there is one default, and {default} is it already."))
        try:
            if entry.get("price") is not None:
                price_from_json(entry["price"])
        except InvalidValue as error:
            found.append((error.field, str(error)))
        return found or None

    def _given(self, entry: Mapping[str, Any], present: Model | None) -> dict[str, Any]:
        given = {name: entry[name] for name in (*MODEL_FIELDS, "capabilities") if name in entry}
        if present is None:
            given = {"model_key": entry["model_key"], "upstream_id": entry["model_key"], "display_name": entry["model_key"], **given}
        return given

    def _values(self, entry: Mapping[str, Any], present: Model | None) -> dict[str, Any]:
        default = {"is_default": entry["is_default"]} if "is_default" in entry else {}
        return model_values(self._given(entry, present)) | default

    def _price(self, entry: Mapping[str, Any], present: Model | None) -> Price | None:
        """Return the price to add: the given one where it charges something else than what is in force."""
        if entry.get("price") is None:
            return None
        price, old = price_from_json(entry["price"]), present.price if present else None
        if old is None:
            return price
        price = replace(price, **{name: getattr(old, name) for name in self.source.kept_rates})
        if _charges(price) == _charges(old):
            return None
        if (price.source, price.source_detail or None, price.valid_from) == (old.source, old.source_detail or None, old.valid_from):
            price = replace(price, source="manual", source_detail=None)  # only its rates were edited, so they come from who did that
        return replace(price, valid_from=price.valid_from if price.valid_from and price.valid_from > self.now else None)

    def _dethroned(self, default: str, keys: set[str]) -> Iterator[Item]:
        """Yield the default that is here already and that the file does not name, when the file makes another one."""
        for key, model in self.there.items():
            if default and model.is_default and key not in keys:
                yield Item(key, model.display_name, model, {"is_default": False}, model.provider.slug)


def _stored(there: Provider | Model) -> dict[str, Any]:
    """Return what is there as the columns that an entry's values are compared with."""
    if isinstance(there, Provider):
        return provider_fields(there)
    fields = model_fields(there)
    return model_values({name: value for name, value in fields.items() if name != "is_default"}) | {"is_default": there.is_default}


def _charges(price: Price) -> tuple[object, ...]:
    return (price.items(), price.tiers, dict(price.extra_rates))
