"""The drawer of one model's compatibility: what is known of it and why, and what an admin may decide about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from lib import analytics
from lib.access import Role
from lib.analytics import Cell, MatrixRow, Scope, Timeline
from lib.errors import ModeldeckError
from lib.routing.compatibility import Pair
from lib.routing.recovery import Probe
from lib.services.compatibility import HintDesk
from lib.ui import format as fmt
from lib.ui.context import Page
from lib.ui.filters import View

OPEN = "hint-open"
"""Provider and model whose drawer opens with the next run."""
_SAID = "hint-said"
SIGNS = {"works": ":material/check: works", "broken": ":material/close: broken", "learned": ":material/school: learned"}
_UNTESTED = ":material/remove: untested"
_AUTOMATIC = "Automatic"
_ENDED = {
    "recovered": "recovered",
    "unblacklisted": "taken off by an admin",
    "reset": "forgotten by an admin",
    "cleaned_up": "cleaned up",
    "manually_blacklisted": "taken over by an admin",
}
_PROBES_TOLD = 5


def draw(page: Page, view: View, rows: tuple[MatrixRow, ...]) -> None:
    """Open the drawer that was asked for, if any."""
    wanted = st.session_state.pop(OPEN, None)
    row = next((r for r in rows if (r.provider, r.model) == wanted), None)
    if row is not None:
        _drawer(page, view, row)


def _drawer(page: Page, view: View, row: MatrixRow) -> None:
    @st.dialog(fmt.literal(row.label), position="right", width="medium", on_dismiss="rerun")
    def dialog() -> None:
        pair = (row.provider, row.model)
        asked = (page.services.analytics_engine, Scope.of(page.principal), view.range)
        # read again: a button of this drawer may have changed it
        now = next((r for r in analytics.compatibility_matrix(*asked, view.filters).rows if (r.provider, r.model) == pair), row)
        past = next((t for t in analytics.blacklist_timeline(*asked, view.filters) if (t.provider, t.model) == pair), None)
        st.markdown(_state(now))
        if now.reason:
            st.write(fmt.literal(now.reason))
        if said := st.session_state.pop(_SAID, None):
            (st.success if said[0] else st.warning)(fmt.literal(said[1]))
        _cells(page, "Endpoints", now.endpoints)
        _cells(page, "Parameters", now.parameters)
        _errors(page, now)
        if past is not None:
            _history(page, past)
        if page.principal.role.includes(Role.ADMIN):
            _actions(page, now)

    dialog()


def _state(row: MatrixRow) -> str:
    badge = ":red-badge[:material/block: Blacklisted]" if row.is_blacklisted else ":green-badge[:material/check: In use]"
    decided = {"blacklisted": " An admin decided so.", "allowed": " An admin lets it be used."}.get(row.manual_state or "", "")
    counts = f"{row.success_count:,} successes and {row.error_count:,} counted errors."
    return f"{badge} {fmt.literal(row.provider_label)} · {counts}{decided}"


def _cells(page: Page, title: str, cells: Mapping[str, Cell]) -> None:
    if not cells:
        return
    st.subheader(title, anchor=False)
    for name, cell in cells.items():
        st.markdown(f"**{fmt.literal(name)}** · {SIGNS.get(cell.state, _UNTESTED)}  \n{fmt.literal(cell.evidence)}")
        if cell.last_failure_at is not None and cell.last_failure:
            at = fmt.moment(cell.last_failure_at.astimezone(page.timezone))
            st.caption(fmt.literal(f"Last failure {at}: {cell.last_failure}"))


def _errors(page: Page, row: MatrixRow) -> None:
    told = {cell.last_failure for cell in (*row.endpoints.values(), *row.parameters.values())}
    if row.last_error is None or row.last_error_at is None or row.last_error in told:
        return
    at = fmt.moment(row.last_error_at.astimezone(page.timezone))
    st.subheader("Last error", anchor=False)
    st.write(fmt.literal(f"{at} · {row.last_error_type}: {row.last_error}"))


def _history(page: Page, past: Timeline) -> None:
    st.subheader("History", anchor=False)
    for listed in past.listed:
        since = fmt.moment(listed.start.astimezone(page.timezone))
        until = (
            f"until {fmt.moment(listed.end.astimezone(page.timezone))}, {_ENDED.get(listed.ended or '', 'ended')}"
            if listed.end
            else "until now"
        )
        st.markdown(fmt.literal(f"Since {since}, {until}" + (f", by {listed.by}" if listed.by else "")))
    for probe in past.probes[-_PROBES_TOLD:]:
        at = fmt.moment(probe.at.astimezone(page.timezone))
        said = "answered" if probe.ok else f"failed: {probe.message or 'no reason was given'}"
        st.caption(fmt.literal(f"Probe {at}" + (f" by {probe.by}" if probe.by else "") + f": {said}"))
    if past.is_probing:
        st.caption("It is being probed right now.")
    elif past.next_probe_at is not None:
        st.caption(f"Next probe {fmt.moment(past.next_probe_at.astimezone(page.timezone))}.")


def _actions(page: Page, row: MatrixRow) -> None:
    """Draw what an admin may do; the services check again who asks."""
    st.subheader("What to do", anchor=False)
    if row.is_sample:
        st.caption("A sample model is never called, so there is nothing to decide about it.")
        return
    desk, pair = page.services.hints(page.principal), Pair(row.provider, row.model)
    with st.container(horizontal=True):
        if st.button(
            "Probe now", icon=":material/network_ping:", key="hint-probe", help="Ask it for a word; the call costs what a call costs."
        ):
            with st.spinner("Asking the model for a word…"):
                _do(lambda: _probed(desk.probe(pair)))
        if row.is_blacklisted and st.button("Take off the blacklist", icon=":material/undo:", key="hint-unblacklist"):
            _do(lambda: desk.unblacklist(pair), "It is used again from the next call on.")
        with st.popover("Forget", icon=":material/delete:"):
            st.write("Everything counted, learned and decided about this model is forgotten. Its history stays.")
            if st.button("Forget it", key="hint-reset", type="primary"):
                _do(lambda: desk.reset([pair]), "It starts anew.")
    if not row.is_blacklisted:
        with st.form("hint-blacklist", border=False):
            reason = st.text_input("Why should it not be used?", max_chars=500)
            if st.form_submit_button("Blacklist", icon=":material/block:"):
                _do(lambda: desk.blacklist(pair, reason), "The router avoids it until somebody takes it back.")
    _endpoint(desk, pair, row)
    _parameters(desk, pair, row)


def _endpoint(desk: HintDesk, pair: Pair, row: MatrixRow) -> None:
    if len(row.endpoints) < 2:
        return
    names: list[str] = [_AUTOMATIC, *row.endpoints]
    before = row.preferred_endpoint if row.preferred_endpoint in row.endpoints else None
    chosen = st.selectbox("Asked first on", names, index=names.index(before or _AUTOMATIC), key="hint-endpoint")
    endpoint = None if chosen == _AUTOMATIC else chosen
    if endpoint != before and st.button("Save", key="hint-prefer"):
        _do(partial(desk.prefer, pair, endpoint), "It is asked so from the next call on.")


def _parameters(desk: HintDesk, pair: Pair, row: MatrixRow) -> None:
    for name, cell in row.parameters.items():
        if cell.state == "untested":
            continue  # learned of other models only, or rejected: it is sent as asked
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"What was learned of **{fmt.literal(name)}**", width="stretch")
            if "accepted" not in cell.evidence and st.button("Keep", key=f"hint-accept-{name}"):
                _do(partial(desk.accept_parameter, pair, name), f"What was learned of {name} is kept.")
            if st.button("Reject", key=f"hint-reject-{name}"):
                _do(partial(desk.reject_parameter, pair, name), f"{name} is sent as asked from now on.")


def _probed(probe: Probe) -> None:
    st.session_state[_SAID] = (probe.outcome == "ok", probe.sentence)


def _do(act: Callable[[], object], done: str | None = None) -> None:
    """Carry something out, then draw the drawer again with what became of it."""
    try:
        act()
    except ModeldeckError as error:
        st.session_state[_SAID] = (False, str(error))
    else:
        if done is not None:
            st.session_state[_SAID] = (True, done)
    st.rerun(scope="fragment")
