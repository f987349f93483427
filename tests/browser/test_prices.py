"""What an admin does about prices in the browser: price what has none, calls already made too; take the catalogue's and take that back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from lib.access import LOCAL_ADMIN
from lib.services.price_desk import PriceDesk
from tests.browser import driving as on
from tests.browser import showcase
from tests.serving import Server, serve

UNPRICED = "Models without a price; choose one to set it"
DIFFERENCES = "Models whose price differs from the catalogue's, the largest effect first; choose those to take"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("prices")) as running:
        with on.services(running.data_dir) as services:
            showcase.change_prices(services)
            showcase.fill(services, days=6)
            PriceDesk(services, LOCAL_ADMIN).check()
        yield running


def test_a_model_without_a_price_leads_to_its_calls_and_gives_them_a_cost(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Prices")
    queue = tab.get_by_text(re.compile(r"\d+ calls of 1 model in no cost"))
    number = re.findall(r"\d+", queue.first.inner_text())[0]
    on.click_cell(tab, UNPRICED, x=on.MARKER_X)
    dialog = tab.get_by_role("dialog")
    dialog.get_by_role("link", name="See these calls").click()
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(tab.get_by_text(f"{number} calls, retries included")).to_be_visible()
    on.visit(tab, server, "Prices")
    on.click_cell(tab, UNPRICED, x=on.MARKER_X)
    dialog.get_by_role("textbox", name="In", exact=True).fill("a lot")
    dialog.get_by_role("button", name="Set price").click()
    expect(dialog.get_by_text("a lot is not a price")).to_be_visible()
    dialog.get_by_role("textbox", name="In", exact=True).fill("0.5")
    dialog.get_by_role("textbox", name="Out", exact=True).fill("1.5")
    dialog.get_by_role("button", name="Set price").click()
    expect(tab.get_by_text(re.compile(r"calls? (is|are) priced now: \$0\.\d+\."))).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(tab.get_by_text("Every model that is on has a price")).to_be_visible()
    assert on.show_model(server, "vllm-custom")["price"]["output"] == "1.5"


def test_chosen_prices_are_taken_and_taken_back(tab: Page, server: Server) -> None:
    before = on.show_model(server, "claude-sonnet-5-5")["price"]["input"]
    on.visit(tab, server, "Prices")
    cells = on.cells(tab, DIFFERENCES)
    expect(cells.filter(has_text="Claude Sonnet 5.5")).to_have_count(1)
    on.click_cell(tab, DIFFERENCES, x=on.MARKER_X)
    tab.get_by_role("button", name="Take 1 chosen").click()
    expect(tab.get_by_text("1 model has the catalogue's price.")).to_be_visible()
    expect(cells.filter(has_text="Claude Sonnet 5.5")).to_have_count(0)
    assert on.show_model(server, "claude-sonnet-5-5")["price"]["input"] != before
    tab.get_by_role("button", name="Undo").click()
    expect(cells.filter(has_text="Claude Sonnet 5.5")).to_have_count(1)
    assert on.show_model(server, "claude-sonnet-5-5")["price"]["input"] == before
    tab.get_by_role("button", name="Check now").click()
    on.settle(tab)
    expect(cells.filter(has_text="Claude Sonnet 5.5")).to_have_count(1)
