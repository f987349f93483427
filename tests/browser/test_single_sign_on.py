"""Single sign-on all the way in one browser: Modeldeck, a real OpenID provider's own pages, and back to the page asked for."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from lib.access import People, Role
from lib.access.flows import CALLBACK
from lib.api.forms import COOKIE
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import utc_now
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.postgres import PostgresServer
from tests.serving import free_port, serve
from tests.stack.openid import SECRET, running_openid, settings_for


def test_a_person_signs_in_at_their_provider_and_is_back_at_the_page_they_asked_for(
    browser: Browser, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name, port = postgres_server.create_ready(), free_port()
    url = postgres_server.url(name)
    engine = open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))
    People(engine, utc_now).invite("ada@example.com", Role.ANALYST, Actor("Setup", None, "cli"))
    settings = settings_for(f"http://127.0.0.1:{port}", OIDC_NAME="Corp <ID>")
    with serve(tmp_path, DATABASE_URL=url, ENCRYPTION_KEY="a-key-for-tests-0123456789", **settings) as server:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(TIMEOUT)
        tab = context.new_page()
        tab.goto(f"{server.url}/costs?range=30d")
        button = tab.get_by_role("link", name="Continue with Corp <ID>")
        button.click()
        expect(tab.get_by_text("Single sign-on does not answer right now")).to_be_visible()
        with running_openid([server.url + CALLBACK], port=port):
            button.click()
            tab.locator("[name=login]").fill("mallory")
            tab.locator("[name=password]").fill("x")
            tab.get_by_role("button", name="Sign-in").click()
            tab.get_by_role("button", name="Continue").click()
            expect(tab.get_by_text("has not verified your e-mail address")).to_be_visible()
            context.clear_cookies()
            button.click()
            tab.locator("[name=login]").fill("ada")
            tab.locator("[name=password]").fill("x")
            tab.get_by_role("button", name="Sign-in").click()
            tab.get_by_role("button", name="Continue").click()
            expect(on.heading(tab, "Costs")).to_be_visible()
            assert tab.url == f"{server.url}/costs?range=30d"
            expect(tab.get_by_text("Ada Lovelace")).to_be_visible()
            tab.reload()
            expect(on.heading(tab, "Costs")).to_be_visible()
            tab.get_by_role("button", name="Sign out", exact=True).click()
            expect(on.heading(tab, "Sign in")).to_be_visible()
            assert COOKIE not in {cookie.get("name") for cookie in context.cookies()}
        context.close()
        assert "code=" not in server.log and SECRET not in server.log
    engine.dispose()
    postgres_server.drop(name)
