"""What people see and change of themselves: who they are here, their own keys, and their own models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lib.access import Principal, Subscription
from lib.errors import InvalidValue
from lib.providers.catalog import KINDS
from lib.registry import Model, Provider, Registry
from lib.services.holders import own_holder
from lib.services.key_trial import TestResult, try_key
from lib.services.services import Services

_PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Me:
    """Who somebody is here; ``email`` is None where nobody signs in."""

    name: str
    email: str | None
    role: str
    subscription: Subscription


@dataclass(frozen=True)
class ProfileDesk:
    """One principal's own things; everybody has one, whatever their role."""

    services: Services
    principal: Principal

    @property
    def registry(self) -> Registry:
        """The registry as this person may see and change it."""
        return self.services.registry(self.principal)

    def me(self) -> Me:
        """Return who this is."""
        columns = ("email", "has_subscription", "is_trial", "expiry_date")
        rows = self.services.store(self.principal).select(_PROFILES, columns=columns, where={"user_id": self.principal.user_id})
        email, held = None, Subscription()
        for row in rows:
            email, held = row["email"], Subscription(row["has_subscription"], row["is_trial"], row["expiry_date"])
        return Me(self.principal.name, email, str(self.principal.role), held)

    def keyed(self) -> list[Provider]:
        """Return everyone's providers with whom this person stored a key of their own."""
        return [provider for provider in self.registry.providers() if provider.own_key is not None]

    def keyable(self) -> list[Provider]:
        """Return everyone's providers with whom this person may store a key, and has none yet; those that need one come first."""
        found = [p for p in self.registry.providers() if p.own_key is None and takes_keys(p)]
        return sorted(found, key=lambda p: not KINDS[p.kind].needs_key)

    def test_key(self, provider: Provider, api_key: str) -> TestResult:
        """Make one small real call with exactly this key, which is not stored, and say how it went."""
        provider = self._takes(provider)
        models = [m for m in self.registry.models(provider=provider.slug) if m.provider.id == provider.id]
        return try_key(self.services.ledger, self.services.reach, self.principal, provider, models, api_key, None)

    def test_stored(self, provider: Provider) -> TestResult:
        """Make the same call with the key this person stored; when it works, the key is marked as tested now."""
        provider = self._takes(provider)
        key = self.services.keys.resolve(provider, None, self.principal.user_id, shared=False)
        result = self.test_key(provider, key.api_key.get_secret_value() if key.api_key else "")
        if result.ok:
            self.services.keys.mark_tested(provider, own_holder(self.principal, provider))
        return result

    def set_key(self, provider: Provider, api_key: str, *, tested: bool = False) -> Provider:
        """Store this person's key with a provider, encrypted; nobody else's calls ever go with it."""
        provider, tested_at = self._takes(provider), self.services.clock() if tested else None
        holder, actor = own_holder(self.principal, provider), self.services.actor(self.principal)
        self.services.keys.set_key(provider, api_key, actor, holder=holder, tested_at=tested_at)
        return self.registry.provider(provider)

    def remove_key(self, provider: Provider) -> None:
        """Forget this person's key with a provider; everyone's counts for them again, where there is one."""
        provider = self.registry.provider(provider)
        self.services.keys.remove_key(provider, self.services.actor(self.principal), holder=own_holder(self.principal, provider))

    def models(self) -> list[Model]:
        """Return this person's own models, in their order."""
        return [model for model in self.registry.models() if model.is_own]

    def delete_model(self, model: Model) -> None:
        """Delete a model of one's own, and the provider of one's own and its key when that was its last one."""
        registry, last = self.registry, self.is_last(model)
        registry.delete_model(model.id, version=model.version)
        if last:
            registry.delete_provider(model.provider)

    def is_last(self, model: Model) -> bool:
        """Whether a model is the only one at a provider of one's own."""
        at_it = [other for other in self.models() if other.provider.id == model.provider.id]
        return model.provider.owner_id is not None and len(at_it) == 1

    def free_slug(self, name: str) -> str:
        """Return a provider's short name made from its name, one that no provider this person sees has."""
        letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.casefold())
        stem = "-".join(part for part in letters.split("-") if part)[:50] or "own"
        return free_slug(stem, self.registry.providers())

    def _takes(self, provider: Provider) -> Provider:
        provider = self.registry.provider(provider)
        if not takes_keys(provider):
            raise InvalidValue(f"{provider.display_name} takes no keys of one's own at the moment.", field="api_key")
        return provider


def takes_keys(provider: Provider) -> bool:
    """Whether a person can call everyone's models at a provider with a key of their own."""
    return provider.owner_id is None and provider.unreachable is None and KINDS[provider.kind].auth != "none"


def free_slug(stem: str, providers: Sequence[Provider]) -> str:
    """Return the stem, or the stem with the first number that makes it free."""
    taken, slug, number = {p.slug for p in providers}, stem, 1
    while slug in taken:
        number += 1
        slug = f"{stem}-{number}"
    return slug
