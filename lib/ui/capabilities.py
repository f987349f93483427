"""Capabilities of a model as rows: the name stored, its icon in text, its Material icon, and its label."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Capability:
    """One thing a model can do."""

    name: str
    glyph: str
    icon: str
    label: str


CAPABILITIES: tuple[Capability, ...] = (
    Capability("streaming", "", ":material/bolt:", "Streaming"),
    Capability("vision", "👁", ":material/visibility:", "Vision"),
    Capability("tools", "🔧", ":material/build:", "Tools"),
    Capability("reasoning", "💭", ":material/psychology:", "Reasoning"),
    Capability("json", "{}", ":material/data_object:", "JSON"),
    Capability("caching", "", ":material/cached:", "Caching"),
    Capability("websearch", "🌐", ":material/travel_explore:", "Web search"),
    Capability("files", "📄", ":material/description:", "Files"),
)


def glyphs(names: Collection[str]) -> str:
    """Return the capabilities worth seeing in a picker's plain text, as symbols."""
    return " ".join(c.glyph for c in CAPABILITIES if c.glyph and c.name in names)


def labels(names: Collection[str]) -> list[str]:
    """Return the labels of some capabilities, in their usual order."""
    return [c.label for c in CAPABILITIES if c.name in names]


def badges(names: Collection[str]) -> str:
    """Return the capabilities as small Markdown badges with icons."""
    return " ".join(f":gray-badge[{c.icon} {c.label}]" for c in CAPABILITIES if c.name in names)
