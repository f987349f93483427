"""The bench of the running server waits for what it says it waits for, and compares what it says it compares."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from lib.ui import shell
from tests.bench import served
from tests.bench.filling import kept
from tests.bench.reruns import SPANS
from tests.bench.served import measure_drawn, measure_start_and_memory


def test_every_page_is_visited_and_those_with_a_range_in_each() -> None:
    visits = list(served._visits())
    assert {title for _, title, _ in visits} == {title for _, _, title, _ in shell.PAGES}
    assert len({name for name, _, _ in visits}) == len(visits) == len(shell.PAGES) + len(shell.SHARED_FILTERS) * (len(SPANS) - 1)


def test_pages_are_drawn_both_ways(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = [visit for visit in served._visits() if visit[0] in ("Models", "Overview, 7 days")]
    monkeypatch.setattr(served, "_visits", lambda: visits)
    rows = measure_drawn(browser, kept(2_000, tmp_path), 2_000, rounds=1)
    assert [row["name"].rpartition("Chromium ")[2] for row in rows] == ["again", "for the first time"]
    for row in rows:
        assert set(row["details"]) == {"Models ms", "Overview, 7 days ms"}
        assert row["ms"] == max(found["p50"] for found in row["details"].values()) > 0


def test_start_and_memory_are_those_of_two_apps_that_drew_a_page(browser: Browser) -> None:
    start, memory = measure_start_and_memory(browser, rounds=1)
    assert start["details"]["ours_ms"] > 0 < start["details"]["hello_ms"]
    assert memory["details"]["ours_mib"] > 50 < memory["details"]["hello_mib"]
