"""Modeldeck's one ASGI app: Streamlit pages and the HTTP API from one process.

``streamlit run app.py`` and ``uvicorn app:app`` import this file once to build ``app``; each page view then runs it
again as a script, which draws the page shell.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from lib.ui import server, shell

# Streamlit would otherwise serve a file in pages/ by its name and bypass the navigation and its guard.
PagesManager.uses_pages_directory = False

if __name__ == "__main__":
    shell.run()
else:
    server.refuse_unusable_settings()
    app = st.App(
        __file__,
        routes=server.routes(),
        middleware=server.middleware(),
        lifespan=server.lifespan,
        on_script_error=shell.on_script_error,
    )
