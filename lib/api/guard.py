"""The gate in front of every request: known Host, own Origin, in embedded mode a loopback client."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.api.answers import error_answer
from lib.logs import get_logger

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        # An answer's markdown cannot fetch from elsewhere, so a model cannot carry a conversation out in an image's address.
        "img-src 'self' data: blob:; media-src 'self' data: blob:; object-src 'none'; frame-src 'self' blob: data:; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    ),
)
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?)\.?)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\s]+)")
_log = get_logger(__name__)


class Host(NamedTuple):
    """A Host value taken apart; no name means that it was malformed."""

    name: str | None
    port: int | None


NOWHERE = Host(None, None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is turned away: HTTP status, machine-readable type, and the sentence to show."""

    status: int
    type: str
    message: str


MALFORMED_HOST = Refusal(400, "malformed_host", "The request must carry one valid Host header.")
UNKNOWN_HOST = Refusal(
    403, "unknown_host", "Modeldeck does not answer to this host name. Use http://localhost, or add the name to MODELDECK_ALLOWED_HOSTS."
)
FOREIGN_ORIGIN = Refusal(
    403, "foreign_origin", "This request was sent by another site's page, so it was refused. Open Modeldeck itself and try again."
)
NOT_LOOPBACK = Refusal(403, "not_loopback", "Without sign-in Modeldeck serves only the machine it runs on. Open it there.")


class Guard:
    """ASGI middleware that refuses HTTP requests and websocket handshakes, and adds the security headers to answers.

    ``allowed_hosts`` are names answered to besides loopback ones; ``loopback_only`` refuses clients elsewhere.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Sequence[str] = (), loopback_only: bool = True) -> None:
        self._app = app
        self._allowed = frozenset(parse_host(host).name for host in allowed_hosts) - {None}
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is not None:
            _log.warning("request.refused", reason=refusal.type, method=scope.get("method", "websocket"), path=scope["path"])
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.type})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS:
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if refusal is None else error_answer(refusal.status, refusal.type, refusal.message)
        await app(scope, receive, send_with_headers)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Return why this HTTP or websocket scope must not pass, or None."""
        headers = Headers(scope=scope)
        if self._loopback_only and not _is_loopback((scope.get("client") or ("",))[0]):
            return NOT_LOOPBACK
        hosts = headers.getlist("host")
        host = parse_host(hosts[0]) if len(hosts) == 1 else NOWHERE
        if host.name is None:
            return MALFORMED_HOST
        if not self._is_known(host.name):
            return UNKNOWN_HOST
        changes_state = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changes_state and not all(self._is_own(origin, host) for origin in headers.getlist("origin")):
            return FOREIGN_ORIGIN
        return None

    def _is_known(self, name: str) -> bool:
        return name == "localhost" or name in self._allowed or _is_loopback(name)

    def _is_own(self, origin: str, host: Host) -> bool:
        """Whether an Origin is the address being asked, or one of the allowed names (a proxy may rewrite Host)."""
        match = _ORIGIN.fullmatch(origin.lower())
        if match is None:
            return False
        default = 80 if match["scheme"] == "http" else 443
        claimed = parse_host(match["host"])
        if claimed.name is None:
            return False
        same = (claimed.name, claimed.port or default) == (host.name, host.port or default)
        return claimed.name in self._allowed or (same and self._is_known(claimed.name))


def parse_host(text: str) -> Host:
    """Split a Host value into its name in canonical form and its port; no name when it is malformed."""
    match = _HOST.fullmatch(text.lower())
    if match is None:
        return NOWHERE
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        return NOWHERE
    if match["six"] is None:
        return Host(match["name"], port)
    try:
        return Host(str(ipaddress.IPv6Address(match["six"])), port)
    except ValueError:
        return NOWHERE


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
