"""Models: switch them on and off, choose the default, and put them in order."""

import streamlit as st

from lib.access import Role
from lib.ui import model_add, model_bulk
from lib.ui import model_drawer as drawer
from lib.ui import model_table as table
from lib.ui.capabilities import CAPABILITIES
from lib.ui.context import guard
from lib.ui.filters import distinct

page = guard(Role.ADMIN)
registry = page.registry
models = table.known(page)
providers = distinct({model.provider.slug: model.provider.display_name for model in models})
icons = {c.name: c.label for c in CAPABILITIES}

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Models", anchor=False, width="stretch")
    if st.button("Add model", icon=":material/add:"):
        model_add.dialog(page, registry.providers())
with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input("Search", type="search", placeholder="Name, key or maker", key="q", bind="query-params", width=220)
    narrowed = sum(bool(st.session_state.get(name)) for name in ("provider", "state", "can"))
    with st.popover(f"Filters ({narrowed})" if narrowed else "Filters", icon=":material/filter_list:", key="models-filters"):
        chosen_providers = st.multiselect(
            "Provider",
            list(providers),
            format_func=lambda slug: providers.get(slug, slug),
            key="provider",
            bind="query-params",
            placeholder="All",
            width=280,
        )
        chosen_statuses = st.multiselect("State", table.STATUSES, key="state", bind="query-params", placeholder="All", width=280)
        chosen_capabilities = st.multiselect(
            "Capability",
            list(icons),
            format_func=lambda name: icons.get(name, name),
            key="can",
            bind="query-params",
            placeholder="All",
            width=280,
        )

shown = [
    model
    for model in models
    if table.matches(model, search=search or "", providers=chosen_providers, statuses=chosen_statuses, capabilities=chosen_capabilities)
]


def toggle() -> None:
    """Switch the row whose button was pressed."""
    click = st.session_state["models-table-switch"]
    model = shown[click["row"]]
    registry.set_active([model.id], not model.is_active)


def show() -> None:
    """Open the drawer of the row whose name was pressed."""
    drawer.open_for(shown[st.session_state["models-table-open"]["row"]].id)


on = sum(model.is_active for model in models)
usable = sum(model.usable for model in models)
st.caption(f"{len(shown)} of {len(models)} models shown · {on} on · {usable} usable")
if not shown:
    st.info(
        "No model matches these filters." if models else "The registry is empty. Run: python -m lib models seed",
        icon=":material/search_off:",
    )
    st.stop()

model_bulk.undo(page)
actions = st.container(horizontal=True, vertical_alignment="center")
rows = table.draw(shown, key="models-table", on_toggle=toggle, on_open=show)
picked = [shown[row] for row in rows]
ids = [model.id for model in picked]
with actions:
    if st.button("Switch on", icon=":material/toggle_on:", disabled=not ids):
        registry.set_active(ids, True)
        st.rerun()
    if st.button("Switch off", icon=":material/toggle_off:", disabled=not ids):
        registry.set_active(ids, False)
        st.rerun()
    if st.button("Make default", icon=":material/star:", disabled=len(ids) != 1):
        registry.set_default(ids[0])
        st.rerun()
    if st.button("Move up", icon=":material/arrow_upward:", disabled=not ids):
        registry.reorder(table.moved(shown, ids, -1))
        st.rerun()
    if st.button("Move down", icon=":material/arrow_downward:", disabled=not ids):
        registry.reorder(table.moved(shown, ids, 1))
        st.rerun()
    if len(ids) > 1:
        if st.button("Change together", icon=":material/edit:"):
            model_bulk.dialog(page, picked, models)
    elif st.button("Details", icon=":material/info:", disabled=not ids):
        drawer.open_for(ids[0])
    st.caption(f"{len(ids)} chosen" if ids else "Choose rows to change several at once")
drawer.draw(page, models)
