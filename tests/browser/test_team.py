"""A team signs in: from an invitation to a page behind the sign-in, and no further than each role goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydantic import SecretStr

from lib.access import Accounts, People, Role
from lib.api.forms import COOKIE
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import utc_now
from tests.browser import driving as on
from tests.postgres import PostgresServer
from tests.serving import Server, serve

PASSWORD = "four unrelated plain words"
ACTOR = Actor("Setup", None, "cli")
KEY = "a-key-for-tests-0123456789"


class Team:
    """A server with a database of its own, and people made for a test."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self.url = url
        self.engine = open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))
        self.people = People(self.engine, utc_now)
        self.accounts = Accounts(self.engine, utc_now)
        self._number = 0

    def add(self, role: Role) -> str:
        """Add somebody with a password; return the e-mail address."""
        self._number += 1
        email = f"{role}{self._number}@example.com"
        self.accounts.join(self.people.invite(email, role, ACTOR).token, PASSWORD)
        return email


@pytest.fixture(scope="module")
def team(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """One server on a real Postgres for the module."""
    name = postgres_server.create_ready()
    url = postgres_server.url(name)
    with serve(tmp_path_factory.mktemp("team"), DATABASE_URL=url, ENCRYPTION_KEY=KEY) as server:
        made = Team(server, url)
        yield made
        made.engine.dispose()
    postgres_server.drop(name)


@pytest.fixture
def fresh(browser: Browser) -> Iterator[BrowserContext]:
    """A browser nobody has signed in with."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


def sign_in(tab: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the form that is shown, and send it."""
    tab.get_by_label("E-mail address").fill(email)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in").click()


def test_a_deep_link_survives_the_sign_in_a_reload_and_a_second_tab(team: Team, fresh: BrowserContext) -> None:
    email, tab = team.add(Role.ADMIN), fresh.new_page()
    tab.goto(f"{team.server.url}/models?note=kept")
    expect(on.heading(tab, "Sign in")).to_be_visible()
    expect(on.heading(tab, "Models")).to_have_count(0)
    sign_in(tab, email, "not the password")
    expect(tab.get_by_text("do not go together")).to_be_visible()
    sign_in(tab, email)
    expect(on.heading(tab, "Models")).to_be_visible()
    assert "note=kept" in tab.url and "problem" not in tab.url
    tab.reload()
    expect(on.heading(tab, "Models")).to_be_visible()
    second = fresh.new_page()
    second.goto(f"{team.server.url}/providers")
    expect(on.heading(second, "Providers")).to_be_visible()
    assert COOKIE not in tab.evaluate("document.cookie")


def test_signing_out_in_one_tab_ends_the_other_at_its_next_click(team: Team, fresh: BrowserContext) -> None:
    email, tab = team.add(Role.ADMIN), fresh.new_page()
    tab.goto(f"{team.server.url}/people")
    sign_in(tab, email)
    expect(on.heading(tab, "People")).to_be_visible()
    second = fresh.new_page()
    second.goto(f"{team.server.url}/people")
    expect(on.heading(second, "People")).to_be_visible()
    second.get_by_role("button", name="Sign out", exact=True).click()
    expect(on.heading(second, "Sign in")).to_be_visible()
    tab.get_by_role("button", name="Invite").click()
    expect(on.heading(tab, "Sign in")).to_be_visible()


def test_an_admin_invites_somebody_who_joins_and_sees_only_what_a_member_may(team: Team, fresh: BrowserContext, browser: Browser) -> None:
    email, tab = team.add(Role.ADMIN), fresh.new_page()
    tab.goto(f"{team.server.url}/people")
    sign_in(tab, email)
    tab.get_by_role("button", name="Invite").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("E-mail address").fill("mia@example.com")
    dialog.get_by_role("button", name="Make the invitation").click()
    link = dialog.get_by_test_id("stCode").inner_text().strip()
    assert link.startswith(f"{team.server.url}/join?token=")

    theirs = browser.new_context(viewport={"width": 1280, "height": 900})
    hers = theirs.new_page()
    hers.goto(link)
    hers.get_by_label("Your name").fill("Mia <b>Bold</b> *x*")
    hers.get_by_label("Password").fill(PASSWORD)
    hers.get_by_role("button", name="Set password and sign in").click()
    expect(hers.get_by_text("Mia <b>Bold</b> *x*")).to_be_visible()
    expect(hers.get_by_role("link", name="Overview")).to_be_visible()
    expect(hers.get_by_role("link", name="Models")).to_have_count(0)
    for page in ("models", "providers", "people"):
        hers.goto(f"{team.server.url}/{page}")
        expect(hers.get_by_text("This needs an admin account")).to_be_visible()
    hers.goto(link)
    expect(hers.get_by_text("used or is too old")).to_be_visible()
    theirs.close()


def test_a_role_taken_away_counts_at_the_next_click(team: Team, fresh: BrowserContext) -> None:
    team.add(Role.ADMIN)
    email, tab = team.add(Role.ADMIN), fresh.new_page()
    tab.goto(f"{team.server.url}/people")
    sign_in(tab, email)
    expect(on.heading(tab, "People")).to_be_visible()
    team.people.set_role(email, Role.MEMBER, ACTOR)
    tab.get_by_role("button", name="Invite").click()
    expect(tab.get_by_text("This needs an admin account")).to_be_visible()


def test_a_freshly_started_server_shows_nobody_a_page(team: Team, fresh: BrowserContext, tmp_path: Path) -> None:
    """The first request after a start once reached a page without the shell and its gate."""
    with serve(tmp_path, DATABASE_URL=team.url, ENCRYPTION_KEY=KEY) as server:
        tab = fresh.new_page()
        for page in ("people", "models", "requests", "playground", ""):
            tab.goto(f"{server.url}/{page}")
            expect(on.heading(tab, "Sign in")).to_be_visible()
            expect(tab.get_by_role("link", name="Overview")).to_have_count(0)
            expect(tab.get_by_role("heading", level=1)).to_have_count(1)


def test_nothing_secret_is_in_the_servers_log(team: Team) -> None:
    assert PASSWORD not in team.server.log
    assert "/join?token=" not in team.server.log
