"""The names people know models, providers and users by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.analytics.sources import listed
from lib.store.grains import UNRECORDED_KEY
from lib.store.schema import llm_models, llm_providers
from lib.store.types import numbers_of, text_of
from lib.usage.values import OWN, own_number

NO_USER = "No user"
_KEYS: Mapping[str, str] = {"system": "System key", "user": "Person's own key", "own": "Model's own key", "": "No key needed"}


def labels_of(connection: Connection, by: str, keys: Collection[str], user_id: str | None = None) -> Mapping[str, str]:
    """Return the words for whose key paid, present names of models or providers, and the newest of users.

    What is gone keeps its key as its name.

    What is somebody's own has its name for ``user_id`` alone, when they are its owner; to others it is a private one.
    """
    if by == "key":
        return {**key_words(user_id), UNRECORDED_KEY: "Not recorded"}
    if by == "user":
        return _users(connection, keys)
    if by == "model":
        return _models(connection, keys) | _private(connection, llm_models, "Private model", keys, user_id)
    if by == "provider":
        query = sa.select(llm_providers.c.slug, llm_providers.c.display_name)
        shared = connection.execute(query.where(llm_providers.c.slug.in_(keys), llm_providers.c.owner_id.is_(None)))
        return {key: name for key, name in shared} | _private(connection, llm_providers, "Private provider", keys, user_id)
    return {}


def key_words(user_id: str | None) -> Mapping[str, str]:
    """Return whose key paid in words, by the key scope of calls; to one user, their key is their own."""
    return {**_KEYS, "user": "Your own key"} if user_id else _KEYS


def _models(connection: Connection, keys: Collection[str]) -> dict[str, str]:
    """Return names of everyone's models, two of the same name with their providers in brackets."""
    query = sa.select(llm_models.c.model_key, llm_models.c.display_name, llm_providers.c.display_name)
    joined = query.join(llm_providers, llm_providers.c.id == llm_models.c.provider_id)
    rows = connection.execute(joined.where(llm_models.c.model_key.in_(keys), llm_models.c.owner_id.is_(None)))
    found = {key: (name, provider) for key, name, provider in rows}
    times, both = Counter(name for name, _ in found.values()), Counter(found.values())
    return {
        key: name if times[name] == 1 else f"{name} ({provider if both[name, provider] == 1 else key})"
        for key, (name, provider) in found.items()
    }


def _private(connection: Connection, table: sa.Table, what: str, keys: Collection[str], user_id: str | None) -> dict[str, str]:
    """Return how the aliases of somebody's own models or providers are read."""
    numbers = {key: own_number(key) for key in keys if key.startswith(OWN)}
    if not numbers:
        return {}
    query = sa.select(table.c.id, table.c.display_name)
    wanted = sorted(number for number in numbers.values() if number is not None)
    theirs = query.where(table.c.id.in_(wanted), table.c.owner_id == user_id) if user_id and wanted else None
    names = {row_id: name for row_id, name in connection.execute(theirs)} if theirs is not None else {}
    return {key: names.get(number or 0) or (f"{what} {number}" if number else what) for key, number in numbers.items()}


def _users(connection: Connection, keys: Collection[str]) -> Mapping[str, str]:
    parameters: dict[str, Any] = {}
    given = listed(connection.dialect.name, "users", sorted(key for key in keys if key), parameters)
    postgres = connection.dialect.name == "postgresql"
    user, user_name = ("CAST(value AS uuid)", "user_name") if postgres else (f"({numbers_of('value')})", text_of("user_name"))
    newest = f"SELECT {user_name} FROM llm_usage_log WHERE user_id = {user} ORDER BY started_at DESC LIMIT 1"
    rows = connection.execute(sa.text(f"SELECT value, ({newest}) FROM ({given}) AS users"), parameters)
    return {"": NO_USER} | {key: name for key, name in rows if name}
