"""What an admin does with the audit log: reads it in words, has its chain checked, and takes changes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.access import Principal, Role, require
from lib.errors import InvalidValue, NotFound, StaleVersion
from lib.registry import undo
from lib.registry.undo_values import UndoLine, UndoPlan, label, never
from lib.services import audit_people
from lib.services.audit_words import NOUNS, Difference, Wording
from lib.services.services import Services
from lib.store import audit_chain, audit_names, audit_reading
from lib.store.audit_names import PRICES, Names
from lib.store.audit_reading import AuditChange, AuditFilters, Entry
from lib.store.base import Actor
from lib.store.faults import store_faults
from lib.store.schema import audit_log, llm_model_prices

PER_PAGE = 25
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Told:
    """One change in words: ``id`` is its first entry, ``why_not`` why a change of its kind is never taken back."""

    id: int
    count: int
    at: datetime
    who: str
    origin: str | None
    what: str
    why_not: str | None

    @property
    def sentence(self) -> str:
        """Who did what, as in "Ada switched GPT-4o off"."""
        return f"{self.who} {self.what}"


@dataclass(frozen=True, slots=True)
class Detail:
    """One change with every field it changed, and what taking it back would do now."""

    told: Told
    differences: tuple[Difference, ...]
    plan: UndoPlan
    would: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the chain found: how many entries, the last one's hash, when, and a sentence for each fault."""

    entries: int
    hash: str
    at: datetime
    problems: tuple[str, ...]


_checked: dict[str, Checked] = {}
"""The last check of each database, for as long as this process lives."""
_whole: dict[str, Checked] = {}
"""The last check that found the chain whole: what it saw is held against what is found later."""


@dataclass(frozen=True)
class AuditDesk:
    """The audit log under one principal's identity; everything here needs an admin and raises NotAllowed otherwise."""

    services: Services
    principal: Principal
    timezone: ZoneInfo = _UTC

    def changes(
        self, filters: AuditFilters | None = None, *, before: int | None = None, limit: int = PER_PAGE
    ) -> tuple[list[Told], int | None]:
        """Return the newest changes that meet the filters, and where older ones begin, None when there are none."""
        with self._reading() as connection:
            wanted = filters or AuditFilters()
            if wanted.text:
                wanted = replace(wanted, named=audit_names.ids_named(connection, wanted.text))
            page = audit_reading.page(connection, wanted, before=before, limit=limit)
            return self._told(connection, page.changes), page.older

    def of_model(self, model_id: int, *, limit: int) -> list[Told]:
        """Return the newest changes of a model, its prices and its key."""
        with self._reading() as connection:
            about = audit_names.about_model(connection, model_id)
            return self._told(connection, audit_reading.page(connection, AuditFilters(about=about), limit=limit).changes)

    def about_model(self, model_id: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return what a filter on one model's changes is about."""
        with self._reading() as connection:
            return audit_names.about_model(connection, model_id)

    def name_of_model(self, model_id: int) -> str | None:
        """Return what a model is or was called; None when it never was, or is another person's own."""
        with self._reading() as connection:
            known = Names(connection, (), also=[("llm_models", str(model_id))]).of("llm_models", model_id)
        return known.name if known and known.owner_id in (None, self.principal.user_id) else None

    def fields(self, filters: AuditFilters, *, most: int) -> Iterator[tuple[Told, Difference]]:
        """Yield every field that was changed, of the newest changes that meet the filters with at most so many entries in all."""
        before: int | None = None
        while most > 0:
            told, before = self.changes(filters, before=before)
            for one in told:
                if (most := most - one.count) < 0:
                    return
                with self._reading() as connection:
                    entries = self._change(connection, one.id).entries
                    differences = list(self._wording(connection, entries).differences(entries))
                yield from ((one, difference) for difference in differences)
            if before is None:
                return

    def actors(self) -> list[str]:
        """Return everybody who changed something, by name."""
        with self._reading() as connection:
            return audit_reading.actors(connection)

    def newest(self) -> int:
        """Return the number of the last entry, 0 when there is none."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(audit_log.c.id))) or 0

    def detail(self, entry_id: int) -> Detail:
        """Return the change that an entry is part of; raises NotFound."""
        with self._reading() as connection:
            change = self._change(connection, entry_id)
            wording, plan = self._wording(connection, change.entries), self._plan(connection, change)
            would = tuple(_would(line, wording) for line in plan.lines)
            told = _told(change, wording, self.principal)
            return Detail(told, tuple(wording.differences(change.entries)), plan, would)

    def plan(self, entry_id: int) -> UndoPlan:
        """Return what taking a change back would do now; nothing is written."""
        with self._reading() as connection:
            return self._plan(connection, self._change(connection, entry_id))

    def undo(self, shown: UndoPlan) -> int:
        """Take a change back, all or none, as a change of its own, and return the number of that one's first entry.

        Raises InvalidValue when it cannot be, and StaleVersion, with nothing written, when it would do something else by
        now than what was shown.
        """
        plan, before = self.plan(shown.entry_id), self.newest()
        if plan.refusals:
            raise InvalidValue(" ".join(plan.refusals))
        if plan.lines != shown.lines:
            raise StaleVersion("Somebody changed this in the meantime. Look again at what taking it back would do.")
        if plan.changes:
            self.services.store(self.principal).apply(plan.changes)
        else:
            audit_people.carry_out(self.services.people(self.principal), plan, self._actor())
        return self._mine_after(before)

    def check(self) -> Checked:
        """Compute the chain anew from its first entry; changes nothing, and takes seconds on a long log."""
        with self._reading() as connection:
            earlier = _whole.get(self._database)
            chain = audit_chain.check_chain(connection)
            problems = [audit_chain.broken_sentence(number) for number in chain.broken]
            if earlier and earlier.entries and audit_chain.hash_at(connection, earlier.entries) != earlier.hash:
                problems.append(
                    f"Entry {earlier.entries:,} is not the one that was checked at {earlier.at:%d %b %Y, %H:%M} UTC, or is gone."
                )
        checked = _checked[self._database] = Checked(chain.last, chain.hash, self.services.clock(), tuple(problems))
        if not problems:
            _whole[self._database] = checked
        return checked

    def last_check(self) -> Checked | None:
        """Return what this process found when it last checked; None when it has not yet."""
        require(self.principal, Role.ADMIN)
        return _checked.get(self._database)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        require(self.principal, Role.ADMIN)
        with store_faults(), self.services.engine.connect() as connection:
            yield connection

    @property
    def _database(self) -> str:
        return str(self.services.engine.url)

    def _actor(self) -> Actor:
        return Actor(self.principal.name, self.principal.user_id or None, self.services.origin)

    def _mine_after(self, before: int) -> int:
        """Return the first entry after one that this principal made."""
        mine = audit_log.c.actor_id.is_not_distinct_from(self.principal.user_id or None)
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.min(audit_log.c.id)).where(audit_log.c.id > before, mine)) or before

    def _change(self, connection: Connection, entry_id: int) -> AuditChange:
        change = audit_reading.change(connection, entry_id)
        if change is None:
            raise NotFound(f"The audit log has no entry {entry_id}.")
        return change

    def _plan(self, connection: Connection, change: AuditChange) -> UndoPlan:
        if audit_people.is_about_people(change):
            if self.services.settings.mode == "embedded":
                return UndoPlan(change.first, refusals=("There are no accounts in the embedded mode.",))
            return audit_people.plan(connection, change)
        if self._wording(connection, change.entries).is_private(change):
            return UndoPlan(change.first, refusals=(undo.NOT_YOURS,))
        return undo.plan(connection, change, self.principal.user_id or None, self.services.clock(), self.principal.name)

    def _told(self, connection: Connection, changes: Sequence[AuditChange]) -> list[Told]:
        wording = self._wording(connection, [entry for change in changes for entry in (*change.entries, *(p.sample for p in change.parts))])
        return [_told(change, wording, self.principal) for change in changes]

    def _wording(self, connection: Connection, entries: Sequence[Entry]) -> Wording:
        names = Names(connection, entries)
        models = {int(e.after["model_id"]) for e in entries if e.subject == PRICES and e.verb == "insert" and e.after}
        return Wording(names, _Earlier(connection, models), self.principal.user_id, self.timezone)


class _Earlier:
    """Finds the price that a model had before another one was added."""

    def __init__(self, connection: Connection, model_ids: set[int]) -> None:
        self._rows: dict[int, list[Mapping[str, Any]]] = {}
        prices = llm_model_prices.c
        found = sa.select(llm_model_prices).where(prices.model_id.in_(model_ids)).order_by(prices.valid_from, prices.id)
        for row in connection.execute(found).mappings() if model_ids else ():
            self._rows.setdefault(row["model_id"], []).append(dict(row))

    def __call__(self, entry: Entry) -> Mapping[str, Any] | None:
        told = entry.after or {}
        if "model_id" not in told or "valid_from" not in told:
            return None
        place = datetime.fromisoformat(told["valid_from"]), told["id"]
        before = [r for r in self._rows.get(told["model_id"], ()) if r["id"] < told["id"] and (r["valid_from"], r["id"]) < place]
        return before[-1] if before else None


def _told(change: AuditChange, wording: Wording, reader: Principal) -> Told:
    head = change.head
    why_not = None if audit_people.is_about_people(change) else never(change)
    return Told(change.first, change.count, head.at, head.actor or "Modeldeck", head.origin, wording.phrase(change), why_not)


def _would(line: UndoLine, wording: Wording) -> Difference:
    if not line.field:
        return Difference(
            line.name, NOUNS[line.subject][0].capitalize(), *("gone" if side == "gone" else "there" for side in (line.now, line.then))
        )
    if line.field == "price":
        return Difference(line.name, "Price", *(wording.value("price", side) if side else "unpriced" for side in (line.now, line.then)))
    return Difference(line.name, label(line.field), wording.value(line.field, line.now), wording.value(line.field, line.then))
