"""Have the server send small pieces at once, or every answer on a kept connection waits 40 ms for an acknowledgement."""

from __future__ import annotations

import socket
from asyncio import base_events

_INTERNET = (socket.AF_INET, socket.AF_INET6)


def send_at_once() -> None:
    """Turn off Nagle's algorithm on every TCP connection that asyncio serves from now on.

    asyncio does so itself, but only for sockets made with their protocol named, which Streamlit's listener is not.
    """
    base_events._set_nodelay = _set_nodelay  # type: ignore[attr-defined]


def _set_nodelay(one: socket.socket) -> None:
    if one.family in _INTERNET and one.type == socket.SOCK_STREAM:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
