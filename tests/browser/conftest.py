"""How Chromium is started, and a fresh profile of it for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.machine import absent

REBOUND_HOST = "rebound.example"
"""A name that this browser finds at 127.0.0.1, as after a DNS rebinding."""
FLAGS = [
    f"--host-resolver-rules=MAP {REBOUND_HOST} 127.0.0.1",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

TIMEOUT = 15_000
expect.set_options(timeout=TIMEOUT)


def chromium() -> str:
    """Return where the system's Chromium is."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or absent("Chromium is not installed; install the package chromium to run these tests.")


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A page in a fresh profile, in a half-hour timezone so that a mixed-up one shows."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id="Asia/Kolkata")
    context.set_default_timeout(TIMEOUT)
    yield context.new_page()
    context.close()
