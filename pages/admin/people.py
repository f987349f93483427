"""People: who may sign in and as what, invitations, and accounts switched off."""

import streamlit as st

from lib.access import Role
from lib.ui import people_view
from lib.ui.context import guard

page = guard(Role.ADMIN)

people = page.services.people(page.principal)
with st.container(horizontal=True, vertical_alignment="center"):
    st.title("People", anchor=False, width="stretch")
    if st.button("Invite", icon=":material/person_add:", type="primary", key="people-invite"):
        people_view.invite(page, people)
people_view.table(page, people)
