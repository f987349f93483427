"""Reading the audit log: what was changed together, newest first, page by page, narrowed by who, what, where from and when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.schema import audit_log

FEW = 20
"""Entries of one change that a list reads whole; of a larger one it reads how many there are of each kind."""
VERBS = ("insert", "update", "delete")
"""What happens to rows; everything else in the log is an action with a name of its own."""
_log = audit_log.c
_AT_ONCE = 500
"""Entries asked for in one go when only some of a change meet the filters."""
_TOGETHER = ("at", "actor_id", "actor", "origin")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log; ``before`` and ``after`` hold the columns that changed, all of them when a row came or went."""

    id: int
    at: datetime
    actor_id: str | None
    actor: str
    origin: str | None
    action: str
    subject: str
    subject_id: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def verb(self) -> str:
        """What was done: insert, update, delete, or what follows the dot in its action."""
        return self.action.rpartition(".")[2]


_COLUMNS = tuple(_log[name] for name in Entry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Part:
    """So many entries of one action within a change; ``alike`` when all of them say the same as ``sample``."""

    action: str
    count: int
    alike: bool
    sample: Entry


@dataclass(frozen=True, slots=True)
class AuditChange:
    """What one person changed in one transaction: the entries from ``first`` to ``last``.

    ``entries`` are all of them where there are few or one change was asked for, else the first.
    """

    first: int
    last: int
    parts: tuple[Part, ...]
    entries: tuple[Entry, ...]

    @property
    def head(self) -> Entry:
        """The first entry, which says who, when and where from for all."""
        return self.entries[0]

    @property
    def count(self) -> int:
        """How many entries it has."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """What narrows the log; an empty condition lets everything through.

    ``about`` are the ids of the rows meant, by table; ``named`` are those whose names hold ``text``, beside the entries
    that hold it themselves.
    """

    actors: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    about: tuple[tuple[str, tuple[str, ...]], ...] = ()
    text: str = ""
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Changes, newest first; ``older`` is where the next page begins, None at the end."""

    changes: tuple[AuditChange, ...]
    older: int | None


def page(connection: Connection, filters: AuditFilters, *, before: int | None = None, limit: int = 25) -> AuditPage:
    """Return the newest changes that have an entry meeting the filters, from the entry ``before`` on backwards."""
    heads = _heads(connection, filters, before, limit + 1)
    shown = heads[:limit]
    changes = _filled(connection, shown)
    return AuditPage(changes, shown[-1][0] if len(heads) > limit else None)


def change(connection: Connection, entry_id: int) -> AuditChange | None:
    """Return the whole change that an entry is part of; None when there is no such entry."""
    found = _extents(connection, [entry_id])
    if not found:
        return None
    ((first, last),) = found.values()
    entries = _entries(connection, _log.id.between(first, last))
    return AuditChange(first, last, _parts(entries), tuple(entries))


def latest(connection: Connection, subject: str, ids: Sequence[str], *, after: int) -> list[Entry]:
    """Return the entries about some rows that came after one, the newest first."""
    about = sa.and_(_log.subject == subject, _log.subject_id.in_(list(ids)), _log.id > after)
    return _entries(connection, about)[::-1]


def actors(connection: Connection) -> list[str]:
    """Return everybody the log names, by name."""
    return sorted(connection.scalars(sa.select(_log.actor).distinct()), key=str.casefold)


def _starts_change(later: Any = audit_log) -> tuple[sa.ColumnElement[bool], Any]:
    """Return the condition that an entry begins a change, and the entry before it, to be joined."""
    earlier = audit_log.alias("earlier")
    differs = [later.c[name].is_distinct_from(earlier.c[name]) for name in _TOGETHER]
    return sa.or_(earlier.c.id.is_(None), *differs), earlier


def _heads(connection: Connection, filters: AuditFilters, before: int | None, limit: int) -> list[tuple[int, int]]:
    """Return (first, last) of the newest changes."""
    everyone, some = _conditions(filters)
    if before is not None:
        everyone.append(_log.id < before)
    if not some:  # what is asked is the same for all entries of a change: its first one answers for it
        begins, earlier = _starts_change()
        joined = audit_log.outerjoin(earlier, earlier.c.id == _log.id - 1)
        query = sa.select(_log.id).select_from(joined).where(begins, *everyone).order_by(_log.id.desc()).limit(limit)
        return sorted(_extents(connection, list(connection.scalars(query))).values(), reverse=True)
    found: dict[int, tuple[int, int]] = {}
    below: int | None = None
    while len(found) < limit:
        query = sa.select(_log.id).where(*everyone, *some, *([_log.id < below] if below is not None else []))
        ids = list(connection.scalars(query.order_by(_log.id.desc()).limit(_AT_ONCE)))
        if not ids:
            break
        for number in ids:  # entries of a change that was found already are passed over, and the rest of it skipped
            if below is None or number < below:
                (extent,) = _extents(connection, [number]).values()
                found[extent[0]] = extent
                below = extent[0]
            if len(found) == limit:
                break
    return sorted(found.values(), reverse=True)


def _extents(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the first and last entry of the change that each of some entries is part of."""
    mark, first, later = audit_log.alias("mark"), audit_log.alias("first"), audit_log.alias("later")
    begins, before_first = _starts_change(first)
    first_id = (
        sa.select(first.c.id)
        .select_from(first.outerjoin(before_first, before_first.c.id == first.c.id - 1))
        .where(begins, first.c.id <= mark.c.id)
        .order_by(first.c.id.desc())
        .limit(1)
        .correlate(mark)
        .scalar_subquery()
    )
    begins, before_later = _starts_change(later)
    next_id = (
        sa.select(later.c.id)
        .select_from(later.outerjoin(before_later, before_later.c.id == later.c.id - 1))
        .where(begins, later.c.id > mark.c.id)
        .order_by(later.c.id)
        .limit(1)
        .correlate(mark)
        .scalar_subquery()
    )
    newest = sa.select(sa.func.max(_log.id)).scalar_subquery()
    query = sa.select(mark.c.id, first_id, sa.func.coalesce(next_id - 1, newest)).where(mark.c.id.in_(list(ids)))
    return {number: (start, end) for number, start, end in connection.execute(query)}


def _filled(connection: Connection, extents: Sequence[tuple[int, int]]) -> tuple[AuditChange, ...]:
    small = [extent for extent in extents if extent[1] - extent[0] < FEW]
    found: dict[int, Entry] = {}
    if small:
        ids = [number for first, last in small for number in range(first, last + 1)]  # SQLite would read all for an OR of ranges
        found = {entry.id: entry for entry in _entries(connection, _log.id.in_(ids))}
    made = []
    for first, last in extents:
        if last - first < FEW:
            entries = [found[number] for number in range(first, last + 1) if number in found]
            made.append(AuditChange(first, last, _parts(entries), tuple(entries)))
        else:
            entries = _entries(connection, _log.id.between(first, first + FEW - 1))
            made.append(AuditChange(first, last, _counted(connection, first, last), tuple(entries)))
    return tuple(made)


def _parts(entries: Sequence[Entry]) -> tuple[Part, ...]:
    by_action: dict[str, list[Entry]] = {}
    for entry in entries:
        by_action.setdefault(entry.action, []).append(entry)
    return tuple(
        Part(action, len(found), all((e.before, e.after) == (found[0].before, found[0].after) for e in found), found[0])
        for action, found in by_action.items()
    )


def _counted(connection: Connection, first: int, last: int) -> tuple[Part, ...]:
    """Return the parts of a large change without reading what each of its entries holds."""
    before, after = sa.cast(_log.before, sa.Text), sa.cast(_log.after, sa.Text)
    query = (
        sa.select(
            _log.action,
            sa.func.count(),
            sa.func.min(_log.id),
            *(sa.func.min(before), sa.func.max(before), sa.func.min(after), sa.func.max(after)),
        )
        .where(_log.id.between(first, last))
        .group_by(_log.action)
        .order_by(sa.func.min(_log.id))
    )
    rows = connection.execute(query).all()
    samples = {entry.id: entry for entry in _entries(connection, _log.id.in_([row[2] for row in rows]))}
    return tuple(Part(row[0], row[1], row[3] == row[4] and row[5] == row[6], samples[row[2]]) for row in rows)


def _entries(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Entry]:
    return [Entry(*row) for row in connection.execute(sa.select(*_COLUMNS).where(condition).order_by(_log.id))]


def _conditions(filters: AuditFilters) -> tuple[list[sa.ColumnElement[bool]], list[sa.ColumnElement[bool]]]:
    """Return what must hold for a change as a whole, and what for one entry of it."""
    whole: list[sa.ColumnElement[bool]] = []
    if filters.actors:
        whole.append(_log.actor.in_(filters.actors))
    if filters.origins:
        whole.append(_log.origin.in_(filters.origins))
    if filters.since is not None:
        whole.append(_log.at >= filters.since)
    if filters.until is not None:
        whole.append(_log.at < filters.until)
    one: list[sa.ColumnElement[bool]] = []
    if filters.subjects:
        # Not by its index: most entries are of one table, and SQLite would sort them all for the newest few.
        one.append(_log.subject.concat("").in_(filters.subjects))
    if filters.verbs:
        one.append(sa.or_(*(_verb(name) for name in filters.verbs)))
    if filters.about:
        one.append(_among(filters.about))
    if filters.text:
        held = [column.ilike(_holding(filters.text), escape="\\") for column in (_log.actor, _log.action)]
        # SQLite keeps JSON with other letters than ASCII's spelled out as \u00f6, Postgres as they are.
        for written in {json.dumps(filters.text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}:
            held += [sa.cast(column, sa.Text).ilike(_holding(written), escape="\\") for column in (_log.before, _log.after)]
        one.append(sa.or_(*held, *([_among(filters.named)] if filters.named else [])))
    return whole, one


def _holding(text: str) -> str:
    return f"%{text.translate(_LITERALLY)}%"


_LITERALLY = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def _verb(name: str) -> sa.ColumnElement[bool]:
    if name in VERBS:  # people's changes are named without their table
        return sa.or_(_log.action == name, _log.action.endswith(f".{name}"))
    return sa.and_(*(sa.not_(_verb(verb)) for verb in VERBS))


def _among(named: Sequence[tuple[str, Sequence[str]]]) -> sa.ColumnElement[bool]:
    return sa.or_(*(sa.and_(_log.subject == subject, _log.subject_id.in_(list(ids))) for subject, ids in named))
