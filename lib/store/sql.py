"""SqlStore: the Store over SQLAlchemy, for the embedded SQLite file or any Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from lib.errors import InvalidValue, StaleVersion
from lib.store.audit import AUDITED, append_audit, lock_audit
from lib.store.base import Actor, Change, Delete, Insert, Made, Row, Update, Upsert, Where
from lib.store.checks import check_made, column_of, conditions, conflict_target, key_of, table_of
from lib.store.engine import writing
from lib.store.faults import STALE_SENTENCE, store_faults
from lib.store.values import checked

Clock = Callable[[], datetime]
Function = Callable[[Connection, Mapping[str, Any]], Any]


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class SqlStore:
    """The Store protocol on an engine; every change to an audited table is written to the audit log with it."""

    def __init__(self, engine: Engine, actor: Actor, *, clock: Clock = utc_now, functions: Mapping[str, Function] | None = None) -> None:
        self._reader = engine
        self._writer = writing(engine)
        self._actor = actor
        self._clock = clock
        self._functions = functions or {}

    def select(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Row]:
        source = table_of(table)
        picked = [column_of(source, name) for name in columns] if columns else [source]
        query = sa.select(*picked).where(*_conditions(source, where or {}))
        for name in order_by:
            column = column_of(source, name.removeprefix("-"))
            query = query.order_by((column.desc() if name.startswith("-") else column.asc()).nulls_last())
        if limit is not None:
            query = query.limit(limit)
        if offset:
            query = query.offset(offset) if limit is not None or self._reader.dialect.name != "sqlite" else query.limit(-1).offset(offset)
        with store_faults(), self._reader.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def count(self, table: str, *, where: Where | None = None) -> int:
        source = table_of(table)
        with store_faults(), self._reader.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(source).where(*_conditions(source, where or {}))) or 0

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        return self.apply([Insert(table, rows)])[0]

    def upsert(self, table: str, rows: Sequence[Mapping[str, Any]], *, on: Sequence[str]) -> list[Row]:
        return self.apply([Upsert(table, rows, on)])[0]

    def update(self, table: str, values: Mapping[str, Any], *, where: Where, version: int | None = None) -> list[Row]:
        return self.apply([Update(table, values, where, version)])[0]

    def delete(self, table: str, *, where: Where, version: int | None = None) -> int:
        change = Delete(table, where, version)
        with store_faults(), self._writer.begin() as connection:
            _lock(connection, [change])
            return len(self._delete(connection, change))

    def apply(self, changes: Sequence[Change]) -> list[list[Row]]:
        check_made(changes)
        with store_faults(), self._writer.begin() as connection:
            _lock(connection, changes)
            done: list[list[Row]] = []
            for change in changes:
                done.append(self._carry_out(connection, _settled(change, done)))
            return done

    def call(self, name: str, args: Mapping[str, Any]) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise InvalidValue(f"There is no function named {name}.")
        with store_faults(), self._writer.begin() as connection:
            return function(connection, args)

    def _carry_out(self, connection: Connection, change: Change) -> list[Row]:
        match change:
            case Insert():
                return self._insert(connection, change)
            case Upsert():
                return self._upsert(connection, change)
            case Update():
                return self._update(connection, change)
            case Delete():
                self._delete(connection, change)
                return []

    def _insert(self, connection: Connection, change: Insert) -> list[Row]:
        source = table_of(change.table)
        stored = []
        for values in change.rows:
            row = _one(connection, sa.insert(source).values(self._stamped(source, values)).returning(source))
            self._audit(connection, "insert", source, None, row)
            stored.append(row)
        return stored

    def _upsert(self, connection: Connection, change: Upsert) -> list[Row]:
        source = table_of(change.table)
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        stored = []
        for values in change.rows:
            stamped = self._stamped(source, values)
            target = conflict_target(source, change.on, stamped)
            query = sa.select(source).where(*_conditions(source, {name: stamped.get(name) for name in target.key})).with_for_update()
            before = connection.execute(query).mappings().first()
            statement: Any = dialect.insert(source).values(stamped)
            replaced: dict[str, Any] = {
                n: statement.excluded[n] for n in stamped if n not in change.on and n not in ("created_at", "version")
            }
            if "version" in source.c:
                replaced["version"] = source.c.version + 1
            else:
                replaced = replaced or {target.columns[0]: statement.excluded[target.columns[0]]}  # nothing to replace: keep the row
            merge = statement.on_conflict_do_update(index_elements=target.columns, index_where=target.where, set_=replaced)
            row = _one(connection, merge.returning(source))
            self._audit(connection, "update" if before else "insert", source, dict(before) if before else None, row)
            stored.append(row)
        return stored

    def _update(self, connection: Connection, change: Update) -> list[Row]:
        source = table_of(change.table)
        before = self._matching(connection, source, change.where, change.version)
        if not before:
            return []
        values = {name: checked(column_of(source, name), value) for name, value in change.values.items()}
        if "updated_at" in source.c:
            values.setdefault("updated_at", self._clock())
        if "version" in source.c:
            values["version"] = source.c.version + 1
        key = key_of(source)
        stored = []
        for row in before:
            after = _one(connection, sa.update(source).where(*(source.c[k] == row[k] for k in key)).values(values).returning(source))
            self._audit(connection, "update", source, row, after)
            stored.append(after)
        return stored

    def _delete(self, connection: Connection, change: Delete) -> list[Row]:
        source = table_of(change.table)
        before = self._matching(connection, source, change.where, change.version)
        key = key_of(source)
        for row in before:
            with_it = list(_going_with(connection, source, row))
            connection.execute(sa.delete(source).where(*(source.c[k] == row[k] for k in key)))
            self._audit(connection, "delete", source, row, None)
            for child, gone in with_it:
                self._audit(connection, "delete", child, gone, None)
        return before

    def _matching(self, connection: Connection, source: sa.Table, where: Where, version: int | None) -> list[Row]:
        """Read and lock the rows a change will touch; refuse an empty where and a stale version."""
        if not where:
            raise InvalidValue(f"Refusing to change every row of {source.name}: say which ones.")
        query = sa.select(source).where(*_conditions(source, where)).order_by(*(source.c[k] for k in key_of(source))).with_for_update()
        rows = [dict(row) for row in connection.execute(query).mappings()]
        if version is not None and "version" not in source.c:
            raise InvalidValue(f"The rows of {source.name} carry no version.")
        if version is not None and (not rows or any(row["version"] != version for row in rows)):
            raise StaleVersion(STALE_SENTENCE)
        return rows

    def _stamped(self, source: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
        stamped = {name: checked(column_of(source, name), value) for name, value in values.items()}
        for name in ("created_at", "updated_at"):
            if name in source.c:
                stamped.setdefault(name, self._clock())
        return stamped

    def _audit(self, connection: Connection, action: str, source: sa.Table, before: Row | None, after: Row | None) -> None:
        if source.name in AUDITED:
            append_audit(connection, self._clock(), self._actor, f"{source.name}.{action}", source, before, after)


def _settled(change: Change, done: Sequence[list[Row]]) -> Change:
    """Put the ids of rows stored by now in the place of what stands for them."""
    if not isinstance(change, Insert):
        return change
    given = [{n: done[v.change][v.row]["id"] if isinstance(v, Made) else v for n, v in row.items()} for row in change.rows]
    return replace(change, rows=given)


def _going_with(connection: Connection, source: sa.Table, row: Row) -> Iterator[tuple[sa.Table, Row]]:
    """Yield the audited rows that the database removes by itself together with one, such as the prices of a model."""
    for child in (source.metadata.tables[name] for name in sorted(AUDITED)):
        for link in child.foreign_keys:
            if link.ondelete == "CASCADE" and link.column.table is source:
                query = sa.select(child).where(link.parent == row[link.column.name]).order_by(*(child.c[k] for k in key_of(child)))
                yield from ((child, dict(gone)) for gone in connection.execute(query).mappings().all())


def _lock(connection: Connection, changes: Sequence[Change]) -> None:
    """Queue for the audit log before touching a row: taken later, two changes could wait for each other for ever."""
    if any(change.table in AUDITED for change in changes):
        lock_audit(connection)


def _one(connection: Connection, statement: Any) -> Row:
    return dict(connection.execute(statement).mappings().one())


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "in": lambda column, value: column.in_(list(value)),
    "ilike": lambda column, value: column.ilike(value, escape="\\"),
    "is_null": lambda column, value: column.is_(None) if value else column.is_not(None),
}


def _conditions(table: sa.Table, where: Where) -> list[Any]:
    return [_OPERATORS[wanted.operator](column, wanted.value) for column, wanted in conditions(table, where)]
