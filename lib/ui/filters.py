"""The filters of the analytics pages: in the address, so that a view can be shared and survives a reload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import streamlit as st

from lib.analytics import NO_FILTERS, PRESETS, Filters, PresetName, Range, Status, preset
from lib.ui.context import Page

DEFAULT_RANGE: PresetName = "7d"
RANGE_WORDS: Mapping[str, str] = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
STATUS_WORDS: Mapping[str, str] = {"ok": "OK", "error": "Error", "cancelled": "Stopped", "interrupted": "Interrupted", "open": "Running"}
SOURCE_WORDS: Mapping[str, str] = {"playground": "Playground", "api": "API", "cli": "Command line", "test": "Key test", "probe": "Probe"}


@dataclass(frozen=True)
class View:
    """What the reader asked to see."""

    range: Range
    filters: Filters
    words: str
    """The range in words, such as "7 days"."""

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the range narrows the view."""
        return self.filters != NO_FILTERS


def header(page: Page, title: str) -> Range:
    """Draw a page's title with the range control and the refresh button at its right."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, anchor=False, width="stretch")
        name = st.segmented_control(
            "Range",
            list(PRESETS),
            default=DEFAULT_RANGE,
            required=True,
            key="range",
            bind="query-params",
            persist_state="session",
            label_visibility="collapsed",
        )
        st.button("Refresh", icon=":material/refresh:", type="tertiary", help="Read the figures again", key="refresh")
    return preset(name, datetime.now(UTC), page.timezone)


def bar(page: Page, range_: Range) -> View:
    """Draw the filters and return the view they describe."""
    models = page.registry.models()
    names = distinct({model.model_key: model.display_name for model in models})
    providers = distinct({model.provider.slug: model.provider.display_name for model in models})
    with st.expander("Filters", icon=":material/filter_list:", expanded=any(name.startswith("by-") for name in st.query_params)):
        with st.container(horizontal=True):
            chosen_models = _choice("Model", names, "model")
            chosen_providers = _choice("Provider", providers, "provider")
            sources = _choice("Source", SOURCE_WORDS, "source")
            statuses = _choice("Status", STATUS_WORDS, "status")
    chosen = Filters(
        models=tuple(chosen_models),
        providers=tuple(chosen_providers),
        sources=tuple(sources),
        statuses=tuple(cast("list[Status]", statuses)),
    )
    return View(range_, chosen, RANGE_WORDS.get(st.session_state.get("range") or DEFAULT_RANGE, ""))


def distinct(words: Mapping[str, str]) -> Mapping[str, str]:
    """Return words by key with the key beside those that occur twice: choices are told apart by their words alone."""
    times = Counter(words.values())
    return {key: word if times[word] == 1 else f"{word} ({key})" for key, word in words.items()}


def _choice(label: str, words: Mapping[str, str], key: str) -> list[Any]:
    return st.multiselect(
        label,
        list(words),
        format_func=lambda value: words.get(value, value),
        key=f"by-{key}",
        bind="query-params",
        persist_state="session",
        placeholder="All",
        width=230,
    )
