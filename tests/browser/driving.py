"""What a person does on the pages, in the words of the tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from lib.access import LOCAL_ADMIN
from lib.services import Services, open_services
from lib.settings import load_settings
from lib.ui import shell
from tests.serving import ROOT, Server, clean_environ

PAGES = {title: "/" if place == 0 else f"/{Path(file).stem}" for place, (_, file, title, _) in enumerate(shell.PAGES)}
"""Title and address of every page."""
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'
MARKER_X = 16
"""Where a table's row is chosen."""
_HEADER = 32


def visit(tab: Page, server: Server, title: str, query: str = "") -> None:
    """Open a page by its address and wait until it is drawn."""
    tab.goto(f"{server.url}{PAGES[title]}{query}")
    expect(heading(tab, title)).to_be_visible()
    settle(tab)


def heading(tab: Page, title: str) -> Locator:
    """Return a page's title."""
    return tab.get_by_role("heading", name=title, exact=True, level=1)


def settle(tab: Page) -> None:
    """Wait until the page's script is through and nothing is a placeholder any more."""
    expect(tab.locator(SETTLED)).to_be_attached()
    for placeholder in ("stSkeleton", "stSkeletonElement"):
        expect(tab.get_by_test_id(placeholder)).to_have_count(0)


def drawn(tab: Page) -> None:
    """Wait until fonts, charts and tables of the page are painted."""
    tab.wait_for_function(
        """() => document.fonts.status === 'loaded'
        && [...document.querySelectorAll('.js-plotly-plot')].every(plot => plot.querySelector('.main-svg .plotbg, .main-svg .xtick'))
        && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(chart => chart.querySelector('.js-plotly-plot'))
        && [...document.querySelectorAll('[data-testid="stDataFrame"]')].every(table => table.querySelector('canvas [role="gridcell"]'))"""
    )
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def card(tab: Page, slug: str) -> Locator:
    """Return a provider's card."""
    return tab.locator(f".st-key-provider-{slug}")


def enter_key(tab: Page, slug: str, base_url: str, key: str) -> Locator:
    """Open a card's dialog, paste address and key, press "Test and save", and return the dialog."""
    dialog = tab.get_by_role("dialog")
    if not dialog.is_visible():
        card(tab, slug).get_by_role("button", name=re.compile("Add key|Replace key")).click()
    dialog.get_by_label("Base URL", exact=True).fill(base_url)
    dialog.get_by_label("API key", exact=True).fill(key)
    dialog.get_by_role("button", name="Test and save").click()
    return dialog


def switch_on_in(dialog: Locator, *names: str) -> None:
    """Choose models in the dialog of a saved key and switch them on."""
    box = dialog.get_by_role("combobox", name="Switch models on")
    for name in names:
        box.fill(name)
        dialog.page.get_by_role("option", name=name, exact=True).click()
    dialog.page.keyboard.press("Escape")
    page = dialog.page
    dialog.get_by_role("button", name="Switch on", exact=True).click()
    expect(dialog).to_be_hidden()
    settle(page)


def picker(tab: Page) -> Locator:
    """Return the playground's button that shows the chosen model."""
    return tab.locator('[class*="st-key-picker-"] button').first


def pick(tab: Page, provider: str, model: str) -> None:
    """Choose a model in the playground's picker."""
    picker(tab).click()
    tab.get_by_test_id("stPopoverBody").get_by_role("button", name=re.compile(rf"^{re.escape(model)}")).click()
    expect(picker(tab)).to_contain_text(f"{provider} · {model}")


def send(tab: Page, text: str) -> None:
    """Write to the chosen model and send it."""
    box = tab.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")


def stop_button(tab: Page) -> Locator:
    """Return the button that stops a running answer."""
    return answer(tab).get_by_role("button", name="Stop", exact=True)


def stop(tab: Page) -> None:
    """Press stop."""
    stop_button(tab).click()


def answer(tab: Page) -> Locator:
    """Return the last message of the conversation."""
    return tab.get_by_test_id("stChatMessage").last


def figures(tab: Page) -> Locator:
    """Return the strips of figures, one under each finished answer."""
    return tab.get_by_text(re.compile(r"first token [\d–]"))


def cells(tab: Page, name: str) -> Locator:
    """Return a table's cells; they are drawn on a canvas, and stand beside it for screen readers."""
    return tab.get_by_role("region", name=name).locator('[role="gridcell"]')


def click_cell(tab: Page, name: str, *, x: int, row: int = 0, row_height: int = 35) -> None:
    """Click into a table at ``x`` pixels from its left edge; row 0 is the first below the header."""
    settle(tab)
    tab.get_by_role("region", name=name).locator(".dvn-scroller").click(position={"x": x, "y": _HEADER + round((row + 0.5) * row_height)})


def show_model(server: Server, model: str) -> dict[str, Any]:
    """Return what the command line says of a model."""
    command = [sys.executable, "-m", "lib", "models", "show", model, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environ(server.data_dir, **server.settings), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def dollars(price: Mapping[str, str | None], units: Mapping[str, int]) -> str:
    """Return what units cost at a model's price in USD per 1M, with every digit: worked out here, not by the product."""
    whole = sum((Decimal(price[rate] or "nan") * count for rate, count in units.items()), Decimal(0)) / 1_000_000
    return f"${whole.normalize():f}"


def holds(folder: Path, secret: str) -> list[str]:
    """Return the files under a folder in which a secret can be read."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@contextmanager
def services(data_dir: Path, **settings: str) -> Iterator[Services]:
    """Work on a data folder from outside the browser, as another process does, whether or not a server runs on it."""
    opened = open_services(load_settings({"MODELDECK_DATA_DIR": str(data_dir), **settings}, data_dir))
    try:
        yield opened
    finally:
        opened.close()


def connect(server: Server, slug: str, base_url: str, key: str, *, switch_on: Sequence[str]) -> None:
    """Set a provider up from outside the browser, while the server runs."""
    with services(server.data_dir) as opened:
        registry = opened.registry(LOCAL_ADMIN)
        opened.connect(LOCAL_ADMIN, registry.provider(slug), key, base_url=base_url, tested=False)
        registry.set_active([registry.get(model).id for model in switch_on], True)


def eventually(holds: Callable[[], bool], otherwise: str = "it never came true", seconds: float = 15.0) -> None:
    """Look again and again until something holds; ``otherwise`` says what is wrong when it never does."""
    between, end = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        between.wait(0.05)


class Stopwatch:
    """``with Stopwatch() as watch``: watch.seconds is how long the block took."""

    seconds: float

    def __enter__(self) -> Stopwatch:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
