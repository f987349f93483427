"""Usage: what was called, what it cost, how fast it was and what failed."""

import streamlit as st

from lib.access import Role
from lib.ui import filters, receipt, requests_view
from lib.ui.context import guard
from lib.ui.usage_view import Usage

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)
usage = Usage(page, view)

usage.headline()
if usage.is_empty:
    filters.say_empty(view)
else:
    with st.grid(2, min_column_width=380, gap="small"):
        for title, draw in (
            ("Cost by model", usage.cost_by_model),
            ("Attempts by outcome", usage.outcomes),
            ("Tokens", usage.tokens),
            ("Latency", usage.latency),
        ):
            with st.container(border=True):
                st.markdown(f"**{title}**")
                draw()
    st.subheader("By model", anchor=False)
    usage.by_model()
st.subheader("Latest calls", anchor=False)
chosen = usage.recent()
if chosen is not None:
    receipt.drawer(page, chosen)
