"""Sample data: the button that loads it, the label on every page that may show it, and the button that clears it."""

from __future__ import annotations

import streamlit as st

from lib.access import Role
from lib.ui.context import Page

CALLS, DAYS, SEED = 10_000, 90, 7


def offer(page: Page) -> None:
    """Draw the button that fills the pages with made-up calls."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**Look around first?** {CALLS:,} made-up calls over {DAYS} days show what these pages tell. "
            "They are labelled everywhere, never mixed with models you can call, and leave with one button.",
            width="stretch",
        )
        load = st.button("Load sample data", icon=":material/science:", key="sample-load")
    if load:
        bar = st.progress(0.0, "Making up calls…")
        page.services.load_sample(page.principal, CALLS, DAYS, SEED, lambda done, total: _show(bar, done, total))
        st.rerun()


def label(page: Page) -> None:
    """Say that sample data is among the figures, and offer to clear it."""
    if not page.services.has_sample():
        return
    st.markdown(":violet-badge[:material/science: Sample data]", width="content", help="Made-up calls are among these figures.")
    if page.principal.role.includes(Role.ADMIN) and st.button("Clear sample data", type="tertiary", key="sample-clear"):
        with st.spinner("Clearing sample data…"):
            page.services.clear_sample(page.principal)
        st.rerun()


def _show(bar: st.delta_generator.DeltaGenerator, done: int, total: int) -> None:
    bar.progress(min(done / max(total, 1), 1.0), f"Making up calls… {done:,} of {total:,}")
