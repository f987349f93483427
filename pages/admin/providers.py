"""Providers: one card each, with its key, its address and how many of its models are on."""

import streamlit as st

from lib.access import Role
from lib.registry import Model
from lib.services.discovery import can_be_asked, is_connected
from lib.ui import discovery_view, model_table, provider_add, provider_cards
from lib.ui.context import guard

page = guard(Role.ADMIN)

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Providers", anchor=False, width="stretch")
    heading = st.container(horizontal=True, width="content")
st.caption("Paste a provider's key on its card. Keys are tested with one small real call, stored encrypted, and never shown again.")

providers = [provider for provider in page.registry.providers() if provider.owner_id is None]
models: dict[int, list[Model]] = {provider.id: [] for provider in providers}
for model in model_table.known(page):
    if not model.is_own:
        models[model.provider.id].append(model)
connected = [p for p in providers if is_connected(p, models[p.id])]
others = [p for p in providers if p not in connected]
asked = discovery_view.last(page)
with heading:
    if any(can_be_asked(p) for p in connected) and st.button(
        "Refresh models", icon=":material/sync:", help="Asks all connected providers."
    ):
        discovery_view.open_for()
    if st.button("Add provider", icon=":material/add:"):
        provider_add.dialog(page)
discovery_view.job_failed(page)
for title, group in (("Connected", connected), ("Add another", others)):
    if group:
        st.subheader(title, anchor=False)
        with st.grid(3, min_column_width=280, gap="small"):
            for provider in group:
                provider_cards.card(page, provider, models[provider.id], asked.get(provider.slug))
provider_add.draw_connecting(page)
discovery_view.draw(page)
