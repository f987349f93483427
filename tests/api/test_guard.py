"""Requests that another site, another machine or a rebound name could send must be refused before anything reads them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from lib.api.guard import FOREIGN_ORIGIN, MALFORMED_HOST, NOT_LOOPBACK, SECURITY_HEADERS, UNKNOWN_HOST, Guard, Refusal

HERE = "127.0.0.1"


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """The app behind the guard when only its verdict is asked."""


def verdict(
    *headers: tuple[str, str],
    method: str = "GET",
    kind: str = "http",
    client: str | None = HERE,
    allowed: tuple[str, ...] = (),
    loopback_only: bool = True,
) -> Refusal | None:
    scope = {
        "type": kind,
        "path": "/",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": None if client is None else (client, 50_000),
    }
    if kind == "http":
        scope["method"] = method
    return Guard(nothing, allowed_hosts=allowed, loopback_only=loopback_only).refusal(scope)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8501",
        "LocalHost:1",
        "localhost.",
        "localhost.:8501",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.8.8.8",
        "[::1]",
        "[::1]:8501",
        "[0:0:0:0:0:0:0:1]:8501",
        "[::ffff:127.0.0.1]",
        "deck.example.com",
        "DECK.EXAMPLE.COM.:443",
    ],
)
def test_the_names_of_this_server_are_answered(host: str) -> None:
    assert verdict(("host", host), allowed=("Deck.example.com",)) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8501",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "deck.example.com.evil.example",
        "sub.deck.example.com",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "192.168.1.5:8501",
        "[::]",
        "[::2]:8501",
        "[fe80::1]",
    ],
)
def test_a_name_that_is_not_this_servers_is_refused_so_dns_rebinding_reads_nothing(host: str) -> None:
    assert verdict(("host", host), allowed=("deck.example.com",)) is UNKNOWN_HOST


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ":8501",
        "localhost:",
        "localhost:port",
        "localhost:0",
        "localhost:65536",
        "localhost:8501:8501",
        "localhost..",
        "user@localhost",
        "evil.example@localhost",
        "localhost/path",
        "localhost#x",
        "localhost?x",
        "localhost, evil.example",
        "local\thost",
        "http://localhost",
        "[::1",
        "::1",
        "[::1]evil",
        "[::1%25eth0]",
        "[localhost]",
        "[:::1]",
        "\u217cocalhost".encode().decode("latin-1"),
        "a" * 300,
    ],
)
def test_a_malformed_host_is_refused(host: str) -> None:
    assert verdict(("host", host)) is MALFORMED_HOST


def test_a_request_must_carry_exactly_one_host() -> None:
    assert verdict() is MALFORMED_HOST
    assert verdict(("host", "localhost"), ("host", "evil.example")) is MALFORMED_HOST
    assert verdict(("host", "localhost"), ("host", "localhost")) is MALFORMED_HOST


FOREIGN = [
    "http://evil.example",
    "https://localhost.evil.example:8501",
    "http://localhost:3000",
    "http://localhost",
    "https://localhost:8501x",
    "http://127.0.0.1:8501",
    "null",
    "",
    "file://",
    "localhost:8501",
    "//localhost:8501",
    "http://localhost:8501/",
    "http://localhost:8501/path",
    "http://user@localhost:8501",
    "http://localhost:8501@evil.example",
    "http://evil.example#localhost:8501",
    "http://localhost:8501 http://evil.example",
    "http://[::1",
    "chrome-extension://abcdef",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_a_foreign_page_cannot_change_anything(origin: str, method: str) -> None:
    assert verdict(("host", "localhost:8501"), ("origin", origin), method=method) is FOREIGN_ORIGIN


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_cannot_open_a_websocket(origin: str) -> None:
    assert verdict(("host", "localhost:8501"), ("origin", origin), kind="websocket") is FOREIGN_ORIGIN


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8501", "http://localhost:8501"),
        ("LOCALHOST:8501", "HTTP://localhost:8501"),
        ("localhost.:8501", "http://localhost:8501"),
        ("localhost", "http://localhost"),
        ("localhost", "https://localhost"),
        ("localhost:80", "http://localhost"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("[::1]:8501", "http://[::1]:8501"),
        ("deck.example.com", "https://deck.example.com"),
        ("127.0.0.1:8501", "https://deck.example.com"),
        ("deck.example.com:8443", "https://deck.example.com:8443"),
    ],
)
def test_its_own_pages_may_change_things_also_behind_a_proxy_that_is_named(host: str, origin: str) -> None:
    for kind in ("http", "websocket"):
        assert verdict(("host", host), ("origin", origin), method="POST", kind=kind, allowed=("deck.example.com",)) is None


def test_a_second_foreign_origin_is_not_overlooked() -> None:
    assert (
        verdict(("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example"), method="POST") is FOREIGN_ORIGIN
    )


def test_programs_without_an_origin_and_plain_reads_pass() -> None:
    assert verdict(("host", "localhost"), method="POST") is None
    assert verdict(("host", "localhost"), kind="websocket") is None
    assert verdict(("host", "localhost"), ("origin", "http://evil.example"), method="GET") is None


@pytest.mark.parametrize("client", ["192.168.1.5", "10.0.0.1", "::2", "fe80::1", "::ffff:192.168.1.5", "testclient", "", None])
def test_without_sign_in_another_machine_is_refused(client: str | None) -> None:
    for kind in ("http", "websocket"):
        assert verdict(("host", "localhost"), client=client, kind=kind) is NOT_LOOPBACK


@pytest.mark.parametrize("client", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_served(client: str) -> None:
    assert verdict(("host", "localhost"), client=client) is None


def test_a_mode_with_sign_in_serves_other_machines_under_its_own_names_only() -> None:
    assert verdict(("host", "deck.example.com"), client="192.168.1.5", loopback_only=False, allowed=("deck.example.com",)) is None
    assert verdict(("host", "evil.example"), client="192.168.1.5", loopback_only=False, allowed=("deck.example.com",)) is UNKNOWN_HOST


def echo(request: Request) -> Response:
    return PlainTextResponse(request.method, headers={"X-Own": "kept"})


def framed(_request: Request) -> Response:
    return PlainTextResponse("", headers={"Content-Security-Policy": "default-src 'none'"})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("open")
    await websocket.close()


@pytest.fixture
def client() -> TestClient:
    app = Starlette(
        routes=[Route("/", echo, methods=["GET", "POST"]), Route("/framed", framed), WebSocketRoute("/ws", socket)],
        middleware=[Middleware(Guard)],
    )
    return TestClient(app, base_url="http://localhost:8501", client=(HERE, 50_000))


def test_every_answer_carries_the_security_headers_a_refusal_too(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/", headers={"Host": "evil.example"}), client.get("/missing")):
        for name, value in SECURITY_HEADERS:
            assert answer.headers[name] == value
    assert client.get("/").headers["X-Own"] == "kept"
    assert client.get("/framed").headers.get_list("Content-Security-Policy") == ["default-src 'none'"]


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [({"Host": "evil.example"}, UNKNOWN_HOST), ({"Host": "a b"}, MALFORMED_HOST), ({"Origin": "http://evil.example"}, FOREIGN_ORIGIN)],
)
def test_a_refusal_is_said_in_the_apis_one_shape_and_does_not_repeat_what_was_sent(
    client: TestClient, headers: dict[str, str], refusal: Refusal
) -> None:
    answer = client.post("/", headers=headers)
    assert answer.status_code == refusal.status
    assert answer.json() == {"error": {"type": refusal.type, "message": refusal.message}}
    assert "evil" not in answer.text


def test_a_refused_websocket_is_never_accepted(client: TestClient) -> None:
    with client.websocket_connect("ws://localhost:8501/ws", headers={"Origin": "http://localhost:8501"}) as open_socket:
        assert open_socket.receive_text() == "open"
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("ws://localhost:8501/ws", headers=headers):
            pass
        assert caught.value.code == 1008
