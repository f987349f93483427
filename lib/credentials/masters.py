"""Master keys: one per key id, derived from ENCRYPTION_KEY and the salt stored with the id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib import crypto
from lib.credentials.secret import EncryptionSecret
from lib.errors import WrongEncryptionKey
from lib.store.audit import append_entry
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import encryption_keys


class Masters:
    """The masters this process can derive; a master may stay in memory, what it opens never does."""

    def __init__(self, engine: Engine, secret: EncryptionSecret, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._secret = secret
        self._clock = clock
        self._derived: dict[tuple[str, bytes], bytes | None] = {}

    def of(self, row: Mapping[str, Any]) -> bytes | None:
        """Return the master of a row with key_id, salt and check_value, or None when no known ENCRYPTION_KEY fits."""
        if row["salt"] is None:
            return None
        return next((master for key in self._secret.readable() if (master := self._derive(key, row))), None)

    def to_write_under(self, encryption_key: str, actor: Actor) -> tuple[str, bytes]:
        """Return (key id, master) for an ENCRYPTION_KEY, registering it on first use; refuse a retired one."""
        with store_faults(), self._engine.connect() as connection:
            known = [dict(row) for row in connection.execute(sa.select(encryption_keys).order_by(encryption_keys.c.created_at)).mappings()]
        for row in known:
            master = self._derive(encryption_key, row)
            if master is None:
                continue
            if row["retired_at"] is not None:
                raise WrongEncryptionKey(
                    f"This ENCRYPTION_KEY was replaced by a rotation on {row['retired_at']:%d %B %Y}. Set the newer one, then restart."
                )
            return row["key_id"], master
        return self._register(encryption_key, actor)

    def _register(self, encryption_key: str, actor: Actor) -> tuple[str, bytes]:
        key_id, salt = crypto.new_key_id(), crypto.new_salt()
        master = crypto.derive_master(encryption_key, salt)
        now = self._clock()
        with store_faults(), writing(self._engine).begin() as connection:
            values = {"key_id": key_id, "salt": salt, "check_value": crypto.check_value(master), "created_at": now}
            connection.execute(sa.insert(encryption_keys).values(values))
            append_entry(connection, now, actor, "encryption_keys.insert", "encryption_keys", key_id, None, {"key_id": key_id})
        return key_id, master

    def _derive(self, encryption_key: str, row: Mapping[str, Any]) -> bytes | None:
        seen = (row["key_id"] + row["salt"], hashlib.sha256(encryption_key.encode()).digest())
        if seen not in self._derived:
            master = crypto.derive_master(encryption_key, row["salt"])
            self._derived[seen] = master if crypto.opens(master, row["check_value"]) else None
        return self._derived[seen]
