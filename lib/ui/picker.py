"""The model picker: grouped by provider, remembered, and honest when a model went away."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lib.access import Principal
from lib.registry import Model
from lib.services import Services
from lib.ui.capabilities import glyphs

KEY = "model"
REMEMBERED = "playground_model"
POLL_SECONDS = 3.0
"""How often an open page asks whether the registry changed, so that a switched-off model leaves within five seconds."""


def pick(services: Services, principal: Principal, models: Sequence[Model]) -> Model | None:
    """Draw the picker over the usable models and return the choice; the address and the profile remember it."""
    by_key = {model.model_key: model for model in models}
    wanted = st.session_state.get(KEY) or st.query_params.get(KEY)
    if wanted is not None and wanted not in by_key:
        _say_gone(services, principal, wanted)
        st.session_state.pop(KEY, None)
        st.query_params.pop(KEY, None)
        wanted = None
    first = wanted or _remembered(services, principal) or _default_key(models)
    keys = [model.model_key for model in models]
    choice = st.selectbox(
        "Model",
        keys,
        index=keys.index(first) if first in by_key else 0,
        format_func=lambda key: label(by_key[key]) if key in by_key else key,
        key=KEY,
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        required=True,
        placeholder="No model is switched on",
        on_change=_remember,
        args=(services, principal),
    )
    return by_key.get(choice) if choice is not None else None


def label(model: Model) -> str:
    """Return a model's line in the picker: provider first, so that a provider's models stand together."""
    return f"{model.provider.display_name} · {model.display_name}  {glyphs(model.capabilities)}".rstrip()


def grouped(models: Sequence[Model]) -> list[Model]:
    """Order models by provider, providers by their first model's order."""
    first: dict[int, int] = {}
    for place, model in enumerate(models):
        first.setdefault(model.provider.id, place)
    return sorted(models, key=lambda model: first[model.provider.id])


def watch(services: Services, revision: str) -> None:
    """Rerun the page soon after the registry changed anywhere."""

    @st.fragment(run_every=POLL_SECONDS)
    def poll() -> None:
        if services.revision() != revision:
            st.rerun()

    poll()


def _default_key(models: Sequence[Model]) -> str | None:
    return next((model.model_key for model in models if model.is_default), None)


def _say_gone(services: Services, principal: Principal, key: str) -> None:
    known = next((m for m in services.registry(principal).models() if m.model_key == key), None)
    name, why = (known.display_name, known.why_not or "not usable") if known else (key, "not in the registry")
    st.toast(f"{name} is not available here any more ({why.lower()}); another model was chosen.", icon=":material/swap_horiz:")


def _remembered(services: Services, principal: Principal) -> str | None:
    value = services.preference(principal, REMEMBERED)
    return value if isinstance(value, str) else None


def _remember(services: Services, principal: Principal) -> None:
    services.set_preference(principal, REMEMBERED, st.session_state.get(KEY))
