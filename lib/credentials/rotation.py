"""Moving every stored key to a new ENCRYPTION_KEY, row by row, so that a kill midway loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib import crypto
from lib.credentials.masters import Masters
from lib.credentials.rows import StoredKey, context, stored_keys
from lib.credentials.secret import EncryptionSecret
from lib.errors import WrongEncryptionKey
from lib.store.audit import append_entry
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import credentials, encryption_keys


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: keys moved now, and the subjects of those that no known ENCRYPTION_KEY opens."""

    rewritten: int
    unreadable: tuple[str, ...]


def rotate(
    engine: Engine,
    secret: EncryptionSecret,
    masters: Masters,
    actor: Actor,
    clock: Callable[[], datetime],
    new_key: str | None,
    progress: Callable[[int, int], None] | None,
) -> Rotation:
    """Re-encrypt what is not yet under the new key, then retire the keys nothing is stored under any more."""
    key_id, master = masters.to_write_under(secret.begin_rotation(new_key), actor)
    rewritten, unreadable = 0, list[str]()
    pending = stored_keys(engine, credentials.c.key_id != key_id)
    for done, row in enumerate(pending, start=1):
        if _move(engine, masters, row, key_id, master, clock()):
            rewritten += 1
        else:
            unreadable.append(row["subject"])
        if progress is not None:
            progress(done, len(pending))
    _retire(engine, key_id, actor, clock(), {"rewritten": rewritten, "unreadable": unreadable})
    secret.finish_rotation()
    return Rotation(rewritten, tuple(unreadable))


def _move(engine: Engine, masters: Masters, row: StoredKey, key_id: str, master: bytes, now: datetime) -> bool:
    """Re-encrypt one row in a transaction of its own; a row replaced meanwhile is left as it is."""
    old = masters.of(row)
    bound = context(row["subject"], row["user_id"], row["origin"])
    if old is None:
        return False
    try:
        plaintext = crypto.decrypt(row["ciphertext"], master=old, context=bound)
    except WrongEncryptionKey:
        return False
    moved = {
        "ciphertext": crypto.encrypt(plaintext, master=master, key_id=key_id, context=bound),
        "key_id": key_id,
        "updated_at": now,
        "version": credentials.c.version + 1,
    }
    same = (credentials.c.id == row["id"], credentials.c.version == row["version"])
    with store_faults(), writing(engine).begin() as connection:
        connection.execute(sa.update(credentials).where(*same).values(moved))
    return True


def _retire(engine: Engine, key_id: str, actor: Actor, now: datetime, done: Mapping[str, Any]) -> None:
    in_use = sa.select(credentials.c.key_id)
    idle = (encryption_keys.c.key_id != key_id, encryption_keys.c.retired_at.is_(None), encryption_keys.c.key_id.not_in(in_use))
    with store_faults(), writing(engine).begin() as connection:
        connection.execute(sa.update(encryption_keys).where(*idle).values(retired_at=now))
        append_entry(connection, now, actor, "credentials.rotate", "encryption_keys", key_id, None, dict(done))
