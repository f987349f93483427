"""The filters of the analytics pages: in the address, so that a view can be shared and survives a reload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lib.analytics import NO_FILTERS, PRESETS, Filters, PresetName, Range, preset
from lib.errors import InvalidValue
from lib.ui.context import Page
from lib.ui.format import literal
from lib.ui.span import Span

DEFAULT_RANGE: PresetName = "7d"
RANGE_WORDS: Mapping[str, str] = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
STATUS_WORDS: Mapping[str, str] = {"ok": "OK", "error": "Error", "cancelled": "Stopped", "interrupted": "Interrupted", "open": "Running"}
SOURCE_WORDS: Mapping[str, str] = {"playground": "Playground", "api": "API", "cli": "Command line", "test": "Key test", "probe": "Probe"}


STYLE = """<style>
[data-testid="stButtonGroup"] button[data-selected="true"] { color: light-dark(#4338CA, #A5B4FC) !important; }
</style>"""
"""What the theme cannot say: its primary colour is too dark for words on a dark page, and any lighter one for white words on itself."""
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


def draw(page: Page, title: str) -> DeltaGenerator:
    """Draw the title, the range control and the filters that all analytics pages share; return the line the filters stand on.

    The shell calls this, outside any page, so that what was chosen on one page holds on the next.
    """
    _adopt_address()
    span = _span(page)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, anchor=False, width="stretch")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xsmall"):
            _presets(shown=span is None)
            _custom(page, span)
            st.button("", icon=":material/refresh:", type="tertiary", help="Read the figures again", key="refresh")
    models = page.registry.logged()
    names = distinct({model.key: model.name for model in models}, {model.key: model.provider_name for model in models})
    providers = distinct({model.provider: model.provider_name for model in models})
    line = st.container(horizontal=True, vertical_alignment="center")
    with line.popover("Filters", icon=":material/filter_list:", key="filters"):
        chosen = [
            choice("Model", names, "model", persist=True),
            choice("Provider", providers, "provider", persist=True),
            choice("Source", SOURCE_WORDS, "source", listed=True, persist=True),
            choice("Status", STATUS_WORDS, "status", listed=True, persist=True),
        ]
    if told := " ".join(f":blue-badge[{literal(words)}]" for words in chosen if words):
        line.markdown(told, width="content")
    return line


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


def _presets(*, shown: bool) -> None:
    """Draw the presets; none is chosen while a custom range is shown, and choosing one leaves that."""
    if shown:
        st.segmented_control(
            "Range",
            list(PRESETS),
            default=DEFAULT_RANGE,
            required=True,
            key="range",
            bind="query-params",
            persist_state="session",
            label_visibility="collapsed",
        )
    else:
        st.segmented_control("Range", list(PRESETS), key="leave-span", label_visibility="collapsed", on_change=_leave_span)


def _leave_span() -> None:
    chosen: PresetName = st.session_state["leave-span"] or DEFAULT_RANGE
    st.session_state["range"] = chosen
    st.query_params["range"] = chosen  # the control that does so is not drawn yet
    clear_span()


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


def _custom(page: Page, span: Span | None) -> None:
    """Draw the control of a custom range; while one is shown, its label says which."""
    today = datetime.now(page.timezone).date()
    with st.popover(span.words(page.timezone) if span else "Custom", icon=":material/date_range:", type="primary" if span else "secondary"):
        first, last = (min(day, today) for day in (span.days(page.timezone) if span else (today, today)))
        picked = st.date_input("From and to", (first, last), max_value=today, key=f"days-{first}-{last}")
        if isinstance(picked, tuple) and len(picked) == 2:
            st.button("Show these days", type="primary", key="show-days", on_click=set_span, args=(Span(*picked),))
    if span:
        st.button("Zoom out", icon=":material/zoom_out:", type="tertiary", key="zoom-out", on_click=clear_span)


def distinct(words: Mapping[str, str], beside: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return words by key, those that occur twice with what ``beside`` says of their key, or the key, in brackets."""
    times = Counter(words.values())
    told = {key: word if times[word] == 1 else f"{word} ({(beside or {}).get(key, key)})" for key, word in words.items()}
    return told if beside is None else distinct(told)


def choice(label: str, words: Mapping[str, str], key: str, *, listed: bool = False, persist: bool = False) -> str:
    """Draw one filter, in the session's ``by-key``, and ``persist`` it from page to page; return what it is set to in words.

    ``listed`` when it can only be one of the words, else calls may name what is gone by now.
    """
    name = f"by-{key}"
    _adopt_choice(name, words, listed)
    gone = [value for value in st.session_state.get(name) or () if value not in words]
    chosen = st.multiselect(
        label,
        [*words, *gone],
        format_func=lambda value: words.get(value, value),
        key=name,
        persist_state="session" if persist else None,
        on_change=_write_choice,
        args=(name,),
        placeholder="All",
        width=230,
    )
    return f"{label}: {', '.join(words.get(value, value) for value in chosen)}" if chosen else ""


def _adopt_choice(name: str, words: Mapping[str, str], listed: bool) -> None:
    """Take a choice from an address that somebody changed, and write the session's into one that lacks it.

    The address names keys, which outlive a change of names. The names of today are understood too.
    """
    given = st.query_params.get_all(name)
    if given and (given != st.session_state.get(f"{name}-written") or name not in st.session_state):
        keys = {word: key for key, word in words.items()}
        chosen = [keys.get(value, value) for value in given]
        st.session_state[name] = list(dict.fromkeys(key for key in chosen if key in words or not listed))
    _write_choice(name)


def _write_choice(name: str) -> None:
    chosen = list(st.session_state.get(name) or ())
    if st.query_params.get_all(name) != chosen:
        st.query_params[name] = chosen
    st.session_state[f"{name}-written"] = chosen
