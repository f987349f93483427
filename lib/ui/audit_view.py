"""The Audit log page's parts: filters, the list page by page, one change with its way back, and the check of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import ModeldeckError
from lib.services.audit_desk import AuditDesk, Detail, Told
from lib.services.audit_words import Difference
from lib.store.audit_reading import AuditFilters
from lib.ui import csv_export
from lib.ui import format as fmt
from lib.ui.context import Page

PAGE_FILE = "pages/admin/audit.py"
MODEL = "model"
"""The address's name for the model whose changes alone are shown."""
MOST_EXPORTED = 10_000
"""Entries in one CSV, the newest; further ones need a narrower list."""
ORIGINS = {"page": "Pages", "cli": "Command line", "api": "API", "job": "Jobs", "rest": "Supabase"}
_WHAT = {
    "llm_models": "Models",
    "llm_model_prices": "Prices",
    "llm_providers": "Providers",
    "profiles": "People",
    "credentials": "Keys",
    "model_compatibility_hints": "Compatibility",
    "llm_usage_log": "Calls",
}
_VERBS = {"insert": "Added", "update": "Changed", "delete": "Deleted", "other": "Other"}
_RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
_ALL = "All"
_PLACE, _OPEN, _VIEW = "audit-place", "audit-open", "audit-view"
_LONGEST = 500
_KEYS = ("audit-who", "audit-what", "audit-change", "audit-origin")
HEIGHT = 640


class Audit:
    """The audit log for one admin."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._desk = AuditDesk(page.services, page.principal, page.timezone)
        self._filters = AuditFilters()
        self._asked: tuple[Any, ...] = ()

    def heading(self) -> None:
        """Draw the title, what is known of the chain, and the button that checks it."""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.title("Audit log", anchor=False, width="stretch")
            if st.button("Verify chain", icon=":material/verified_user:", help="Compute every entry's hash again, from the first on."):
                with st.spinner("Checking every entry"):
                    self._desk.check()
            self._download_place = st.empty()
        self._chain()

    def filters(self) -> None:
        """Draw the filters in one row, and take them."""
        with st.container(horizontal=True, vertical_alignment="bottom"):
            text = st.text_input(
                "Search",
                type="search",
                placeholder="Search name, field or value",
                key="audit-q",
                bind="query-params",
                width=260,
                label_visibility="collapsed",
            )
            chosen = st.segmented_control(
                "When", [*_RANGES, _ALL], default=_ALL, required=True, key="audit-range", bind="query-params", label_visibility="collapsed"
            )
            narrowed = sum(bool(st.session_state.get(key) or st.query_params.get_all(key)) for key in _KEYS)
            with st.popover(f"Filters ({narrowed})" if narrowed else "Filters", icon=":material/filter_list:", key="audit-filters"):
                who = _choose(
                    "Who", {name: name or "Modeldeck" for name in _actors(self._desk, str(self._page.services.engine.url))}, _KEYS[0]
                )
                what = _choose("What", _WHAT, _KEYS[1])
                verbs = _choose("Change", _VERBS, _KEYS[2])
                origins = _choose("From where", ORIGINS, _KEYS[3])
            about = self._one_model()
        now = self._page.services.clock()
        since = now - _RANGES[chosen] if chosen in _RANGES else None
        self._asked = ((text or "").strip(), chosen, *map(tuple, (who, what, verbs, origins)), about)
        self._filters = AuditFilters(
            actors=tuple(who),
            origins=tuple(origins),
            subjects=tuple(what),
            verbs=tuple(verbs),
            since=since,
            about=about,
            text=self._asked[0],
        )

    def changes(self) -> Told | None:
        """Draw one page of changes with the way to older ones, and return the one the reader just chose."""
        asked, cursors = st.session_state.get(_PLACE, (None, []))
        if asked != self._asked:
            cursors = []
        told, older = self._desk.changes(self._filters, before=cursors[-1] if cursors else None)
        st.session_state[_PLACE] = (self._asked, cursors)
        if not told:
            words = "No change matches these filters." if self._filters != AuditFilters() else "Nothing has been changed yet."
            st.info(words, icon=":material/search_off:")
            return None
        self._download()
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Choose a change to see it before and after, and to take it back.", width="stretch")
            self._turn("Newer", ":material/chevron_left:", cursors[:-1], enabled=bool(cursors))
            self._turn("Older", ":material/chevron_right:", [*cursors, older], enabled=older is not None)
        return self._table(told, f"audit-{cursors[-1] if cursors else 'newest'}")

    def _chain(self) -> None:
        last, newest = self._desk.last_check(), self._desk.newest()
        if last is None:
            st.caption(f"{_entries(newest)}. The chain has not been verified since this server started.")
            return
        at = last.at.astimezone(self._page.timezone).strftime("%d %b %Y, %H:%M")
        if last.problems:
            lines = "\n".join(f"- {line}" for line in last.problems[:5])
            more = f"\n- and {len(last.problems) - 5:,} more" if len(last.problems) > 5 else ""
            st.error(f"The chain is broken, as found on {at}.\n\n{lines}{more}", icon=":material/gpp_bad:")
            return
        newer = newest - last.entries
        st.caption(
            f":material/verified_user: Chain verified up to entry {last.entries:,} on {at}"
            + (f", {newer:,} newer not verified yet" if newer > 0 else "")
            + ".",
            help="Each entry is as it was written and none is missing in between. This cannot show that the newest entries were cut off "
            f"before the check, or that all of it was written anew: note the last entry's fingerprint elsewhere. It is `{last.hash[:16]}`.",
        )

    def _one_model(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        given = st.query_params.get(MODEL, "")
        if not (given.isascii() and given.isdecimal() and len(given) < 18):
            return ()
        name = self._desk.name_of_model(int(given)) or "one model"
        if st.button(
            f"Only {fmt.literal(name)}", icon=":material/close:", key="audit-all-models", help="Show the changes of everything again."
        ):
            del st.query_params[MODEL]
            return ()
        return self._desk.about_model(int(given))

    def _turn(self, label: str, icon: str, cursors: Sequence[int | None], *, enabled: bool) -> None:
        def turn() -> None:
            st.session_state[_PLACE] = (self._asked, list(cursors))

        st.button(label, icon=icon, key=f"audit-{label.lower()}", disabled=not enabled, on_click=turn)

    def _table(self, told: Sequence[Told], key: str) -> Told | None:
        def choose() -> None:
            rows = st.session_state[key]["selection"]["rows"]
            st.session_state[_OPEN] = told[rows[0]] if rows else None
            st.session_state.pop(_VIEW, None)

        columns = {
            "When": [one.at.astimezone(self._page.timezone) for one in told],
            "Change": [csv_export.safe(one.what[0].upper() + one.what[1:]) for one in told],
            "Who": [csv_export.safe(one.who) for one in told],
            "Entries": [one.count for one in told],
            "From": [ORIGINS.get(one.origin or "", one.origin or fmt.MISSING) for one in told],
            "Undo": ["Possible" if one.why_not is None else fmt.MISSING for one in told],
        }
        st.dataframe(
            pd.DataFrame(columns),
            hide_index=True,
            height="content",
            key=key,
            on_select=choose,
            selection_mode="single-row",
            placeholder=fmt.MISSING,
            alt="Changes, newest first; choose one to see it before and after",
            column_config={
                "When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm", width=140),
                "Who": st.column_config.TextColumn(width=130),
                "Change": st.column_config.TextColumn(width="large"),
                "Entries": st.column_config.NumberColumn(
                    format="localized", width=70, help="Rows written together; they are taken back together."
                ),
                "From": st.column_config.TextColumn(width=100),
                "Undo": st.column_config.TextColumn(width=80),
            },
        )
        chosen: Told | None = st.session_state.pop(_OPEN, None)
        return chosen

    def _download(self) -> None:
        desk, filters, timezone = self._desk, self._filters, self._page.timezone
        self._download_place.download_button(
            "Download CSV",
            lambda: export(desk, filters, timezone),
            f"audit-log-{datetime.now(timezone):%Y-%m-%d-%H%M}.csv",
            "text/csv",
            key="audit-csv",
            on_click="ignore",
            icon=":material/download:",
            help=f"Every field that was changed, of the newest {MOST_EXPORTED:,} entries of this list.",
        )


def drawer(page: Page, told: Told) -> None:
    """Open one change."""

    @st.dialog(fmt.literal(told.sentence), position="right", width="medium")
    def dialog() -> None:
        change(page, told.id)

    dialog()


def change(page: Page, entry_id: int) -> None:
    """Draw one change before and after, and its way back."""
    desk = AuditDesk(page.services, page.principal, page.timezone)
    try:
        detail = desk.detail(entry_id)
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    if st.session_state.get(_VIEW) == entry_id and not detail.plan.refusals:
        _confirm(desk, detail)
        return
    told = detail.told
    where = ORIGINS.get(told.origin or "", told.origin or "")
    last = f"–{told.id + told.count - 1:,}" if told.count > 1 else ""
    moment = fmt.moment(told.at.astimezone(page.timezone))
    st.caption(" · ".join(filter(None, [fmt.literal(told.who), moment, where, f"{'entries' if last else 'entry'} {told.id:,}{last}"])))
    _differences(detail.differences, "Before", "After", "What was changed, before and after")
    if detail.plan.refusals:
        st.markdown("**It cannot be taken back.**\n\n" + "\n".join(f"- {fmt.literal(each)}" for each in detail.plan.refusals[:8]))
        if len(detail.plan.refusals) > 8:
            st.caption(f"and {len(detail.plan.refusals) - 8:,} more")
    else:
        help_ = "See what it would do first."
        st.button("Undo", icon=":material/undo:", type="primary", key="audit-undo", help=help_, on_click=_look_at, args=(entry_id,))


def recent(page: Page, model_id: int, *, most: int = 5) -> None:
    """Draw a model's last changes, and the way to all of them."""
    told = AuditDesk(page.services, page.principal, page.timezone).of_model(model_id, limit=most)
    if not told:
        st.caption("Nothing was changed yet.")
        return
    lines = [f"{fmt.moment(one.at.astimezone(page.timezone))} · {fmt.literal(one.sentence)}" for one in told]
    st.markdown("  \n".join(lines))
    if st.button("All changes of this model", icon=":material/history:", type="tertiary", key=f"audit-of-{model_id}"):
        st.switch_page(PAGE_FILE, query_params={MODEL: str(model_id)})


def export(desk: AuditDesk, filters: AuditFilters, timezone: Any) -> bytes:
    """Return the fields that were changed as CSV; times carry the offset of the reader's timezone."""
    rows: list[list[csv_export.Cell]] = [
        [one.at.astimezone(timezone), one.id, one.who, one.origin or "", one.what, field.name, field.field, field.before, field.after]
        for one, field in desk.fields(filters, most=MOST_EXPORTED)
    ]
    return csv_export.to_csv(["time", "entry", "who", "from", "change", "name", "field", "before", "after"], rows)


def _confirm(desk: AuditDesk, detail: Detail) -> None:
    st.markdown("**Taking it back would change this:**")
    _differences(detail.would, "Now", "Then", "What taking it back would change")
    for note in detail.plan.notes:
        st.caption(fmt.literal(note))
    with st.container(horizontal=True):
        if st.button("Undo this change", icon=":material/undo:", type="primary", key="audit-undo-now"):
            try:
                desk.undo(detail.plan)
            except ModeldeckError as error:
                st.error(f"Nothing was changed. {fmt.literal(str(error))}", icon=":material/error:")
                return
            st.session_state.pop(_VIEW, None)
            st.toast("Taken back. That is a change too, and can be taken back itself.", icon=":material/undo:")
            st.rerun()
        st.button("Back", type="tertiary", key="audit-back", on_click=_look_at, args=(None,))


def _look_at(undo_of: int | None) -> None:
    """Show, in a callback, what taking a change back would do; with None the change itself."""
    st.session_state[_VIEW] = undo_of


def _differences(rows: Sequence[Difference], before: str, after: str, alt: str) -> None:
    if not rows:
        st.caption("It changed no field.")
        return
    shown = rows[:_LONGEST]
    columns: dict[str, list[str]] = {"Name": [csv_export.safe(row.name) for row in shown]}
    if len({row.name for row in rows}) == 1:
        columns = {}
    columns["Field"] = [row.field or fmt.MISSING for row in shown]
    columns |= {before: [csv_export.safe(row.before) for row in shown], after: [csv_export.safe(row.after) for row in shown]}
    st.dataframe(pd.DataFrame(columns), hide_index=True, alt=alt)
    if len(rows) > _LONGEST:
        st.caption(f"and {len(rows) - _LONGEST:,} more; the CSV has them all")


def _choose(label: str, words: dict[str, str], key: str) -> list[str]:
    return st.multiselect(
        label, list(words), format_func=lambda value: words.get(value, value), key=key, bind="query-params", placeholder="All", width=280
    )


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def _actors(_desk: AuditDesk, database: str) -> list[str]:
    return _desk.actors()


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"
