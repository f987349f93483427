"""One colour per model on every page: a palette place, then a pattern once the palette is used up."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

PALETTE = 8
"""How many categorical colours the theme has in each of its light and dark sets."""
_PATTERNS = ("", "/", ".", "x")
_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Look:
    """How a series is drawn; ``color`` is the placeholder that Streamlit swaps for the theme's own colour."""

    color: str
    pattern: str = ""
    dash: str = "solid"


OTHER = Look("#9CA3AF")
"""The grey of what is not one model: everything else together, or a model that left the registry."""


def look(number: int) -> Look:
    """Return the look of a model by its lasting number, the same wherever and whenever it is drawn."""
    if number <= 0:
        return OTHER
    place, cycle = (number - 1) % PALETTE, (number - 1) // PALETTE % len(_PATTERNS)
    return Look(f"#{place + 1:06d}", _PATTERNS[cycle], _DASHES[cycle])


def theme_colors(one: Look) -> tuple[str, str] | None:
    """Return the theme's colours behind a placeholder, light and dark; None for a look whose colour is its own."""
    place = int(one.color[1:]) if one.color.startswith("#0000") else 0
    if not 1 <= place <= PALETTE:
        return None
    light, dark = (st.get_option(f"theme.{mode}.chartCategoricalColors")[place - 1] for mode in ("light", "dark"))
    return light, dark
