"""Bench: the script time of every page of the shell when it is drawn again, over a full log.

Streamlit's own script runner runs app.py in this process, with the page's widgets, charts and tables made and put on
the queue to the browser; the time is that of one run, sent nowhere. Compiled pages and the services are kept between
runs, as a server keeps them. The details say also how much of it the script's own thread computed: on a machine that is
busy with other things the rest is waiting for its turn.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from streamlit.runtime.scriptrunner import RerunData
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from lib.ui import context, shell
from tests.bench.filling import FILE
from tests.pages.deck import Deck, go

TARGET_MS = 60
SPANS: Mapping[str, Mapping[str, str]] = {
    "7 days": {"from": "2026-05-14", "to": "2026-05-20"},
    "90 days": {"from": "2026-02-20", "to": "2026-05-20"},
}
"""The ranges measured, as an address says them; they end on the day of the newest call of a filled database."""
TIMEZONE = "Asia/Kolkata"
"""Half an hour off the rollups of whole hours: the most rows to read."""


def measure_reruns(folder: Path, calls: int, *, rounds: int = 25) -> list[dict[str, Any]]:
    """Measure and return a row of {name, ms, target, details} for each page: the median of its slower range.

    The details say also how long the first run took, and the median of runs before which something was written, so that
    no figure could be given again.
    """
    with deck_of(folder) as took:
        return [_page(title, Path(file).stem, folder, calls, rounds, took) for _, file, title, _ in shell.PAGES]


@dataclass(frozen=True)
class Run:
    """The milliseconds of one script run by the clock, and those its thread computed."""

    wall: float
    cpu: float


def _page(title: str, name: str, folder: Path, calls: int, rounds: int, took: list[Run]) -> dict[str, Any]:
    details: dict[str, float] = {}
    medians = []
    for words, address in SPANS.items():
        touch(folder)
        at = open_page(name, address)
        details[f"{words}, first ms"] = round(took[-1].wall, 1)
        again = [run_again(at, took) for _ in range(rounds + 2)][2:]
        written = []
        for _ in range(max(rounds // 3, 1)):
            touch(folder)
            written.append(run_again(at, took))
        medians.append(statistics.median(run.wall for run in again))
        details |= {
            f"{words}, p50 ms": round(medians[-1], 1),
            f"{words}, computing p50 ms": round(statistics.median(run.cpu for run in again), 1),
            f"{words}, slowest ms": round(max(run.wall for run in again), 1),
            f"{words}, after a write p50 ms": round(statistics.median(run.wall for run in written), 1),
            f"{words}, after a write computing p50 ms": round(statistics.median(run.cpu for run in written), 1),
        }
    return {
        "name": f"{title} page drawn again at {calls:,} calls, script time p50",
        "ms": round(max(medians), 1),
        "target": TARGET_MS,
        "details": details,
    }


def touch(folder: Path) -> None:
    """Write something to a folder's database, as each call and each sign of life of a server does."""
    connection = sqlite3.connect(folder / FILE)
    try:
        number = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {number + 1}")  # to write what stands there already would change nothing
    finally:
        connection.close()


def open_page(name: str, address: Mapping[str, str]) -> AppTest:
    """Open a page by the name of its file, under an address, in a session of its own."""
    at = AppTest.from_file(shell.ROOT / "app.py", default_timeout=120)
    at.context["timezone"] = TIMEZONE
    at.query_params.update(address)
    at.run()
    if name != Path(shell.PAGES[0][1]).stem:
        at.query_params = dict(address)
        go(at, name)
    _check(at)
    return at


def run_again(at: AppTest, took: list[Run]) -> Run:
    """Draw a page again and return what that took."""
    before = len(took)
    at.run()
    _check(at)
    return Run(sum(run.wall for run in took[before:]), sum(run.cpu for run in took[before:]))


def _check(at: AppTest) -> None:
    if at.exception or at.error:
        raise AssertionError(f"a page failed: {[e.value for e in (*at.exception, *at.error)]}")


@contextmanager
def deck_of(folder: Path) -> Iterator[list[Run]]:
    """Serve a data folder to script runs of this process; yields the runs so far."""
    took: list[Run] = []
    compiled = ScriptCache()

    class Timed(LocalScriptRunner):
        def _run_script(self, rerun_data: RerunData) -> None:
            self._script_cache = compiled
            began, computed = time.perf_counter(), time.thread_time()
            super()._run_script(rerun_data)
            took.append(Run((time.perf_counter() - began) * 1e3, (time.thread_time() - computed) * 1e3))

    deck = Deck(folder, {})
    patches = (
        mock.patch.object(context, "console", deck.console),
        mock.patch.object(app_test, "LocalScriptRunner", Timed),
        mock.patch.object(app_test, "ScriptCache", lambda: compiled),
    )
    with patches[0], patches[1], patches[2]:
        try:
            yield took
        finally:
            deck.console.close()
