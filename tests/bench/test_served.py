"""The bench of the running server waits for what it says it waits for, and compares what it says it compares."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from lib.ui import shell
from tests.bench.filling import kept
from tests.bench.served import measure_drawn, measure_start_and_memory
from tests.browser.conftest import browser

__all__ = ["browser"]


def test_every_page_is_drawn_both_ways(browser: Browser, tmp_path: Path) -> None:
    rows = measure_drawn(browser, kept(2_000, tmp_path), 2_000, rounds=1)
    assert [row["name"].rpartition("Chromium ")[2] for row in rows] == ["again", "for the first time"]
    for row in rows:
        assert {name.removesuffix(" ms").partition(",")[0] for name in row["details"]} == {title for _, _, title, _ in shell.PAGES}
        assert row["ms"] == max(found["p50"] for found in row["details"].values()) > 0


def test_start_and_memory_are_those_of_two_apps_that_drew_a_page(browser: Browser) -> None:
    start, memory = measure_start_and_memory(browser, rounds=1)
    assert start["details"]["ours_ms"] > 0 < start["details"]["hello_ms"]
    assert memory["details"]["ours_mib"] > 50 < memory["details"]["hello_mib"]
