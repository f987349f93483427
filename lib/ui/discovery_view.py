"""Refreshing models: providers are asked, what changes is shown and chosen, and then taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lib import jobs
from lib.errors import ModeldeckError
from lib.net import Stopper
from lib.registry.discovery import DiscoveryPlan, PlannedModel
from lib.services import discovery_words as words
from lib.services.discovery import DiscoveryDesk
from lib.services.discovery_results import Look, ProviderResult, Refreshed, counted, left_out, named
from lib.store.runs import Run
from lib.ui import format as fmt
from lib.ui.context import Page
from lib.ui.csv_export import safe

_OPEN, _STATE = "discovery-open", "discovery"
_WHAT = {"added": "New", "changed": "Changed", "back": "Back", "gone": "Gone"}
_COLORS = ["green", "blue", "violet", "orange"]
_LONGEST = timedelta(minutes=10)
"""A run that has lasted longer was cut off with its process."""
_SEARCH_FROM = 15
"""Rows from which a search helps."""
_ROW, _HEAD, _TALLEST = 35, 34, 420
_STATES = {
    "failed": (":material/error:", "orange", "Refresh failed"),
    "held": (":material/pending:", "orange", "Looked at"),
    "interrupted": (":material/block:", "gray", "Refresh broken off"),
}


@dataclass
class Asked:
    """What the drawer holds between its reruns: the answers, what is chosen of each, and in the end what came of it."""

    looks: Sequence[Look]
    chosen: dict[str, set[str]]
    shown: dict[str, list[str]] = field(default_factory=dict)
    done: Refreshed | None = None


def open_for(slugs: Sequence[str] | None = None) -> None:
    """Let the drawer open with this run: all connected providers are asked, or those named."""
    st.session_state[_OPEN] = slugs
    st.session_state.pop(_STATE, None)


def draw(page: Page) -> None:
    """Open the drawer if a button asked for it; the last thing on the page, for asking takes a while."""
    if _OPEN not in st.session_state:
        return
    slugs: Sequence[str] | None = st.session_state.pop(_OPEN)

    @st.dialog("Refresh models", position="right", width="large", icon=":material/sync:", on_dismiss="rerun")
    def drawer() -> None:
        form(page, slugs)

    drawer()


def form(page: Page, slugs: Sequence[str] | None) -> None:
    """Draw the drawer's content, asking first."""
    desk = DiscoveryDesk(page.services, page.principal)
    asked: Asked | None = st.session_state.get(_STATE)
    if asked is None:
        try:
            asked = st.session_state[_STATE] = _ask(desk, slugs)
        except ModeldeckError as error:
            st.error(fmt.literal(str(error)), icon=":material/error:")
            return
    if asked.done is None:
        _differences(desk, asked)
    else:
        _summary(asked.done)


def last(page: Page) -> Mapping[str, Run]:
    """Return how each provider was asked last, by its slug."""
    return DiscoveryDesk(page.services, page.principal).last_runs()


def told(run: Run, now: datetime) -> str:
    """Return the line of a card on when its models were asked for last, and what came of it."""
    when = ago(now - run.started_at)
    if run.status == "running":
        lost = now - run.started_at > _LONGEST
        return f":gray[:material/block:] Refresh broken off {when}" if lost else "Being refreshed now"
    if run.status not in _STATES:
        return f"Refreshed {when}: {fmt.literal(run.sentence[:1].lower() + run.sentence[1:])}"
    icon, color, word = _STATES[run.status]
    return f":{color}[{icon}] {word} {when}. {fmt.literal(run.sentence)}"


def job_failed(page: Page) -> None:
    """Say when the daily refresh went wrong last; how each provider did stands on its card."""
    run = jobs.last_runs(page.services).get("refresh-models")
    if run is not None and run.status == "failed":
        when = ago(page.services.clock() - run.started_at)
        st.warning(f"The daily refresh failed {when}. {fmt.literal(run.sentence)}", icon=":material/sync_problem:")


def ago(passed: timedelta) -> str:
    """Write how long ago something was.

    >>> [ago(timedelta(**t)) for t in ({"seconds": 20}, {"minutes": 5}, {"hours": 3}, {"days": 1}, {"days": 40})]
    ['just now', '5 min ago', '3 h ago', 'yesterday', '40 days ago']
    """
    minutes = int(passed.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 24 * 60:
        return f"{minutes // 60} h ago"
    return "yesterday" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days ago"


def _ask(desk: DiscoveryDesk, slugs: Sequence[str] | None) -> Asked:
    bar, stopper = st.progress(0.0, "Asking providers…"), Stopper()

    def progress(done: int, total: int, name: str) -> None:
        try:
            said = f"{done} of {total} answered, {name} last" if name else f"Asking {total} provider{'s' if total != 1 else ''}…"
            bar.progress(done / total if total else 1.0, said)
        except BaseException:  # the drawer was closed: nobody waits for the others
            stopper.stop()
            raise

    with stopper.applied():
        looks = desk.look_all(slugs, progress)
    bar.empty()
    looks.sort(key=lambda look: look.plan is None or not look.plan.rows)
    return Asked(looks, {look.provider: {row.upstream_id for row in look.plan.rows if row.sure} for look in looks if look.plan})


def _differences(desk: DiscoveryDesk, asked: Asked) -> None:
    different = [(look, look.plan) for look in asked.looks if look.plan and look.plan.rows]
    total = sum(len(plan.rows) for _, plan in different)
    _unanswered(asked.looks)
    if not different:
        _unchanged(asked.looks)
        if asked.looks:
            st.success("Nothing to change: all models are as their providers list them.", icon=":material/check_circle:")
        else:
            st.info("No provider is connected. Add a key on a card first.", icon=":material/key:")
        return
    search = st.text_input("Search", placeholder="Name or key", type="search", key="discovery-q") if total > _SEARCH_FROM else ""
    accepted: dict[str, bool] = {}
    for look, plan in different:
        accepted[look.provider] = _provider(asked, look, plan, (search or "").casefold().split())
    _unchanged(asked.looks)
    count = sum(len(asked.chosen[look.provider]) for look, _ in different if accepted[look.provider])
    label = f"Apply {count:,} change{'s' if count != 1 else ''}" if count else "Apply"
    # in a callback: what is drawn next is what came of it, and nothing of the tables stays behind
    apply = partial(_apply, desk, asked, accepted)
    st.button(label, type="primary", icon=":material/check:", disabled=not count, key="discovery-apply", on_click=apply)
    st.caption("New models come switched off. What you decided stays: names, order, visibility, prices, and what is on.")


def _apply(desk: DiscoveryDesk, asked: Asked, accepted: Mapping[str, bool]) -> None:
    def each(look: Look) -> ProviderResult:
        return desk.apply(look, asked.chosen.get(look.provider, set()), accept=accepted.get(look.provider, False))

    asked.done = Refreshed(tuple(each(look) for look in asked.looks))


def _provider(asked: Asked, look: Look, plan: DiscoveryPlan, search: Sequence[str]) -> bool:
    """Draw one provider's differences and let rows be chosen; return whether its list may be applied."""
    st.markdown(f"**{fmt.literal(look.provider_name)}**  \n{counted(plan.counts)} of {plan.listed:,} listed")
    accepted = True
    if plan.doubt:
        st.warning(fmt.literal(plan.doubt), icon=":material/warning:")
        accepted = st.checkbox("That is right: take it over", key=f"discovery-{look.provider}-accept")
    visible = [row for row in plan.rows if all(word in f"{row.name} {row.model_key} {row.upstream_id}".casefold() for word in search)]
    if visible:
        _rows(asked, look, visible)
    else:
        st.caption("Nothing here matches the search.")
    if words_left := left_out(plan.left_out):
        st.caption(words_left)
    return accepted


def _rows(asked: Asked, look: Look, visible: Sequence[PlannedModel]) -> None:
    """Draw the table; what is chosen survives a search that hides it."""
    key, ids = f"discovery-{look.provider}-rows", [row.upstream_id for row in visible]
    chosen = asked.chosen[look.provider]
    before = asked.shown.get(look.provider)
    if before is not None and before != ids and key in st.session_state:
        st.session_state[key] = {"selection": {"rows": [place for place, name in enumerate(ids) if name in chosen]}}
    default: Any = {"selection": {"rows": [place for place, name in enumerate(ids) if name in chosen]}}
    event = st.dataframe(
        pd.DataFrame([_row(row) for row in visible]),
        key=key,
        hide_index=True,
        row_height=_ROW,
        height=min(_ROW * len(ids) + _HEAD, _TALLEST),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default=default if before is None else None,
        alt=f"What changes at {look.provider_name}, model by model",
        column_config={
            "What": st.column_config.MultiselectColumn("What", options=list(_WHAT.values()), color=_COLORS, width=90),
            "Model": st.column_config.TextColumn("Model", width=220),
            "Difference": st.column_config.TextColumn("Difference", width=260),
            "Price": st.column_config.TextColumn("Price per 1M", width=150),
        },
    )
    picked = {ids[place] for place in event.selection.rows if place < len(ids)}
    asked.chosen[look.provider] = (chosen - set(ids)) | picked
    asked.shown[look.provider] = ids


def _row(row: PlannedModel) -> dict[str, Any]:
    difference = words.changed(row)
    if row.action == "gone":
        difference = "Not listed" if row.sure else "On, but never listed here: choose it only if it is gone"
    if row.action == "back":
        difference = f"Listed again{': ' + difference if difference else ''}"
    return {"What": [_WHAT[row.action]], "Model": safe(row.name), "Difference": safe(difference), "Price": words.price(row)}


def _unanswered(looks: Sequence[Look]) -> None:
    for look in looks:
        if look.error:
            st.error(fmt.literal(named(look.provider_name, look.error)), icon=":material/error:")
        elif look.not_told:
            st.info(fmt.literal(look.not_told), icon=":material/info:")


def _unchanged(looks: Sequence[Look]) -> None:
    same = [f"{fmt.literal(look.provider_name)} ({look.plan.listed:,} listed)" for look in looks if look.plan and not look.plan.rows]
    if same:
        st.caption(f"Nothing new at {', '.join(same)}.")


def _summary(done: Refreshed) -> None:
    """Say what came of it, and lead to what is new."""
    totals = {action: sum(result.counts.get(action, 0) for result in done.results) for action in _WHAT}
    if told_totals := counted(totals):
        st.success(f"{told_totals[:1].upper()}{told_totals[1:]}.", icon=":material/check_circle:")
    for result in done.results:
        if result.error or result.held:
            st.error(fmt.literal(result.named), icon=":material/error:")
    fresh = [result.provider_name for result in done.results if result.counts.get("added")]
    if fresh:
        query = {"provider": fresh, "state": "Off", "sort": "Newest first"}
        st.page_link("pages/admin/models.py", label="See the new models", icon=":material/deployed_code:", query_params=query)
    if st.button("Done", type="tertiary", key="discovery-done"):
        st.session_state.pop(_STATE, None)
        st.rerun()
