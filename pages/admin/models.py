"""Models: found, switched on and off, put in order, changed together, and carried elsewhere."""

import streamlit as st

from lib.access import Role
from lib.registry import Model
from lib.ui import model_actions, model_add, model_bulk, model_cards, model_find, model_order, model_transfer
from lib.ui import model_drawer as drawer
from lib.ui import model_table as table
from lib.ui.context import guard

page = guard(Role.ADMIN)
models = table.known(page)

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Models", anchor=False, width="stretch")
    if st.button("Add model", icon=":material/add:"):
        model_add.dialog(page, page.registry.providers())
    menu = st.menu_button("More", [model_order.TITLE, model_transfer.IMPORT, model_transfer.EXPORT], key="models-menu")
wanted, view = model_find.controls(models)
shown = wanted.found(models)


def toggle(model: Model) -> None:
    """Switch one model."""
    page.registry.set_active([model.id], not model.is_active)


def show(model: Model) -> None:
    """Open one model's drawer."""
    drawer.open_for(model.id)


if menu == model_order.TITLE:
    model_order.dialog(page, shown, models)
elif menu == model_transfer.IMPORT:
    model_transfer.import_dialog(page)
elif menu == model_transfer.EXPORT:
    model_transfer.export_dialog(page)
model_bulk.undo(page)
model_transfer.undo(page)
st.html(model_find.STYLE)
actions = st.container(horizontal=True, vertical_alignment="center", key="models-actions")
if not shown:
    model_find.say_empty(page, models)
elif view == model_find.CARDS:
    model_find.say_count(actions, models, shown)
    model_cards.draw(shown, on_toggle=toggle, on_open=show)
else:
    rows = table.draw(
        shown,
        key="models-table",
        on_toggle=lambda: toggle(shown[st.session_state["models-table-switch"]["row"]]),
        on_open=lambda: show(shown[st.session_state["models-table-open"]["row"]]),
    )
    with actions:
        if rows:
            model_actions.bar(page, [shown[row] for row in rows], shown, models, in_order=wanted.sort == model_find.BY_ORDER)
        else:
            model_find.say_count(actions, models, shown)
drawer.draw(page, models)
