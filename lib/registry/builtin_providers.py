"""The providers every installation starts with: one for everyone of each kind."""

from __future__ import annotations

from dataclasses import dataclass

from lib.providers.catalog import KINDS


@dataclass(frozen=True, slots=True)
class BuiltinProvider:
    """A provider as it is seeded: switched on, without a base URL of its own."""

    slug: str
    kind: str
    display_name: str


BUILTIN_PROVIDERS = tuple(BuiltinProvider(kind, kind, row.label) for kind, row in KINDS.items())

CATALOGUE_IDS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "azure": "azure",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "groq": "groq",
    "openrouter": "openrouter",
    "together": "together",
    "fireworks": "fireworks",
    "cohere": "cohere",
}
"""What the price catalogue calls a kind; kinds that are not named charge nothing it could know."""


def catalogue_reference(kind: str, upstream_id: str) -> str | None:
    """Return the catalogue's "provider/model" for a model by its kind of provider, or None where there can be none.

    On Hugging Face the price belongs to the company that serves the model, so only an id that names it
    ("org/model:together") has one.
    """
    if kind == "huggingface":
        model, colon, served_by = upstream_id.rpartition(":")
        return f"huggingface_{served_by}/{model}" if colon else None
    return f"{CATALOGUE_IDS[kind]}/{upstream_id}" if kind in CATALOGUE_IDS else None
