"""Every page at every width, in light and dark, new and in use: nothing overflows, nothing breaks, every button has a name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, expect

from tests.browser import driving as on
from tests.browser import showcase
from tests.browser.conftest import TIMEOUT
from tests.serving import Server, serve

WIDTHS = {375: 812, 768: 1024, 1440: 1000}
PROBES = re.compile(r"http://localhost:\d+/[a-z_-]+/_stcore/(?:health|host-config)")
"""What Streamlit's page asks for beneath a page's own address before it finds its server at the root; both are 404."""
BROKEN_WORDS = re.compile(r"\b(?:None|nan|NaN|NaT|Traceback|undefined)\b")
UNNAMED = """() => [...document.querySelectorAll('button, [role="button"], a[href], input:not([type="hidden"]), textarea')]
    .filter(e => e.checkVisibility())
    .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.title || e.labels?.length || e.getAttribute('aria-labelledby')
        || e.querySelector('[aria-label], img[alt]')))
    .map(e => e.outerHTML.slice(0, 200))"""
OVERFLOW = """() => {
    const main = document.querySelector('#stMain');
    return Math.max(document.scrollingElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
}"""


@pytest.fixture(scope="module", params=["new", "in use"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with nothing in it but its seeds, and one with a month of calls."""
    with serve(tmp_path_factory.mktemp("layout")) as running:
        if request.param == "in use":
            with on.services(running.data_dir) as services:
                showcase.fill(services)
        yield running


class Complaints:
    """What a page's console, scripts and requests complained about, Streamlit's two probes left out."""

    def __init__(self, tab: Page) -> None:
        self.found: list[str] = []
        tab.on("console", self._said)
        tab.on("pageerror", self._threw)
        tab.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not PROBES.fullmatch(message.location["url"]):
            self.found.append(f"{message.text} ({message.location['url']})")

    def _threw(self, error: Error) -> None:
        self.found.append(str(error))

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not PROBES.fullmatch(response.url):
            self.found.append(f"{response.status} {response.url}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_every_width(browser: Browser, server: Server, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme=scheme, timezone_id="Asia/Kolkata")
    context.set_default_timeout(TIMEOUT)
    tab = context.new_page()
    complaints = Complaints(tab)
    for title in on.PAGES:
        on.visit(tab, server, title)
        for width, height in WIDTHS.items():
            tab.set_viewport_size({"width": width, "height": height})
            on.settle(tab)
            on.drawn(tab)
            where = f"{title} at {width} px, {scheme}"
            on.eventually(lambda: bool(tab.evaluate(OVERFLOW) <= 0), f"{where} scrolls sideways")  # the sidebar slides for a moment
            assert not tab.evaluate(UNNAMED), f"{where} has controls without a name"
            words = tab.locator("body").inner_text() + " ".join(tab.locator('[role="gridcell"]').all_text_contents())
            assert not BROKEN_WORDS.findall(words), f"{where} shows {BROKEN_WORDS.findall(words)}"
    assert complaints.found == []
    background = tab.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(11, 13, 18)"}[scheme]
    context.close()


def test_a_damaged_database_says_so_and_check_again_recovers(tab: Page, tmp_path: Path) -> None:
    with on.services(tmp_path):
        pass  # makes a sound database
    database, sound = tmp_path / "modeldeck.db", tmp_path / "sound.db"
    shutil.copyfile(database, sound)
    damaged = b"this is not a database, whatever its name says " * 100
    database.write_bytes(damaged)
    with serve(tmp_path) as server:
        tab.goto(server.url)
        expect(tab.get_by_role("heading", name="The database cannot be used")).to_be_visible()
        on.settle(tab)
        assert "Traceback" not in tab.locator("body").inner_text()
        assert database.read_bytes() == damaged, "the damaged file was touched"
        tab.get_by_role("button", name="Check again").click()
        expect(tab.get_by_text("Checked just now")).to_be_visible()
        expect(tab.get_by_role("heading", name="The database cannot be used")).to_be_visible()
        shutil.copyfile(sound, database)
        tab.get_by_role("button", name="Check again").click()
        expect(on.heading(tab, "Overview")).to_be_visible()
