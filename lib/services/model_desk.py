"""What an admin does with a model typed but not saved yet: try it, then save it with its provider and key."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from lib.access import Principal, Role, require
from lib.errors import KeyRequired, ModeldeckError
from lib.providers.catalog import KINDS
from lib.registry import DraftModel, Model
from lib.services.key_trial import TestResult
from lib.services.model_trial import try_model
from lib.services.services import Services
from lib.usage import KeyScope


@dataclass(frozen=True)
class ModelDesk:
    """Models on their way into the registry, under one principal's identity; everything here needs an admin."""

    services: Services
    principal: Principal

    def test(self, draft: DraftModel, api_key: str = "") -> TestResult:
        """Make one small real call with exactly what was typed, nothing of which is stored, and say how it went.

        Without a typed key the provider's stored one is used, unless calls would go somewhere else with it.
        """
        require(self.principal, Role.ADMIN)
        services = self.services
        scope: KeyScope | None = None
        secret = SecretStr(api_key.strip()) if api_key.strip() else None
        if secret is None and draft.provider is not None and draft.keeps_origin:
            key = services.keys.resolve(draft.provider, None, self.principal.user_id)
            secret, scope = key.api_key, key.scope
        elif secret is None and KINDS[draft.kind].needs_key:
            raise KeyRequired(f"{draft.target.display_name} needs a key: paste one.", provider=draft.slug)
        price = draft.price or services.registry(self.principal).known_price(draft.kind, draft.upstream_id)
        return try_model(services.ledger, services.reach, self.principal, draft, secret, scope, price)

    def add(self, draft: DraftModel, api_key: str = "", *, tested: bool = False) -> Model:
        """Save a model as typed, with its provider's address, settings and key; a failure leaves no new provider behind."""
        require(self.principal, Role.ADMIN)
        registry, provider, is_new = self.services.registry(self.principal), draft.provider, draft.provider is None
        if provider is None:
            named = draft.provider_name or None
            provider = registry.add_provider(
                draft.slug, draft.kind, display_name=named, base_url=draft.base_url, settings=draft.all_settings
            )
        try:
            if draft.all_settings != dict(provider.settings):
                provider = registry.set_provider(provider.slug, settings=draft.all_settings)
            if api_key.strip() or (draft.base_url and not is_new):
                base_url = None if is_new else draft.base_url
                provider = self.services.connect(self.principal, provider, api_key.strip(), base_url=base_url, tested=tested)
            return registry.add_model(provider.slug, draft.upstream_id, price=draft.price, **draft.values)
        except ModeldeckError:
            if is_new:
                registry.delete_provider(draft.slug)
            raise
