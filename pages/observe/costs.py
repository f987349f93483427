"""Costs: where the money goes, what a request and a token cost, and which calls nobody can price."""

from functools import partial

import streamlit as st

from lib.access import Role
from lib.ui import costs_view, filters, loading, requests_view
from lib.ui.context import guard
from lib.ui.usage_view import Usage

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)

with st.skeleton(height=loading.KPI_ROW):
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
loading.fill(
    [
        loading.Card(left.container(border=True, height="stretch"), f"Cost over time by {by}", partial(usage.cost_over_time, by)),
        loading.Card(right.container(border=True, height="stretch"), "Tokens by kind", usage.tokens),
    ]
)
st.header(f"By {by}", anchor=False)
with st.skeleton(height=loading.HEIGHT):
    costs_view.table(usage, by)
st.header("Whose key paid", anchor=False)
with st.skeleton():
    costs_view.keys(usage)
st.header("Unpriced calls", anchor=False)
with st.skeleton():
    costs_view.unpriced(usage)
