"""The KeyRing: provider keys stored encrypted, shown as previews, and handed out for one call at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from lib import crypto
from lib.credentials.masters import Masters
from lib.credentials.rotation import Rotation, rotate
from lib.credentials.rows import StoredKey, context, stored_keys
from lib.credentials.secret import EncryptionSecret
from lib.credentials.values import (
    SYSTEM,
    Holder,
    KeyOverview,
    KeyStatus,
    ModelRef,
    ProviderRef,
    ResolvedKey,
    effective_base_url,
    origin,
)
from lib.credentials.vault import Vault
from lib.errors import InvalidValue, KeyRequired, SettingsError, WrongEncryptionKey
from lib.providers.catalog import KINDS
from lib.settings import Settings
from lib.store.audit import append_entry, lock_audit
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import credentials, encryption_keys

_LONGEST_KEY = 4_096
_OTHER_KEY = "The stored key was encrypted under another ENCRYPTION_KEY. Bring that one back, or paste the provider's key again."
_CHANGED = "The stored key was changed outside Modeldeck and is refused. Paste the provider's key again."


class KeyRing:
    """Provider keys, over the server's own database role.

    A pasted key outranks one from the environment: pasting is the later and more deliberate act, and removing it
    brings the environment's back. Unreadable keys are never replaced silently by another; they ask to be pasted
    again. A key is bound to the origin it was pasted for; a base URL that moves elsewhere needs it again.
    """

    def __init__(self, engine: Engine, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._secret = EncryptionSecret(settings)
        self._masters = Masters(engine, self._secret, clock)
        self.vault = Vault(engine, self._secret, self._masters)
        """For other secrets than provider keys."""

    def status(self, provider: ProviderRef) -> KeyStatus:
        """Return whether one provider has a key everyone may use, and where it comes from."""
        return self.statuses([provider])[provider.id]

    def statuses(self, providers: Iterable[ProviderRef]) -> Mapping[int, KeyStatus]:
        """Return the status of each provider's system key by provider id: one query, nothing decrypted.

        A stored key counts as readable when its master is at hand and its origin is still the provider's.
        """
        return self.overview(providers).providers

    def overview(
        self, providers: Iterable[ProviderRef], models: Iterable[tuple[ModelRef, ProviderRef]] = (), user_id: str | None = None
    ) -> KeyOverview:
        """Return the keys that count for one user, or with None for everyone: one query, nothing decrypted.

        ``models`` are those that may have a key of their own, each with its provider.
        """
        asked = {p.id: p for p in providers}
        holders = {i: SYSTEM if p.owner_id is None else Holder("user", user_id=p.owner_id) for i, p in asked.items()}
        own = Holder("user", user_id=user_id) if user_id else None
        subjects = [holder.subject(i) for i, holder in holders.items()]
        subjects += [own.subject(i) for i, p in asked.items() if p.owner_id is None] if own else []
        wanted: sa.ColumnElement[bool] = credentials.c.subject.in_(subjects)
        of_models = {Holder("model", model.owner_id, model.id): provider for model, provider in models}
        if of_models:
            there = sorted({provider.id for provider in of_models.values()})
            wanted = sa.or_(wanted, sa.and_(credentials.c.scope == "model", credentials.c.provider_id.in_(there)))
        rows = _by_holder(stored_keys(self._engine, wanted))
        return KeyOverview(
            {i: self._status(provider, rows.get((holders[i].subject(i), holders[i].user_id))) for i, provider in asked.items()},
            {
                i: self._status(p, row)
                for i, p in asked.items()
                if own and p.owner_id is None and (row := rows.get((own.subject(i), user_id)))
            },
            {
                holder.model_id: self._status(provider, row)
                for holder, provider in of_models.items()
                if holder.model_id is not None and (row := rows.get((holder.subject(provider.id), holder.user_id)))
            },
        )

    def resolve(
        self, provider: ProviderRef, model: ModelRef | None = None, user_id: str | None = None, *, shared: bool = True
    ) -> ResolvedKey:
        """Return the key for a call: the model's own, else the user's, else for a global provider the system's.

        Raises KeyRequired when there is none and WrongEncryptionKey when there is one that cannot be read. A system or
        environment key is given neither to a provider that a user owns nor to a user's own model, whose calls are
        theirs to pay; nor with ``shared`` off.
        """
        shared = shared and provider.owner_id is None and (model is None or model.owner_id is None)
        holders = [Holder("model", model.owner_id, model.id)] if model else []
        holders += [Holder("user", user_id=user_id)] if user_id else []
        holders += [SYSTEM] if shared else []
        rows = _by_holder(stored_keys(self._engine, credentials.c.subject.in_([h.subject(provider.id) for h in holders])))
        for holder in holders:
            row = rows.get((holder.subject(provider.id), holder.user_id))
            if row is not None:
                return ResolvedKey(self._opened(provider, row), holder.scope)
        environment = self._environment(provider) if shared else None
        if environment is not None:
            return ResolvedKey(environment, "system")
        kind = KINDS.get(provider.kind)
        if kind is not None and not kind.needs_key:
            return ResolvedKey(None, None)
        where = "on its card on the Providers page" if shared else "on your Profile page"
        raise KeyRequired(f"{provider.display_name} needs a key: paste one {where}.", provider=provider.slug)

    def set_system_key(self, provider: ProviderRef, api_key: str, actor: Actor, *, tested_at: datetime | None = None) -> KeyStatus:
        """Store a global provider's key for everyone, replacing the one before; only its preview can be seen again."""
        if provider.owner_id is not None:
            raise InvalidValue(f"{provider.display_name} belongs to one person; everyone's key cannot be given to it.")
        self.set_key(provider, api_key, actor, tested_at=tested_at)
        return self.status(provider)

    def set_key(
        self, provider: ProviderRef, api_key: str, actor: Actor, *, holder: Holder = SYSTEM, tested_at: datetime | None = None
    ) -> None:
        """Store a key for its holder, encrypted and bound to the provider's present origin."""
        self.set_keys([(provider, holder, api_key)], actor, tested_at=tested_at)

    def set_keys(self, given: Sequence[tuple[ProviderRef, Holder, str]], actor: Actor, *, tested_at: datetime | None = None) -> None:
        """Store several keys in one transaction: all of them or, where one is refused, none."""
        rows = [self._row(provider, holder, api_key, actor, tested_at) for provider, holder, api_key in given]
        with store_faults(), writing(self._engine).begin() as connection:
            lock_audit(connection)
            for values in rows:
                before = _shown(connection, values["subject"])
                _upsert(connection, values)
                append_entry(connection, self._clock(), actor, "credentials.set", "credentials", values["subject"], before, _told(values))

    def held(self, provider: ProviderRef, holder: Holder) -> bool:
        """Whether a key is stored for a holder, readable or not."""
        query = sa.select(credentials.c.user_id).where(credentials.c.subject == holder.subject(provider.id))
        with store_faults(), self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def check(self, provider: ProviderRef, api_key: str) -> tuple[str, str]:
        """Return a key as it would be stored and the origin it would be bound to; raise InvalidValue for what is refused."""
        key, target = _checked_key(api_key), self._origin(provider)
        if provider.kind in KINDS and KINDS[provider.kind].auth == "none":
            raise InvalidValue(f"{provider.display_name} needs no key.", field="api_key")
        if not target:
            raise InvalidValue(f"Give {provider.display_name} a base URL first: its key is bound to it.", field="base_url")
        return key, target

    def _row(self, provider: ProviderRef, holder: Holder, api_key: str, actor: Actor, tested_at: datetime | None) -> dict[str, Any]:
        key, target = self.check(provider, api_key)
        key_id, master = self._masters.to_write_under(self._secret.writable(), actor)
        subject, now = holder.subject(provider.id), self._clock()
        return {
            "scope": holder.scope,
            "subject": subject,
            "provider_id": provider.id,
            "model_id": holder.model_id,
            "user_id": holder.user_id,
            "origin": target,
            "ciphertext": crypto.encrypt(key, master=master, key_id=key_id, context=context(subject, holder.user_id, target)),
            "preview": crypto.preview(key),
            "key_id": key_id,
            "tested_at": tested_at,
            "created_at": now,
            "updated_at": now,
        }

    def remove_system_key(self, provider: ProviderRef, actor: Actor) -> KeyStatus:
        """Forget a provider's stored key; one from the environment shows again where there is one."""
        self.remove_key(provider, actor)
        return self.status(provider)

    def remove_key(self, provider: ProviderRef, actor: Actor, *, holder: Holder = SYSTEM) -> None:
        """Forget a holder's stored key; nothing happens when there is none."""
        subject = holder.subject(provider.id)
        with store_faults(), writing(self._engine).begin() as connection:
            before = _shown(connection, subject)
            if before is not None:
                connection.execute(sa.delete(credentials).where(credentials.c.subject == subject))
                append_entry(connection, self._clock(), actor, "credentials.remove", "credentials", subject, before, None)

    def remove_all(self, provider: ProviderRef, actor: Actor) -> None:
        """Forget every key that was stored for a provider, whoever's it is."""
        of_it = credentials.c.provider_id == provider.id
        with store_faults(), writing(self._engine).begin() as connection:
            lock_audit(connection)
            for row in connection.execute(sa.delete(credentials).where(of_it).returning(*_SHOWN, credentials.c.subject)).mappings():
                append_entry(connection, self._clock(), actor, "credentials.remove", "credentials", row["subject"], _told(dict(row)), None)

    def mark_tested(self, provider: ProviderRef, holder: Holder = SYSTEM) -> None:
        """Record that the provider accepted a stored key just now."""
        change = sa.update(credentials).where(credentials.c.subject == holder.subject(provider.id))
        with store_faults(), writing(self._engine).begin() as connection:
            connection.execute(change.values(tested_at=self._clock(), updated_at=self._clock(), version=credentials.c.version + 1))

    def rotate(self, actor: Actor, new_key: str | None = None, progress: Callable[[int, int], None] | None = None) -> Rotation:
        """Re-encrypt every stored key under a new ENCRYPTION_KEY; killed midway, running it again finishes the job.

        Embedded mode makes the new key itself unless given one. Where ENCRYPTION_KEY is a setting the new one must
        be given, and set in its place afterwards.
        """
        return rotate(self._engine, self._secret, self._masters, actor, self._clock, new_key, progress)

    def revision(self) -> str:
        """Return a string that changes whenever a stored key or a master changes, in whichever process."""
        newest = sa.select(sa.func.count(), sa.func.sum(credentials.c.version), sa.func.max(credentials.c.updated_at)).select_from(
            credentials
        )
        masters = sa.select(sa.func.count(), sa.func.count(encryption_keys.c.retired_at)).select_from(encryption_keys)
        with store_faults(), self._engine.connect() as connection:
            return "/".join(str(value) for query in (newest, masters) for value in connection.execute(query).one())

    def _status(self, provider: ProviderRef, row: StoredKey | None) -> KeyStatus:
        if row is not None:
            problem = self._problem(provider, row)
            return KeyStatus("unreadable" if problem else "stored", row["preview"], row["tested_at"], problem)
        environment = self._environment(provider)
        if environment is not None:
            return KeyStatus("environment", crypto.preview(environment.get_secret_value()))
        kind = KINDS.get(provider.kind)
        return KeyStatus("none needed" if kind is not None and not kind.needs_key else "missing")

    def _problem(self, provider: ProviderRef, row: StoredKey) -> str | None:
        target = self._origin(provider)
        if row["origin"] != target:
            moved = f"The key was pasted for {row['origin']}, but the base URL now points to {target or 'nowhere'}."
            return f"{moved} Paste the key again to use it there."
        try:
            return None if self._masters.of(row) else _OTHER_KEY
        except SettingsError as error:
            return str(error)

    def _opened(self, provider: ProviderRef, row: StoredKey) -> SecretStr:
        problem, master = self._problem(provider, row), None
        if problem is None:
            master = self._masters.of(row)
        if master is None:
            raise WrongEncryptionKey(f"{provider.display_name}: {problem or _OTHER_KEY}")
        bound = context(row["subject"], row["user_id"], self._origin(provider))
        try:
            return SecretStr(crypto.decrypt(row["ciphertext"], master=master, context=bound))
        except WrongEncryptionKey:
            raise WrongEncryptionKey(f"{provider.display_name}: {_CHANGED}") from None

    def _environment(self, provider: ProviderRef) -> SecretStr | None:
        kind = KINDS.get(provider.kind)
        if provider.owner_id is not None or kind is None or kind.key_env is None:
            return None
        return self._settings.value(kind.key_env)

    def _origin(self, provider: ProviderRef) -> str:
        return origin(effective_base_url(provider.kind, provider.base_url, provider.owner_id, self._settings))


def _checked_key(api_key: str) -> str:
    key = api_key.strip()
    if not key:
        raise InvalidValue("Paste a key first.", field="api_key")
    if len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidValue("This does not look like a key: a key is one line of plain characters without spaces.", field="api_key")
    return key


def _by_holder(rows: Iterable[StoredKey]) -> dict[tuple[str, str | None], StoredKey]:
    """Return stored keys by what they are found under and whose they are.

    Where rows are added past Modeldeck an id may be used again: a key left behind by another owner's model is not this one's.
    """
    return {(row["subject"], row["user_id"]): row for row in rows}


_SHOWN = (credentials.c.scope, credentials.c.preview, credentials.c.origin, credentials.c.key_id)


def _shown(connection: Connection, subject: str) -> dict[str, Any] | None:
    row = connection.execute(sa.select(*_SHOWN).where(credentials.c.subject == subject)).mappings().first()
    return _told(dict(row)) if row else None


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the audit log is told of a key; admins read it, and of a person's own key not even the preview is theirs."""
    shown = ("preview", "origin", "key_id") if row["scope"] == "system" else ("key_id",)
    return {name: row[name] for name in shown}


def _upsert(connection: Connection, values: Mapping[str, Any]) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement: Any = dialect.insert(credentials).values(values)
    replaced = {name: statement.excluded[name] for name in values if name not in ("subject", "created_at")}
    replaced["version"] = credentials.c.version + 1
    connection.execute(statement.on_conflict_do_update(index_elements=["subject"], set_=replaced))
