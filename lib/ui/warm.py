"""Load what the pages with tables and charts need while the server starts to listen, so that the first visitor waits less."""

from __future__ import annotations

import threading
from importlib import import_module

HEAVY = ("pandas", "plotly.graph_objects")
"""Modules that take a third of a second to import."""

_once = threading.Lock()


def up() -> None:
    """Start loading them on a thread of their own; every call after the first does nothing."""
    if _once.acquire(blocking=False):  # taken for good: one process warms up once
        threading.Thread(target=_load, name="warm-up", daemon=True).start()


def _load() -> None:
    for module in HEAVY:
        import_module(module)
