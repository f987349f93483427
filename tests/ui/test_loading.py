"""Cards that load: every title stands before the first figure is read, and one that fails leaves no block behind."""

from __future__ import annotations

from tests.ui.drawing import drawn


def test_every_card_is_there_before_the_first_is_filled() -> None:
    def draw() -> None:
        import streamlit as st

        from lib.ui.loading import grid

        def fill(text: str, name: str) -> None:
            seen.append(name)
            st.caption(text)

        seen: list[str] = []
        st.session_state["seen"] = seen
        grid(2, 200, [("One", lambda: fill("1", "one")), ("Two", lambda: fill("2", "two"))])

    at = drawn(draw)
    assert not at.exception
    assert [m.value for m in at.markdown] == ["**One**", "**Two**"]
    assert [c.value for c in at.caption] == ["1", "2"]
    assert at.session_state["seen"] == ["one", "two"]


def test_a_card_that_fails_leaves_nothing_loading() -> None:
    def draw() -> None:
        import threading

        import streamlit as st

        from lib.ui.loading import Card, fill

        def fail() -> None:
            raise ValueError("no figures")

        try:
            fill([Card(st.container(), "One", fail), Card(st.container(), "Two", lambda: None)])
        except ValueError:
            timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer) and not t.finished.is_set()]
            st.caption(f"{len(timers)} still waiting")

    assert [c.value for c in drawn(draw).caption] == ["0 still waiting"]
