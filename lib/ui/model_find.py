"""Finding models: search, filters and sort, all in the address, so that a view can be shared and survives a reload."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib.registry import Model
from lib.ui.capabilities import CAPABILITIES
from lib.ui.context import Page
from lib.ui.filters import distinct

USABLE, OFF, BLOCKED = "Usable", "Off", "Needs attention"
STATUSES = (USABLE, OFF, BLOCKED)
"""A model's state is one of these."""
ON, KEYLESS, GONE, UNPRICED = "On", "Needs a key", "Gone", "Unpriced"
EVERYONES, MINE = "Everyone's", "Mine"
BY_ORDER = "By order"
TABLE, CARDS = "Table", "Cards"
STYLE = """<style>
.st-key-models-actions { min-height: 2.5rem; }
.st-key-models-cards button[data-testid="stBaseButton-tertiary"] > div { justify-content: flex-start; }
</style>"""
"""So that the table stays where it is when a choice brings the actions, and a card's name begins where the rest of it does."""
_FILTERS = ("provider", "state", "can", "owner")
_KEY = re.compile(r"\bkey\b")


def status(model: Model) -> str:
    """Return the word for a model's state: usable, switched off, or on but not usable."""
    return USABLE if model.usable else BLOCKED if model.is_active else OFF


def is_priced(model: Model) -> bool:
    """Whether calls of a model get a cost."""
    return model.price is not None and any(rate is not None for _, rate in model.price.items())


STATES: Mapping[str, Callable[[Model], bool]] = {
    USABLE: lambda m: m.usable,
    ON: lambda m: m.is_active,
    OFF: lambda m: not m.is_active,
    BLOCKED: lambda m: m.is_active and not m.usable,
    KEYLESS: lambda m: m.provider.why_not is not None and _KEY.search(m.provider.why_not) is not None,
    GONE: lambda m: not m.is_available,
    UNPRICED: lambda m: not is_priced(m),
}
"""What the filter of states offers; any of those chosen will do, but for UNPRICED, which narrows the others."""


def _rate(name: str) -> Callable[[Model], Any]:
    def key(model: Model) -> Any:
        rate = getattr(model.price, name, None)
        return rate is None, rate or 0

    return key


SORTS: Mapping[str, Callable[[Model], Any]] = {
    BY_ORDER: lambda _: 0,
    "Newest first": lambda m: -m.id,
    "By name": lambda m: m.display_name.casefold(),
    "By provider": lambda m: m.provider.display_name.casefold(),
    "By input price": _rate("input"),
    "By output price": _rate("output"),
    "By context": lambda m: -(m.context_window or 0),
}
"""How models may be sorted; those that are equal stay in the order of the registry, what is not known comes last."""


@dataclass(frozen=True)
class Wanted:
    """Which models somebody looks for, and in which order; an empty filter lets all pass."""

    search: str = ""
    providers: Sequence[str] = ()
    states: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    owners: Sequence[str] = ()
    sort: str = BY_ORDER

    def found(self, models: Sequence[Model]) -> list[Model]:
        """Return the models that pass, sorted."""
        words, states = self.search.lower().split(), [STATES[name] for name in self.states if name != UNPRICED]
        passed = [model for model in models if self._passes(model, words, states)]
        return passed if self.sort == BY_ORDER else sorted(passed, key=SORTS[self.sort])

    def _passes(self, model: Model, words: Sequence[str], states: Sequence[Callable[[Model], bool]]) -> bool:
        if words:
            text = f"{model.display_name} {model.model_key} {model.upstream_id} {model.provider.display_name} {model.vendor or ''}".lower()
            if not all(word in text for word in words):
                return False
        return (
            (not self.providers or model.provider.slug in self.providers)
            and (not states or any(holds(model) for holds in states))
            and (UNPRICED not in self.states or not is_priced(model))
            and all(capability in model.capabilities for capability in self.capabilities)
            and (not self.owners or (EVERYONES if model.owner_id is None else MINE) in self.owners)
        )


def controls(models: Sequence[Model]) -> tuple[Wanted, str]:
    """Draw search, filters, sort and view; return what is looked for, and the view."""
    with st.container(horizontal=True, vertical_alignment="center", key="models-find"):
        search = st.text_input(
            "Search",
            type="search",
            placeholder="Search name, key or maker",
            key="q",
            bind="query-params",
            width=260,
            label_visibility="collapsed",
        )
        narrowed = sum(bool(st.session_state.get(name)) for name in _FILTERS)
        with st.popover(f"Filters ({narrowed})" if narrowed else "Filters", icon=":material/filter_list:", key="models-filters"):
            chosen = _filters(models)
        sort = st.selectbox(
            "Sort", list(SORTS), key="sort", bind="query-params", width=160, label_visibility="collapsed", filter_mode=None, required=True
        )
        st.space("stretch")
        view = st.segmented_control(
            "View", [TABLE, CARDS], default=TABLE, required=True, key="view", bind="query-params", label_visibility="collapsed"
        )
    return Wanted(search or "", *chosen, sort=sort if sort in SORTS else BY_ORDER), view or TABLE


def _filters(models: Sequence[Model]) -> tuple[list[str], list[str], list[str], list[str]]:
    providers = distinct({model.provider.slug: model.provider.display_name for model in models})
    capabilities = {c.name: c.label for c in CAPABILITIES}
    in_providers = _choice("Provider", list(providers), "provider", lambda slug: providers.get(slug, slug))
    in_states = _choice("State", list(STATES), "state", help="Any of those chosen; Unpriced narrows the others.")
    able = _choice("Capability", list(capabilities), "can", lambda name: capabilities.get(name, name))
    owners = _choice("Owner", [EVERYONES, MINE], "owner") if any(model.owner_id is not None for model in models) else []
    return in_providers, in_states, able, owners


def _choice(label: str, options: list[str], key: str, words: Callable[[Any], str] = str, help: str | None = None) -> list[str]:
    return st.multiselect(label, options, format_func=words, key=key, bind="query-params", placeholder="All", width=280, help=help)


def say_count(place: DeltaGenerator, models: Sequence[Model], shown: Sequence[Model]) -> None:
    """Say how many models there are, and how many of them are shown, on and usable."""
    on, usable = sum(model.is_active for model in models), sum(model.usable for model in models)
    shown_of = f"{len(models):,} models" if len(shown) == len(models) else f"{len(shown):,} of {len(models):,} models shown"
    place.caption(f"{shown_of} · {on:,} on · {usable:,} usable")


def say_empty(page: Page, models: Sequence[Model]) -> None:
    """Say why no model is shown, and offer the way out."""
    if models:
        st.info("No model matches these filters.", icon=":material/search_off:")
        st.button("Show all models", icon=":material/filter_list_off:", on_click=_forget)
        return
    st.info(
        "There are no models yet. Start with the built-in ones, which are off until you switch them on, or add your own.",
        icon=":material/deployed_code:",
    )
    if st.button("Add the built-in models", type="primary", icon=":material/playlist_add:"):
        page.registry.seed()
        st.rerun()


def _forget() -> None:
    for name in ("q", *_FILTERS):
        if name in st.session_state:
            st.session_state[name] = "" if name == "q" else []
