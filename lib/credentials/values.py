"""What is said about a provider's key, and never the key itself except inside a SecretStr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import httpx
from pydantic import SecretStr

from lib.providers.catalog import KINDS
from lib.settings import Settings

KeySource = Literal["stored", "environment", "none needed", "missing", "unreadable"]
KeyScope = Literal["model", "user", "system"]
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ProviderRef(Protocol):
    """The part of a provider that decides about its keys; ``owner_id`` None means it belongs to everyone."""

    @property
    def id(self) -> int: ...
    @property
    def slug(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def base_url(self) -> str | None: ...
    @property
    def owner_id(self) -> str | None: ...


class ModelRef(Protocol):
    """The part of a model that decides about its own key; ``owner_id`` None means it belongs to everyone."""

    @property
    def id(self) -> int: ...
    @property
    def owner_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Whether a provider has a key and where it comes from; ``problem`` says what to do about an unreadable one."""

    source: KeySource
    preview: str | None = None
    tested_at: datetime | None = None
    problem: str | None = None

    @property
    def ready(self) -> bool:
        """Whether a call can be made with it."""
        return self.source in ("stored", "environment", "none needed")


@dataclass(frozen=True, slots=True)
class KeyOverview:
    """The keys that count for one person: by provider everyone's (of a provider of their own, theirs), by provider the
    one they stored for themselves, and by model its own. The last two hold only what is stored.
    """

    providers: Mapping[int, KeyStatus]
    personal: Mapping[int, KeyStatus]
    models: Mapping[int, KeyStatus]


@dataclass(frozen=True, slots=True)
class ResolvedKey:
    """The key for one call and whose it is; both None where the provider needs none."""

    api_key: SecretStr | None
    scope: KeyScope | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is: the system's, one user's, or one model's own; then ``user_id`` is the model's owner, if it has one."""

    scope: KeyScope = "system"
    user_id: str | None = None
    model_id: int | None = None

    def subject(self, provider_id: int) -> str:
        """Return the unique name of the row that holds this key."""
        match self.scope:
            case "system":
                return f"system:{provider_id}"
            case "user":
                return f"user:{self.user_id}:{provider_id}"
            case "model":
                return f"model:{self.model_id}"


SYSTEM = Holder()


def effective_base_url(kind: str, base_url: str | None, owner_id: str | None, settings: Settings) -> str | None:
    """Return where a provider is reached: its own base URL, for global ones the setting of its kind, else the kind's default."""
    if base_url:
        return base_url
    row = KINDS.get(kind)
    if row is None:
        return None
    configured = settings.value(row.base_url_env) if row.base_url_env and owner_id is None else None
    return configured.get_secret_value() if configured else row.base_url


def origin(url: str | None) -> str:
    """Return scheme://host:port of a URL as the client will understand it; "" when there is none.

    >>> origin("https://API.example.com/v1"), origin("http://localhost:11434"), origin("not a url")
    ('https://api.example.com:443', 'http://localhost:11434', '')
    """
    try:
        parsed = httpx.URL(url or "")
    except httpx.InvalidURL:
        return ""
    port = parsed.port or _DEFAULT_PORTS.get(parsed.scheme)
    host = parsed.raw_host.decode("ascii").lower()
    return f"{parsed.scheme}://{host}:{port}" if host and port and port < 65_536 else ""
