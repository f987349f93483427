"""Bench: the running server as a person meets it: its start, a page in Chromium, and the memory it holds while idle.

Start and memory are compared with the smallest Streamlit apps there are, started with the same options on the same
machine in turns. A page counts as drawn once its script is through and every chart and table is painted; its time is
from the navigation's start.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lib.ui import shell
from tests.bench.reruns import SPANS, TIMEZONE, touch
from tests.browser import driving
from tests.browser.conftest import FLAGS, chromium
from tests.serving import ROOT, clean_environ, free_port, serve

TARGET_DRAWN_MS, TARGET_START, TARGET_MEMORY = {1_000_000: 2_000, 10_000_000: 3_000}, 1.5, 1.6
PATIENCE_MS = 60_000
HELLO = "import streamlit as st\n\nst.title('Hello, world')\n"
HELLO_WITH_CHARTS = f"import pandas\nimport plotly.graph_objects\n{HELLO}"
_OPTIONS = ("--server.headless=true", "--server.address=127.0.0.1", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false")


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run the system's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def measure_drawn(browser: Browser, folder: Path, calls: int, *, rounds: int = 3) -> list[dict[str, Any]]:
    """Measure and return two rows of {name, ms, target, details}: the page and range that take longest, by their medians.

    One row is of a browser that was there before and has Streamlit's own files in its cache, the other of one that was
    not. Something is written before each time, so that no figure is given again from memory.
    """
    found: dict[str, dict[str, list[int]]] = {"again": {}, "for the first time": {}}
    with serve(folder) as server:
        _drawn_ms(browser, server.url, shell.PAGES[0][2], lambda: None)  # whoever comes first waits for the rest of the server's start
        for _ in range(rounds):
            for name, title, query in _visits():
                times = _drawn_ms(browser, f"{server.url}{driving.PAGES[title]}{query}", title, lambda: touch(folder))
                for way, ms in zip(("for the first time", "again"), times, strict=True):
                    found[way].setdefault(name, []).append(ms)
    return [
        {
            "name": f"the slowest page at {calls:,} calls, drawn in Chromium {way}",
            "ms": round(max(statistics.median(ms) for ms in times.values())),
            "target": TARGET_DRAWN_MS.get(calls, TARGET_DRAWN_MS[1_000_000]),
            "details": {f"{name} ms": {"p50": round(statistics.median(ms)), "slowest": max(ms)} for name, ms in times.items()},
        }
        for way, times in found.items()
    ]


def _visits() -> Iterator[tuple[str, str, str]]:
    """Yield a name, the page and the query of each address to draw."""
    for _, _, title, _ in shell.PAGES:
        for words, address in SPANS.items() if title in shell.SHARED_FILTERS else (("", {}),):
            yield f"{title}, {words}" if words else title, title, f"?{urlencode(address)}" if address else ""


def measure_start_and_memory(browser: Browser, *, rounds: int = 5) -> list[dict[str, Any]]:
    """Measure and return two rows of {name, ratio, target, details}, on a data folder that was started before."""
    starts: dict[str, list[float]] = {"ours": [], "hello": []}
    idle: dict[str, list[float]] = {"ours": [], "hello": []}
    with TemporaryDirectory() as made:
        folder = Path(made)
        for name, text in (("hello", HELLO), ("charts", HELLO_WITH_CHARTS)):
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        ours, first_page = (ROOT / "app.py", shell.PAGES[0][2])
        first = _started(browser, ours, folder, first_page)[0]
        for _ in range(rounds):
            for name, app, title in (("ours", ours, first_page), ("hello", folder / "hello.py", "Hello, world")):
                starts[name].append(_started(browser, app, folder, title)[0])
        for _ in range(max(rounds // 2, 1)):
            for name, app, title in (("ours", ours, first_page), ("hello", folder / "charts.py", "Hello, world")):
                idle[name].append(_started(browser, app, folder, title, settle=True)[1])
    start, memory = ({name: statistics.median(found) for name, found in figures.items()} for figures in (starts, idle))
    return [
        {
            "name": "start to the first page drawn / a hello-world Streamlit app",
            "ratio": round(start["ours"] / start["hello"], 2),
            "target": TARGET_START,
            "details": {"ours_ms": round(start["ours"]), "hello_ms": round(start["hello"]), "very_first_ms": round(first)},
        },
        {
            "name": "peak memory of the idle server / hello-world with pandas and plotly",
            "ratio": round(memory["ours"] / memory["hello"], 2),
            "target": TARGET_MEMORY,
            "details": {"ours_mib": round(memory["ours"]), "hello_mib": round(memory["hello"])},
        },
    ]


@contextmanager
def _tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id=TIMEZONE)
    context.set_default_timeout(PATIENCE_MS)
    try:
        yield context.new_page()
    finally:
        context.close()


def _drawn_ms(browser: Browser, url: str, title: str, before: Callable[[], None]) -> list[int]:
    """Return the milliseconds until a page is drawn, by the browser's own clock: with an empty cache, then with all in it."""
    found = []
    with _tab(browser) as tab:
        for _ in range(2):
            before()
            tab.goto(url, wait_until="commit")
            expect(driving.heading(tab, title)).to_be_visible(timeout=PATIENCE_MS)
            driving.settle(tab)
            driving.drawn(tab)
            found.append(round(float(tab.evaluate("() => performance.now()"))))
    return found


def _started(browser: Browser, app: Path, data: Path, title: str, *, settle: bool = False) -> tuple[float, float]:
    """Start an app and return the milliseconds until its first page is drawn, and then the peak of its memory in MiB.

    ``settle`` waits for the memory to stop growing, since some things are loaded once nobody waits for them.
    """
    with _tab(browser) as tab, httpx.Client(trust_env=False) as client:
        port, began = free_port(), time.perf_counter()
        command = [sys.executable, "-m", "streamlit", "run", str(app), f"--server.port={port}", *_OPTIONS]
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environ(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await(client, f"http://127.0.0.1:{port}/_stcore/health", process)
            tab.goto(f"http://localhost:{port}/", wait_until="commit")
            expect(driving.heading(tab, title)).to_be_visible(timeout=PATIENCE_MS)
            driving.settle(tab)
            took = (time.perf_counter() - began) * 1e3
            peak = _peak_mib(process.pid)
            unchanged = 0
            while settle and unchanged < 10:
                time.sleep(0.2)
                before, peak = peak, _peak_mib(process.pid)
                unchanged = unchanged + 1 if peak == before else 0
            return took, peak
        finally:
            process.terminate()
            process.wait(15)


def _await(client: httpx.Client, url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.TransportError):
            if client.get(url).is_success:
                return
        time.sleep(0.01)
    raise AssertionError("a server did not start")


def _peak_mib(process_id: int) -> float:
    """Return the most memory a process has held so far, as Linux counts it."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
