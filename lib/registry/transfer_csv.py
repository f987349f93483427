"""The registry as one flat table for spreadsheets: a row for each model, its provider's columns beside it, and back without a loss.

A provider without models stands in a row of its own that has no model key. Texts that a spreadsheet would take for a
formula carry an apostrophe, which reading takes away again.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from lib.errors import InvalidValue
from lib.pricing.price import RATE_NAMES
from lib.registry.transfer import FORMAT, FORMAT_VERSION, Problem, Source

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet may take for a formula, the wide forms of East Asian keyboards included, behind any apostrophes."""
_WHOLE = re.compile(r"[0-9]{1,18}")
_COMMA = re.compile(r"[0-9]+,[0-9]+")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][^\s,]*")
_DELIMITERS = (",", ";", "\t")
_NOTHING = object()
"""What an empty cell says where it says nothing: a new model gets what it would, another keeps what it has."""


class _Unfit(ValueError):
    """A cell holds what its column cannot; the message says what it should hold."""


def _text(cell: str, _comma: bool) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _flag(cell: str, _comma: bool) -> bool:
    if cell.strip().lower() not in _WORDS:
        raise _Unfit(f"{_short(cell)} is neither true nor false.")
    return _WORDS[cell.strip().lower()]


def _whole(cell: str, _comma: bool) -> int:
    if not _WHOLE.fullmatch(cell.strip()):
        raise _Unfit(f"{_short(cell)} is not a whole number; write digits alone, such as 128000.")
    return int(cell)


def _decimal(cell: str, comma: bool) -> str:
    """Return an amount as text; a table parted by semicolons comes from where the comma marks decimals."""
    text = cell.strip()
    if comma and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if "," in text:
        raise _Unfit(f"{_short(cell)} has a comma; write the amount with a point and nothing between thousands, such as 1250.75.")
    try:
        amount = Decimal(text)
    except ArithmeticError:
        raise _Unfit(f"{_short(cell)} is not an amount; write digits and a point, such as 0.25.") from None
    if not amount.is_finite():
        raise _Unfit(f"{_short(cell)} is not an amount; write digits and a point, such as 0.25.")
    return format(amount, "f")


def _json(cell: str, _comma: bool) -> Any:
    try:
        return json.loads(cell)
    except (json.JSONDecodeError, RecursionError):
        raise _Unfit(f"{_short(cell)} is not JSON; write it like {{}} or [], with double quotes around names.") from None


def _names(cell: str, comma: bool) -> Any:
    if cell.lstrip().startswith("["):
        return _json(cell, comma)
    return [name for name in (part.strip() for part in _text(cell, comma).split(",")) if name]


def _moment(cell: str, _comma: bool) -> str:
    try:
        moment = datetime.fromisoformat(cell.strip())
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - refused just below
    if moment.tzinfo is None:
        raise _Unfit(f"{_short(cell)} is not a moment with its timezone; write it like 2026-05-01T00:00:00+00:00, or leave it empty.")
    return cell.strip()


def _short(cell: str) -> str:
    shown = cell.strip()[:40]
    return f"“{shown}”" + ("…" if len(cell.strip()) > 40 else "")


@dataclass(frozen=True)
class Column:
    """A column: its header, the section and field it holds, how a cell is read, and what an empty one says."""

    header: str
    section: str
    field: str
    read: Callable[[str, bool], Any] = _text
    empty: Any = _NOTHING


COLUMNS: tuple[Column, ...] = (
    Column("model_key", "models", "model_key"),
    Column("display_name", "models", "display_name"),
    Column("provider", "models", "provider"),
    Column("upstream_id", "models", "upstream_id"),
    Column("is_active", "models", "is_active", _flag),
    Column("hidden", "models", "hidden", _flag),
    Column("is_default", "models", "is_default", _flag),
    Column("display_order", "models", "display_order", _whole),
    *(Column(f"price_{name}", "price", name, _decimal) for name in RATE_NAMES),
    Column("context_window", "models", "context_window", _whole, None),
    Column("max_output_tokens", "models", "max_output_tokens", _whole, None),
    Column("capabilities", "models", "capabilities", _names, []),
    Column("fallbacks", "models", "fallbacks", _names, []),
    Column("vendor", "models", "vendor", _text, None),
    Column("model_type", "models", "model_type"),
    Column("priced_as", "models", "priced_as", _text, None),
    Column("is_available", "models", "is_available", _flag),
    Column("defaults", "models", "defaults", _json, {}),
    Column("constraints", "models", "constraints", _json, {}),
    Column("settings", "models", "settings", _json, {}),
    Column("price_tiers", "price", "tiers", _json),
    Column("price_extra_rates", "price", "extra_rates", _json),
    Column("price_source", "price", "source"),
    Column("price_source_detail", "price", "source_detail"),
    Column("price_valid_from", "price", "valid_from", _moment),
    Column("provider_kind", "providers", "kind"),
    Column("provider_name", "providers", "display_name"),
    Column("provider_base_url", "providers", "base_url", _text, None),
    Column("provider_is_active", "providers", "is_active", _flag),
    Column("provider_settings", "providers", "settings", _json, {}),
)
_BY_HEADER = {column.header: column for column in COLUMNS}
_FIELD_COLUMNS = {("models" if c.section == "price" else c.section, c.field): c.header for c in reversed(COLUMNS)}
_FIELD_COLUMNS |= {("models", "price"): "price_input", ("providers", "slug"): "provider"}


def to_csv(document: Mapping[str, Any]) -> bytes:
    """Return an export as a CSV file in UTF-8 with the mark by which Excel knows it."""
    providers = {entry["slug"]: entry for entry in document["providers"]}
    rows = [_row(model, providers[model["provider"]]) for model in document["models"]]  # each says the whole, so that it can be cut out
    served = {model["provider"] for model in document["models"]}
    rows += [_row({"provider": slug}, entry) for slug, entry in providers.items() if slug not in served]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([[column.header for column in COLUMNS], *rows])
    return out.getvalue().encode("utf-8-sig")


def from_csv(text: str) -> Source:
    """Return a table as the document it was made of, with every cell that cannot be read among its problems."""
    lines = io.StringIO(text, newline="")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InvalidValue(f"The table cannot be read: {error}. Save it again as “CSV UTF-8”.") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if "model_key" not in header or "provider" not in header:
        raise InvalidValue("This is not a table that export wrote: its first row must name the columns model_key and provider.")
    table = _Table(header, delimiter == ";")
    for number, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            table.take(number, row)
    return table.source()


def _row(model: Mapping[str, Any], provider: Mapping[str, Any]) -> list[str]:
    sections: Mapping[str, Mapping[str, Any]] = {"models": model, "providers": provider, "price": model.get("price") or {}}
    return [_cell(column, sections[column.section].get(column.field)) for column in COLUMNS]


def _cell(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.read is _flag:
        return "true" if value else "false"
    if column.read is _names:
        plain = all(_PLAIN_NAME.fullmatch(name) for name in value)
        return ", ".join(value) if plain else json.dumps(value, ensure_ascii=False)
    if column.read is _json:
        return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
    text = str(value)
    return f"'{text}" if column.read is _text and _FORMULA.match(text) else text


@dataclass
class _Table:
    """A table on its way to a document."""

    header: list[str]
    comma: bool
    models: list[dict[str, Any]] = field(default_factory=list)
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in dict.fromkeys(self.header):
            if name not in _BY_HEADER:
                self.problems.append(Problem("Row 1", None, f"there is no column named {name[:60] or 'nothing'}; take it out."))
            elif self.header.count(name) > 1:
                self.problems.append(Problem("Row 1", f"column {name}", "it is there twice."))

    def take(self, number: int, cells: list[str]) -> None:
        """Read one row."""
        if len(cells) > len(self.header) and any(cell.strip() for cell in cells[len(self.header) :]):
            self.problems.append(Problem(f"Row {number}", None, "it has more cells than there are columns."))
            return
        found: dict[str, dict[str, Any]] = {"models": {}, "providers": {}, "price": {}}
        for name, cell in zip(self.header, cells, strict=False):
            column = _BY_HEADER.get(name)
            if column is None:
                continue
            try:
                value = column.read(cell, self.comma) if cell.strip() else column.empty
            except _Unfit as unfit:
                self.problems.append(Problem(f"Row {number}", f"column {name}", str(unfit)))
                value = _NOTHING
            if value is not _NOTHING:
                found[column.section][column.field] = value
        self._keep(number, found["models"], found["providers"], found["price"])

    def source(self) -> Source:
        """Return all that was read."""
        document = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "providers": list(self.providers.values()),
            "models": self.models,
        }
        missing = frozenset(name for name in (*RATE_NAMES, "tiers", "extra_rates") if f"price_{name}" not in self.header)
        return Source(document, self.rows, _FIELD_COLUMNS, missing, tuple(self.problems))

    def _keep(self, number: int, model: dict[str, Any], provider: dict[str, Any], price: dict[str, Any]) -> None:
        slug, key = (str(model.get(name, "")).strip() for name in ("provider", "model_key"))
        if not slug:
            self.problems.append(Problem(f"Row {number}", "column provider", "it names no provider."))
            return
        if provider:
            self._keep_provider(number, slug, provider)
        if not key:
            if {"display_name", "upstream_id"} & model.keys():
                self.problems.append(Problem(f"Row {number}", "column model_key", "it is empty, though the row names a model."))
            return
        if ("models", key) in self.rows:
            before = self.rows["models", key]
            self.problems.append(Problem(f"Row {number}", "column model_key", f"{key} stands in row {before} already."))
            return
        self.rows["models", key] = number
        model |= {"provider": slug, "model_key": key}
        if price.keys() - {"valid_from"}:
            model["price"] = price
        self.models.append(model)

    def _keep_provider(self, number: int, slug: str, provider: dict[str, Any]) -> None:
        before = self.providers.setdefault(slug, {"slug": slug, **provider})
        first = self.rows.setdefault(("providers", slug), number)
        for name, value in provider.items():
            if before.get(name) != value:
                column = _FIELD_COLUMNS["providers", name]
                self.problems.append(
                    Problem(f"Row {number}", f"column {column}", f"{slug} is described otherwise in row {first}; write the same in both.")
                )
