"""A server on a real socket that misbehaves byte by byte, below what an HTTP library would let it do.

``with HostileServer(act) as server``: each connection's request is read, then ``act`` plays its part on it. What it
is given can send bytes, stall until the client leaves, break off, or reset.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Peer:
    """One client's connection, after its request has been read."""

    connection: socket.socket
    head: str
    body: bytes
    left: threading.Event
    over: threading.Event

    def send(self, *pieces: bytes) -> None:
        """Send bytes; raises OSError when the client has left."""
        for piece in pieces:
            self.connection.sendall(piece)

    def stall(self) -> None:
        """Say nothing until the client leaves."""
        self.connection.settimeout(30)
        if not self.connection.recv(1):
            self.left.set()

    def ignore(self) -> None:
        """Neither read nor say anything until the test is over."""
        self.over.wait(30)

    def keep_sending(self, pieces: Iterable[bytes], pause: float = 0.0) -> None:
        """Send without an end, until the client leaves."""
        tick = threading.Event()
        try:
            for piece in pieces:
                self.connection.sendall(piece)
                tick.wait(pause)
        except OSError:
            self.left.set()

    def reset(self) -> None:
        """Break the connection off with a reset in place of a goodbye."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Act = Callable[[Peer], None]


@dataclass
class HostileServer:
    """Listens on a free loopback port until the block ends; ``seen`` are the requests' heads, ``left`` a client's leaving.

    ``listens=False`` acts without having read a request.
    """

    act: Act
    tls: ssl.SSLContext | None = None
    listens: bool = True
    seen: list[str] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> HostileServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        for connection in [self._listener, *self._open]:
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                pass  # gone already
            connection.close()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def base_url(self) -> str:
        """The base URL to enter for a provider."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    def _accept(self) -> None:
        players = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self._open.append(connection)
            players.append(threading.Thread(target=self._play, args=(connection,), daemon=True))
            players[-1].start()
        for player in players:
            player.join()

    def _play(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            head, body = _request(connection) if self.listens else ("", b"")
            self.seen.append(head)
            self.asked.set()
            self.act(Peer(connection, head, body, self.left, self.over))
        except OSError:
            self.left.set()  # the client went first, or the test is over
        finally:
            connection.close()


def _request(connection: socket.socket) -> tuple[str, bytes]:
    raw = b""
    while b"\r\n\r\n" not in raw:
        if not (more := connection.recv(65536)):
            raise ConnectionError("no request came")
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head.decode("latin-1"), body


def head(content_type: str = "text/event-stream", status: str = "200 OK", **headers: str) -> bytes:
    """Return a response's head; without a length the body ends with the connection."""
    lines = {"content-type": content_type, "connection": "close"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return "\r\n".join([f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in lines.items()), "", ""]).encode()


def say(*pieces: bytes, then: Act | None = None) -> Act:
    """Return the act that sends these bytes, does what comes then, and closes."""

    def act(peer: Peer) -> None:
        peer.send(*pieces)
        if then is not None:
            then(peer)

    return act


def bomb(size: int) -> bytes:
    """Return ``size`` bytes of nothing, compressed a thousandfold."""
    return gzip.compress(b'{"' + b" " * size, 9)


def in_openai(words: str) -> bytes:
    """Return an OpenAI-compatible chunk with these words."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": words}}]}).encode() + b"\n\n"


def in_anthropic(words: str) -> bytes:
    """Return an Anthropic event with these words."""
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}
    return b"event: content_block_delta\ndata: " + json.dumps(delta).encode() + b"\n\n"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Return a self-signed certificate for a host name and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / "server.crt", folder / "server.key"
    crt.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return crt, pem
