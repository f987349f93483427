"""Capabilities of a model as rows: the name stored, its icon and its label."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Capability:
    """One thing a model can do."""

    name: str
    icon: str
    label: str


CAPABILITIES: tuple[Capability, ...] = (
    Capability("streaming", ":material/bolt:", "Streaming"),
    Capability("vision", ":material/visibility:", "Vision"),
    Capability("tools", ":material/build:", "Tools"),
    Capability("reasoning", ":material/psychology:", "Reasoning"),
    Capability("json", ":material/data_object:", "JSON"),
    Capability("caching", ":material/cached:", "Caching"),
    Capability("websearch", ":material/travel_explore:", "Web search"),
    Capability("files", ":material/description:", "Files"),
)


def icons(names: Collection[str]) -> str:
    """Return the icons of the capabilities that set a model apart."""
    return " ".join(c.icon for c in _telling(names))


def labels(names: Collection[str]) -> list[str]:
    """Return the labels of some capabilities, in their usual order."""
    return [c.label for c in CAPABILITIES if c.name in names]


def badges(names: Collection[str]) -> str:
    """Return the capabilities that set a model apart as small Markdown badges."""
    return " ".join(f":gray-badge[{c.icon} {c.label}]" for c in _telling(names))


def _telling(names: Collection[str]) -> list[Capability]:
    """Leave out streaming and caching, which nearly every model can do."""
    return [c for c in CAPABILITIES if c.name in names and c.name not in ("streaming", "caching")]
