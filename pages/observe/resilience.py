"""Resilience: what failed and why, what works with which model, and what going around failures has saved."""

from functools import partial

import streamlit as st

from lib.access import Role
from lib.ui import filters, loading, requests_view
from lib.ui.compatibility_view import COMPATIBILITY, DETOURS, FAILURES, Compatibility
from lib.ui.context import guard
from lib.ui.resilience_view import Resilience

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)
with st.skeleton(height=loading.HEIGHT):
    resilience = Resilience(page, view)
known = Compatibility(page, view)
shown = FAILURES
if resilience.sees_blacklist:
    if worth := known.worth_a_look():
        st.warning(worth, icon=":material/block:")
    shown = st.segmented_control(
        "What is shown",
        [FAILURES, COMPATIBILITY, DETOURS],
        default=FAILURES,
        required=True,
        key="show",
        bind="query-params",
        label_visibility="collapsed",
    )

if shown == COMPATIBILITY:
    known.resting()
    st.subheader("What works with which model", anchor=False)
    known.matrix()
    st.subheader("On the blacklist", anchor=False)
    known.history()
elif shown == DETOURS:
    known.saved()
    st.subheader("Fallbacks", anchor=False)
    known.fallbacks()
elif resilience.is_empty:
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
if shown == FAILURES and resilience.sees_blacklist:
    st.subheader("Blacklist", anchor=False)
    resilience.blacklist()
