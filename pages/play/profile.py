"""Profile: who you are here, the keys you keep for yourself, and the models only you see."""

import streamlit as st

from lib.access import Role
from lib.services.profile import ProfileDesk
from lib.ui import profile_view
from lib.ui.context import guard

page = guard(Role.MEMBER)

desk = ProfileDesk(page.services, page.principal)
st.title("Profile", anchor=False)
profile_view.who(page, desk.me())
profile_view.keys(page, desk)
profile_view.models(page, desk)
