"""What can be done with the models chosen in the table; only what fits the choice is offered."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lib.errors import ModeldeckError
from lib.registry import Model
from lib.registry.ordering import plan_order
from lib.ui import format as fmt
from lib.ui import model_bulk, model_table
from lib.ui import model_drawer as drawer
from lib.ui.context import Page

UP, DOWN = "Up", "Down"


def bar(page: Page, picked: Sequence[Model], shown: Sequence[Model], models: Sequence[Model], *, in_order: bool) -> None:
    """Draw the actions; ``in_order`` when the table shows the registry's own order, in which rows may move."""
    ids = [model.id for model in picked]
    st.caption(f"{len(ids)} chosen", width="content")  # to the left: above the table's right end are its own tools
    if len(ids) > 1:
        if st.button("Change together", icon=":material/edit:"):
            model_bulk.dialog(page, picked, models)
    elif st.button("Details", icon=":material/info:"):
        drawer.open_for(ids[0])
    if not all(model.is_active for model in picked) and st.button("Switch on", icon=":material/toggle_on:"):
        page.registry.set_active(ids, True)
        st.rerun()
    if any(model.is_active for model in picked) and st.button("Switch off", icon=":material/toggle_off:"):
        page.registry.set_active(ids, False)
        st.rerun()
    if len(ids) == 1 and not picked[0].is_default and st.button("Make default", icon=":material/star:"):
        page.registry.set_default(ids[0])
        st.rerun()
    if in_order:
        move = st.menu_button("Move", [UP, DOWN], icon=":material/swap_vert:", key="models-move")
        if move:
            _move(page, shown, models, ids, -1 if move == UP else 1)


def _move(page: Page, shown: Sequence[Model], models: Sequence[Model], ids: Sequence[int], step: int) -> None:
    owner = next(model.owner_id for model in shown if model.id in ids)
    among, listed = ([model for model in some if model.owner_id == owner] for some in (models, shown))
    try:
        page.registry.apply(plan_order(among, model_table.moved(listed, ids, step)))
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    st.rerun()
