"""Overview: what happened, what it cost, who spent it, and what wants attention."""

from functools import partial

import streamlit as st

from lib.access import Role
from lib.ui import filters, loading, overview_view, requests_view
from lib.ui.context import guard
from lib.ui.usage_view import Usage

page = guard(Role.MEMBER)
requests_view.follow()
view = filters.view(page)

with st.skeleton(height=loading.KPI_ROW):
    usage = Usage(page, view)
    usage.headline()
overview_view.prices(page, usage)
if usage.is_empty and not view.is_filtered and not page.services.has_sample():
    overview_view.first_steps(page)
elif usage.is_empty:
    filters.say_empty(view)
else:
    with st.grid(2, min_column_width=330, gap="small"):
        left, right = st.container(border=True, height="stretch"), st.container(border=True, height="stretch")
    with st.grid(3, min_column_width=300, gap="small"):
        lower = [st.container(border=True, height="stretch") for _ in range(3)]
    loading.fill(
        [
            loading.Card(left, "Cost by model", partial(usage.cost_over_time, "model")),
            loading.Card(right, "Top models", partial(overview_view.top, usage, "model")),
            loading.Card(lower[0], "Biggest movers", partial(overview_view.movers, usage)),
            loading.Card(lower[1], "Top users", partial(overview_view.top, usage, "user")),
            loading.Card(lower[2], "Wants attention", partial(overview_view.problems, usage)),
        ]
    )
