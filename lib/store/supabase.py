"""SupabaseStore: the Store over a Supabase project's REST API, under one user's token, so that row-level security decides."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import sqlalchemy as sa
from postgrest.exceptions import APIError
from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

from lib.errors import InvalidValue, SignInRequired
from lib.net.client import new_client
from lib.store.base import Change, Delete, Insert, Made, Row, Update, Upsert, Where
from lib.store.checks import check_made, column_of, conditions, conflict_target, table_of
from lib.store.rest_faults import rest_faults
from lib.store.sql import utc_now
from lib.store.supabase_sql import ORIGIN_HEADER
from lib.store.types import ExactDecimal, Timestamp
from lib.store.values import checked

TIMEOUT = httpx.Timeout(connect=5.0, read=20.0, write=10.0, pool=5.0)
"""Seconds; Supabase itself ends a person's statement after eight."""
_CLIENTS = 200
"""Clients kept: making one takes 20 ms, and each holds one token for as long as it is in use."""


class Project:
    """A Supabase project: its address, its publishable key, and one pool of connections for all its users."""

    def __init__(self, url: str, publishable_key: str) -> None:
        self.url = url.rstrip("/")
        self.publishable_key = publishable_key
        self.http = new_client()
        self.http.timeout = TIMEOUT
        self._clients: OrderedDict[tuple[str, str], Client] = OrderedDict()
        self._lock = threading.Lock()

    def client(self, token: str, origin: str) -> Client:
        """Return the client of one token; no two tokens ever share one, for a client remembers who it speaks for."""
        with self._lock:
            client = self._clients.pop((token, origin), None)
        if client is None:
            client = self._make(token, origin)
        with self._lock:
            self._clients[token, origin] = client
            while len(self._clients) > _CLIENTS:
                self._clients.popitem(last=False)
        return client

    def close(self) -> None:
        """Let go of every connection and token."""
        with self._lock:
            self._clients.clear()
        self.http.close()

    def _make(self, token: str, origin: str) -> Client:
        options = SyncClientOptions(
            headers={"Authorization": f"Bearer {token}", ORIGIN_HEADER: origin},
            auto_refresh_token=False,
            persist_session=False,
            httpx_client=self.http,
            postgrest_client_retry=False,
        )
        client = create_client(self.url, self.publishable_key, options)
        client.postgrest  # noqa: B018 - made on first use, which two threads must not share
        return client


class SupabaseStore:
    """The Store protocol under one person's token; the database audits what it changes.

    ``token`` returns the token for each request, given the one refused just before ("" if none).
    """

    def __init__(
        self, project: Project, token: Callable[[str], str], *, origin: str = "page", clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._project = project
        self._token = token
        self._origin = origin
        self._clock = clock

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
        for name in (*(columns or ()), *(name.removeprefix("-") for name in order_by)):
            column_of(source, name)
        query = {"table": table, "columns": list(columns or ()), "where": _where(source, where or {}), "order_by": list(order_by)}
        rows = self._ask("read_rows", {"query": {**query, "limit": limit, "offset": offset}})
        names = columns or [column.name for column in source.columns]
        return [_row(source, row, names) for row in rows]

    def count(self, table: str, *, where: Where | None = None) -> int:
        source = table_of(table)
        return int(self._ask("read_rows", {"query": {"table": table, "where": _where(source, where or {}), "count": True}}))

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        return self.apply([Insert(table, rows)])[0]

    def upsert(self, table: str, rows: Sequence[Mapping[str, Any]], *, on: Sequence[str]) -> list[Row]:
        return self.apply([Upsert(table, rows, on)])[0]

    def update(self, table: str, values: Mapping[str, Any], *, where: Where, version: int | None = None) -> list[Row]:
        return self.apply([Update(table, values, where, version)])[0]

    def delete(self, table: str, *, where: Where, version: int | None = None) -> int:
        return len(self._apply([Delete(table, where, version)])[0])

    def apply(self, changes: Sequence[Change]) -> list[list[Row]]:
        answers = self._apply(changes)
        done = []
        for change, rows in zip(changes, answers, strict=True):
            source = table_of(change.table)
            names = [column.name for column in source.columns]
            done.append([] if isinstance(change, Delete) else [_row(source, row, names) for row in rows])
        return done

    def call(self, name: str, args: Mapping[str, Any]) -> Any:
        return self._ask(name, args, f"There is no function named {name}.")

    def _apply(self, changes: Sequence[Change]) -> list[list[dict[str, Any]]]:
        if not changes:
            return []
        check_made(changes)
        answers: list[list[dict[str, Any]]] = self._ask("apply_changes", {"changes": [self._sent(change) for change in changes]})
        return answers

    def _sent(self, change: Change) -> dict[str, Any]:
        source = table_of(change.table)
        match change:
            case Insert():
                plain = [{name: value for name, value in row.items() if not isinstance(value, Made)} for row in change.rows]
                made = [{name: ref for name, ref in row.items() if isinstance(ref, Made)} for row in change.rows]
                sent = {"op": "insert", "table": source.name, "rows": [self._stamped(source, row) for row in plain]}
                if any(made):  # each row's own: the column, and the place of the row whose id it takes
                    sent["made"] = [{column_of(source, n).name: [ref.change, ref.row] for n, ref in row.items()} for row in made]
                return sent
            case Upsert():
                rows = [self._stamped(source, row) for row in change.rows]
                targets = [_target(source, change.on, row) for row in change.rows]
                return {"op": "upsert", "table": source.name, "rows": rows, "on": list(change.on), "targets": targets}
            case Update():
                values = {name: _value(column_of(source, name), value) for name, value in change.values.items()}
                if "updated_at" in source.c:
                    values.setdefault("updated_at", self._clock().isoformat(timespec="milliseconds"))
                return {"op": "update", "table": source.name, "values": values, **_which(source, change)}
            case Delete():
                return {"op": "delete", "table": source.name, **_which(source, change)}

    def _stamped(self, source: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
        stamped = {name: _value(column_of(source, name), value) for name, value in values.items()}
        for name in ("created_at", "updated_at"):
            if name in source.c:
                stamped.setdefault(name, self._clock().isoformat(timespec="milliseconds"))
        return stamped

    def _ask(self, name: str, args: Mapping[str, Any], unknown: str | None = None) -> Any:
        """Call a function of the database; ``unknown`` is said when there is none of this name, else that a migration is missing."""
        token = self._token("")
        try:
            return self._call(token, name, args, unknown)
        except SignInRequired:  # over before its time, as when the project's signing key was changed
            renewed = self._token(token)
            if renewed == token:
                raise
        return self._call(renewed, name, args, unknown)

    def _call(self, token: str, name: str, args: Mapping[str, Any], unknown: str | None) -> Any:
        client = self._project.client(token, self._origin)
        with rest_faults(self._project.url):
            try:
                return client.postgrest.rpc(name, dict(args)).execute().data
            except APIError as error:
                if unknown and error.code == "PGRST202":
                    raise InvalidValue(unknown) from None
                raise


def _which(source: sa.Table, change: Update | Delete) -> dict[str, Any]:
    if not change.where:
        raise InvalidValue(f"Refusing to change every row of {source.name}: say which ones.")
    if change.version is not None and "version" not in source.c:
        raise InvalidValue(f"The rows of {source.name} carry no version.")
    return {"where": _where(source, change.where), "version": change.version}


def _where(source: sa.Table, where: Where) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []
    for column, wanted in conditions(source, where):
        if wanted.operator == "is_null":
            asked.append({"column": column.name, "op": "is_null" if wanted.value else "not_null"})
        else:
            several = isinstance(wanted.value, list) and wanted.operator == "in"
            value = [_json(column, each) for each in wanted.value] if several else _json(column, wanted.value)
            asked.append({"column": column.name, "op": wanted.operator, "value": value})
    return asked


def _target(source: sa.Table, on: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row clashes on, as apply_changes takes it: columns, and the one column its index is limited by."""
    target = conflict_target(source, on, row)
    limited, _, null = ("", "", "") if target.where is None else str(target.where).partition(" IS ")
    return {"columns": target.columns} | ({"limited": limited, "null": null == "NULL"} if limited else {})


def _value(column: sa.Column[Any], value: Any) -> Any:
    return _json(column, checked(column, value))


def _json(column: sa.Column[Any], value: Any) -> Any:
    """Write a checked value as JSON holds it without loss."""
    if isinstance(value, datetime) and isinstance(column.type, Timestamp):
        return value.isoformat(timespec="milliseconds")
    if isinstance(column.type, ExactDecimal) and value is not None:
        return format(Decimal(value), "f")
    return value


def _row(source: sa.Table, row: Mapping[str, Any], names: Sequence[str]) -> Row:
    return {name: _python(source.c[name], row[name]) for name in names}


def _python(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, Timestamp):
        return datetime.fromisoformat(value).astimezone(UTC)
    if isinstance(column.type, ExactDecimal):
        return Decimal(value)
    return value
