"""Overview: what happened, what it cost, who spent it, and what wants attention."""

import streamlit as st

from lib.access import Role
from lib.ui import filters, overview_view, requests_view
from lib.ui.context import guard
from lib.ui.usage_view import Usage

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)
usage = Usage(page, view)

usage.headline()
if usage.is_empty and not view.is_filtered and not page.services.has_sample():
    overview_view.first_steps(page)
elif usage.is_empty:
    filters.say_empty(view)
else:
    chart, ranked = st.columns([3, 2], gap="small")
    with chart.container(border=True, height="stretch"):
        st.markdown("**Cost by model**")
        usage.cost_over_time("model")
    with ranked.container(border=True, height="stretch"):
        st.markdown("**Top models**")
        overview_view.top(usage, "model")
    with st.grid(3, min_column_width=300, gap="small"):
        with st.container(border=True, height="stretch"):
            st.markdown("**Biggest movers**")
            overview_view.movers(usage)
        with st.container(border=True, height="stretch"):
            st.markdown("**Top users**")
            overview_view.top(usage, "user")
        with st.container(border=True, height="stretch"):
            st.markdown("**Wants attention**")
            overview_view.problems(usage)
