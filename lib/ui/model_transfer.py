"""The registry as a file, on the page: taken away, or brought in with every mistake or every difference shown first."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import ModeldeckError
from lib.registry import ImportPlan, ImportRefused, ImportUndo, Problem
from lib.registry.differences import pair, word
from lib.registry.transfer import read
from lib.registry.transfer_csv import to_csv
from lib.ui import format as fmt
from lib.ui.context import Page

IMPORT, EXPORT = "Import", "Export"
_UNDO = "models-import-undo"
_MOST_ROWS = 500
_LARGEST_MB = 20


def export_dialog(page: Page) -> None:
    """Offer the registry as a file."""

    @st.dialog("Export models", icon=":material/download:")
    def draw() -> None:
        document = page.registry.export()
        day = f"{page.services.clock().astimezone(page.timezone):%Y-%m-%d}"
        st.markdown(f"{len(document['models']):,} models of {len(document['providers']):,} providers with their prices, without any key.")
        with st.container(horizontal=True):
            st.download_button(
                "CSV for spreadsheets",
                to_csv(document),
                f"models-{day}.csv",
                "text/csv",
                icon=":material/table:",
                type="primary",
                on_click="ignore",
            )
            st.download_button(
                "JSON",
                json.dumps(document, ensure_ascii=False, indent=2) + "\n",
                f"models-{day}.json",
                "application/json",
                icon=":material/data_object:",
                on_click="ignore",
            )
        st.caption("Either can be imported again, here or elsewhere, without losing a digit.")

    draw()


def import_dialog(page: Page) -> None:
    """Open the dialog that takes a file."""

    @st.dialog("Import models", position="right", width="medium", icon=":material/upload:")
    def draw() -> None:
        import_form(page)

    st.session_state.pop(_PLAN, None)
    draw()


def import_form(page: Page) -> None:
    """Take a file, show what is wrong with it or what it changes, and apply it."""
    file = st.file_uploader("File", type=["csv", "json"], max_upload_size=_LARGEST_MB, label_visibility="collapsed", key="models-import")
    if file is None:
        st.caption(
            "Choose a CSV or JSON file that Export wrote. What it changes is shown before anything is written; what it does not name stays."
        )
        return
    try:
        plan = _planned(page, file.file_id, file.getvalue())
    except ImportRefused as refused:
        _problems(refused)
        return
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    _difference(plan)
    if not plan.is_empty and st.button(_label(plan), type="primary", icon=":material/check:"):
        _apply(page, plan)


def undo(page: Page) -> None:
    """Draw the way back from the last import, until it is taken or dismissed."""
    made: ImportUndo | None = st.session_state.get(_UNDO)
    if made is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="import-undo"):
        st.caption(f"Imported: {_count(made.models, 'model')} added or changed." if made.models else "Imported.")
        if st.button("Undo import", icon=":material/undo:", type="tertiary"):
            _take_back(page, made)
        if st.button("Keep", type="tertiary", key="import-keep"):
            del st.session_state[_UNDO]
            st.rerun()


_PLAN = "models-import-plan"
"""The plan of the file that lies in the dialog: what is applied is what was shown, even if somebody changes a model meanwhile."""


def _planned(page: Page, file_id: str, data: bytes) -> ImportPlan:
    held: tuple[str, ImportPlan] | None = st.session_state.get(_PLAN)
    if held is None or held[0] != file_id:
        held = st.session_state[_PLAN] = file_id, page.registry.plan_import(read(data))
    return held[1]


def _problems(refused: ImportRefused) -> None:
    count = len(refused.problems)
    st.error(
        f"Nothing can be imported yet: {_count(count, 'mistake')} in the file. Correct it and choose it again.", icon=":material/error:"
    )
    lines = [f"- {_where(problem)}{fmt.literal(problem.sentence)}" for problem in refused.problems[:_MOST_ROWS]]
    with st.container(height=420 if len(lines) > 12 else "content", border=len(lines) > 12):
        st.markdown("\n".join(lines))
    _rest(count)


def _where(problem: Problem) -> str:
    places = ", ".join(fmt.literal(place) for place in (problem.where, problem.field) if place)
    return f"**{places}:** " if places else ""


def _difference(plan: ImportPlan) -> None:
    result = plan.result
    if plan.is_empty:
        st.info(f"Everything is like this already: {_count(len(result.unchanged), 'model')} compared.", icon=":material/check:")
        return
    new = [item for item in plan.items if item.there is None]
    st.markdown(f"**{len(result.added):,}** added · **{len(result.updated):,}** changed · **{len(result.unchanged):,}** unchanged")
    if result.providers:
        st.caption("Providers: " + fmt.literal(", ".join(result.providers)))
    rows: list[dict[str, Any]] = [{"Model": item.name, "What": "added", "Before": "", "After": item.provider or "provider"} for item in new]
    for edit in plan.edits:
        before, after = pair(edit.field, edit.before, edit.after)
        rows.append({"Model": edit.name, "What": word(edit.field), "Before": before, "After": after})
    st.dataframe(pd.DataFrame(rows[:_MOST_ROWS]), hide_index=True, alt="What the import changes, before and after")
    _rest(len(rows))


def _rest(count: int) -> None:
    if count > _MOST_ROWS:
        st.caption(f"and {count - _MOST_ROWS:,} more")


def _label(plan: ImportPlan) -> str:
    models = len(plan.result.added) + len(plan.result.updated)
    return f"Import {_count(models, 'model')}" if models else "Import providers"


def _apply(page: Page, plan: ImportPlan) -> None:
    try:
        st.session_state[_UNDO] = page.registry.carry_out_import(plan)
    except ModeldeckError as error:
        st.session_state.pop(_PLAN, None)  # the next look compares with what is there now
        st.error(f"Nothing was imported. {fmt.literal(str(error))}", icon=":material/error:")
        return
    st.session_state.pop(_PLAN, None)
    st.rerun()


def _take_back(page: Page, made: ImportUndo) -> None:
    try:
        count = page.registry.undo_import(made)
    except ModeldeckError as error:
        st.error(f"Nothing was taken back. {fmt.literal(str(error))}", icon=":material/error:")
        return
    del st.session_state[_UNDO]
    st.toast(f"Taken back: {_count(count, 'model')}.", icon=":material/undo:")
    st.rerun()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
