"""The names people know models, providers and users by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.analytics.sources import listed
from lib.store.schema import llm_models, llm_providers
from lib.store.types import numbers_of, text_of

NO_USER = "No user"


def labels_of(connection: Connection, by: str, keys: Collection[str]) -> Mapping[str, str]:
    """Return the present display names of models or providers, and the newest of users; what is gone keeps its key as its name."""
    if by == "user":
        return _users(connection, keys)
    if by == "model":
        return _models(connection, keys)
    if by == "provider":
        query = sa.select(llm_providers.c.slug, llm_providers.c.display_name).where(llm_providers.c.slug.in_(keys))
    else:
        return {}
    return {key: name for key, name in connection.execute(query)}


def _models(connection: Connection, keys: Collection[str]) -> Mapping[str, str]:
    """Return names of models, two of the same name with their providers in brackets."""
    query = sa.select(llm_models.c.model_key, llm_models.c.display_name, llm_providers.c.display_name)
    joined = query.join(llm_providers, llm_providers.c.id == llm_models.c.provider_id).where(llm_models.c.model_key.in_(keys))
    found = {key: (name, provider) for key, name, provider in connection.execute(joined)}
    times, both = Counter(name for name, _ in found.values()), Counter(found.values())
    return {
        key: name if times[name] == 1 else f"{name} ({provider if both[name, provider] == 1 else key})"
        for key, (name, provider) in found.items()
    }


def _users(connection: Connection, keys: Collection[str]) -> Mapping[str, str]:
    parameters: dict[str, Any] = {}
    given = listed(connection.dialect.name, "users", sorted(key for key in keys if key), parameters)
    postgres = connection.dialect.name == "postgresql"
    user, user_name = ("CAST(value AS uuid)", "user_name") if postgres else (f"({numbers_of('value')})", text_of("user_name"))
    newest = f"SELECT {user_name} FROM llm_usage_log WHERE user_id = {user} ORDER BY started_at DESC LIMIT 1"
    rows = connection.execute(sa.text(f"SELECT value, ({newest}) FROM ({given}) AS users"), parameters)
    return {"": NO_USER} | {key: name for key, name in rows if name}
