"""The filters of the analytics pages: in the address, so that a view can be shared and survives a reload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from lib.analytics import NO_FILTERS, PRESETS, Filters, PresetName, Range, preset
from lib.errors import InvalidValue
from lib.registry import Model
from lib.ui.context import Page
from lib.ui.span import Span

DEFAULT_RANGE: PresetName = "7d"
RANGE_WORDS: Mapping[str, str] = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
STATUS_WORDS: Mapping[str, str] = {"ok": "OK", "error": "Error", "cancelled": "Stopped", "interrupted": "Interrupted", "open": "Running"}
SOURCE_WORDS: Mapping[str, str] = {"playground": "Playground", "api": "API", "cli": "Command line", "test": "Key test", "probe": "Probe"}


SPAN = ("from", "to")
"""The address's and the session's names of a custom range: two local days, or two moments in UTC."""


@dataclass(frozen=True)
class View:
    """What the reader asked to see."""

    range: Range
    filters: Filters
    words: str
    """The range in words, such as "last 7 days"."""

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the range narrows the view."""
        return self.filters != NO_FILTERS


def draw(page: Page, title: str) -> None:
    """Draw the title, the range control and the filters that all analytics pages share.

    The shell calls this, outside any page, so that what was chosen on one page holds on the next.
    """
    _adopt_address()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, anchor=False, width="stretch")
        st.segmented_control(
            "Range",
            list(PRESETS),
            default=DEFAULT_RANGE,
            required=True,
            key="range",
            bind="query-params",
            persist_state="session",
            label_visibility="collapsed",
            on_change=clear_span,
        )
        _custom(page)
        st.button("Refresh", icon=":material/refresh:", type="tertiary", help="Read the figures again", key="refresh")
    models = known_models(page)
    names = distinct({model.model_key: model.display_name for model in models})
    providers = distinct({model.provider.slug: model.provider.display_name for model in models})
    with st.expander("Filters", icon=":material/filter_list:", expanded=any(name.startswith("by-") for name in st.query_params)):
        with st.container(horizontal=True):
            _choice("Model", names, "model")
            _choice("Provider", providers, "provider")
            _choice("Source", SOURCE_WORDS, "source")
            _choice("Status", STATUS_WORDS, "status")


def view(page: Page) -> View:
    """Return what the shared controls describe."""

    def chosen(name: str) -> tuple[Any, ...]:
        return tuple(st.session_state.get(f"by-{name}") or ())

    filters = Filters(models=chosen("model"), providers=chosen("provider"), sources=chosen("source"), statuses=chosen("status"))
    now = datetime.now(UTC)
    span = _span(page)
    if span is not None:
        return View(span.range(now, page.timezone), filters, span.words(page.timezone))
    name: PresetName = st.session_state.get("range") or DEFAULT_RANGE
    return View(preset(name, now, page.timezone), filters, f"last {RANGE_WORDS[name]}")


def say_empty(view: View, *, narrowed: bool = False) -> None:
    """Say why a page has nothing to show, and where the first call is made; ``narrowed`` when the page has filters of its own set."""
    if view.is_filtered or narrowed:
        st.info(f"No call of the {view.words} matches these filters.", icon=":material/search_off:")
        return
    st.info(f"No calls in the {view.words}. Send one from the playground and it appears here a second later.", icon=":material/forum:")
    st.page_link("pages/play/playground.py", label="Open the playground", icon=":material/arrow_forward:")


def set_span(span: Span) -> None:
    """Show a custom range, in a callback."""
    for name, word in zip(SPAN, span.written, strict=True):
        st.session_state[name] = word
        st.query_params[name] = word  # else the address's old range would be taken for a new one


def clear_span() -> None:
    """Go back to the preset ranges."""
    for name in SPAN:
        st.session_state.pop(name, None)
        st.query_params.pop(name, None)


def _adopt_address() -> None:
    """Take a custom range from the address, and write the session's back to it after a change of page."""
    if all(name in st.query_params for name in SPAN):
        for name in SPAN:
            st.session_state[name] = st.query_params[name]
    elif all(name in st.session_state for name in SPAN):
        st.query_params.update({name: st.session_state[name] for name in SPAN})


def _span(page: Page) -> Span | None:
    """Return the custom range of the session; one that cannot be shown is forgotten with a notice."""
    if not all(name in st.session_state for name in SPAN):
        return None
    try:
        span = Span.read(*(st.session_state[name] for name in SPAN))
        span.range(datetime.now(UTC), page.timezone)
    except (ValueError, InvalidValue, OverflowError) as error:
        clear_span()
        st.toast(
            str(error) if isinstance(error, InvalidValue) else "The range in the address is not one of dates.", icon=":material/event_busy:"
        )
        return None
    return span


def _custom(page: Page) -> None:
    """Draw the control of a custom range; while one is shown, its label says which."""
    span = _span(page)
    today = datetime.now(page.timezone).date()
    with st.popover(span.words(page.timezone) if span else "Custom", icon=":material/date_range:", type="primary" if span else "secondary"):
        first, last = (min(day, today) for day in (span.days(page.timezone) if span else (today, today)))
        picked = st.date_input("From and to", (first, last), max_value=today, key=f"days-{first}-{last}")
        if isinstance(picked, tuple) and len(picked) == 2:
            st.button("Show these days", type="primary", key="show-days", on_click=set_span, args=(Span(*picked),))
    if span:
        st.button("Zoom out", icon=":material/zoom_out:", type="tertiary", key="zoom-out", on_click=clear_span)


def known_models(page: Page) -> list[Model]:
    """Return every model that calls may name, sample ones too."""
    return [*page.registry.models(), *page.registry.models(sample=True)]


def distinct(words: Mapping[str, str]) -> Mapping[str, str]:
    """Return words by key with the key beside those that occur twice: choices are told apart by their words alone."""
    times = Counter(words.values())
    return {key: word if times[word] == 1 else f"{word} ({key})" for key, word in words.items()}


def _choice(label: str, words: Mapping[str, str], key: str) -> None:
    gone = [value for value in st.session_state.get(f"by-{key}") or () if value not in words]  # calls outlive the model they name
    st.multiselect(
        label,
        [*words, *gone],
        format_func=lambda value: words.get(value, value),
        key=f"by-{key}",
        bind="query-params",
        persist_state="session",
        placeholder="All",
        width=230,
    )
