"""A model as it was typed, not saved yet: checked field by field, and with its provider put together for a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.credentials import KeyStatus, origin
from lib.pricing import Price
from lib.providers.catalog import KINDS
from lib.registry.checks import model_problems, provider_problems
from lib.registry.values import Provider


@dataclass(frozen=True, slots=True)
class DraftModel:
    """What was typed to add a model.

    ``provider`` is the one it belongs to, None for a new one of ``slug``, ``kind`` and ``provider_name``. ``base_url``
    None keeps the provider's own address; ``settings`` are added to those it has. ``values`` are further columns. With
    ``owner_id`` it is to be one person's own, and so is a new provider.
    """

    slug: str
    kind: str
    upstream_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    provider: Provider | None = None
    provider_name: str = ""
    base_url: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    price: Price | None = None
    owner_id: str | None = None

    @property
    def target(self) -> Provider:
        """The provider as it would be once this is saved; one that is not stored yet has the id 0."""
        known = self.provider
        return Provider(
            id=known.id if known else 0,
            slug=known.slug if known else self.slug,
            kind=self.kind,
            display_name=known.display_name if known else self.provider_name or KINDS[self.kind].label,
            base_url=self.base_url or (known.base_url if known else KINDS[self.kind].base_url),
            own_base_url=self.base_url or (known.own_base_url if known else None),
            settings=self.all_settings,
            is_active=True,
            owner_id=known.owner_id if known else self.owner_id,
            version=known.version if known else 1,
            key=known.key if known else KeyStatus("missing"),
        )

    @property
    def all_settings(self) -> dict[str, Any]:
        """The provider's settings with what was typed; an emptied one is unset."""
        before = dict(self.provider.settings) if self.provider else {}
        return {name: value for name, value in {**before, **self.settings}.items() if value != ""}

    @property
    def keeps_origin(self) -> bool:
        """Whether calls go where the provider's stored key belongs."""
        return self.provider is not None and origin(self.target.base_url) == origin(self.provider.base_url)

    def problems(self) -> dict[str, str]:
        """Return what is wrong, a sentence by field."""
        found = model_problems({"upstream_id": self.upstream_id, **self.values})
        if self.provider is None:
            found |= provider_problems({"slug": self.slug})
            if self.provider_name and (wrong := provider_problems({"display_name": self.provider_name})):
                found["provider_name"] = wrong["display_name"]
        if self.base_url:
            found |= provider_problems({"base_url": self.base_url})
        elif (self.provider is None or self.provider.base_url is None) and self.kind != "demo":
            found["base_url"] = f"{self.target.display_name} needs a base URL: where it listens, such as https://host/v1."
        return found
