"""Requests: the log call by call, page by page, with the receipt of each."""

import streamlit as st

from lib.access import Role
from lib.ui import filters, loading, receipt
from lib.ui.context import guard
from lib.ui.requests_view import Requests

page = guard(Role.MEMBER)
view = filters.view(page)
requests = Requests(page, view)

requests.filters()
with st.skeleton(height=loading.HEIGHT):
    chosen = requests.calls()
if chosen is not None:
    receipt.drawer(page, chosen)
