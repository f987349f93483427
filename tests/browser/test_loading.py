"""While figures are read a page shows its titles and the shape of what comes, and keeps its shape when they have come."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import driving as on
from tests.serving import serve

SCRIPT = """
import threading
from pathlib import Path
import streamlit as st
from lib.ui import loading

def slow():
    while not Path({ready!r}).exists():
        threading.Event().wait(0.02)
    st.container(height=loading.HEIGHT)

left, right = st.columns(2)
loading.fill([
    loading.Card(left.container(border=True), "First", slow),
    loading.Card(right.container(border=True), "Second", slow),
])
st.caption("Below")
"""


def test_a_slow_page_shows_its_shape_first_and_keeps_it(tab: Page, tmp_path: Path) -> None:
    ready, script = tmp_path / "ready", tmp_path / "slow.py"
    script.write_text(SCRIPT.format(ready=str(ready)))
    with serve(tmp_path / "data", str(script), PYTHONPATH=".") as server:
        tab.goto(server.url)
        expect(tab.get_by_test_id("stSkeletonElement")).to_have_count(2)
        expect(tab.get_by_text("First")).to_be_visible()
        expect(tab.get_by_text("Second")).to_be_visible()
        card = tab.get_by_test_id("stColumn").first
        before = card.bounding_box()
        ready.touch()
        expect(tab.get_by_test_id("stSkeletonElement")).to_have_count(0)
        on.settle(tab)
        expect(tab.get_by_text("Below")).to_be_visible()
        after = card.bounding_box()
        assert before is not None and after is not None
        assert abs(after["height"] - before["height"]) <= 4, "the page jumped when its figures came"
