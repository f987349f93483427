"""A team on a Supabase project, in the browser: signing in and out, and what each role sees of what others do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lib.api.forms import COOKIE
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.serving import Server, serve
from tests.stack.stack import PASSWORD, Person, Stack
from tests.store.calls import closed, insert

KEY = "a-key-for-tests-0123456789"
MODELS, SWITCH_X = "Models with", 264
"""The table of models, and where a row has its switch."""


@pytest.fixture(scope="module")
def server(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server on the project for the module."""
    with serve(tmp_path_factory.mktemp("supabase"), **stack.settings, ENCRYPTION_KEY=KEY) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Callable[[], Page]]:
    """Makes tabs, each in a browser nobody has signed in with."""
    made: list[BrowserContext] = []

    def make() -> Page:
        made.append(browser.new_context(viewport={"width": 1440, "height": 1000}))
        made[-1].set_default_timeout(TIMEOUT)
        return made[-1].new_page()

    yield make
    for context in made:
        context.close()


def sign_in(tab: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the form that is shown, and send it."""
    tab.get_by_label("E-mail address", exact=True).fill(email)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in", exact=True).click()


def test_a_deep_link_survives_the_sign_in_a_reload_and_a_second_tab_until_signing_out(
    stack: Stack, server: Server, visitor: Callable[[], Page]
) -> None:
    tab = visitor()
    person = stack.sign_up("browser-admin@example.com", role="admin")
    tab.goto(f"{server.url}/models?note=kept")
    expect(on.heading(tab, "Sign in")).to_be_visible()
    sign_in(tab, person.email, "not the password")
    expect(tab.get_by_text("do not go together")).to_be_visible()
    sign_in(tab, person.email)
    expect(on.heading(tab, "Models")).to_be_visible()
    assert "note=kept" in tab.url and "problem" not in tab.url
    tab.reload()
    expect(on.heading(tab, "Models")).to_be_visible()
    second = tab.context.new_page()
    second.goto(f"{server.url}/providers")
    expect(on.heading(second, "Providers")).to_be_visible()
    assert COOKIE not in tab.evaluate("document.cookie")
    assert [cookie["name"] for cookie in tab.context.cookies() if "sb-" in cookie.get("name", "")] == []
    second.get_by_role("button", name="Sign out", exact=True).click()
    expect(on.heading(second, "Sign in")).to_be_visible()
    tab.reload()
    expect(on.heading(tab, "Sign in")).to_be_visible()
    sessions = "SELECT count(*) FROM auth.sessions WHERE user_id = %s"
    assert stack.sql(sessions, person.id) == [(1,)], "the sign-up's own session is left, the browser's is over at Supabase too"


def test_a_mailed_code_signs_in(stack: Stack, server: Server, visitor: Callable[[], Page]) -> None:
    tab = visitor()
    person = stack.sign_up("browser-mail@example.com")
    tab.goto(f"{server.url}/costs?range=30d")
    tab.get_by_text("Sign in by a mailed link").click()
    tab.get_by_label("Your e-mail address").fill(person.email)
    tab.get_by_role("button", name="Send me a link").click()
    expect(on.heading(tab, "Look into your mail")).to_be_visible()
    tab.get_by_label("Code").fill("000000")
    tab.get_by_role("button", name="Sign in", exact=True).click()
    expect(tab.get_by_text("wrong, used or too old")).to_be_visible()
    tab.get_by_label("Code").fill(re.findall(r"code is: (\d+)", stack.outbox(person.email)[-1]["text"])[0])
    tab.get_by_role("button", name="Sign in", exact=True).click()
    expect(on.heading(tab, "Costs")).to_be_visible()
    assert "range=30d" in tab.url and "sent" not in tab.url


def test_a_model_that_an_admin_switches_off_leaves_a_members_picker(stack: Stack, server: Server, visitor: Callable[[], Page]) -> None:
    admin = stack.sign_up("browser-switch@example.com", role="admin")
    member = stack.sign_up("browser-picker@example.com")
    hers, his = visitor(), visitor()
    his.goto(f"{server.url}/playground")
    sign_in(his, member.email)
    expect(on.picker(his)).to_contain_text("Demo · Demo chat")
    on.picker(his).click()
    offered = his.get_by_test_id("stPopoverBody").get_by_role("button", name="Demo reasoner")
    expect(offered).to_be_visible()
    hers.goto(f"{server.url}/models?q=demo-reasoner")
    sign_in(hers, admin.email)
    switch = on.cells(hers, MODELS).filter(has_text="toggle")
    expect(switch).to_have_count(1)
    on.click_cell(hers, MODELS, x=SWITCH_X, row_height=38)
    expect(offered).to_be_hidden()
    expect(switch).to_contain_text("Off")
    on.click_cell(hers, MODELS, x=SWITCH_X, row_height=38)
    expect(switch).to_contain_text("On")
    his.reload()
    on.picker(his).click()
    expect(offered).to_be_visible()
    last = "SELECT actor_id::text, origin FROM audit_log WHERE action = 'llm_models.update' ORDER BY id DESC LIMIT 1"
    assert stack.sql(last) == [(admin.id, "page")]


@pytest.fixture
def spenders(stack: Stack) -> tuple[Person, Person]:
    """Two members whose calls of just now cost a dollar and a quarter, and two dollars and a half."""
    people = (stack.sign_up("browser-spends@example.com"), stack.sign_up("browser-spends-more@example.com"))
    engine = sa.create_engine(stack.database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for person, cost in zip(people, (1_250_000_000, 2_500_000_000), strict=True):
            insert(connection, closed(user_id=person.id, cost_nano_usd=cost, started_at=datetime.now(UTC)))
    engine.dispose()
    return people


def test_an_analyst_sees_what_everybody_spent_and_a_member_only_their_own(
    stack: Stack, server: Server, visitor: Callable[[], Page], spenders: tuple[Person, Person]
) -> None:
    analyst = stack.sign_up("browser-analyst@example.com", role="analyst")
    for person, cost in (*zip(spenders, ("$1.25", "$2.50"), strict=True), (analyst, "$3.75")):
        tab = visitor()
        tab.goto(f"{server.url}/costs?range=24h")
        sign_in(tab, person.email)
        expect(on.heading(tab, "Costs")).to_be_visible()
        expect(tab.get_by_test_id("stMetricValue").first).to_have_text(cost)


def test_a_member_may_not_open_an_admins_page_by_its_address(stack: Stack, server: Server, visitor: Callable[[], Page]) -> None:
    tab = visitor()
    person = stack.sign_up("browser-member@example.com")
    for number, page in enumerate(("models", "providers", "people")):
        tab.goto(f"{server.url}/{page}")
        if number == 0:
            sign_in(tab, person.email)
        expect(tab.get_by_text("This needs an admin account")).to_be_visible()
        expect(tab.get_by_role("link", name="Models")).to_have_count(0)


def test_an_admin_invites_somebody_whom_supabase_mails_and_who_comes_in_with_their_role(
    stack: Stack, server: Server, visitor: Callable[[], Page]
) -> None:
    tab = visitor()
    admin = stack.sign_up("browser-people@example.com", role="admin")
    tab.goto(f"{server.url}/people")
    sign_in(tab, admin.email)
    expect(on.heading(tab, "People")).to_be_visible()
    tab.get_by_role("button", name="Invite").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("E-mail address").fill(admin.email)
    dialog.get_by_role("button", name="Send the invitation").click()
    expect(dialog.get_by_text("signs in already")).to_be_visible()
    dialog.get_by_label("E-mail address").fill("browser-invited@example.com")
    dialog.get_by_text("Analyst –").click()
    dialog.get_by_role("button", name="Send the invitation").click()
    expect(dialog.get_by_text("Supabase is sending a mail to browser-invited@example.com")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    ((people,),) = stack.sql("SELECT count(*) FROM profiles WHERE email IS NOT NULL")
    expect(tab.get_by_text(f"{people} people.")).to_be_visible()

    theirs = visitor()
    theirs.goto(f"{server.url}/api/auth/callback#access_token=eyJ.from.supabase")
    expect(theirs.get_by_text("Your e-mail address is confirmed")).to_be_visible()
    assert "access_token" not in theirs.url
    theirs.get_by_label("Your e-mail address").fill("browser-invited@example.com")
    theirs.get_by_role("button", name="Send me a link").click()
    expect(theirs.get_by_label("Code")).to_be_visible()
    code = re.findall(r"code is: (\d+)", stack.outbox("browser-invited@example.com")[-1]["text"])[0]
    theirs.get_by_label("Code").fill(code)
    theirs.get_by_role("button", name="Sign in").click()
    expect(theirs.get_by_text("analyst")).to_be_visible()


def test_a_freshly_started_server_shows_nobody_a_page(stack: Stack, visitor: Callable[[], Page], tmp_path: Path) -> None:
    """The first request after a start once reached a page without the shell and its gate."""
    with serve(tmp_path, **stack.settings, ENCRYPTION_KEY=KEY) as server:
        tab = visitor()
        for page in ("people", "models", "requests", "playground", ""):
            tab.goto(f"{server.url}/{page}")
            expect(on.heading(tab, "Sign in")).to_be_visible()
            expect(tab.get_by_role("link", name="Overview")).to_have_count(0)
            expect(tab.get_by_role("heading", level=1)).to_have_count(1)


def test_nothing_secret_is_in_the_servers_log(stack: Stack, server: Server) -> None:
    for secret in (PASSWORD, stack.secret_key, "eyJ", KEY):
        assert secret not in server.log
