"""Providers and models as the rest of the house sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lib.credentials import KeyStatus
from lib.pricing import Price
from lib.providers.catalog import KINDS, ProviderKind

CAPABILITIES = ("streaming", "tools", "vision", "json", "reasoning", "caching", "websearch", "files")
"""What a model may be able to do, in display order."""

SAMPLE = "sample"
"""The kind of the providers, and the type of the models, that made-up calls belong to; no adapter can call them."""

SWITCHED_OFF = "Switched off"
"""Why a model that is otherwise ready is not usable: an admin's decision, and nothing to mend."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A place models are called at.

    ``base_url`` is where calls go: ``own_base_url`` when an admin set one, else the setting of its kind, else the
    kind's default. ``owner_id`` None means it belongs to everyone. ``key`` is everyone's key, of a provider of one's own
    its owner's; ``own_key`` is what the person who asks stored for themselves with a provider that belongs to everyone.
    """

    id: int
    slug: str
    kind: str
    display_name: str
    base_url: str | None
    own_base_url: str | None
    settings: Mapping[str, Any]
    is_active: bool
    owner_id: str | None
    version: int
    key: KeyStatus
    own_key: KeyStatus | None = None

    @property
    def key_in_use(self) -> KeyStatus:
        """The key that calls of everyone's models go with: one's own before the one for everyone."""
        return self.own_key or self.key

    @property
    def key_of_own(self) -> KeyStatus:
        """The key that calls of one's own models go with: a key for everyone is never spent on them."""
        if self.owner_id is not None or self.own_key is not None:
            return self.own_key or self.key
        return KeyStatus("none needed" if self.info is not None and not self.info.needs_key else "missing")

    @property
    def info(self) -> ProviderKind | None:
        """The row of its kind, None for a kind this version does not know."""
        return KINDS.get(self.kind)

    @property
    def why_not(self) -> str | None:
        """The first thing to do before any of its models can be called, in one short sentence; None when nothing is."""
        return self.unreachable or self.lacks(self.key_in_use)

    @property
    def unreachable(self) -> str | None:
        """What keeps every call from it, whoever's key it goes with; None when nothing does."""
        info = self.info
        if info is None:
            return f"Modeldeck cannot call {self.display_name} yet"
        if not self.is_active:
            return "Provider is switched off"
        if self.base_url is None and info.protocol != "demo":
            return "Needs a base URL"
        return None

    def lacks(self, key: KeyStatus) -> str | None:
        """What is to be done about this key before it can be called with; None when nothing is."""
        if key.ready:
            return None
        again = " again" if key.source == "unreadable" else ""
        return f"Needs {_article(self.display_name)} {self.display_name} key{again}"


class LoggedModel(NamedTuple):
    """How the log of calls names a model, and what its reader calls it: key and name of the model, slug and name of its provider."""

    key: str
    name: str
    provider: str
    provider_name: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the registry knows it; ``why_not`` says in one short sentence why it is not usable.

    ``upstream_id`` is what the provider calls it, ``priced_as`` the catalogue entry its price comes from.
    ``constraints`` maps a parameter to its [least, greatest] value, ``fallbacks`` are model keys in order. ``owner_id``
    None means it belongs to everyone; ``key`` is one of its own, used for this model alone.
    """

    id: int
    model_key: str
    provider: Provider
    upstream_id: str
    vendor: str | None
    priced_as: str | None
    display_name: str
    model_type: str
    capabilities: frozenset[str]
    context_window: int | None
    max_output_tokens: int | None
    defaults: Mapping[str, Any]
    constraints: Mapping[str, Any]
    settings: Mapping[str, Any]
    fallbacks: tuple[str, ...]
    is_active: bool
    is_available: bool
    hidden: bool
    is_default: bool
    display_order: int
    owner_id: str | None
    version: int
    price: Price | None
    key: KeyStatus | None = None

    @property
    def is_own(self) -> bool:
        """Whether it belongs to one person, who alone sees and uses it."""
        return self.owner_id is not None

    @property
    def key_in_use(self) -> KeyStatus:
        """The key its calls go with: its own, else the person's, else for everyone's models the one for everyone."""
        return self.key or (self.provider.key_of_own if self.is_own else self.provider.key_in_use)

    @property
    def why_not(self) -> str | None:
        """The first thing to do before this model can be called; None when it is usable."""
        if not self.is_available:
            return "Gone at the provider"
        first = self.provider.unreachable or self.provider.lacks(self.key_in_use)
        return first or (None if self.is_active else SWITCHED_OFF)

    @property
    def usable(self) -> bool:
        """Whether a call can be made: switched on, seen at the provider, provider on and callable, key at hand."""
        return self.why_not is None


def _article(name: str) -> str:
    return "an" if name[:1].upper() in "AEIOU" else "a"
