"""Carrying the registry from one installation to another, without any key: what an export holds, and a file of one taken apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lib.errors import InvalidValue
from lib.pricing.prices import price_to_json
from lib.registry.values import CAPABILITIES, Model, Provider

FORMAT = "modeldeck-models"
FORMAT_VERSION = 1
PROVIDER_FIELDS = ("display_name", "base_url", "settings", "is_active")
MODEL_FIELDS = (
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
    "is_available",
    "hidden",
    "display_order",
)
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a file from being imported: where it stands, which field is to blame, and a sentence."""

    where: str
    field: str | None
    sentence: str

    def __str__(self) -> str:
        parts = [self.where, *([self.field] if self.field else [])]
        return f"{', '.join(part for part in parts if part)}: {self.sentence}" if self.where else self.sentence


class ImportRefused(InvalidValue):
    """Nothing was imported; ``problems`` are all there are, and the message says each on a line of its own."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Source:
    """What a file says, as the document that ``export`` makes.

    ``rows`` are the rows of a table that its providers and models stand in, ``columns`` the columns that fields have
    there, both by section; ``kept_rates`` are rates it has no column for, and ``problems`` what was amiss in reading it.
    """

    document: Any
    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], str] = field(default_factory=dict)
    kept_rates: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    def problem(self, section: str, key: str, name: str | None, sentence: str) -> Problem:
        """Return a problem with an entry, named as somebody who looks at the file finds it."""
        row = self.rows.get((section, key))
        if row is None:
            return Problem(key, None, sentence)
        column = self.columns.get((section, name or ""))
        return Problem(f"Row {row}", f"column {column}" if column else key, sentence)


def export(providers: Iterable[Provider], models: Iterable[Model], at: datetime) -> dict[str, Any]:
    """Return everyone's providers and models as a JSON document."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "exported_at": at.isoformat(),
        "providers": [{"slug": p.slug, "kind": p.kind, **provider_fields(p)} for p in providers if p.owner_id is None],
        "models": [
            {"model_key": m.model_key, "provider": m.provider.slug, **model_fields(m), "price": _price(m)}
            for m in models
            if m.owner_id is None
        ],
    }


def read(data: bytes) -> Source:
    """Take a file apart, JSON or CSV as its content says; raise InvalidValue for what is neither."""
    from lib.registry.transfer_csv import from_csv  # which builds on this module

    if data.startswith(_ZIP):
        raise InvalidValue("This is a workbook or an archive. Save the table as “CSV UTF-8” and choose that file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text or data.startswith(_BOMS):
        raise InvalidValue("This file is not text in UTF-8. Choose a file that export wrote; from a spreadsheet, save it as “CSV UTF-8”.")
    if text.lstrip()[:1] not in ("{", "["):
        return from_csv(text)
    try:
        return Source(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        place = f" It breaks off at line {error.lineno}." if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidValue(f"This is not a JSON document that export wrote.{place}") from None


def provider_fields(provider: Provider) -> dict[str, Any]:
    """Return what an export says of a provider beside its slug and kind."""
    return {
        "display_name": provider.display_name,
        "base_url": provider.own_base_url,
        "settings": dict(provider.settings),
        "is_active": provider.is_active,
    }


def model_fields(model: Model) -> dict[str, Any]:
    """Return what an export says of a model beside its key, provider and price."""
    values = {name: getattr(model, name) for name in MODEL_FIELDS}
    return {
        **values,
        "fallbacks": list(model.fallbacks),
        "is_default": model.is_default,
        "capabilities": [c for c in CAPABILITIES if c in model.capabilities],
    }


def _price(model: Model) -> dict[str, Any] | None:
    if model.price is None:
        return None
    written = price_to_json(model.price)
    return {**written, "source_detail": written["source_detail"] or None}
