"""Bringing keys that an older system encrypted into this one: opened with its key, encrypted anew, stored all at once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lib import crypto
from lib.access import Principal, Role, require
from lib.credentials import SYSTEM, Holder
from lib.errors import InvalidValue, ModeldeckError, NotFound, WrongEncryptionKey
from lib.registry import Provider, Registry
from lib.services.services import Services

_VALUES = ("encrypted_value", "encrypted_key", "api_key_encrypted", "stored_value", "value")
_PEOPLE = ("user", "user_email", "email", "user_id")
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class LegacyKey:
    """One row of the file: an encrypted key, and whose it is; without user and model it is everyone's."""

    provider: str
    value: str
    user: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """What came of a row, numbered from 1; the sentence never holds the key."""

    row: int
    outcome: Literal["imported", "skipped", "failed"]
    sentence: str


def read_rows(text: str) -> list[LegacyKey]:
    """Return the rows of a JSON array of objects or a CSV with a header; raise InvalidValue for anything else."""
    try:
        found: Any = json.loads(text) if text.lstrip()[:1] in ("[", "{") else list(csv.DictReader(io.StringIO(text)))
    except (json.JSONDecodeError, csv.Error):
        raise InvalidValue("This file is neither JSON nor CSV. Export the old table with its columns' names.") from None
    if not isinstance(found, list) or not found or not all(isinstance(row, Mapping) for row in found):
        raise InvalidValue("This file holds no rows: a JSON array of objects is expected, or a CSV with a header.")
    if len(found) > _MOST:
        raise InvalidValue(f"This file holds more than {_MOST:,} rows.")
    if not any(name in row for row in found for name in _VALUES):
        raise InvalidValue("No row has an encrypted_value. The columns are provider, encrypted_value, and user or model.")
    return [
        LegacyKey(_first(row, ("provider",)), _first(row, _VALUES), _first(row, _PEOPLE), _first(row, ("model", "model_key")))
        for row in found
    ]


@dataclass(frozen=True)
class KeyImport:
    """The import, under an admin's identity; keys that are stored already stay as they are."""

    services: Services
    principal: Principal

    def run(self, rows: Sequence[LegacyKey], old_key: str, *, dry_run: bool = False) -> list[ImportedKey]:
        """Return what came of each row, in order. What can be imported is stored in one transaction: all of it or nothing."""
        require(self.principal, Role.ADMIN)
        done: list[ImportedKey] = []
        opened: dict[str, tuple[Provider, Holder, str]] = {}
        for number, row in enumerate(rows, start=1):
            try:
                provider, holder, whose = self._place(row)
                subject = holder.subject(provider.id)
                if subject in opened or self.services.keys.held(provider, holder):
                    done.append(ImportedKey(number, "skipped", f"Row {number}: {whose} is stored here already, and is kept."))
                    continue
                key = crypto.decrypt_legacy(row.value, old_key)
                self.services.keys.check(provider, key)
                opened[subject] = provider, holder, key
                done.append(ImportedKey(number, "imported", f"Row {number}: {whose} {'can be' if dry_run else 'was'} imported."))
            except WrongEncryptionKey:
                said = "it does not open. The old ENCRYPTION_KEY is another one, or the value was changed or cut."
                done.append(ImportedKey(number, "failed", f"Row {number}: {said}"))
            except ModeldeckError as error:
                done.append(ImportedKey(number, "failed", f"Row {number}: {error}"))
        if opened and not dry_run:
            self.services.keys.set_keys(list(opened.values()), self.services.actor(self.principal))
        return done

    def _place(self, row: LegacyKey) -> tuple[Provider, Holder, str]:
        """Return where a key belongs, and a name for it; raise what says that there is no such place."""
        person = self._person(row.user) if row.user else None
        registry = self._registry(person)
        if row.model:
            model = registry.get(row.model, own=person is not None)
            if model.is_own != (person is not None):
                raise NotFound(f"{row.user} has no model of their own named {row.model[:100]!r}.")
            named = f"the key of {model.display_name}" + (f", {row.user}'s own," if person else "")
            return model.provider, Holder("model", model.owner_id, model.id), named
        provider = registry.provider(row.provider)
        if person is None:
            if provider.owner_id is not None:
                raise NotFound(f"There is no provider named {row.provider[:100]!r} for everyone.")
            return provider, SYSTEM, f"everyone's {provider.display_name} key"
        return provider, Holder("user", user_id=person.user_id), f"{row.user}'s {provider.display_name} key"

    def _registry(self, person: Principal | None) -> Registry:
        """Return the registry as a person sees it, read by the server: nobody is signed in while keys are brought in."""
        services = self.services
        return Registry(services.store(self.principal), services.keys, services.settings, person or self.principal, services.clock)

    def _person(self, name: str) -> Principal:
        where = {"email": name.strip().lower()} if "@" in name else {"user_id": name.strip()}
        try:
            rows = self.services.store(self.principal).select("profiles", columns=("user_id", "email"), where=where)
        except InvalidValue:
            rows = []
        if not rows:
            raise NotFound(f"Nobody here is {name[:100]!r}. Invite them first, or leave their keys to them.")
        return Principal(rows[0]["user_id"], rows[0]["email"] or name, Role.MEMBER)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(row[name]).strip() for name in names if row.get(name) not in (None, "")), "")
