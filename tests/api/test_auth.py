"""Signing in over HTTP: the cookie is the browser's alone, other sites can neither sign anybody in nor lead them away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from lib.access import Principal, Role
from lib.api import Guard, routes
from lib.api.forms import COOKIE, LARGEST_FORM
from lib.api.leading import PROBLEMS, local_path
from lib.services import Services, open_services
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.faults import unavailable
from tests.postgres import PostgresServer

PASSWORD = "four unrelated plain words"
ACTOR = Actor("Setup", None, "cli")
ROOT = Principal("00000000-0000-4000-8000-0000000000aa", "Root", Role.ADMIN)


@pytest.fixture
def services(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Services]:
    """A team's services on a real Postgres."""
    name = postgres_server.create_ready()
    given = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a-key-for-tests-0123456789", "MODELDECK_DATA_DIR": str(tmp_path)}
    opened = open_services(load_settings(given, tmp_path))
    yield opened
    opened.close()
    postgres_server.drop(name)


@pytest.fixture
def client(services: Services) -> TestClient:
    """A browser that follows nothing by itself, behind the guard."""
    app = Starlette(routes=routes(lambda: services), middleware=[Middleware(Guard, loopback_only=False)])
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def member(services: Services, email: str = "ada@example.com", role: Role = Role.MEMBER) -> str:
    """Add somebody with a password; return their session's token."""
    people = services.people(ROOT)
    return services.accounts.join(people.invite(email, role, ACTOR).token, PASSWORD)


def led_to(answer: Any) -> tuple[str, str | None]:
    """Return where an answer leads and the problem it names."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    parts = urlsplit(answer.headers["location"])
    query = parse_qs(parts.query)
    problem = query.pop("problem", [None])[0]
    return parts.path, problem


def test_the_right_password_sets_a_cookie_that_scripts_cannot_read_and_leads_on(client: TestClient, services: Services) -> None:
    member(services)
    answer = client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": PASSWORD, "next": "/costs?range=7d"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/costs?range=7d"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and "Secure" not in cookie
    principal = services.principal(client.cookies[COOKIE])
    assert principal is not None and principal.role is Role.MEMBER


def test_behind_a_proxy_with_https_the_cookie_never_travels_in_the_clear(client: TestClient, services: Services) -> None:
    member(services)
    form = {"email": "ada@example.com", "password": PASSWORD}
    answer = client.post("/api/auth/sign-in", data=form, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_password_leads_back_with_the_reason_and_no_cookie(client: TestClient, services: Services) -> None:
    member(services)
    answer = client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": "wrong", "next": "/costs?a=1&problem=wrong"})
    assert led_to(answer) == ("/costs", "wrong")
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"a": ["1"], "problem": ["wrong"]}
    assert "set-cookie" not in answer.headers


def test_too_many_wrong_passwords_are_named(client: TestClient, services: Services) -> None:
    member(services)
    for _ in range(10):
        client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": "wrong"})
    assert led_to(client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": PASSWORD})) == ("/", "throttled")


def test_a_session_from_before_the_sign_in_is_worth_nothing_after_it(client: TestClient, services: Services) -> None:
    planted = member(services, "mallory@example.com")
    member(services)
    client.cookies.set(COOKIE, planted)
    client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": PASSWORD})
    assert services.principal(planted) is None


def test_signing_out_ends_the_session_not_only_the_cookie(client: TestClient, services: Services) -> None:
    here, there = member(services), services.accounts.sign_in("ada@example.com", PASSWORD, "203.0.113.9")
    client.cookies.set(COOKIE, here)
    answer = client.post("/api/auth/sign-out")
    assert led_to(answer) == ("/", None)
    assert 'modeldeck_session=""' in answer.headers["set-cookie"]
    assert services.principal(here) is None
    assert services.principal(there) is not None
    client.cookies.set(COOKIE, there)
    again = services.accounts.sign_in("ada@example.com", PASSWORD, "203.0.113.9")
    client.post("/api/auth/sign-out", data={"everywhere": "1"})
    assert services.principal(there) is services.principal(again) is None


def test_a_link_sets_a_password_once_and_signs_in(client: TestClient, services: Services) -> None:
    link = services.people(ROOT).invite("ada@example.com", Role.ANALYST, ACTOR)
    form = {"token": link.token, "password": PASSWORD, "display_name": "Ada"}
    assert led_to(client.post("/api/auth/join", data=form | {"password": "short"})) == ("/join", "password")
    assert led_to(client.post("/api/auth/join", data=form)) == ("/", None)
    principal = services.principal(client.cookies[COOKIE])
    assert principal is not None and principal.name == "Ada"
    assert led_to(client.post("/api/auth/join", data=form)) == ("/join", "gone")


@pytest.mark.parametrize("path", ["/api/auth/sign-in", "/api/auth/sign-out", "/api/auth/join"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_another_sites_form_changes_nothing(client: TestClient, services: Services, path: str, origin: str) -> None:
    token = member(services)
    client.cookies.set(COOKIE, token)
    answer = client.post(path, data={"email": "ada@example.com", "password": PASSWORD}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert services.principal(token) is not None


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\n/evil",
        "evil",
        "",
        "/api/auth/sign-out",
        "http://[",
        "/a\\b",
    ],
)
def test_nobody_is_led_to_another_site(client: TestClient, services: Services, path: str) -> None:
    member(services)
    assert local_path(path) == "/"
    answer = client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": PASSWORD, "next": path})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"email=" + b"a" * LARGEST_FORM, b"&".join(b"a=1" for _ in range(100)), b"email=%ff&password=%00", b'{"email": 1}'],
)
def test_a_malformed_form_is_a_wrong_password_and_no_failure_of_ours(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/auth/sign-in", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert led_to(answer) == ("/", "wrong")


def test_a_database_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    def get_services() -> Services:
        raise unavailable("unreachable")

    app = TestClient(Starlette(routes=routes(get_services)), base_url="http://localhost", follow_redirects=False)
    assert led_to(app.post("/api/auth/sign-in", data={"email": "a@b.de", "password": "x", "next": "/costs"})) == ("/costs", "unavailable")
    assert "does not answer" in PROBLEMS["unavailable"]


def test_the_embedded_mode_has_no_accounts_to_sign_in_to(tmp_path: Path) -> None:
    opened = open_services(load_settings({"MODELDECK_DATA_DIR": str(tmp_path / "data")}, tmp_path))
    app = TestClient(Starlette(routes=routes(lambda: opened)), base_url="http://localhost", follow_redirects=False)
    answer = app.post("/api/auth/sign-in", data={"email": "a@b.de", "password": "x"})
    opened.close()
    assert answer.status_code == 404
    assert "no accounts" in answer.json()["error"]["message"]
