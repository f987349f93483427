"""The one httpx client that every call of this process shares."""

from __future__ import annotations

import ssl
import threading

import httpcore
import httpx

from lib.net.guard import Guard, OutboundRefused, look_up
from lib.net.line import Lines

TIMEOUT = httpx.Timeout(connect=10.0, read=120.0, write=30.0, pool=10.0)
"""Seconds. ``read`` bounds the silence between two chunks; how long a whole answer may take is the caller's to say."""

LIMITS = httpx.Limits(max_connections=400, max_keepalive_connections=100, keepalive_expiry=60.0)
"""As many connections as the server has threads, so that no call waits for another one's stream."""

_lock = threading.Lock()
_shared: dict[Guard | None, httpx.Client] = {}


class Wire(httpx.HTTPTransport):
    """httpx's own transport over connections that can be hung up on; httpx has no argument for that, its pool has.

    With a guard every connection of its pool leads to an address that the guard let pass.
    """

    def __init__(self, context: ssl.SSLContext, guard: Guard | None = None, backend: Lines | None = None) -> None:
        super().__init__(verify=context, trust_env=False)
        self._guard = guard
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=backend or Lines(guard.addresses if guard else look_up),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._guard is not None and request.url.userinfo:
            raise OutboundRefused("The base URL holds a name or password. Leave them out; keys are entered beside it.")
        return super().handle_request(request)


def new_client(transport: httpx.BaseTransport | None = None, *, guard: Guard | None = None) -> httpx.Client:
    """Return a client with the product's limits: no proxy or .netrc from the environment, and no redirect followed.

    A redirect would carry the key to an address nobody entered. ``guard`` bounds which addresses it connects to.
    ``transport`` replaces the network, the guard included.
    """
    transport = transport or Wire(httpx.create_ssl_context(trust_env=False), guard)
    return httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False, transport=transport)


def shared_client(guard: Guard | None = None) -> httpx.Client:
    """Return this process's client, made on first use; any thread may call it.

    Each guard has a client of its own, so that no call it is meant for travels on a connection it did not let pass.
    """
    with _lock:
        client = _shared.get(guard)
        if client is None or client.is_closed:
            client = _shared[guard] = new_client(guard=guard)
        return client


def close_shared_client() -> None:
    """Close the shared clients and their connections; the next use makes new ones."""
    with _lock:
        clients = tuple(_shared.values())
        _shared.clear()
    for client in clients:
        client.close()
