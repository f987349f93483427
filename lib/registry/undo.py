"""Taking a recorded change back: planned against what is there now, refused whole where somebody changed it since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.pricing import Price
from lib.pricing.price import RATE_NAMES
from lib.pricing.prices import TABLE as PRICES
from lib.pricing.prices import adding, price_from_row
from lib.registry.reader import MODELS, PROVIDERS
from lib.registry.undo_values import TABLES, Net, UndoLine, UndoPlan, nets, never, said, since
from lib.store.audit import NOISE
from lib.store.audit_reading import AuditChange, latest
from lib.store.base import Change, Delete, Insert, Row, Update
from lib.store.schema import conversations, credentials, llm_model_prices, llm_models, llm_providers

NOT_YOURS = "It belongs to one person, and only they change it."
_UNPRICED = Price(source_detail="no price")
_SEEN = frozenset({"is_available"})
"""Columns that a look at the provider sets: that they changed since is nobody's decision to be kept."""
_TOGETHER = 100
"""Rows in one insert: Supabase's function grows one list an insert, and long ones grow slowly."""


def plan(connection: Connection, change: AuditChange, person: str | None, now: datetime, created_by: str) -> UndoPlan:
    """Compare what a change left behind with what is there now; nothing is written.

    ``change`` must hold all its entries, ``person`` is who asks: rows of others are left alone. Rows keep their ids, so
    calls and conversations still point to them; of keys nothing comes back; a price comes back as a new one from now on.
    """
    reason = never(change)
    if reason is not None:
        return UndoPlan(change.first, refusals=(reason,))
    return _Planning(connection, change, person, now, created_by).made()


class _Planning:
    """One plan in the making: the rows that are there, and what was found to do, to note and to refuse."""

    def __init__(self, connection: Connection, change: AuditChange, person: str | None, now: datetime, created_by: str) -> None:
        self._connection = connection
        self._change = change
        self._person = person
        self._now = now
        self._by = created_by
        self._lines: list[UndoLine] = []
        self._notes: list[str] = []
        self._refusals: list[str] = []
        touched = nets(change.entries)
        self._prices = [net for net in touched if net.subject == PRICES]
        self._nets = [net for net in touched if net.subject != PRICES]
        self._rows = {name: self._there(table, name) for name, table in TABLES.items()}
        self._updated: list[tuple[Net, Row, dict[str, Any]]] = []
        self._added = [net for net in self._nets if not net.existed]
        self._removed = [net for net in self._nets if not net.alive]

    def made(self) -> UndoPlan:
        for net in self._nets:
            self._check_owner(net.subject, self._row(net) or net.before)
            if net.alive:
                self._check_unchanged(net)
        if not self._refusals:
            self._check_dependents()
            first, last = self._back_to_before()
            changes = [*first, *self._restored(), *last, *self._priced()]
        if self._refusals:
            return UndoPlan(self._change.first, refusals=tuple(dict.fromkeys(self._refusals)))
        if not self._lines:
            return UndoPlan(self._change.first, refusals=("There is nothing left to take back.",))
        return UndoPlan(self._change.first, tuple(changes), tuple(self._lines), tuple(dict.fromkeys(self._notes)))

    def _there(self, table: sa.Table, name: str) -> dict[str, Row]:
        ids = {int(net.subject_id) for net in self._nets if net.subject == name}
        if name == MODELS:
            ids |= {int((net.after or net.before)["model_id"]) for net in self._prices}
        found = self._connection.execute(sa.select(table).where(table.c.id.in_(sorted(ids)))).mappings()
        return {str(row["id"]): dict(row) for row in found}

    def _row(self, net: Net) -> Row | None:
        return self._rows[net.subject].get(net.subject_id)

    def _name(self, net: Net) -> str:
        row = self._row(net) or net.before
        return str(row.get("display_name") or self._told_name(net) or f"{net.subject} {net.subject_id}")

    def _told_name(self, net: Net) -> str | None:
        told = latest(self._connection, net.subject, [net.subject_id], after=0)
        return next((name for e in told for name in [((e.before or e.after) or {}).get("display_name")] if name), None)

    def _check_owner(self, subject: str, row: Mapping[str, Any]) -> None:
        if row.get("owner_id") not in (None, self._person):
            self._refusals.append(NOT_YOURS)

    def _check_unchanged(self, net: Net) -> None:
        row = self._row(net)
        if row is None:
            self._refusals.append(f"{self._name(net)} was deleted{self._since(net, None)}")
            return
        kept = NOISE if net.existed else NOISE | _SEEN
        wrong = [name for name, value in net.after.items() if name not in kept and row[name] != value]
        for name in wrong:
            self._refusals.append(f"{self._name(net)}: {said(name)} was changed{self._since(net, name)}")
        if net.existed:
            fields = {name: value for name, value in net.before.items() if name not in NOISE and row[name] != value}
            self._updated.append((net, row, fields))

    def _since(self, net: Net, field: str | None) -> str:
        """Say who changed a field of a row, or removed the row, after the change, as far as the log knows."""
        return since(latest(self._connection, net.subject, [net.subject_id], after=self._change.last), field)

    def _check_dependents(self) -> None:
        """Refuse to take away what others refer to by now."""
        going = {name: {net.subject_id: self._row(net) or {} for net in self._added if net.subject == name} for name in TABLES}
        if any(going.values()):
            self._check_referring(going[MODELS], going[PROVIDERS])
            self._check_keys(going[MODELS], going[PROVIDERS])

    def _check_referring(self, models: Mapping[str, Row], providers: Mapping[str, Row]) -> None:
        restored = {net.subject_id: fields for net, _, fields in self._updated if net.subject == MODELS}
        columns = (llm_models.c.id, llm_models.c.display_name, llm_models.c.fallbacks, llm_models.c.provider_id, llm_models.c.owner_id)
        keys = {(row["model_key"], row["owner_id"]): row["display_name"] for row in models.values()}
        for other in self._connection.execute(sa.select(*columns)).mappings():
            if str(other["id"]) in models:
                continue
            then = restored.get(str(other["id"]), {})
            for key in then.get("fallbacks", other["fallbacks"]):
                for owner in {None, other["owner_id"]}:
                    if (key, owner) in keys:
                        self._refusals.append(f"{keys[key, owner]} is a fallback of {other['display_name']} by now.")
            if (provider := providers.get(str(then.get("provider_id", other["provider_id"])))) is not None:
                self._refusals.append(f"{provider['display_name']} has models by now, such as {other['display_name']}.")
        for _, name, count in self._connection.execute(
            sa.select(llm_models.c.id, llm_models.c.display_name, sa.func.count())
            .join(conversations, conversations.c.model_id == llm_models.c.id)
            .where(llm_models.c.id.in_([int(each) for each in models]))
            .group_by(llm_models.c.id, llm_models.c.display_name)
        ):
            self._refusals.append(
                f"{count:,} conversation{'s' if count > 1 else ''} {'were' if count > 1 else 'was'} held with {name} by now."
            )

    def _check_keys(self, models: Mapping[str, Row], providers: Mapping[str, Row]) -> None:
        stored = credentials.c
        held = sa.or_(stored.model_id.in_([int(each) for each in models]), stored.provider_id.in_([int(each) for each in providers]))
        for model_id, provider_id in self._connection.execute(sa.select(stored.model_id, stored.provider_id).where(held)):
            row = models.get(str(model_id)) or providers.get(str(provider_id)) or {}
            self._refusals.append(f"{row.get('display_name')} has a key by now. Remove it first; a key cannot be brought back.")

    def _restored(self) -> list[Change]:
        """Return the inserts of what was removed, providers first, with the prices that went with their models."""
        changes: list[Change] = []
        for subject in (PROVIDERS, MODELS):
            rows = [self._again(net) for net in self._removed if net.subject == subject]
            if rows:
                self._check_free(subject, rows)
                changes += _inserts(subject, sorted(rows, key=lambda row: bool(row.get("is_default"))))
        prices = [net.before for net in self._prices if not net.alive]
        if prices:
            number = llm_model_prices.c.id
            taken = set(self._connection.scalars(sa.select(number).where(number.in_([row["id"] for row in prices]))))
            if taken:
                self._notes.append(f"{len(taken):,} of the prices come back as new rows, for their numbers were given to others.")
            anew = {
                row["model_id"] for row in prices if row["id"] in taken
            }  # all of a model's, for their order decides between equal dates
            again = sorted(prices, key=lambda row: row["id"])
            changes += _inserts(PRICES, [_without_id(row) if row["model_id"] in anew else row for row in again])
        return changes

    def _again(self, net: Net) -> Row:
        row = {name: value for name, value in net.before.items() if name != "updated_at"}
        row["version"] = row.get("version", 1) + 1
        if row.get("is_default") and (other := self._default(row["owner_id"])) is not None:
            row["is_default"] = False
            self._notes.append(f"{row['display_name']} was the default; {other} stays it.")
        self._lines.append(UndoLine(net.subject, net.subject_id, self._name(net), "", "gone", "there"))
        self._notes.append("Keys do not come back: paste them again.")
        return row

    def _default(self, owner_id: str | None) -> str | None:
        """Return the name of the default model that an undo would not take the place from by itself."""
        found = llm_models.c
        giving_up = [net.subject_id for net, _, fields in self._updated if net.subject == MODELS and fields.get("is_default") is False]
        query = sa.select(found.id, found.display_name).where(found.is_default, found.owner_id.is_not_distinct_from(owner_id))
        row = self._connection.execute(query).first()
        return None if row is None or str(row.id) in {*giving_up, *(net.subject_id for net in self._added)} else str(row.display_name)

    def _check_free(self, subject: str, rows: Sequence[Row]) -> None:
        """Refuse where a number or key has been given to another row, or the provider of a model is gone."""
        table, key = TABLES[subject], "model_key" if subject == MODELS else "slug"
        leaving = [int(net.subject_id) for net in self._added if net.subject == subject]
        columns = table.c
        clash = sa.or_(columns.id.in_([row["id"] for row in rows]), columns[key].in_([row[key] for row in rows]))
        found = self._connection.execute(sa.select(table).where(clash, columns.id.not_in(leaving))).mappings().all()
        for other in found:
            for row in rows:
                if (other["id"], other[key]) == (row["id"], row[key]):
                    self._refusals.append(f"{row['display_name']} is there again.")
                elif other["id"] == row["id"]:
                    self._refusals.append(f"The number of {row['display_name']} was given to {other['display_name']} since.")
                elif (other[key], other["owner_id"]) == (row[key], row["owner_id"]):
                    self._refusals.append(f"{row[key]} is the key of {other['display_name']} by now. Give that another one first.")
        if subject == MODELS:
            wanted = {row["provider_id"] for row in rows}
            there = set(self._connection.scalars(sa.select(llm_providers.c.id).where(llm_providers.c.id.in_(wanted))))
            there |= {net.before["id"] for net in self._removed if net.subject == PROVIDERS}
            for row in rows:
                if row["provider_id"] not in there:
                    self._refusals.append(f"The provider of {row['display_name']} was deleted. Take that back first.")

    def _back_to_before(self) -> tuple[list[Change], list[Change]]:
        """Return the updates and deletes in an order in which at no time two models are the default."""
        first, last = list[Change](), list[Change]()
        for net, row, fields in self._updated:
            if not fields:
                continue
            if fields.get("is_default") and (other := self._default(row["owner_id"])) is not None:
                self._refusals.append(f"{other} is the default by now.")
            for name, value in fields.items():
                self._lines.append(UndoLine(net.subject, net.subject_id, self._name(net), name, row[name], value))
            change = Update(net.subject, fields, {"id": row["id"]}, row["version"])
            (first if fields.get("is_default") is False else last).append(change)
        for subject in (MODELS, PROVIDERS):
            for net in self._added:
                present = self._row(net)
                if net.subject == subject and present is not None:
                    self._lines.append(UndoLine(subject, net.subject_id, self._name(net), "", "there", "gone"))
                    (first if subject == MODELS else last).append(Delete(subject, {"id": present["id"]}, present["version"]))
        return first, last

    def _priced(self) -> list[Change]:
        """Return the prices to add so that what was charged before is charged again, from now on or from when it was to change."""
        ours: dict[str, list[Net]] = {}
        for net in self._prices:
            if net.alive:
                ours.setdefault(str(net.after["model_id"]), []).append(net)
        changes: list[Change] = []
        for model_id, added in ours.items():
            if any(net.subject_id == model_id and not net.existed for net in self._nets if net.subject == MODELS):
                continue  # the model goes, and its prices with it
            row = self._rows[MODELS].get(model_id)
            if row is None:
                self._refusals.append("The model of a price was deleted since.")
                continue
            self._check_owner(MODELS, row)
            changes += self._repriced(row, added)
        return changes

    def _repriced(self, model: Row, added: Sequence[Net]) -> list[Change]:
        columns, name = llm_model_prices.c, str(model["display_name"])
        query = sa.select(llm_model_prices).where(columns.model_id == model["id"]).order_by(columns.valid_from, columns.id)
        history = [dict(row) for row in self._connection.execute(query).mappings()]
        mine = {number for net in added if (number := _number_now(net, history)) is not None}
        changes: list[Change] = []
        for moment in sorted({max(net.after["valid_from"], self._now) for net in added}):
            until = [row for row in history if row["valid_from"] <= moment]
            ours = next((row for row in reversed(until) if row["id"] in mine), None)
            if ours is None or not _same(until[-1], ours):
                who = until[-1]["created_by"] if until else None
                self._refusals.append(f"Another price of {name} was set since{f' by {who}' if who else ''}.")
                return []
            before = next((price_from_row(row) for row in reversed(until) if row["id"] < min(mine)), None)
            self._lines.append(UndoLine(MODELS, str(model["id"]), name, "price", price_from_row(until[-1]), before))
            changes.append(adding(model["id"], replace(before or _UNPRICED, valid_from=None), moment, self._by))
        if all(not (net.subject == MODELS and net.subject_id == str(model["id"])) for net, _, fields in self._updated if fields):
            # A price is a row of its own: its model is touched, so that its version says that this is not the model that was read.
            changes.append(Update(MODELS, {"updated_at": self._now}, {"id": model["id"]}, model["version"]))
        return changes


def _number_now(net: Net, history: Sequence[Row]) -> int | None:
    """Return the number of a price by now: a model that was deleted and brought back may have it under another one."""
    alike = [row["id"] for row in history if row["valid_from"] == net.after["valid_from"] and _same(row, net.after)]
    number = int(net.subject_id)
    return number if number in alike else alike[-1] if alike else None


def _without_id(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "id"}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two prices charge the same, wherever they came from."""
    return all(one[name] == other[name] for name in (*RATE_NAMES, "tiers", "extra_rates"))


def _inserts(table: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Insert]:
    for start in range(0, len(rows), _TOGETHER):
        yield Insert(table, rows[start : start + _TOGETHER])
