"""Resilience: what failed and why, who came through, whom the router avoids, and how long answers took."""

from functools import partial

import streamlit as st

from lib.access import Role
from lib.ui import filters, loading, requests_view
from lib.ui.context import guard
from lib.ui.resilience_view import Resilience

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)
with st.skeleton(height=loading.HEIGHT):
    resilience = Resilience(page, view)

if resilience.is_empty:
    filters.say_empty(view)
else:
    st.caption("Choose a row or a cell of any table to see the calls behind it.")
    loading.grid(
        2,
        380,
        [
            ("Attempts by outcome", resilience.outcomes),
            ("Errors by class", resilience.errors),
            ("Success rate by provider", partial(resilience.success, "provider")),
            ("Success rate by model", partial(resilience.success, "model")),
        ],
    )
    st.subheader("Errors by model", anchor=False)
    resilience.errors_by_model()
    st.subheader("How long answers took", anchor=False)
    resilience.latency()
if resilience.sees_blacklist:
    st.subheader("Blacklist", anchor=False)
    resilience.blacklist()
