"""The legend of a chart: it wraps at any width, takes nothing from the chart's height, and can single one series out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from lib.ui.colors import Look, theme_colors

_PATTERNS = {
    "": "",
    "/": "repeating-linear-gradient(135deg, transparent 0 2px, rgba(255,255,255,.65) 2px 4px)",
    ".": "radial-gradient(circle, rgba(255,255,255,.75) 1px, transparent 1.3px) 0 0 / 4px 4px",
    "x": "repeating-linear-gradient(45deg, transparent 0 3px, rgba(255,255,255,.65) 3px 4px),"
    "repeating-linear-gradient(135deg, transparent 0 3px, rgba(255,255,255,.65) 3px 4px)",
}
_DASHES = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "double"}
_STYLE = """<style>
.deck-legend { display: flex; flex-wrap: wrap; gap: 0 .75rem; font-size: .8125rem; }
.deck-legend button { display: flex; align-items: center; gap: .375rem; max-width: 100%; min-height: 24px; padding: 0; font: inherit;
  color: inherit; background: none; border: 0; border-radius: .25rem; cursor: pointer; }
.deck-legend button span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.deck-legend button:hover span, .deck-legend button[aria-pressed="true"] span { text-decoration: underline; text-underline-offset: .2em; }
.deck-legend button:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.deck-legend i { flex: none; width: .75rem; height: .75rem; border-radius: .1875rem; }
.deck-legend i.line { width: 1rem; height: 0; border-radius: 0; border-top-width: 3px; }
</style>"""


def draw(names: Sequence[str], looks: Sequence[Look], *, lines: bool = False) -> None:
    """Draw one button a series, in the order of the chart; what listens to the chart singles out the one that is pressed."""
    items = "".join(
        f'<button type="button" aria-pressed="false" title="{escape(name)}: press to single it out">'
        f'<i class="{"line" if lines else ""}" style="{_swatch(one, lines)}"></i><span>{escape(name)}</span></button>'
        for name, one in zip(names, looks, strict=True)
    )
    st.html(f'{_STYLE}<div class="deck-legend" role="group" aria-label="Series">{items}</div>')


def _swatch(one: Look, lines: bool) -> str:
    color = css_color(one)
    if lines:
        return f"border-top-style: {_DASHES[one.dash]}; border-top-color: {color}"
    pattern = _PATTERNS[one.pattern]
    return f"background: {pattern}, {color}" if pattern else f"background: {color}"


def css_color(one: Look) -> str:
    """Return a look's colour as the browser reads it in either theme."""
    pair = theme_colors(one)
    return f"light-dark({pair[0]}, {pair[1]})" if pair else one.color
