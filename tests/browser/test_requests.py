"""From a figure to the calls behind it: the way to the list of calls, its address, its receipt and its CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import driving as on
from tests.browser import showcase
from tests.serving import Server, serve

FIRST_CLASS_X = 330
"""Where the column of the most frequent class of error is."""
LIST = "Calls, newest first"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a month of calls."""
    with serve(tmp_path_factory.mktemp("requests")) as running:
        with on.services(running.data_dir) as services:
            showcase.fill(services)
        yield running


def row(tab: Page, name: str, number: int = 0) -> list[str]:
    """Return what a row of a table says, read from what stands beside the canvas."""
    region = tab.get_by_role("region", name=name)
    found = region.locator('[role="row"]').nth(number + 1).locator('[role="gridcell"]')
    expect(found).not_to_have_count(0)
    return found.all_inner_texts()


def counted(tab: Page) -> Locator:
    return tab.get_by_text(re.compile(r"calls?, retries included"))


def test_a_chosen_row_leads_to_exactly_its_calls_and_the_address_keeps_them(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Resilience", "?range=30d")
    on.drawn(tab)
    name = "Success rate by model"
    model, _, attempts, *_ = row(tab, name)
    on.click_cell(tab, name, x=on.MARKER_X)
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(counted(tab)).to_contain_text(f"{attempts} call")
    on.drawn(tab)
    expect(on.cells(tab, LIST).filter(has_text=model).first).to_be_attached()
    expect(tab).to_have_url(re.compile("range=30d&by-model="))
    tab.reload()
    expect(counted(tab)).to_contain_text(f"{attempts} call")


def test_whose_key_paid_leads_to_the_calls_paid_with_it(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Costs", "?range=30d")
    on.drawn(tab)
    name = "Cost by whose key paid"
    assert row(tab, name)[0] == "System key"
    on.click_cell(tab, name, x=on.MARKER_X)
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(tab).to_have_url(re.compile("by-key=system"))
    on.drawn(tab)
    count = counted(tab).inner_text()
    tab.reload()
    expect(counted(tab)).to_contain_text(count)
    on.visit(tab, server, "Requests", "?range=30d")
    on.drawn(tab)
    assert counted(tab).inner_text() != count, "calls that needed no key are not among them"


def test_a_cell_leads_to_the_errors_it_counts(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Resilience", "?range=30d")
    on.drawn(tab)
    name = "Errors by model"
    _, _, count, *_ = row(tab, name)
    on.click_cell(tab, name, x=FIRST_CLASS_X)
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(tab).to_have_url(re.compile("by-error="))
    expect(counted(tab)).to_contain_text(f"{count} call")
    tab.reload()
    expect(counted(tab)).to_contain_text(f"{count} call")


def test_the_downloaded_csv_holds_the_filtered_list(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Requests", "?range=30d&by-status=Error")
    on.drawn(tab)
    count = int(counted(tab).inner_text().split()[0].replace(",", ""))
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == count > 0
    assert {r["status"] for r in rows} == {"error"}


def test_pages_turn_and_a_row_opens_its_receipt(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Requests", "?range=30d")
    on.drawn(tab)
    first = row(tab, LIST)[0]
    tab.get_by_role("button", name="Older", exact=True).click()
    expect(tab.get_by_role("button", name="Newest", exact=True)).to_be_enabled()
    expect(on.cells(tab, LIST).first).not_to_have_text(first)
    assert row(tab, LIST)[0] < first
    on.click_cell(tab, LIST, x=on.MARKER_X)
    expect(tab.get_by_role("dialog").get_by_text("Receipt", exact=True)).to_be_visible()
