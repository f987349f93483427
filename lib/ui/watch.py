"""Keep an open page in step with what happens elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

POLL_SECONDS = 1.5
"""How often an open page asks whether it is out of date; a switched-off model must leave pickers within five seconds."""


def rerun_when(out_of_date: Callable[[], bool]) -> None:
    """Rerun the page soon after it became out of date; a run still under way is left to finish first."""
    drawn = False

    @st.fragment(run_every=POLL_SECONDS)
    def poll() -> None:
        nonlocal drawn
        if drawn and out_of_date():
            st.rerun()
        drawn = True  # the first time is part of the page's own run, which is up to date

    poll()
