"""A component drawn by Streamlit itself, on a page of its own."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest


def drawn(draw: Callable[[], object]) -> AppTest:
    """Run a function as a page's script and return the page."""

    def script(draw: object) -> None:
        assert callable(draw)
        draw()

    return AppTest.from_function(script, args=(draw,), default_timeout=30).run()
