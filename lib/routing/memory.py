"""The rows behind hints: read in one query for a call's candidates, written in the transaction that closes an attempt.

Every write starts with an upsert, which locks the pair's row on Postgres; SQLite's writers take turns anyway. What
follows from the counts it returns is therefore decided once, however many processes fail at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping

from lib.routing.values import Change, Known
from lib.store.schema import hint_events
from lib.store.schema import model_compatibility_hints as hints

Pair = tuple[str, str]

_READ = (
    *(hints.c.provider, hints.c.model, hints.c.is_blacklisted, hints.c.blacklist_reason, hints.c.manual_state),
    *(hints.c.cooldown_until, hints.c.cooldown_reason),
    *(hints.c.preferred_endpoint, hints.c.learned_parameters),
)
_ONE = sa.select(*_READ).where(hints.c.provider == sa.bindparam("of_provider"), hints.c.model == sa.bindparam("of_model"))
_RETURNED = (
    *(hints.c.id, hints.c.error_count, hints.c.success_count, hints.c.is_blacklisted, hints.c.manual_state),
    *(hints.c.cooldown_until, hints.c.cooldown_count),
)
_LEARNED = (
    *(hints.c.supported_endpoints, hints.c.unsupported_endpoints, hints.c.preferred_endpoint),
    hints.c.learned_parameters,
)
_BY_ADMIN = "blacklisted by an admin"


def read(connection: Connection, pairs: Sequence[Pair], now: datetime) -> dict[Pair, Known]:
    """Return what is remembered of each pair that there is a row of."""
    if len(pairs) == 1:
        rows: Iterable[RowMapping] = connection.execute(_ONE, {"of_provider": pairs[0][0], "of_model": pairs[0][1]}).mappings()
    else:
        query = sa.select(*_READ).where(sa.tuple_(hints.c.provider, hints.c.model).in_(list(pairs)))
        rows = connection.execute(query).mappings()
    return {(row["provider"], row["model"]): _known(row, now) for row in rows}


def _known(row: RowMapping, now: datetime) -> Known:
    blacklisted = (row["is_blacklisted"] or row["manual_state"] == "blacklisted") and row["manual_state"] != "allowed"
    until = row["cooldown_until"]
    cooling = until is not None and until > now
    learned = row["learned_parameters"] or {}
    return Known(
        blacklisted=(row["blacklist_reason"] or _BY_ADMIN) if blacklisted else None,
        cooling=(row["cooldown_reason"] or "cooling down") if cooling else None,
        until=until if cooling else None,
        preferred=row["preferred_endpoint"],
        changes=tuple(_change(name, entry) for name, entry in learned.items() if entry.get("state") != "rejected"),
        rejected=frozenset(name for name, entry in learned.items() if entry.get("state") == "rejected"),
    )


def _change(name: str, entry: Mapping[str, Any]) -> Change:
    return Change(
        name, "rename" if entry.get("action") == "rename" else "drop", entry.get("to"), entry.get("endpoint"), entry.get("evidence") or ""
    )


def count_success(connection: Connection, pair: Pair, now: datetime) -> RowMapping:
    """Count a success, which ends any cooldown, and return the row's counts and state."""
    row = {**_new(pair, now), "success_count": 1, "error_count": 0, "last_success_time": now}
    return connection.execute(_SUCCESS[connection.dialect.name], row).mappings().one()


def count_error(connection: Connection, pair: Pair, now: datetime, *, counted: bool, kind: str, message: str) -> RowMapping:
    """Note an error, counted or not, and return the row's counts and state."""
    row = {
        **_new(pair, now),
        "success_count": 0,
        "error_count": int(counted),
        "last_error_type": kind,
        "last_error_message": message,
        "last_error_time": now,
    }
    return connection.execute(_ERROR[connection.dialect.name], row).mappings().one()


def change(connection: Connection, row_id: int, **values: Any) -> None:
    """Set columns of a row that a count has locked."""
    connection.execute(sa.update(hints).where(hints.c.id == row_id).values(**values))


def learned(connection: Connection, row_id: int) -> RowMapping:
    """Return a locked row's endpoints and parameters."""
    return connection.execute(sa.select(*_LEARNED).where(hints.c.id == row_id)).mappings().one()


def note(connection: Connection, at: datetime, pair: Pair, event: str, detail: Mapping[str, Any], request_id: str | None) -> None:
    """Write one event of a pair's timeline."""
    row = {"at": at, "provider": pair[0], "model": pair[1], "event": event, "detail": dict(detail), "request_id": request_id}
    connection.execute(_NOTE, row)


def _new(pair: Pair, now: datetime) -> dict[str, Any]:
    return {"provider": pair[0], "model": pair[1], "created_at": now, "updated_at": now}


def _upsert(dialect: Any, columns: tuple[str, ...], **cleared: Any) -> Any:
    statement = dialect.insert(hints)
    new = statement.excluded
    counts = {name: hints.c[name] + new[name] for name in ("success_count", "error_count")}
    replaced = {name: new[name] for name in ("updated_at", *columns)}
    return statement.on_conflict_do_update(index_elements=["provider", "model"], set_={**counts, **replaced, **cleared}).returning(
        *_RETURNED
    )


_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}
_SUCCESS = {
    name: _upsert(dialect, ("last_success_time",), cooldown_until=None, cooldown_reason=None, cooldown_count=0)
    for name, dialect in _DIALECTS.items()
}
_ERROR = {name: _upsert(dialect, ("last_error_type", "last_error_message", "last_error_time")) for name, dialect in _DIALECTS.items()}
_NOTE = sa.insert(hint_events)
