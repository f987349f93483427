"""From an empty Postgres to a signed-in admin, in one browser, on one server that is never restarted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from lib.access import Accounts, People, Role
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import utc_now
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.browser.test_accessibility import SCHEMES, SIZES, axe, found, ours
from tests.postgres import PostgresServer
from tests.serving import ROOT, Server, clean_environ, serve

PASSWORD = "four unrelated plain words"


@pytest.fixture
def empty(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server on a database without tables, and its settings."""
    name = postgres_server.create()
    given = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a-key-for-tests-0123456789"}
    with serve(tmp_path / "data", **given) as server:
        yield server, given
    postgres_server.drop(name)


def run(server: Server, given: dict[str, str], command: str) -> str:
    """Run a command as the page shows it, in Modeldeck's folder with the server's settings."""
    python, *arguments = command.split()
    assert python == "python"
    environ = clean_environ(server.data_dir, **given)
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout


def code(tab: Page, place: int) -> str:
    return tab.get_by_test_id("stCode").nth(place).inner_text().strip()


def test_what_setup_says_leads_from_an_empty_database_to_a_signed_in_admin(empty: tuple[Server, dict[str, str]], tab: Page) -> None:
    server, given = empty
    tab.goto(server.url)
    expect(tab.get_by_role("heading", name="The database cannot be used")).to_be_visible()
    navigation = tab.get_by_role("navigation", name="App pages")
    expect(navigation.get_by_role("link", name="Setup")).to_be_visible()
    tab.get_by_role("link", name="Try built-in models meanwhile").click()
    expect(tab.get_by_text("Fallback: built-in models.")).to_be_visible()
    on.send(tab, "Are you there?")
    expect(on.answer(tab)).to_contain_text("“Are you there?”")
    expect(on.figures(tab)).to_be_visible()
    navigation.get_by_role("link", name="Setup").click()
    expect(on.heading(tab, "Setup")).to_be_visible()
    expect(tab.get_by_text("The tables are missing")).to_be_visible()
    tab.get_by_role("button", name="Check again").click()
    on.settle(tab)
    expect(tab.get_by_text("The tables are missing")).to_be_visible()

    run(server, given, code(tab, 0))
    tab.get_by_role("button", name="Check again").click()
    expect(on.heading(tab, "Sign in")).to_be_visible()
    expect(tab.get_by_text("Nobody is an admin yet")).to_be_visible()
    answer = json.loads(run(server, given, code(tab, 0) + " --json"))
    tab.get_by_role("button", name="Check again").click()
    expect(tab.get_by_text("Nobody is an admin yet")).to_have_count(0)
    tab.goto(server.url + answer["link"])
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Set password and sign in").click()
    expect(on.heading(tab, "Overview")).to_be_visible()
    expect(navigation.get_by_role("link", name="Setup")).to_have_count(0)
    tab.goto(f"{server.url}/setup")
    expect(tab.get_by_text("Everything is set up.")).to_be_visible()
    assert server.process.poll() is None, "all on one server"


def test_a_database_that_goes_away_leaves_the_playground_and_comes_back_with_everyone_signed_in(
    postgres_server: PostgresServer, tmp_path: Path, tab: Page
) -> None:
    name = postgres_server.create_ready()
    url = postgres_server.url(name)
    engine = open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))
    link = People(engine, utc_now).invite("ada@example.com", Role.ADMIN, Actor("Setup", None, "cli"))
    Accounts(engine, utc_now).join(link.token, PASSWORD)
    engine.dispose()
    with serve(tmp_path / "data", DATABASE_URL=url, ENCRYPTION_KEY="a-key-for-tests-0123456789") as server:
        tab.goto(f"{server.url}/playground")
        tab.get_by_label("E-mail address").fill("ada@example.com")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        expect(on.heading(tab, "Playground")).to_be_visible()
        postgres_server.close(name)
        tab.reload()
        expect(tab.get_by_text("Fallback: built-in models.")).to_be_visible()
        on.send(tab, "Are you there?")
        expect(on.answer(tab)).to_contain_text("“Are you there?”")
        expect(on.figures(tab)).to_be_visible()
        tab.goto(f"{server.url}/setup")
        expect(tab.get_by_text("The database does not answer", exact=True)).to_be_visible()
        postgres_server.reopen(name)
        tab.get_by_role("button", name="Check again").click()
        expect(tab.get_by_text("Everything is set up.")).to_be_visible()
        expect(tab.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
    postgres_server.drop(name)


def test_axe_finds_nothing_serious_while_there_is_no_database(empty: tuple[Server, dict[str, str]], browser: Browser) -> None:
    axe()
    server, _ = empty
    complaints = []
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            context.set_default_timeout(TIMEOUT)
            tab = context.new_page()
            for path, words in (("/", "The database cannot be used"), ("/setup", "The tables are missing"), ("/playground", "Fallback")):
                tab.goto(server.url + path)
                expect(tab.get_by_text(words).first).to_be_visible()
                complaints += ours(f"{path}, {size}, {scheme}", found(tab))
                scroll = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert scroll <= 0, f"{path}, {size}: {scroll} px do not fit"
            context.close()
    assert not complaints, "\n".join(complaints)
