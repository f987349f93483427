"""The bench of the pages measures pages that work, on a database of its own size."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lib.ui import context, shell
from tests.bench import filling
from tests.bench.filling import kept
from tests.bench.pages import PAGES, measure_pages
from tests.bench.reruns import SPANS, measure_reruns, touch

CALLS = 3_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(CALLS, tmp_path_factory.mktemp("kept"))


def test_a_filled_database_is_kept_until_it_would_be_filled_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept(50, tmp_path)
    (first / "mark").touch()
    assert kept(50, tmp_path) == first and (first / "mark").exists()
    monkeypatch.setattr(filling, "_version", lambda: "another")
    second = kept(50, tmp_path)
    assert list(tmp_path.iterdir()) == [second] and not (second / "mark").exists()


def test_a_fill_that_broke_off_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(filling, "fill", broken)
        kept(50, tmp_path)
    assert (kept(50, tmp_path) / filling.FILE).stat().st_size > 0


def test_every_page_of_the_shell_is_drawn_again_with_its_figures(folder: Path) -> None:
    console = context.console
    rows = measure_reruns(folder, CALLS, rounds=1)
    assert context.console is console
    assert [row["name"].partition(" page ")[0] for row in rows] == [title for _, _, title, _ in shell.PAGES]
    for row in rows:
        assert row["ms"] == max(row["details"][f"{words}, p50 ms"] for words in SPANS)
        assert all(ms > 0 for ms in row["details"].values())


def test_a_page_that_fails_is_no_measurement(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.analytics.usage_totals", lambda *_: 1 // 0)
    with pytest.raises(AssertionError, match="a page failed"):
        measure_reruns(folder, CALLS, rounds=1)


def test_what_the_bench_writes_makes_the_pages_ask_again(folder: Path) -> None:
    connection = sqlite3.connect(folder / filling.FILE)
    before = connection.execute("PRAGMA data_version").fetchone()
    touch(folder)
    assert connection.execute("PRAGMA data_version").fetchone() != before
    connection.close()


def test_the_pages_queries_are_compared_between_two_sizes(folder: Path, tmp_path: Path) -> None:
    rows = measure_pages(kept(500, tmp_path), folder, (500, CALLS), rounds=1)
    assert len(rows) == len(PAGES) + 1
    assert all(row["ratio"] > 0 for row in rows)
