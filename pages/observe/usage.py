"""Usage: what was called, what it cost, how fast it was and what failed."""

import streamlit as st

from lib.access import Role
from lib.ui import filters, loading, receipt, requests_view
from lib.ui.context import guard
from lib.ui.usage_view import Usage

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)

with st.skeleton(height=loading.KPI_ROW):
    usage = Usage(page, view)
    usage.headline()
if usage.is_empty:
    filters.say_empty(view)
else:
    loading.grid(
        2,
        380,
        [
            ("Cost by model", usage.cost_by_model),
            ("Attempts by outcome", usage.outcomes),
            ("Tokens", usage.tokens),
            ("Latency", usage.latency),
        ],
    )
    st.header("By model", anchor=False)
    with st.skeleton(height=loading.HEIGHT):
        usage.by_model()
st.header("Latest calls", anchor=False)
with st.skeleton(height=loading.HEIGHT):
    chosen = usage.recent()
if chosen is not None:
    receipt.drawer(page, chosen)
