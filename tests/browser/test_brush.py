"""From a chart to what is behind it: a brush sets the range, a bar leads to its calls, and keys do both."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import driving as on
from tests.browser import showcase
from tests.browser.conftest import TIMEOUT
from tests.serving import Server, serve

CHARTS = {
    "Overview": ["Cost over time by model"],
    "Costs": ["Cost over time by model", "Tokens over time by kind"],
    "Usage": ["Cost over time by model", "Attempts over time by outcome", "Tokens over time by kind", "Latency over time, median and p95"],
    "Resilience": ["Attempts over time by outcome", "Errors over time by class"],
}
OUTCOMES = "Attempts over time by outcome"
PHONE = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
POINTS = "plot => plot.data.map(trace => ({x: [...trace.x], y: [...trace.y]}))"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a month of calls."""
    with serve(tmp_path_factory.mktemp("brush")) as running:
        with on.services(running.data_dir) as services:
            showcase.fill(services)
        yield running


def chart(tab: Page, name: str) -> Locator:
    """Return a chart that is painted."""
    on.settle(tab)
    on.drawn(tab)
    return tab.get_by_role("figure", name=name, exact=True).locator(".js-plotly-plot")


def counted(plot: Locator) -> list[int]:
    """Return how much each bar of a chart counts, all its parts together."""
    return [sum(step) for step in zip(*(trace["y"] for trace in plot.evaluate(POINTS)), strict=True)]


def middle(plot: Locator, place: float) -> tuple[float, float]:
    """Return where on the screen the bar of a place stands; between two places lies the gap between their bars."""
    plot.scroll_into_view_if_needed()
    area = plot.locator(".nsewdrag").bounding_box()
    assert area is not None
    low, high = plot.evaluate("plot => plot._fullLayout.xaxis.range.map(edge => plot._fullLayout.xaxis.d2l(edge))")
    first, second = plot.evaluate("plot => [0, 1].map(i => plot._fullLayout.xaxis.d2l(plot.data[0].x[i]))")
    return area["x"] + area["width"] * (first + place * (second - first) - low) / (high - low), area["y"] + area["height"] * 0.6


def brush(plot: Locator, first: float, last: float) -> None:
    """Drag over a chart from one bar to another."""
    mouse = plot.page.mouse
    mouse.move(*middle(plot, first))
    mouse.down()
    mouse.move(*middle(plot, (first + last) / 2), steps=4)
    mouse.move(*middle(plot, last), steps=4)
    mouse.up()


def requests(tab: Page) -> int:
    on.settle(tab)
    value = tab.get_by_test_id("stMetric").filter(has_text="Requests").get_by_test_id("stMetricValue")
    return int(value.inner_text().replace(",", ""))


def listed(tab: Page) -> Locator:
    return tab.get_by_text(re.compile(r"calls?, retries included"))


def test_a_brush_sets_the_range_to_exactly_the_bars_it_covers(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?range=7d")
    plot = chart(tab, OUTCOMES)
    covered = sum(counted(plot)[2:5])
    brush(plot, 1.7, 4.3)
    expect(tab).to_have_url(re.compile(r"from=\d{4}-\d\d-\d\d&to=\d{4}-\d\d-\d\d"))
    expect(tab.get_by_role("button", name="Zoom out")).to_be_visible()
    assert sum(counted(chart(tab, OUTCOMES))) == covered
    figures = requests(tab)
    tab.reload()
    expect(tab.get_by_role("button", name="Zoom out")).to_be_visible()
    assert requests(tab) == figures
    assert sum(counted(chart(tab, OUTCOMES))) == covered
    tab.get_by_role("button", name="Zoom out").click()
    expect(tab).not_to_have_url(re.compile("from="))
    assert sum(counted(chart(tab, OUTCOMES))) > covered


def test_a_brush_within_a_brush_goes_on_to_the_hour_and_stops_there(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?range=7d")
    brush(chart(tab, OUTCOMES), 2.7, 4.3)
    expect(tab).to_have_url(re.compile(r"from=[\d-]{10}&"))
    plot = chart(tab, OUTCOMES)
    bars = counted(plot)
    assert len(bars) == 48
    brush(plot, 11.6, 17.4)
    expect(tab).to_have_url(re.compile(r"from=[\d-]{10}T\d\d%3A30Z&to="))  # full hours in Kolkata are half hours in UTC
    assert counted(chart(tab, OUTCOMES)) == bars[12:18]


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in CHARTS.items() for name in names])
def test_every_chart_over_time_can_be_brushed(tab: Page, server: Server, page: str, name: str) -> None:
    on.visit(tab, server, page, "?range=30d")
    brush(chart(tab, name), 19.6, 26.4)
    expect(tab).to_have_url(re.compile(r"from=[\d-]{10}&to=[\d-]{10}"))
    expect(on.heading(tab, page)).to_be_visible()


def test_a_bar_leads_to_exactly_its_calls_and_one_of_them_to_its_receipt(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?range=7d")
    plot = chart(tab, OUTCOMES)
    bar = counted(plot)[3]
    tab.mouse.click(*middle(plot, 3))
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(listed(tab)).to_have_text(re.compile(rf"^{bar} calls"))
    tab.reload()
    expect(listed(tab)).to_have_text(re.compile(rf"^{bar} calls"))
    on.drawn(tab)
    on.click_cell(tab, "Calls, newest first", x=on.MARKER_X)
    expect(tab.get_by_role("dialog").get_by_text("Receipt", exact=True)).to_be_visible()


def test_keys_do_what_the_mouse_does(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Usage", "?range=7d")
    plot = chart(tab, OUTCOMES)
    bars = counted(plot)
    steps = tab.get_by_role("slider", name=OUTCOMES)
    steps.focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft"):
        tab.keyboard.press(key)
    expect(steps).to_have_text(re.compile(" to .*: Enter sets the range"))
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("from="))
    assert sum(counted(chart(tab, OUTCOMES))) == sum(bars[3:5])
    tab.get_by_role("button", name="Zoom out").click()
    expect(tab).not_to_have_url(re.compile("from="))
    chart(tab, OUTCOMES)
    steps.focus()
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(listed(tab)).to_have_text(re.compile(rf"^{bars[0]} calls"))


def test_a_finger_sees_the_figures_first_and_the_calls_at_the_second_tap(browser: Browser, server: Server) -> None:
    context = browser.new_context(
        viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True, user_agent=PHONE, timezone_id="Asia/Kolkata"
    )
    context.set_default_timeout(TIMEOUT)
    tab = context.new_page()
    on.visit(tab, server, "Usage", "?range=7d")
    plot = chart(tab, OUTCOMES)
    bar = counted(plot)[3]
    at = middle(plot, 3)
    tab.touchscreen.tap(*at)
    expect(plot.locator(".hoverlayer .legend")).to_contain_text("tap again for its calls")
    expect(on.heading(tab, "Usage")).to_be_visible()
    tab.touchscreen.tap(*at)
    expect(on.heading(tab, "Requests")).to_be_visible()
    expect(listed(tab)).to_have_text(re.compile(rf"^{bar} calls"))
    context.close()
