"""Single sign-on against a real OpenID provider, as a browser goes: to its pages, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from lib.access import Principal, Role
from lib.access.flows import CALLBACK
from lib.api import Guard, routes
from lib.api.forms import COOKIE
from lib.services import Services, open_services
from lib.settings import load_settings
from lib.store.base import Actor
from tests.postgres import PostgresServer
from tests.serving import free_port
from tests.stack.openid import running_openid, settings_for

ROOT = Principal("00000000-0000-4000-8000-0000000000aa", "Root", Role.ADMIN)
HOME = "http://localhost"


@contextmanager
def team(postgres_server: PostgresServer, folder: Path, issuer: str, **more: str) -> Iterator[Services]:
    """Open a team's services with single sign-on; Ada is invited as an analyst."""
    name = postgres_server.create_ready()
    given = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a-key-for-tests-0123456789", "MODELDECK_DATA_DIR": str(folder)}
    opened = open_services(load_settings({**given, **settings_for(issuer, **more)}, folder))
    opened.people(ROOT).invite("ada@example.com", Role.ANALYST, Actor("Setup", None, "cli"))
    yield opened
    opened.close()
    postgres_server.drop(name)


class Browser:
    """A browser that goes from Modeldeck to the provider and back, with its own cookies for each."""

    def __init__(self, services: Services) -> None:
        self.services = services
        app = Starlette(routes=routes(lambda: services), middleware=[Middleware(Guard, loopback_only=False)])
        self.deck = TestClient(app, base_url=HOME, follow_redirects=False)
        self.there = httpx.Cookies()

    def leave(self) -> str:
        """Press the button; return where it leads."""
        return str(self.deck.get("/api/auth/oauth", params={"next": "/costs?range=7d"}).headers["location"])

    def agree(self, url: str, login: str) -> str:
        """Fill in whatever the provider asks for; return where it leads back to."""
        with httpx.Client(trust_env=False, timeout=30, cookies=self.there) as there:
            answer = there.get(url)
            for _ in range(20):
                if answer.is_redirect:
                    url = urljoin(str(answer.url), answer.headers["location"])
                    if url.startswith(HOME + CALLBACK):
                        self.there = there.cookies
                        return url
                    answer = there.get(url)
                    continue
                action = re.search(r'action="([^"]+)"', answer.text)
                prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
                assert answer.status_code == 200 and action and prompt, answer.text
                sent = {"prompt": prompt[1], "login": login, "password": "x"}
                answer = there.post(urljoin(str(answer.url), action[1]), data=sent)
        raise AssertionError("the provider led nowhere")

    def come_back(self, url: str) -> str:
        """Follow the way back; return where Modeldeck leads then."""
        return str(self.deck.get(url.removeprefix(HOME)).headers["location"])

    def sign_in(self, login: str) -> str:
        """Go there and back."""
        return self.come_back(self.agree(self.leave(), login))

    @property
    def person(self) -> Principal | None:
        """Who is signed in."""
        return self.services.principal(self.deck.cookies.get(COOKIE))


@pytest.mark.parametrize("in_token", [True, False])
def test_people_go_there_and_back_and_only_those_who_may_come_in(postgres_server: PostgresServer, tmp_path: Path, in_token: bool) -> None:
    with running_openid([HOME + CALLBACK], in_token=in_token) as issuer, team(postgres_server, tmp_path, issuer) as services:
        assert Browser(services).sign_in("mallory") == "/costs?range=7d&problem=not-verified"
        ada = Browser(services)
        assert ada.sign_in("ada") == "/costs?range=7d"
        assert ada.person is not None and (ada.person.name, ada.person.role) == ("Ada Lovelace", Role.ANALYST)
        assert Browser(services).sign_in("mallory") == "/costs?range=7d&problem=not-verified"
        assert Browser(services).sign_in("eve") == "/costs?range=7d&problem=not-invited"
        before = ada.deck.cookies[COOKIE]
        ada.deck.post("/api/auth/sign-out")
        assert services.principal(before) is None
        assert ada.sign_in("ada") == "/costs?range=7d"  # the provider still knows her


def test_a_domain_that_the_operator_named_brings_members(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with (
        running_openid([HOME + CALLBACK]) as issuer,
        team(postgres_server, tmp_path, issuer, OIDC_ALLOWED_DOMAINS="elsewhere.example, other.example") as services,
    ):
        eve = Browser(services)
        assert eve.sign_in("eve") == "/costs?range=7d"
        assert eve.person is not None and eve.person.role is Role.MEMBER


def test_what_is_changed_on_the_way_signs_nobody_in(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with running_openid([HOME + CALLBACK]) as issuer, team(postgres_server, tmp_path, issuer) as services:
        for name, problem in (("nonce", "unproven"), ("state", "begin-again"), ("code_challenge", "begin-again")):
            browser = Browser(services)
            url = urlsplit(browser.leave())
            query = [(key, "x" * 43 if key == name else value) for key, value in parse_qsl(url.query)]
            back = browser.agree(url._replace(query=urlencode(query)).geturl(), "ada")
            assert browser.come_back(back).endswith(f"problem={problem}")
            assert browser.person is None
        first, second = Browser(services), Browser(services)
        back = first.agree(first.leave(), "ada")
        assert second.come_back(back).endswith("problem=begin-again")  # as if a stranger had sent her the link
        assert first.come_back(back) == "/costs?range=7d"
        assert first.come_back(back).endswith("problem=begin-again")


def test_a_provider_that_starts_anew_with_other_keys_goes_on_working(postgres_server: PostgresServer, tmp_path: Path) -> None:
    port = free_port()
    with team(postgres_server, tmp_path, f"http://127.0.0.1:{port}") as services:
        with running_openid([HOME + CALLBACK], port=port):
            assert Browser(services).sign_in("ada") == "/costs?range=7d"
        waiting = Browser(services)
        url = waiting.leave()  # what it said of itself is still known
        with pytest.raises(httpx.ConnectError):
            waiting.agree(url, "ada")
        with running_openid([HOME + CALLBACK], port=port):
            assert waiting.come_back(waiting.agree(url, "ada")) == "/costs?range=7d"
