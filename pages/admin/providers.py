"""Providers: one card each, with its key, its address and how many of its models are on."""

import streamlit as st

from lib.access import Role
from lib.ui import provider_cards
from lib.ui.context import guard

page = guard(Role.ADMIN)

st.title("Providers", anchor=False)
st.caption("Paste a provider's key on its card. Keys are tested with one small real call, stored encrypted, and never shown again.")

providers, models = page.registry.providers(), page.registry.models()
connected = [p for p in providers if provider_cards.is_connected(p)]
others = [p for p in providers if not provider_cards.is_connected(p)]
for title, group in (("Connected", connected), ("Add another", others)):
    if group:
        st.subheader(title, anchor=False)
        with st.grid(3, min_column_width=280, gap="small"):
            for provider in group:
                provider_cards.card(page, provider, [m for m in models if m.provider.id == provider.id])
