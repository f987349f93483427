"""The line of controls above the analytics pages, and the charts below it, on a phone and with a custom range."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import driving as on
from tests.browser import showcase
from tests.browser.conftest import TIMEOUT
from tests.serving import Server, serve

PHONE = {"width": 375, "height": 812}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a month of calls."""
    with serve(tmp_path_factory.mktemp("filters")) as running:
        with on.services(running.data_dir) as services:
            showcase.fill(services)
        yield running


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A narrow page."""
    context = browser.new_context(viewport=PHONE, timezone_id="Asia/Kolkata")  # type: ignore[arg-type]
    context.set_default_timeout(TIMEOUT)
    yield context.new_page()
    context.close()


def test_no_preset_stands_out_while_a_custom_range_is_shown_and_one_leaves_it(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?from=2026-01-05&to=2026-01-06")
    chosen = tab.locator('.st-key-leave-span button[data-selected="true"], .st-key-range button[data-selected="true"]')
    expect(tab.get_by_role("button", name="Zoom out")).to_be_visible()
    expect(chosen).to_have_count(0)
    tab.get_by_text("30d", exact=True).click()
    expect(tab).to_have_url(re.compile(r"/usage\?range=30d$"))
    expect(chosen).to_have_text(["30d"])
    on.settle(tab)
    figures = tab.get_by_test_id("stMetricValue").all_inner_texts()
    tab.reload()
    on.settle(tab)
    assert tab.get_by_test_id("stMetricValue").all_inner_texts() == figures


def test_on_a_phone_the_controls_take_two_lines_and_the_chart_keeps_its_height(phone: Page, server: Server) -> None:
    on.visit(phone, server, "Usage", "?range=30d")
    on.drawn(phone)
    tops = {
        round(box["y"] + box["height"] / 2, -1)
        for selector in ("range", "filters", "refresh")
        if (box := phone.locator(f".st-key-{selector} button").first.bounding_box())
    }
    assert len(tops) == 2, "the range, the custom range and refresh stand on one line, the filters on the next"
    for plot in phone.locator(".js-plotly-plot").all():
        area = plot.locator(".nsewdrag").first.bounding_box()
        assert area is not None
        assert area["height"] > 150, "the legend eats the chart"
    legend = phone.locator(".deck-legend").first
    assert legend.evaluate("one => one.scrollWidth <= one.clientWidth"), "the legend wraps"


def test_a_series_pressed_in_the_legend_stands_out_until_it_is_pressed_again(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?range=30d")
    on.drawn(tab)
    frame = tab.locator(".st-key-brushed-outcomes")
    buttons = frame.locator(".deck-legend button")
    faded = "frame => [...frame.querySelector('.barlayer').children].map(trace => trace.style.opacity !== '')"
    buttons.nth(1).click()
    expect(buttons.nth(1)).to_have_attribute("aria-pressed", "true")
    assert frame.evaluate(faded) == [place != 1 for place in range(buttons.count())]
    buttons.nth(1).press("Enter")
    expect(buttons.nth(1)).to_have_attribute("aria-pressed", "false")
    assert not any(frame.evaluate(faded))


def test_a_row_of_the_models_leads_to_its_calls(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?range=30d")
    on.drawn(tab)
    model = next(text for text in on.cells(tab, "Usage by model").all_text_contents() if text.strip())
    on.click_cell(tab, "Usage by model", x=on.MARKER_X)
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(tab).to_have_url(re.compile("by-model="))
    expect(tab.get_by_text(f"Model: {model}")).to_be_visible()


def test_the_address_names_users_by_their_keys_and_still_understands_names(tab: Page, server: Server) -> None:
    user, name = showcase.PEOPLE[1]
    listed = tab.get_by_text(re.compile(r"calls?, retries included"))
    on.visit(tab, server, "Requests", f"?range=30d&by-user={name}")
    expect(tab).to_have_url(re.compile(f"by-user={re.escape(user)}"))
    told = listed.inner_text()
    tab.reload()
    expect(listed).to_have_text(told)
    on.visit(tab, server, "Usage")
    on.visit(tab, server, "Requests", f"?range=30d&by-user={user}")
    expect(listed).to_have_text(told)
