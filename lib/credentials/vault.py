"""The Vault: short secrets other than provider keys, sealed under the same ENCRYPTION_KEY and bound to their place."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib import crypto
from lib.credentials.masters import Masters
from lib.credentials.secret import EncryptionSecret
from lib.errors import WrongEncryptionKey
from lib.store.base import Actor
from lib.store.faults import store_faults
from lib.store.schema import encryption_keys

_SERVER = Actor("Modeldeck", None, "job")


class Vault:
    """Seals and opens; what it opened it does not keep."""

    def __init__(self, engine: Engine, secret: EncryptionSecret, masters: Masters) -> None:
        self._engine = engine
        self._secret = secret
        self._masters = masters

    def seal(self, text: str, place: Sequence[str]) -> str:
        """Return the text encrypted; it opens only at the same place, such as table and row."""
        key_id, master = self._masters.to_write_under(self._secret.writable(), _SERVER)
        return crypto.encrypt(text, master=master, key_id=key_id, context=place)

    def open(self, sealed: str, place: Sequence[str]) -> str:
        """Return the text again; raises WrongEncryptionKey when its key is gone or anything about it was changed."""
        query = sa.select(encryption_keys).where(encryption_keys.c.key_id == crypto.key_id_of(sealed))
        with store_faults(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        master = self._masters.of(dict(row)) if row is not None else None
        if master is None:
            raise WrongEncryptionKey("This was encrypted under another ENCRYPTION_KEY.")
        return crypto.decrypt(sealed, master=master, context=place)
