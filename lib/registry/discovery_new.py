"""A model that was not here before: its key, maker, abilities and place in the price catalogue."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from lib.pricing.catalogue import CataloguePrice
from lib.providers import ModelInfo
from lib.registry.builtin_models import BUILTIN_MODELS, CHAT, TOOLS, VISION
from lib.registry.builtin_providers import CATALOGUE_IDS, catalogue_reference
from lib.registry.values import CAPABILITIES, Provider

LISTED = "listed"
"""Among a model's settings: what its provider said of it when that was last taken over."""
_LONGEST_KEY = 180
_RELATIVES = {model.priced_as: model.capabilities for model in reversed(BUILTIN_MODELS) if model.priced_as}  # the first counts
_USUAL = {"anthropic": TOOLS | {"caching"}, "openai": TOOLS, "azure": TOOLS, "mistral": TOOLS, "deepseek": TOOLS, "cohere": TOOLS}
"""What every model for chats can do at some kinds of provider, for lists that are silent on it."""
_MAKERS = {
    **{kind: kind.capitalize() for kind in ("anthropic", "google", "cohere", "microsoft", "perplexity", "qwen", "minimax")},
    **{"openai": "OpenAI", "mistral": "Mistral AI", "mistralai": "Mistral AI", "deepseek": "DeepSeek", "deepseek-ai": "DeepSeek"},
    **{"meta-llama": "Meta", "meta": "Meta", "moonshotai": "Moonshot AI", "x-ai": "xAI", "xai": "xAI", "nvidia": "NVIDIA"},
    **{"zai-org": "Z.ai", "z-ai": "Z.ai", "minimaxai": "MiniMax", "cohereforai": "Cohere", "coherelabs": "Cohere", "amazon": "Amazon"},
}
"""What makers are called, by kind of provider or by what stands before the slash of an id."""


def columns(provider: Provider, info: ModelInfo, taken: Collection[str], known: Mapping[str, CataloguePrice]) -> dict[str, Any]:
    """Return the columns of a new model, switched off; ``known`` is what the catalogue says, by reference."""
    reference = reference_of(provider.kind, info)
    entry = known.get(reference or "")
    if provider.kind == "matchaai" and entry is None:
        reference = None  # it was a guess by the model's name
    return {
        "model_key": free_key(provider.slug, info, taken),
        "upstream_id": info.id,
        "vendor": maker(provider.kind, info),
        "priced_as": reference,
        "display_name": name_of(info),
        "capabilities": {name: True for name in CAPABILITIES if name in _able(provider.kind, info, entry)},
        "context_window": info.context_window or (entry.context_window if entry else None),
        "max_output_tokens": info.max_output_tokens,
        "settings": {LISTED: facts(info)},
    }


def name_of(info: ModelInfo) -> str:
    """Return what a model is called until a person types another name."""
    name = " ".join((info.display_name or "").split())[:200]
    return name if name and name.isprintable() else info.id


def facts(info: ModelInfo) -> dict[str, Any]:
    """Return what a provider says of a model, as it is remembered: a later change of it then shows."""
    said = {
        "display_name": name_of(info),
        "context_window": info.context_window,
        "max_output_tokens": info.max_output_tokens,
        "capabilities": dict(info.capabilities) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def reference_of(kind: str, info: ModelInfo) -> str | None:
    """Return the catalogue's "provider/model" for a listed model; a gateway that numbers its models is priced by their makers' names."""
    if kind == "matchaai":
        vendor = (info.vendor or "").lower()
        return f"{CATALOGUE_IDS[vendor]}/{_slugged(name_of(info))}" if vendor in CATALOGUE_IDS else None
    return catalogue_reference(kind, info.base or info.id)


def maker(kind: str, info: ModelInfo) -> str | None:
    """Return who made a model, None where neither its provider nor its id tells."""
    if info.vendor:
        return _MAKERS.get(info.vendor.lower(), info.vendor[:200])
    if kind in _MAKERS:
        return _MAKERS[kind]
    before, slash, _ = info.id.partition("/")
    return (_MAKERS.get(before.lower(), before) or None) if slash and before != "accounts" else None


def free_key(slug: str, info: ModelInfo, taken: Collection[str]) -> str:
    """Return a key that no model has: the upstream id, or the name where that id is a number, with the provider's slug where needed."""
    stem = _slugged(name_of(info)) if info.id.isdecimal() else re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", info.id)
    stem = stem.lstrip("._:/@+-")[:_LONGEST_KEY]
    stem = f"{slug}-{info.id}" if not stem or stem.isdecimal() else stem
    key, number = stem, 1
    while key in taken:
        key = f"{slug}-{stem}"[:_LONGEST_KEY] if number == 1 else f"{slug}-{stem}"[: _LONGEST_KEY - 4] + f"-{number}"
        number += 1
    return key


def _able(kind: str, info: ModelInfo, entry: CataloguePrice | None) -> frozenset[str]:
    """Return what a new model can do: as listed, and where the list is silent as a built-in model of the same catalogue entry."""
    usual = VISION if kind == "google" and info.id.startswith("gemini") else _USUAL.get(kind, CHAT)
    base = _RELATIVES.get(entry.entry, usual) if entry else usual
    said = {name for name, has in info.capabilities.items() if has}
    return frozenset((base | said) - {name for name, has in info.capabilities.items() if not has})


def _slugged(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
