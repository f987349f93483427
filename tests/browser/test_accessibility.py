"""What axe-core finds on every page, full, in light and dark, on a desktop and on a phone: nothing serious that is ours to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from lib.access import LOCAL_ADMIN, Accounts, People, Role
from lib.services.price_desk import PriceDesk
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import utc_now
from tests.browser import driving as on
from tests.browser import showcase
from tests.browser.conftest import TIMEOUT
from tests.machine import absent
from tests.postgres import PostgresServer
from tests.serving import ROOT, Server, serve

AXE = ROOT / "tests" / "stack" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = ("serious", "critical")
SIZES = {"desktop": (1440, 1000), "phone": (375, 812)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PASSWORD = "four unrelated plain words"
ACTOR = Actor("Setup", None, "cli")


@dataclass(frozen=True)
class Exemption:
    """What Streamlit draws itself and nobody outside it can change; ``inside`` is an ancestor that all its elements have."""

    rule: str
    inside: str
    reason: str


EXEMPT = (
    Exemption("list", '[data-testid="stSidebarNavItems"]', "Streamlit's navigation puts its sections, as div, straight into the list."),
    Exemption("listitem", '[data-testid="stSidebarNavItems"]', "For the same reason its items have a div for a parent."),
    Exemption(
        "svg-img-alt",
        '[data-testid="stMetricChart"]',
        "Vega marks the hovered point of a sparkline as a graphic; the figure beside says it.",
    ),
)
IN_FILTERS = (
    Exemption(
        "target-size", '[data-testid="stMultiSelect"]', "The cross that empties a choice is 21 px wide; the list itself takes choices back."
    ),
)
"""What shows only once the filters are open."""


def axe() -> str:
    """Return the script of axe-core."""
    return AXE.read_text(encoding="utf-8") if AXE.is_file() else absent("axe-core is not installed; run make stack-tools to test this.")


FOUND = """async ([rules, exempt]) => {
    const told = await axe.run(document, {resultTypes: ['violations'], runOnly: rules});
    return told.violations.flatMap(({id, impact, nodes}) => nodes.map(node => {
        const element = document.querySelector([node.target[0]].flat()[0]);
        const row = exempt.findIndex(one => one.rule === id && element?.closest(one.inside));
        return {id, impact, row, html: node.html.slice(0, 160), why: [...node.any, ...node.all, ...node.none].map(one => one.message).join(' ')};
    }));
}"""


def found(tab: Page) -> list[dict[str, Any]]:
    """Return what axe-core complains about seriously; ``row`` is the exemption it falls under, -1 for none."""
    on.settle(tab)
    on.drawn(tab)
    tab.evaluate(axe())
    rows = [{"rule": one.rule, "inside": one.inside} for one in (*EXEMPT, *IN_FILTERS)]
    told: list[dict[str, Any]] = tab.evaluate(FOUND, [RULES, rows])
    return [one for one in told if one["impact"] in GRAVE]


def ours(where: str, told: list[dict[str, Any]]) -> list[str]:
    return [f"{where}: {one['id']}: {one['why']} {one['html']}" for one in told if one["row"] < 0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with keys, a month of calls, and sample data."""
    with serve(tmp_path_factory.mktemp("accessible")) as running:
        with on.services(running.data_dir) as services:
            showcase.change_prices(services)
            showcase.refreshed(services)
            showcase.fill(services)
            PriceDesk(services, LOCAL_ADMIN).check()
            services.load_sample(LOCAL_ADMIN, 2_000, 30, 7)
        yield running


Tabs = Callable[[str, Literal["light", "dark"]], Page]


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Tabs]:
    """Opens a fresh profile of a size and a theme."""
    opened = []

    def open_tab(size: str, scheme: Literal["light", "dark"]) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Asia/Kolkata")
        context.set_default_timeout(TIMEOUT)
        opened.append(context)
        return context.new_page()

    yield open_tab
    for context in opened:
        context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_on_any_page(tabs: Tabs, server: Server, scheme: Literal["light", "dark"]) -> None:
    axe()
    complaints, needed = [], set()
    for size in SIZES:
        tab = tabs(size, scheme)
        for title in on.PAGES:
            on.visit(tab, server, title)
            told = found(tab)
            complaints += ours(f"{title}, {size}, {scheme}", told)
            needed |= {one["row"] for one in told}
    assert not complaints, "\n".join(complaints)
    assert needed - {-1} == set(range(len(EXEMPT))), "an exemption is not needed any more: take its row away"


def test_axe_finds_nothing_serious_in_what_opens(tabs: Tabs, server: Server) -> None:
    axe()
    tab = tabs("desktop", "dark")
    on.visit(tab, server, "Requests", "?range=30d&by-status=error")
    tab.get_by_role("button", name="Filters").first.click()
    expect(tab.get_by_test_id("stPopoverBody")).to_be_visible()
    told = found(tab)
    assert not ours("Filters", told)
    assert len(EXEMPT) in {one["row"] for one in told}, "the exemption for open filters is not needed any more: take its row away"
    tab.keyboard.press("Escape")
    on.click_cell(tab, "Calls, newest first", x=on.MARKER_X)
    expect(tab.get_by_role("dialog")).to_be_visible()
    assert not ours("Drawer", found(tab))


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "dark"), ("phone", "light")])
def test_axe_finds_nothing_serious_among_the_models(tabs: Tabs, server: Server, size: str, scheme: Literal["light", "dark"]) -> None:
    axe()
    tab, complaints = tabs(size, scheme), []
    on.visit(tab, server, "Models", "?view=Cards")
    complaints += ours("Cards", found(tab))
    on.visit(tab, server, "Models")
    on.click_cell(tab, "Models with", x=on.MARKER_X, row_height=38)
    expect(tab.get_by_text("1 chosen")).to_be_visible()
    complaints += ours("Chosen", found(tab))
    for word in ("Change the order", "Import", "Export"):
        on.visit(tab, server, "Models")
        tab.get_by_role("button", name="More", exact=True).click()
        tab.get_by_role("menuitem", name=word, exact=True).click()
        expect(tab.get_by_role("dialog")).to_be_visible()
        complaints += ours(word, found(tab))
    assert not complaints, "\n".join(complaints)


def test_axe_finds_nothing_serious_where_a_team_signs_in(
    tabs: Tabs, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    axe()
    name = postgres_server.create_ready()
    url = postgres_server.url(name)
    engine = open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))
    people, accounts = People(engine, utc_now), Accounts(engine, utc_now)
    accounts.join(people.invite("ada@example.com", Role.ADMIN, ACTOR).token, PASSWORD)
    link = people.invite("grace@example.com", Role.MEMBER, ACTOR)
    complaints = []
    try:
        with serve(tmp_path_factory.mktemp("accessible-team"), DATABASE_URL=url, ENCRYPTION_KEY="a-key-for-tests-0123456789") as team:
            for size in SIZES:
                for scheme in SCHEMES:
                    where, tab = f"{size}, {scheme}", tabs(size, scheme)
                    tab.goto(team.url + link.path)
                    expect(tab.get_by_role("heading", name="Welcome to Modeldeck")).to_be_visible()
                    complaints += ours(f"Join, {where}", found(tab))
                    tab.goto(f"{team.url}/people")
                    expect(on.heading(tab, "Sign in")).to_be_visible()
                    complaints += ours(f"Sign in, {where}", found(tab))
                    tab.get_by_label("E-mail address").fill("ada@example.com")
                    tab.get_by_label("Password").fill(PASSWORD)
                    tab.get_by_role("button", name="Sign in").click()
                    expect(on.heading(tab, "People")).to_be_visible()
                    complaints += ours(f"People, {where}", found(tab))
                    tab.goto(f"{team.url}/profile")
                    expect(on.heading(tab, "Profile")).to_be_visible()
                    complaints += ours(f"Profile, {where}", found(tab))
                    tab.get_by_role("button", name="Add model").click()
                    expect(tab.get_by_role("dialog")).to_be_visible()
                    complaints += ours(f"Add a model of your own, {where}", found(tab))
    finally:
        engine.dispose()
        postgres_server.drop(name)
    assert not complaints, "\n".join(complaints)
