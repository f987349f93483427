"""The one httpx client that every call of this process shares."""

from __future__ import annotations

import ssl
import threading

import httpcore
import httpx

from lib.net.line import Lines

TIMEOUT = httpx.Timeout(connect=10.0, read=120.0, write=30.0, pool=10.0)
"""Seconds. ``read`` bounds the silence between two chunks; how long a whole answer may take is the caller's to say."""

LIMITS = httpx.Limits(max_connections=400, max_keepalive_connections=100, keepalive_expiry=60.0)
"""As many connections as the server has threads, so that no call waits for another one's stream."""

_lock = threading.Lock()
_shared: httpx.Client | None = None


class Wire(httpx.HTTPTransport):
    """httpx's own transport over connections that can be hung up on; httpx has no argument for that, its pool has."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=Lines(),
        )


def new_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return a client with the product's limits: no proxy or .netrc from the environment, and no redirect followed.

    A redirect would carry the key to an address nobody entered. ``transport`` replaces the network.
    """
    transport = transport or Wire(httpx.create_ssl_context(trust_env=False))
    return httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False, transport=transport)


def shared_client() -> httpx.Client:
    """Return this process's client, made on first use; any thread may call it."""
    global _shared
    with _lock:
        if _shared is None or _shared.is_closed:
            _shared = new_client()
        return _shared


def close_shared_client() -> None:
    """Close the shared client and its connections; the next use makes a new one."""
    global _shared
    with _lock:
        client, _shared = _shared, None
    if client is not None:
        client.close()
