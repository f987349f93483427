"""The playground's parameters, each within what the chosen model accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lib.registry import Model

USUAL_BOUNDS: Mapping[str, tuple[float, float]] = {"temperature": (0, 2), "top_p": (0, 1)}
"""What most models accept; offered for a model whose own bounds nobody entered."""


def popover(model: Model) -> dict[str, Any]:
    """Draw the settings of the next call and return them as ChatCall arguments; unset ones are left out."""
    with st.popover("Settings", icon=":material/tune:"):
        system = st.text_area(
            "System prompt", key="system", placeholder="You are a helpful assistant.", height=120, persist_state="session"
        )
        temperature = _optional_slider("Temperature", "temperature", model, help="Higher is more varied, lower more repeatable.")
        top_p = _optional_slider("Top-p", "top_p", model, help="Share of the likeliest words to choose from.")
        limit = model.max_output_tokens
        max_tokens = st.number_input(
            "Max tokens",
            min_value=1,
            max_value=limit,
            value=None,
            step=256,
            placeholder=f"The model's own limit ({limit:,})" if limit else "The model's own limit",
            key=f"max-tokens-{model.id}",
            persist_state="session",
        )
        bounds = ((limit, "tokens out"), (model.context_window, "in all"))
        if known := [f"{most:,} {what}" for most, what in bounds if most]:
            st.caption(f"{model.display_name}: up to {', '.join(known)}")
    chosen = {"system": system or None, "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    return {name: value for name, value in chosen.items() if value is not None}


def _optional_slider(label: str, name: str, model: Model, *, help: str) -> float | None:
    """Draw a slider that is off until switched on, so that the provider's own default holds."""
    low, high = (float(bound) for bound in model.constraints.get(name) or USUAL_BOUNDS[name])
    if low == high:
        st.caption(f"{label}: fixed at {low:g} for {model.display_name}.")
        return None
    if not st.toggle(f"Set {label.lower()}", key=f"set-{name}-{model.id}", persist_state="session", help=help):
        return None
    start = min(max(float(model.defaults.get(name, 1.0)), low), high)
    value: float = st.slider(
        label, low, high, start, step=0.05, key=f"{name}-{model.id}", label_visibility="collapsed", persist_state="session"
    )
    return value
