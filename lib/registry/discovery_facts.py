"""What a provider says of a model that is here already, against what nobody but a list or the catalogue decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.pricing.catalogue import CataloguePrice
from lib.providers import ModelInfo
from lib.registry import discovery_new as new
from lib.registry.builtin_models import BUILTIN_MODELS, BuiltinModel
from lib.registry.builtin_providers import catalogue_reference
from lib.registry.values import Model

SIZES = ("context_window", "max_output_tokens")
_BUILTIN = {(model.provider, model.upstream_id): model for model in BUILTIN_MODELS}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; ``field`` is "price" or a column."""

    field: str
    before: Any
    after: Any


def differences(model: Model, info: ModelInfo, known: Mapping[str, CataloguePrice]) -> list[FieldChange]:
    """Return the fields that nobody typed and that the provider now says otherwise."""
    builtin = _BUILTIN.get((model.provider.slug, model.upstream_id))
    entry = known.get(reference(model) or "")
    made_up: dict[str, tuple[Any, ...]] = {
        "display_name": (model.upstream_id, *([builtin.display_name] if builtin and model.upstream_id.isdecimal() else [])),
        "context_window": (None, builtin and builtin.context_window, entry and entry.context_window),
        "max_output_tokens": (None, builtin and builtin.max_output_tokens),
    }
    said = new.facts(info)
    found = []
    for name, automatic in made_up.items():
        before, after, remembered = getattr(model, name), said.get(name), _remembered(model).get(name)
        stands = before == remembered if remembered is not None else before in automatic
        if after is not None and before != after and stands:
            found.append(FieldChange(name, before, after))
    after = _capabilities(model, info, builtin)
    return found if after == model.capabilities else [*found, FieldChange("capabilities", model.capabilities, after)]


def _capabilities(model: Model, info: ModelInfo, builtin: BuiltinModel | None) -> frozenset[str]:
    """Return what a model can do once each ability that nobody decided on is as the provider says."""
    remembered = _remembered(model).get("capabilities") or {}
    untouched = model.capabilities <= {"streaming"} or (builtin is not None and model.capabilities == builtin.capabilities)
    able = set(model.capabilities)
    for name, has in info.capabilities.items():
        if (remembered[name] == (name in able)) if name in remembered else untouched:
            (able.add if has else able.discard)(name)
    return frozenset(able)


def _remembered(model: Model) -> Mapping[str, Any]:
    said = model.settings.get(new.LISTED)
    return said if isinstance(said, Mapping) else {}


def differs(model: Model, info: ModelInfo | None) -> bool:
    return info is not None and any(getattr(info, name) not in (None, getattr(model, name)) for name in SIZES)


def reference(model: Model) -> str | None:
    return model.priced_as or catalogue_reference(model.provider.kind, model.upstream_id)
