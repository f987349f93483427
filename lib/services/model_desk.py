"""What people do with a model typed but not saved yet: try it, then save it with its provider and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import SecretStr

from lib.access import Principal, Role, require
from lib.credentials import Holder
from lib.errors import InvalidValue, KeyRequired, ModeldeckError
from lib.providers.catalog import KINDS
from lib.registry import DraftModel, Model
from lib.services.holders import own_holder
from lib.services.key_trial import TestResult
from lib.services.model_trial import try_model
from lib.services.services import Services
from lib.usage import KeyScope


@dataclass(frozen=True)
class ModelDesk:
    """Models on their way into the registry, under one principal's identity.

    Models for everyone need an admin. With ``own`` they are the principal's alone: at a provider of their own, or at one
    of everyone's with a key of theirs.
    """

    services: Services
    principal: Principal
    own: bool = False

    def test(self, draft: DraftModel, api_key: str = "") -> TestResult:
        """Make one small real call with exactly what was typed, nothing of which is stored, and say how it went.

        Without a typed key the stored one is used that the model's calls would go with, unless they would go somewhere else.
        """
        draft = self._admitted(draft)
        services = self.services
        scope: KeyScope | None = None
        secret = SecretStr(api_key.strip()) if api_key.strip() else None
        if secret is None and draft.provider is not None and draft.keeps_origin:
            key = services.keys.resolve(draft.provider, None, draft.owner_id, shared=not self.own)
            secret, scope = key.api_key, key.scope
        elif secret is None and KINDS[draft.kind].needs_key:
            raise KeyRequired(f"{draft.target.display_name} needs a key: paste one.", provider=draft.slug)
        price = draft.price or services.registry(self.principal).known_price(draft.kind, draft.upstream_id)
        return try_model(services.ledger, services.reach, self.principal, draft, secret, scope, price)

    def add(self, draft: DraftModel, api_key: str = "", *, tested: bool = False, only: bool = False) -> Model:
        """Save a model as typed, with its provider's address, settings and key; a failure leaves no new row behind.

        ``only`` keeps the key for this model alone; otherwise it is used for all that are called at its provider in the
        same name: everyone's models for an admin, a person's own and everyone's for that person.
        """
        draft, key = self._admitted(draft), api_key.strip()
        registry, provider, is_new = self.services.registry(self.principal), draft.provider, draft.provider is None
        undo: list[Callable[[], None]] = []
        try:
            if provider is None:
                named = draft.provider_name or None
                provider = registry.add_provider(
                    draft.slug, draft.kind, own=self.own, display_name=named, base_url=draft.base_url, settings=draft.all_settings
                )
                made = provider
                undo.append(lambda: registry.delete_provider(made))
            if draft.all_settings != dict(provider.settings):
                provider = registry.set_provider(provider, settings=draft.all_settings)
            keyed = bool(key) and not only and (provider.owner_id is not None or not self.own)
            if keyed or (draft.base_url and not is_new):
                base_url = None if is_new else draft.base_url
                provider = self.services.connect(self.principal, provider, key if keyed else "", base_url=base_url, tested=tested)
            model = registry.add_model(provider, draft.upstream_id, own=self.own, price=draft.price, **draft.values)
            undo.append(lambda: registry.delete_model(model.id))
            if key and not keyed:
                self._keep(model, key, only=only, tested=tested)
            return registry.get(model.id)
        except ModeldeckError:
            for step in reversed(undo):
                step()
            raise

    def set_model_key(self, model: Model, api_key: str, *, tested: bool = False) -> Model:
        """Store a key that is used for this model alone; with an empty one, forget it."""
        registry = self.services.registry(self.principal)
        model = registry.get(registry.changeable(model.id))
        holder, actor = Holder("model", model.owner_id, model.id), self.services.actor(self.principal)
        if api_key.strip():
            tested_at = self.services.clock() if tested else None
            self.services.keys.set_key(model.provider, api_key, actor, holder=holder, tested_at=tested_at)
        else:
            self.services.keys.remove_key(model.provider, actor, holder=holder)
        return registry.get(model.id)

    def _keep(self, model: Model, key: str, *, only: bool, tested: bool) -> None:
        """Store the key of a new model that is not its provider's."""
        if only:
            self.set_model_key(model, key, tested=tested)
            return
        services, holder = self.services, own_holder(self.principal, model.provider)
        tested_at = services.clock() if tested else None
        services.keys.set_key(model.provider, key, services.actor(self.principal), holder=holder, tested_at=tested_at)

    def _admitted(self, draft: DraftModel) -> DraftModel:
        """Return a draft as its owner's, its provider as it is now; raise where the principal may not add it."""
        provider = self.services.registry(self.principal).provider(draft.provider) if draft.provider is not None else None
        if not self.own:
            require(self.principal, Role.ADMIN)
            return replace(draft, provider=provider, owner_id=None)
        draft = replace(draft, provider=provider, owner_id=self.principal.user_id)
        if provider is not None and provider.owner_id is None:
            if draft.base_url or draft.all_settings != dict(provider.settings):
                raise InvalidValue(f"Only an admin changes where {provider.display_name} is and how it is called.", field="base_url")
        return draft
