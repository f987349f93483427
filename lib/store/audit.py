"""The audit log: append-only, each row hashed together with the one before it."""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.base import Actor
from lib.store.schema import audit_log
from lib.store.types import epoch_ms

AUDITED = frozenset({"llm_providers", "llm_models", "llm_model_prices", "profiles"})
FIRST_HASH = "0" * 64
AUDIT_LOCK = 7310945
"""The advisory lock under which the chain grows on Postgres; taken before any row is locked, it cannot be part of a deadlock."""
_EXACT = 2**53
NOISE = frozenset({"created_at", "updated_at", "version", "last_seen_at", "last_synced_at", "preferences"})
_TICK, _CLOSE = timedelta(milliseconds=1), timedelta(seconds=1)
_MOMENT = "audit-moment"


def append_audit(
    connection: Connection,
    at: datetime,
    actor: Actor,
    action: str,
    subject: sa.Table,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Write one change to the log inside the caller's transaction.

    An update keeps only the columns that changed; one that changed nothing of interest writes no row.
    """
    old, new = _plain(before), _plain(after)
    if before is not None and after is not None:
        changed = {name for name in new if name not in NOISE and new[name] != old.get(name)}
        if not changed:
            return
        old, new = {n: old.get(n) for n in sorted(changed)}, {n: new[n] for n in sorted(changed)}
    row = after or before or {}
    subject_id = ":".join(str(row[c.name]) for c in subject.primary_key.columns)
    append_entry(
        connection, at, actor, action, subject.name, subject_id, old if before is not None else None, new if after is not None else None
    )


def append_entry(
    connection: Connection,
    at: datetime,
    actor: Actor,
    action: str,
    subject: str,
    subject_id: str | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Chain one entry onto the log; values must already be JSON and free of secrets.

    All entries of a transaction carry the moment of its first, and no neighbour of another transaction carries it too:
    adjacent entries of one moment are what was changed together.
    """
    lock_audit(connection)
    newest = sa.select(audit_log.c.id, audit_log.c.hash, audit_log.c.at).order_by(audit_log.c.id.desc()).limit(1)
    last = connection.execute(newest).first()
    entry: dict[str, Any] = {
        "id": last.id + 1 if last else 1,
        "at": _moment(connection, at, last.at if last else None),
        "actor_id": actor.user_id,
        "actor": actor.name,
        "origin": actor.origin,
        "action": action,
        "subject": subject,
        "subject_id": subject_id,
        "before": before,
        "after": after,
        "previous_hash": last.hash if last else FIRST_HASH,
    }
    connection.execute(sa.insert(audit_log).values(**entry, hash=entry_hash(entry)))


def _moment(connection: Connection, at: datetime, last: datetime | None) -> datetime:
    """Return the moment of the transaction's entries: that of its first one, later than any just before it."""
    transaction = connection.get_transaction()
    known = connection.info.get(_MOMENT)  # kept with the pooled connection, so it says which transaction it was of
    if known is not None and transaction is not None and known[0]() is transaction:
        return known[1]  # type: ignore[no-any-return]
    moment = at.replace(microsecond=at.microsecond // 1000 * 1000)
    if last is not None and moment <= last < moment + _CLOSE:  # a clock that was put back by more is believed
        moment = last + _TICK
    if transaction is not None:
        connection.info[_MOMENT] = (weakref.ref(transaction), moment)
    return moment


def lock_audit(connection: Connection) -> None:
    """Wait until no other transaction can add to the log; SQLite's one writer has no need to."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(AUDIT_LOCK)))


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an entry's fields and the previous hash, over canonical JSON."""
    fields = {
        name: entry[name]
        for name in ("id", "actor_id", "actor", "origin", "action", "subject", "subject_id", "before", "after", "previous_hash")
    }
    fields["at"] = epoch_ms(entry["at"])
    text = json.dumps(_canonical(fields), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: Any) -> Any:
    """Write a number the same way whether it came as 1e20 or, as jsonb keeps it, as 100000000000000000000."""
    if isinstance(value, Mapping):
        return {str(name): _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, int) and abs(value) > _EXACT:
        return float(value)
    return value


def _plain(row: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: _json(value) for name, value in (row or {}).items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value
