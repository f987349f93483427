"""Changing several models: what to change, the difference it makes, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import ModeldeckError
from lib.pricing import Price
from lib.registry import BulkChange, BulkPlan, BulkUndo, Model
from lib.ui import format as fmt
from lib.ui import model_fields, model_table
from lib.ui.context import Page

UNDO = "models-undo"
_KEEP = "Leave as it is"
_WORDS = {"is_active": "Switch", "hidden": "Pickers", "fallbacks": "Fallbacks", "display_order": "Order", "price": "Price"}
_LONGEST_DIFF = 500


def dialog(page: Page, chosen: Sequence[Model], models: Sequence[Model]) -> None:
    """Open the dialog that changes the chosen models together."""

    @st.dialog(f"Change {len(chosen)} models", position="right", width="medium", icon=":material/edit:")
    def draw() -> None:
        form(page, chosen, models)

    draw()


def form(page: Page, chosen: Sequence[Model], models: Sequence[Model]) -> None:
    """Draw what may be changed, show the difference as it is typed, and apply it."""
    fields, problems = model_fields.Fields(), dict[str, str]()
    with st.container(horizontal=True):
        active = st.segmented_control("Switch", ["On", "Off"], key="bulk-active")
        hidden = st.segmented_control("In pickers", ["Shown", "Hidden"], key="bulk-hidden")
    first = st.number_input(
        "Order, from", value=None, min_value=0, step=10, placeholder=_KEEP, key="bulk-order", help="They keep their own order, ten apart."
    )
    fallbacks = None
    if st.toggle("Set fallbacks", key="bulk-set-fallbacks"):
        fallbacks = tuple(model_fields.fallbacks(fields, models=models, chosen=(), but="", key="bulk"))
    how = st.segmented_control("Price", ["Change by percent", "Set"], key="bulk-price")
    factor, price = _price(how, fields, problems)
    change = BulkChange(
        is_active=None if active is None else active == "On",
        hidden=None if hidden is None else hidden == "Hidden",
        fallbacks=fallbacks,
        first_place=first,
        price_factor=factor,
        price=price,
    )
    if problems:
        fields.tell(problems)
        return
    try:
        plan = page.registry.plan([model.id for model in chosen], change)
    except ModeldeckError as error:
        st.error(str(error), icon=":material/error:")
        return
    if change == BulkChange():
        st.caption("Choose what to change; the difference is shown before anything is written.")
        return
    if not plan.edits:
        st.info("They are like this already.", icon=":material/check:")
        return
    diff(plan)
    if st.button(f"Apply to {plan.models} models" if plan.models > 1 else "Apply to 1 model", type="primary", icon=":material/check:"):
        _apply(page, plan)


def diff(plan: BulkPlan) -> None:
    """Draw a plan as a table: model, what, before, after."""
    rows = [
        {"Model": edit.name, "What": _WORDS[edit.field], "Before": said(edit.field, edit.before), "After": said(edit.field, edit.after)}
        for edit in plan.edits[:_LONGEST_DIFF]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="What changes, model by model")
    if len(plan.edits) > _LONGEST_DIFF:
        st.caption(f"and {len(plan.edits) - _LONGEST_DIFF:,} more")


def said(field: str, value: Any) -> str:
    """Write one side of a difference."""
    match field:
        case "is_active":
            return "On" if value else "Off"
        case "hidden":
            return "Hidden" if value else "Shown"
        case "fallbacks":
            return ", ".join(value) or "none"
        case "price":
            read, write = (model_table.price(getattr(value, side) if value else None, none=fmt.MISSING) for side in ("input", "output"))
            return f"{read} in, {write} out" if value else "unpriced"
    return str(value)


def undo(page: Page) -> None:
    """Draw the way back from the last change of several models, until it is taken or dismissed."""
    made: BulkUndo | None = st.session_state.get(UNDO)
    if made is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="bulk-undo"):
        st.caption(f"{made.models} model{'s' if made.models > 1 else ''} changed.")
        if st.button("Undo", icon=":material/undo:", type="tertiary"):
            _take_back(page, made)
        if st.button("Keep", type="tertiary"):
            del st.session_state[UNDO]
            st.rerun()


def _apply(page: Page, plan: BulkPlan) -> None:
    try:
        st.session_state[UNDO] = page.registry.apply(plan)
    except ModeldeckError as error:
        st.error(f"Nothing was changed. {error}", icon=":material/error:")
        return
    st.rerun()


def _take_back(page: Page, made: BulkUndo) -> None:
    try:
        count = page.registry.undo(made)
    except ModeldeckError as error:
        st.error(f"Nothing was taken back. {error}", icon=":material/error:")
        return
    del st.session_state[UNDO]
    st.toast(f"Taken back: {count} model{'s' if count > 1 else ''}.", icon=":material/undo:")
    st.rerun()


def _price(how: str | None, fields: model_fields.Fields, problems: dict[str, str]) -> tuple[Decimal | None, Price | None]:
    if how == "Set":
        return None, model_fields.price_of(*model_fields.rates(fields, key="bulk", placeholder="Not known"), problems)
    if how is None:
        return None, None
    text = (
        (st.text_input("Percent", placeholder="10 for a tenth more, -20 for a fifth less", key="bulk-percent") or "")
        .strip()
        .removesuffix("%")
    )
    fields.beside("percent")
    if not text:
        return None, None
    try:
        percent = Decimal(text)
        if not (percent.is_finite() and -100 <= percent <= 10_000):
            raise InvalidOperation
    except InvalidOperation:
        problems["percent"] = f"{text[:40]} is not a percentage from -100 to 10,000."
        return None, None
    return 1 + percent / 100, None
