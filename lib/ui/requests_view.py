"""The Requests page's parts: filters of its own, the log page by page, and its CSV; and the way there from other pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import partial
from typing import get_args
from zoneinfo import ZoneInfo

import streamlit as st
from sqlalchemy.engine import Engine

from lib import analytics
from lib.analytics import By, Call, CallFilters, CallsPage, Range, Scope
from lib.errors import ErrorKind
from lib.money import NANO_PER_USD, usd
from lib.ui import calls_table, csv_export
from lib.ui.context import Page
from lib.ui.filters import View, choice, distinct, say_empty

PAGE_FILE = "pages/observe/requests.py"
PER_PAGE = 50
MOST_EXPORTED = 10_000
"""Calls in one CSV, the newest; further ones need a narrower view."""
_READ_AT_ONCE = 1_000
_PLACE = "requests-place"
"""The session's note of the page of calls on show: what was asked, and where the page begins."""
FOLLOWED = "requests-follow"
"""The session's note that a row was chosen: what the address of the Requests page is to say."""
_OWN = ("q", "by-error", "by-user", "by-key", "min-cost", "max-cost", "min-latency", "max-latency", "unpriced")
"""The keys of the page's own filters."""
_IN_ADDRESS = frozenset(("error",))
"""Filters handed over in the address: a control that is not drawn yet writes nothing there of what the session tells it."""
_WHO_DAYS = 3_650
ERROR_CLASSES: tuple[ErrorKind, ...] = get_args(ErrorKind)


def lead(**chosen: Sequence[str]) -> None:
    """Note, in a callback, to show the calls of these models, providers, sources, statuses, errors, users or keys; ``follow`` goes there.

    The range and the shared filters stay as they are; filters of the Requests page that were left there are taken back.
    """
    for key in _OWN:
        st.session_state.pop(key, None)
    address: dict[str, list[str]] = {}
    for name, values in chosen.items():
        if name in _IN_ADDRESS:
            address[f"by-{name}"] = list(values)
        else:
            st.session_state[f"by-{name}"] = list(values)
    st.session_state[FOLLOWED] = address


def lead_to_calls(table: str, by: By, keys: Sequence[str]) -> None:
    """Go to the calls behind the row of a table just chosen, in a callback; ``keys`` are those of its rows."""
    for row in st.session_state[table].selection.rows:
        lead(**{by: [keys[row]]})


def follow() -> None:
    """Go to the Requests page when ``lead`` said so; call it before a page reads anything."""
    address = st.session_state.pop(FOLLOWED, None)
    if address is not None:
        st.switch_page(PAGE_FILE, query_params=address)


@dataclass(frozen=True)
class _Place:
    """Where the page of calls on show begins; ``asked`` is what it is a page of."""

    asked: object
    before: str | None = None
    after: str | None = None


class Requests:
    """The log of one view, narrowed by the page's own filters."""

    def __init__(self, page: Page, view: View) -> None:
        self._page = page
        self._view = view
        self._engine: Engine = page.services.analytics_engine
        self._scope = Scope.of(page.principal)
        self._filters = CallFilters()

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the range narrows the list."""
        return self._filters != analytics.ALL_CALLS

    def filters(self) -> None:
        """Draw the page's own filters, and take them and the shared ones."""
        state = st.session_state
        with st.expander("More filters", icon=":material/tune:", expanded=any(state.get(key) or key in st.query_params for key in _OWN)):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                st.text_input("Text of the error", key="q", bind="query-params", placeholder="Any", width=230)
                _choose("Error class", {kind: kind for kind in ERROR_CLASSES}, "by-error")
                if self._scope.user_id is None:
                    choice("User", self._users(), "user", listed=True)
                choice("Whose key paid", analytics.key_words(self._scope.user_id), "key", listed=True)
            with st.container(horizontal=True, vertical_alignment="bottom"):
                _bound("Cost from", "min-cost", "$", 0.01)
                _bound("Cost to", "max-cost", "$", 0.01)
                _bound("Latency from", "min-latency", "s", 0.5)
                _bound("Latency to", "max-latency", "s", 0.5)
                st.toggle("Unpriced only", key="unpriced", bind="query-params")
        shared = self._view.filters
        self._filters = CallFilters(
            models=shared.models,
            providers=shared.providers,
            sources=shared.sources,
            statuses=shared.statuses,
            error_classes=tuple(state["by-error"]),
            users=tuple(state.get("by-user", ())) if self._scope.user_id is None else (),
            keys=tuple(state.get("by-key", ())),
            min_cost_nano=_scaled(state["min-cost"], NANO_PER_USD, ROUND_CEILING),
            max_cost_nano=_scaled(state["max-cost"], NANO_PER_USD, ROUND_FLOOR),
            min_latency_ms=_scaled(state["min-latency"], 1000, ROUND_CEILING),
            max_latency_ms=_scaled(state["max-latency"], 1000, ROUND_FLOOR),
            text=(state["q"] or "").strip(),
            unpriced_only=bool(state["unpriced"]),
        )

    def calls(self) -> Call | None:
        """Draw one page of calls with the way to those beside it, and return the call the reader just chose."""
        place, shown = self._read()
        if not shown.calls:
            say_empty(self._view, narrowed=self.is_filtered)
            return None
        count = analytics.count_calls(self._engine, self._scope, self._view.range, self._filters)
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                st.markdown(f"**{_counted(count)}**, retries included")
            self._download(count)
            self._turn("Newest", ":material/first_page:", _Place(place.asked), enabled=shown.newer is not None)
            self._turn("Newer", ":material/chevron_left:", _Place(place.asked, after=shown.newer), enabled=shown.newer is not None)
            self._turn("Older", ":material/chevron_right:", _Place(place.asked, before=shown.older), enabled=shown.older is not None)
        return calls_table.draw(
            shown.calls,
            self._page.timezone,
            key=f"requests-{place.before or place.after or 'newest'}",
            alt="Calls, newest first; choose one to see its attempts and its receipt",
            detailed=True,
        )

    def _read(self) -> tuple[_Place, CallsPage]:
        asked = (self._view.words, self._filters)
        place = st.session_state.get(_PLACE)
        if not isinstance(place, _Place) or place.asked != asked:
            place = _Place(asked)
        shown = self._page_at(place.before, place.after)
        if not shown.calls and (place.before or place.after):  # what was there is gone since: sample calls, say
            place = _Place(asked)
            shown = self._page_at()
        st.session_state[_PLACE] = place
        return place, shown

    def _page_at(self, before: str | None = None, after: str | None = None) -> CallsPage:
        return analytics.calls_page(self._engine, self._scope, self._view.range, self._filters, limit=PER_PAGE, before=before, after=after)

    def _turn(self, label: str, icon: str, to: _Place, *, enabled: bool) -> None:
        def turn() -> None:
            st.session_state[_PLACE] = to

        st.button(label, icon=icon, key=f"turn-{label.lower()}", disabled=not enabled, on_click=turn)

    def _download(self, count: int | None) -> None:
        st.download_button(
            "Download CSV",
            partial(export, self._engine, self._scope, self._view.range, self._filters, self._page.timezone),
            f"requests-{datetime.now(self._page.timezone):%Y-%m-%d-%H%M}.csv",
            "text/csv",
            key="requests-csv",
            on_click="ignore",
            icon=":material/download:",
            help=f"The newest {MOST_EXPORTED:,} calls of this list."
            if count is None or count > MOST_EXPORTED
            else "Every call of this list.",
        )

    def _users(self) -> Mapping[str, str]:
        """Return the names of everybody who ever called, so that a choice outlives a change of range."""
        now = self._view.range.now
        today = now.astimezone(self._page.timezone).date()
        ever = analytics.custom(today - timedelta(days=_WHO_DAYS), today, now, self._page.timezone)
        shares = analytics.usage_by(self._engine, "user", self._scope, ever)
        return distinct({share.key: share.label for share in sorted(shares, key=lambda s: s.label.casefold())})


EXPORTED: tuple[tuple[str, Callable[[Call], csv_export.Cell]], ...] = (
    ("request_id", lambda c: c.request_id),
    ("attempt", lambda c: c.attempt),
    ("status", lambda c: c.status),
    ("model", lambda c: c.model_key),
    ("model_name", lambda c: c.model_name),
    ("provider", lambda c: c.provider),
    ("user", lambda c: c.user_name),
    ("source", lambda c: c.source),
    ("key", lambda c: c.key_scope),
    ("sample", lambda c: "sample" if c.is_sample else ""),
    ("input_tokens", lambda c: c.input_tokens),
    ("cache_read_tokens", lambda c: c.cache_read_tokens),
    ("cache_write_tokens", lambda c: c.cache_write_tokens),
    ("output_tokens", lambda c: c.output_tokens),
    ("reasoning_tokens", lambda c: c.reasoning_tokens),
    ("cost_usd", lambda c: None if c.cost_nano_usd is None else usd(c.cost_nano_usd)),
    ("price_source", lambda c: c.price_source),
    ("ttft_ms", lambda c: c.ttft_ms),
    ("latency_ms", lambda c: c.latency_ms),
    ("finish_reason", lambda c: c.finish_reason),
    ("error_class", lambda c: c.error_class),
    ("error_status", lambda c: c.error_status),
    ("error_message", lambda c: c.error_message),
)
"""The CSV's columns after the time; tokens and cost are empty where they are unknown, never 0."""


def export(engine: Engine, scope: Scope, range_: Range, filters: CallFilters, timezone: ZoneInfo, *, most: int = MOST_EXPORTED) -> bytes:
    """Return the newest calls of a list as CSV, at most ``most``; times carry the offset of the reader's timezone."""
    rows = (
        [one.started_at.astimezone(timezone), *(cell(one) for _, cell in EXPORTED)] for one in _newest(engine, scope, range_, filters, most)
    )
    return csv_export.to_csv(["time", *(name for name, _ in EXPORTED)], rows)


def _newest(engine: Engine, scope: Scope, range_: Range, filters: CallFilters, most: int) -> Iterator[Call]:
    before, left = None, most
    while left > 0:
        shown = analytics.calls_page(engine, scope, range_, filters, limit=min(left, _READ_AT_ONCE), before=before)
        yield from shown.calls
        left -= len(shown.calls)
        before = shown.older
        if before is None:
            return


def _counted(count: int | None) -> str:
    return "10,000+ calls" if count is None else "1 call" if count == 1 else f"{count:,} calls"


def _choose(label: str, words: Mapping[str, str], key: str) -> None:
    st.multiselect(
        label,
        list(words),
        format_func=lambda value: words.get(value, value),
        key=key,
        bind="query-params",
        placeholder="All",
        width=230,
    )


def _bound(label: str, key: str, unit: str, step: float) -> None:
    st.number_input(f"{label} ({unit})", 0.0, None, None, step, "%g", key=key, bind="query-params", placeholder="Any", width=150)


def _scaled(value: float | None, size: int, rounding: str) -> int | None:
    """Return an amount in its smallest unit, as the digits that were typed say it."""
    return None if value is None else int((Decimal(str(value)) * size).to_integral_value(rounding))
