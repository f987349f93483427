"""Audit log: who changed what, when and from where, and the way back."""

import streamlit as st

from lib.access import Role
from lib.ui import audit_view
from lib.ui.context import guard

page = guard(Role.ADMIN)
audit = audit_view.Audit(page)
audit.heading()
audit.filters()
with st.skeleton(height=audit_view.HEIGHT):
    chosen = audit.changes()
if chosen is not None:
    audit_view.drawer(page, chosen)
