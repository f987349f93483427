"""The guard in front of a running server: bytes on a real socket, as a hostile page or machine would send them."""

from __future__ import annotations

import socket

import pytest

UPGRADE = (
    "GET /_stcore/stream HTTP/1.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def send(port: int, *lines: str) -> tuple[int, str]:
    """Send a request as these lines and return the status with all that came back before the server closed or went quiet."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := connection.recv(65536)):
            answer += piece
    text = answer.decode("latin-1")
    return int(text.split(" ", 2)[1]), text


def test_its_own_address_is_answered_with_the_security_headers(port: int) -> None:
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"LOCALHOST.:{port}", f"[::1]:{port}"):
        status, text = send(port, "GET / HTTP/1.1", f"Host: {host}")
        assert status == 200
        assert "content-security-policy: img-src 'self'" in text.lower()
        assert "x-content-type-options: nosniff" in text.lower()


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/host-config", "/static/index.html", "/any"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]"])
def test_a_rebound_name_reads_nothing(port: int, host: str, path: str) -> None:
    assert send(port, f"GET {path} HTTP/1.1", f"Host: {host}")[0] == 403


@pytest.mark.parametrize(
    "lines",
    [
        ("GET / HTTP/1.0",),
        ("GET / HTTP/1.1", "Host:"),
        ("GET / HTTP/1.1", "Host: localhost", "Host: evil.example"),
        ("GET / HTTP/1.1", "Host: localhost:99999"),
        ("GET / HTTP/1.1", "Host: user@localhost"),
        ("GET / HTTP/1.1", "Host: [::1"),
        ("GET / HTTP/1.1", "Host: localhost\xe2\x80\xa8"),
    ],
)
def test_a_malformed_host_is_refused(port: int, lines: tuple[str, ...]) -> None:
    assert send(port, *lines)[0] == 400


def test_an_absolute_address_does_not_stand_in_for_the_host(port: int) -> None:
    assert send(port, "GET http://localhost/ HTTP/1.1", "Host: evil.example")[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/_stcore/upload_file/a/b", "/", "/api/health"])
def test_another_sites_page_cannot_change_anything(port: int, method: str, path: str) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        status, text = send(port, f"{method} {path} HTTP/1.1", f"Host: localhost:{port}", f"Origin: {origin}", "Content-Length: 0")
        assert status == 403
        assert "evil" not in text


def test_its_own_page_may_upload(port: int) -> None:
    own = ("PUT /_stcore/upload_file/a/b HTTP/1.1", f"Host: localhost:{port}", f"Origin: http://localhost:{port}", "Content-Length: 0")
    assert send(port, *own)[0] != 403 or "foreign_origin" not in send(port, *own)[1]


def test_its_own_page_opens_the_stream_and_another_sites_page_does_not(port: int) -> None:
    assert send(port, *UPGRADE, f"Host: localhost:{port}", f"Origin: http://localhost:{port}")[0] == 101
    assert send(port, *UPGRADE, f"Host: localhost:{port}")[0] == 101
    for origin in ("http://evil.example", "null", f"http://localhost:{port + 1 if port < 65535 else 1}", f"http://127.0.0.1:{port}"):
        assert send(port, *UPGRADE, f"Host: localhost:{port}", f"Origin: {origin}")[0] == 403
    for host in ("evil.example", f"evil.example:{port}"):
        assert send(port, *UPGRADE, f"Host: {host}", f"Origin: http://{host}")[0] == 403


@pytest.mark.parametrize("client", ["203.0.113.9", "10.0.0.1, 192.168.0.1", "2001:db8::1"])
def test_a_client_behind_a_local_proxy_is_still_another_machine(port: int, client: str) -> None:
    status, _ = send(port, "GET / HTTP/1.1", f"Host: localhost:{port}", f"X-Forwarded-For: {client}", "Connection: close")
    assert status == 403
    assert send(port, *UPGRADE, f"Host: localhost:{port}", f"X-Forwarded-For: {client}")[0] == 403
