"""The model picker: grouped by provider, remembered, and honest when a model went away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from lib.access import Principal
from lib.registry import Model
from lib.services import Services
from lib.ui import key_help
from lib.ui.capabilities import icons

CHOSEN = "model"
"""The choice's name in the address and in the session."""
REMEMBERED = "playground_model"
SEARCH_FROM = 12
"""Number of models from which the picker offers a search."""


def pick(services: Services, principal: Principal, models: Sequence[Model], lacking: Sequence[Model] = ()) -> Model | None:
    """Draw the picker over the usable models and return the choice; the address and the profile remember it.

    Of those that lack nothing but a key it says how many they are, and where to paste one.
    """
    by_key = {model.model_key: model for model in models}
    chosen = by_key.get(_wanted(services, principal, by_key))
    if chosen is None:
        return None
    st.query_params[CHOSEN] = st.session_state[CHOSEN] = chosen.model_key
    # A new key for each choice draws the popover anew, which closes it.
    with st.popover(label(chosen), key=f"picker-{chosen.id}", width="content", icon=":material/deployed_code:"):
        words = ""
        if len(models) >= SEARCH_FROM:
            words = st.text_input(
                "Search models", type="search", placeholder="Search", label_visibility="collapsed", live=True, key="picker-q"
            )
        matching = [m for m in grouped(models) if all(w in label(m).lower() for w in (words or "").lower().split())]
        for provider, group in groupby(matching, key=lambda model: model.provider.display_name):
            st.caption(provider)
            for model in group:
                st.button(
                    f"{model.display_name}  {icons(model.capabilities)}",
                    key=f"pick-{model.model_key}",
                    type="primary" if model.id == chosen.id else "tertiary",
                    on_click=_choose,
                    args=(services, principal, model.model_key),
                )
        if not matching:
            st.caption("No usable model matches.")
        if lacking:
            st.caption(f"API key required for {len(lacking)} more: {key_help.listed(lacking)}.")
            key_help.link(services, principal)
    return chosen


def label(model: Model) -> str:
    """Return a model's full name, provider first."""
    return f"{model.provider.display_name} · {model.display_name}"


def grouped(models: Sequence[Model]) -> list[Model]:
    """Order models by provider, providers by their first model's order."""
    first: dict[int, int] = {}
    for place, model in enumerate(models):
        first.setdefault(model.provider.id, place)
    return sorted(models, key=lambda model: first[model.provider.id])


def _wanted(services: Services, principal: Principal, by_key: dict[str, Model]) -> str:
    """Return the key to use: the address's choice, else the session's, the remembered one, the default or the first."""
    chosen = st.session_state.get(CHOSEN)
    asked = st.query_params.get(CHOSEN) or chosen
    if asked in by_key:
        return str(asked)
    remembered = services.preference(principal, REMEMBERED)
    default = next((model.model_key for model in by_key.values() if model.is_default), None)
    instead = next((key for key in (chosen, remembered, default, *by_key) if key in by_key), "")
    if asked:
        _say_gone(services, principal, asked, by_key.get(instead))
    return instead


def _say_gone(services: Services, principal: Principal, key: str, instead: Model | None) -> None:
    known = next((m for m in services.registry(principal).models() if m.model_key == key), None)
    name, why = (known.display_name, known.why_not or "not usable") if known else (key, "not in the registry")
    then = f"{instead.display_name} was chosen instead." if instead else "No other model is usable."
    st.toast(f"{name} cannot be used here any more: {why[:1].lower()}{why[1:]}. {then}", icon=":material/swap_horiz:", duration="long")


def _choose(services: Services, principal: Principal, key: str) -> None:
    st.session_state[CHOSEN] = st.query_params[CHOSEN] = key
    services.set_preference(principal, REMEMBERED, key)
