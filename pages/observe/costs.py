"""Costs: where the money goes, what a request and a token cost, and which calls nobody can price."""

import streamlit as st

from lib.access import Role
from lib.ui import costs_view, filters, requests_view
from lib.ui.context import guard
from lib.ui.usage_view import Usage

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)
usage = Usage(page, view)

costs_view.units(usage)
if usage.is_empty:
    filters.say_empty(view)
    st.stop()
by = st.segmented_control(
    "Broken down by",
    costs_view.BREAKDOWNS,
    default="model",
    required=True,
    format_func=str.capitalize,
    key="by",
    bind="query-params",
)
left, right = st.columns([3, 2], gap="small")
with left.container(border=True, height="stretch"):
    st.markdown(f"**Cost over time by {by}**")
    usage.cost_over_time(by)
with right.container(border=True, height="stretch"):
    st.markdown("**Tokens by kind**")
    usage.tokens()
st.subheader(f"By {by}", anchor=False)
costs_view.table(usage, by)
st.subheader("Unpriced calls", anchor=False)
costs_view.unpriced(usage)
