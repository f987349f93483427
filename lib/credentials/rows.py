"""Stored keys as they lie in the database, each with the salt and check value of its master."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.store.faults import store_faults
from lib.store.schema import credentials, encryption_keys

StoredKey = Mapping[str, Any]
"""A row of credentials plus ``salt`` and ``check_value``, which are None when its master key is not registered."""


def stored_keys(engine: Engine, *conditions: sa.ColumnElement[bool]) -> list[StoredKey]:
    """Return the stored keys that meet the conditions, oldest first, in one query."""
    joined = credentials.outerjoin(encryption_keys, credentials.c.key_id == encryption_keys.c.key_id)
    query = sa.select(credentials, encryption_keys.c.salt, encryption_keys.c.check_value).select_from(joined)
    with store_faults(), engine.connect() as connection:
        rows = connection.execute(query.where(*conditions).order_by(credentials.c.id)).mappings()
        return [dict(row) for row in rows]


def context(subject: str, user_id: str | None, target: str) -> tuple[str, ...]:
    """Return what a stored key is bound to: its table, its row, its owner and the origin it may be sent to."""
    return ("credentials", subject, user_id or "", target)
