"""Names for what the audit log knows by numbers: of rows that are there, and of those that are gone as the log last told them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.audit_reading import Entry
from lib.store.schema import audit_log, llm_model_prices, llm_models, llm_providers, model_compatibility_hints, profiles

PRICES = llm_model_prices.name
Ref = tuple[str, str]
"""A row: its table and its id as text."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a row is called, and whose it is: None for everyone's."""

    name: str
    owner_id: str | None = None


class Names:
    """Names of the rows that some entries speak of, read at once."""

    def __init__(self, connection: Connection, entries: Sequence[Entry], *, also: Iterable[Ref] = ()) -> None:
        self._known: dict[Ref, Known] = {}
        self._models: dict[str, str] = {}  # of prices
        self._read_prices(connection, entries)
        wanted = {*_refs(entries), *also} | {("llm_models", model_id) for model_id in self._models.values()}
        self._read(connection, wanted)
        self._read_gone(connection, wanted - set(self._known))
        owners = {known.owner_id for known in self._known.values() if known.owner_id}
        self._read(connection, {("profiles", owner) for owner in owners} - set(self._known))

    def of(self, subject: str, subject_id: Any) -> Known | None:
        """Return what a row is known as; a price goes by its model's name."""
        if subject == PRICES:
            subject, subject_id = "llm_models", self._models.get(str(subject_id))
        return self._known.get((subject, str(subject_id)))

    def about(self, entry: Entry) -> Known | None:
        """Return what the row of an entry is known as; the key of a provider or model goes by its name."""
        if entry.subject == "credentials" and entry.subject_id:
            return self.of(*_key_ref(entry.subject_id))
        return self.of(entry.subject, entry.subject_id)

    def model_of(self, price_id: str | None) -> str | None:
        """Return the id of the model that a price belongs to."""
        return self._models.get(str(price_id))

    def _read_prices(self, connection: Connection, entries: Sequence[Entry]) -> None:
        for entry in entries:
            told = entry.after or entry.before or {}
            if entry.subject == PRICES and entry.subject_id and told.get("model_id") is not None:
                self._models[entry.subject_id] = str(told["model_id"])

    def _read(self, connection: Connection, wanted: Iterable[Ref]) -> None:
        by_table: dict[str, list[str]] = {}
        for subject, subject_id in wanted:
            by_table.setdefault(subject, []).append(subject_id)
        for subject, columns in _NAMED.items():
            ids = [each for each in by_table.get(subject, ()) if subject == "profiles" or each.isdecimal()]
            if ids:
                key, *named = columns
                found = sa.select(key, *named).where(key.in_(ids if subject == "profiles" else [int(each) for each in ids]))
                for row in connection.execute(found):
                    self._known[subject, str(row[0])] = _known(subject, row._asdict())

    def _read_gone(self, connection: Connection, gone: Iterable[Ref]) -> None:
        """Take the names of rows that are not there any more from the entries that tell of them whole."""
        by_table: dict[str, list[str]] = {}
        for subject, subject_id in gone:
            if subject in _NAMED:
                by_table.setdefault(subject, []).append(subject_id)
        log = audit_log.c
        for subject, ids in by_table.items():
            whole = sa.or_(log.before.is_(None), log.after.is_(None))
            query = sa.select(log.subject_id, log.before, log.after).where(log.subject == subject, log.subject_id.in_(ids), whole)
            for subject_id, before, after in connection.execute(query.order_by(log.id)):
                told = after or before or {}
                if _known(subject, told).name:
                    self._known[subject, subject_id] = _known(subject, told)


def ids_named(connection: Connection, text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the rows whose names hold a text, by table; those of one person are left out."""
    found = []
    for subject, (key, *named) in _NAMED.items():
        texts = [column for column in named if isinstance(column.type, sa.Text)]
        conditions = [sa.or_(*(column.icontains(text, autoescape=True) for column in texts))]
        conditions += [column.is_(None) for column in named if column.name == "owner_id"]
        ids = [str(each) for each in connection.scalars(sa.select(key).where(*conditions))]
        if subject == "llm_models" and ids:
            prices = sa.select(llm_model_prices.c.id).where(llm_model_prices.c.model_id.in_([int(each) for each in ids]))
            found.append((PRICES, tuple(str(each) for each in connection.scalars(prices))))
        found.append((subject, tuple(ids)))
    return tuple((subject, ids) for subject, ids in found if ids)


def about_model(connection: Connection, model_id: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the rows that make up a model: its own, its prices and its key."""
    prices = connection.scalars(sa.select(llm_model_prices.c.id).where(llm_model_prices.c.model_id == model_id))
    about = (("llm_models", (str(model_id),)), (PRICES, tuple(map(str, prices))), ("credentials", (f"model:{model_id}",)))
    return tuple((subject, ids) for subject, ids in about if ids)


_NAMED: Mapping[str, tuple[sa.Column[Any], ...]] = {
    "llm_models": (llm_models.c.id, llm_models.c.display_name, llm_models.c.model_key, llm_models.c.owner_id),
    "llm_providers": (llm_providers.c.id, llm_providers.c.display_name, llm_providers.c.slug, llm_providers.c.owner_id),
    "profiles": (profiles.c.user_id, profiles.c.display_name, profiles.c.email),
    "model_compatibility_hints": (
        model_compatibility_hints.c.id,
        model_compatibility_hints.c.model,
        model_compatibility_hints.c.provider,
    ),
}
"""Each table with the key and the columns that name its rows, the best name first."""


def _known(subject: str, row: Mapping[str, Any]) -> Known:
    _, *named = _NAMED[subject]
    names = [row.get(column.name) for column in named if column.name != "owner_id"]
    return Known(next((name for name in names if name), ""), row.get("owner_id"))


def _refs(entries: Sequence[Entry]) -> Iterable[Ref]:
    for entry in entries:
        if entry.subject == "credentials" and entry.subject_id:
            yield _key_ref(entry.subject_id)
        elif entry.subject_id:
            yield entry.subject, entry.subject_id
        for told in (entry.before or {}, entry.after or {}):
            if told.get("provider_id") is not None:
                yield "llm_providers", str(told["provider_id"])
            if told.get("model_id") is not None:
                yield "llm_models", str(told["model_id"])


def _key_ref(subject_id: str) -> Ref:
    """Return what a key belongs to: a model, or a provider whoever stored it."""
    scope, _, rest = subject_id.partition(":")
    return ("llm_models", rest) if scope == "model" else ("llm_providers", rest.rpartition(":")[2])
