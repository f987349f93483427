"""The built-in catalogue without a database: what the picker shows, and can call, while nothing can be read."""

from __future__ import annotations

from collections.abc import Sequence

from lib.credentials import KeyStatus, effective_base_url
from lib.errors import UnknownModel
from lib.providers.catalog import KINDS
from lib.registry.builtin_models import BUILTIN_MODELS, BuiltinModel
from lib.registry.builtin_providers import BUILTIN_PROVIDERS
from lib.registry.values import Model, Provider
from lib.settings import Settings


def fallback_models(settings: Settings, *, with_keys: bool) -> list[Model]:
    """Return the built-in models as everyone's, switched on, with no price; those without a key at hand are not usable.

    ``with_keys`` lets them use the keys of the settings; without it only the demo can be called. A server that needs no
    key counts only where the settings name its address, for nobody can say whether it runs.
    """
    providers = {b.slug: _provider(place, b.slug, b.display_name, settings, with_keys) for place, b in enumerate(BUILTIN_PROVIDERS, 1)}
    return [_model(place, model, providers[model.provider]) for place, model in enumerate(BUILTIN_MODELS, 1)]


def fallback_default(models: Sequence[Model]) -> Model:
    """Return the first model that can be called, which the demo always can."""
    return next(model for model in models if model.usable)


def fallback_model(models: Sequence[Model], key: str | None) -> Model:
    """Return the model of a key that can be called, with None the default; raise UnknownModel for any other."""
    if key is None:
        return fallback_default(models)
    for model in models:
        if model.model_key == key and model.usable:
            return model
    raise UnknownModel(f"{key[:100]!r} is not among the built-in models that can be called without the database.")


def _provider(place: int, kind: str, name: str, settings: Settings, with_keys: bool) -> Provider:
    row = KINDS[kind]
    address = effective_base_url(kind, None, None, settings) if with_keys or row.needs_key else None
    if not row.needs_key and row.protocol != "demo" and not (row.base_url_env and settings.value(row.base_url_env)):
        address = None
    given = with_keys and row.key_env is not None and settings.value(row.key_env) is not None
    return Provider(
        id=place,
        slug=kind,
        kind=kind,
        display_name=name,
        base_url=address,
        own_base_url=None,
        settings={},
        is_active=True,
        owner_id=None,
        version=1,
        key=KeyStatus("environment" if given else "missing" if row.needs_key else "none needed"),
    )


def _model(place: int, model: BuiltinModel, provider: Provider) -> Model:
    return Model(
        id=place,
        model_key=model.key,
        provider=provider,
        upstream_id=model.upstream_id,
        vendor=model.vendor,
        priced_as=model.priced_as,
        display_name=model.display_name,
        model_type="chat",
        capabilities=model.capabilities,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        defaults={},
        constraints={name: list(ends) for name, ends in model.constraints.items()},
        settings={},
        fallbacks=(),
        is_active=True,
        is_available=True,
        hidden=False,
        is_default=False,
        display_order=place * 10,
        owner_id=None,
        version=1,
        price=None,
    )
