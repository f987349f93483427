"""A team behind the reverse proxies of deploy/: whoever follows the page on deploying can sign in, and nobody else gets further."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, expect
from pydantic import SecretStr
from sqlalchemy.engine import Engine
from streamlit.web.server.starlette.starlette_server_config import DEFAULT_WEBSOCKET_PING_INTERVAL
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from lib.access import Accounts, People, Role
from lib.api.forms import COOKIE
from lib.api.guard import UNKNOWN_HOST
from lib.store.account_tables import sign_in_failures
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import utc_now
from tests.browser import driving as on
from tests.browser.conftest import FLAGS, chromium
from tests.deploy import proxies
from tests.deploy.proxies import HOST, Proxy
from tests.postgres import PostgresServer
from tests.serving import Server, serve

EMAIL, PASSWORD = "ada@example.com", "four unrelated plain words"
ELSEWHERE = "127.0.0.3"
"""An address this server does not take for its own machine's, named as a trusted proxy."""


@dataclass(frozen=True)
class Team:
    """Two processes of one team, and their database."""

    servers: tuple[Server, Server]
    engine: Engine

    def failures(self) -> set[str]:
        """Return the network addresses that wrong passwords are counted under."""
        with self.engine.connect() as connection:
            counted = connection.scalars(sa.select(sign_in_failures.c.subject)).all()
        return {subject.removeprefix("address:") for subject in counted if subject.startswith("address:")}


@pytest.fixture(scope="module")
def team(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Two processes on one real Postgres, as the page on deploying sets them up."""
    name = postgres_server.create_ready()
    url = postgres_server.url(name)
    engine = open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))
    link = People(engine, utc_now).invite(EMAIL, Role.ADMIN, Actor("Setup", None, "cli"))
    Accounts(engine, utc_now).join(link.token, PASSWORD)
    settings = {
        "DATABASE_URL": url,
        "ENCRYPTION_KEY": "a-key-for-tests-0123456789",
        "MODELDECK_ALLOWED_HOSTS": HOST,
        "MODELDECK_TRUSTED_PROXIES": ELSEWHERE,
    }
    with serve(tmp_path_factory.mktemp("one"), **settings) as one, serve(tmp_path_factory.mktemp("two"), **settings) as two:
        yield Team((one, two), engine)
    engine.dispose()
    postgres_server.drop(name)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, team: Team) -> Iterator[Proxy]:
    """Each proxy in front of both processes."""
    upstreams = [server.url.replace("http://localhost", "127.0.0.1") for server in team.servers]
    with getattr(proxies, request.param)(upstreams) as running:
        yield running


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that finds the proxy's name on this machine and believes its certificate."""
    found = browser.browser_type.launch(executable_path=chromium(), args=[*FLAGS[1:], f"--host-resolver-rules=MAP {HOST} 127.0.0.1"])
    made = found.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
    yield made
    found.close()


def test_somebody_signs_in_over_https_and_works_on_one_process(proxy: Proxy, context: BrowserContext) -> None:
    """The cookie must not travel without TLS, and a page must stay with the process that holds it."""
    context.clear_cookies()
    tab = context.new_page()
    sockets: list[str] = []
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    tab.goto(f"{proxy.url}/people")
    tab.get_by_label("E-mail address").fill(EMAIL)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(on.heading(tab, "People")).to_be_visible()
    tab.get_by_role("button", name="Invite").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("E-mail address").fill(f"{proxy.name}@example.com")
    dialog.get_by_role("button", name="Make the invitation").click()
    assert dialog.get_by_test_id("stCode").inner_text().strip().startswith(f"{proxy.url}/join?token=")
    session = next(cookie for cookie in context.cookies() if cookie["name"] == COOKIE)
    assert (session["secure"], session["httpOnly"], session["sameSite"]) == (True, True, "Lax")
    assert sockets and all(url.startswith(proxy.url.replace("https://", "wss://")) for url in sockets)
    cookies = {cookie["name"]: cookie["value"] for cookie in context.cookies()}
    tab.close()
    if proxy.name == "nginx":
        assert len(_answered_by(proxy, cookies)) == 1
    else:
        assert "deck_process" in cookies


def _answered_by(proxy: Proxy, cookies: dict[str, str]) -> set[str]:
    """Return the processes that answered ten requests with a session's cookie."""
    with proxy.client() as client:
        client.cookies.update(cookies)
        for number in range(10):
            client.get(f"/api/health?asked={number}").raise_for_status()
    lines = (proxy.folder / "access.log").read_text(encoding="utf-8").splitlines()
    asked = [line.split() for line in lines if "/api/health?asked=" in line]
    assert len(asked) == 10
    return {upstream for _, upstream, _ in asked}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"https://{HOST}.evil.example"])
def test_another_sites_page_neither_signs_in_nor_opens_a_websocket(proxy: Proxy, origin: str) -> None:
    with proxy.client() as client:
        refused = client.post("/api/auth/sign-in", data={"email": EMAIL, "password": PASSWORD}, headers={"Origin": origin})
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "foreign_origin")
    with pytest.raises(InvalidStatus) as raised:
        _websocket(proxy, origin)
    assert raised.value.response.status_code == 403


def test_the_servers_own_page_opens_a_websocket(proxy: Proxy) -> None:
    assert _websocket(proxy, proxy.url) == 101


def _websocket(proxy: Proxy, origin: str) -> int:
    with (
        socket.create_connection(("127.0.0.1", proxy.port)) as plain,
        connect(
            f"{proxy.url.replace('https://', 'wss://')}/_stcore/stream",
            sock=plain,
            ssl=proxies.no_verification(),
            server_hostname=HOST,
            origin=origin,  # type: ignore[arg-type]
            subprotocols=[Subprotocol("streamlit")],
        ) as opened,
    ):
        return opened.response.status_code if opened.response else 0


def test_another_name_gets_nothing_of_the_server(proxy: Proxy) -> None:
    with proxy.client() as client:
        answer = client.get("/", headers={"Host": "evil.example"})
    if proxy.name == "nginx":
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, UNKNOWN_HOST.type)
    else:
        assert answer.content == b""


def test_wrong_passwords_are_counted_under_the_address_of_whoever_sent_them(proxy: Proxy, team: Team) -> None:
    """Counted under the proxy's, one guesser would lock everybody out; under a claimed one, nobody would be held off."""
    theirs = {"nginx": "127.0.0.11", "caddy": "127.0.0.12"}[proxy.name]
    claimed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
    with proxy.client(theirs) as client:
        answer = client.post("/api/auth/sign-in", data={"email": EMAIL, "password": "x"}, headers=claimed)
    assert answer.status_code == 303
    assert theirs in team.failures() and "203.0.113.9" not in team.failures()


def test_the_charts_script_arrives_compressed_and_nothing_that_may_hold_a_secret_does(proxy: Proxy) -> None:
    with proxy.client() as client:
        page = client.get("/")
        script = re.search(r'src="\.?(/static/js/[^"]+\.js)"', page.text)
        assert script
        answer = client.get(script[1])
        health = client.get("/api/health")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in health.headers
    assert health.json()["status"] == "ok"


def test_nginx_leads_http_to_https(proxy: Proxy) -> None:
    if proxy.http_port is None:
        return  # Caddy does so by itself, on port 80 only
    answer = httpx.get(f"http://127.0.0.1:{proxy.http_port}/models?x=1", headers={"Host": HOST}, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}/models?x=1")


def test_nginx_keeps_a_silent_websocket_for_many_pings() -> None:
    """Streamlit speaks up by itself at each ping; a proxy less patient than that would break every page that is only read."""
    text = (proxies.DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for timeout in ("proxy_read_timeout", "proxy_send_timeout"):
        (hours,) = re.findall(rf"^\s*{timeout}\s+(\d+)h;", text, flags=re.MULTILINE)
        assert int(hours) * 3600 >= 10 * max(60, DEFAULT_WEBSOCKET_PING_INTERVAL)


@pytest.mark.parametrize(("sender", "counted"), [(ELSEWHERE, "198.51.100.7"), ("127.0.0.4", "127.0.0.4")])
def test_a_proxy_on_another_machine_is_believed_only_when_it_is_named(team: Team, sender: str, counted: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=sender), timeout=60) as client:
        address = team.servers[0].url.replace("localhost", "127.0.0.1")
        headers = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
        client.post(f"{address}/api/auth/sign-in", data={"email": "eve@example.com", "password": "x"}, headers=headers)
    assert counted in team.failures()
