"""Have the server send small pieces at once, or every answer on a kept connection waits 40 ms for an acknowledgement."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_OPEN_FILES = Path("/dev/fd")
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def send_at_once() -> None:
    """Turn off Nagle's algorithm on this process's TCP sockets; connections accepted from now on inherit it.

    asyncio does so only for sockets made with their protocol named, which Streamlit's is not.
    """
    if not _OPEN_FILES.is_dir():
        return
    for file in list(_OPEN_FILES.iterdir()):
        try:
            with socket.socket(fileno=os.dup(int(file.name))) as one:
                if one.family in _INTERNET and one.type == socket.SOCK_STREAM:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # no socket, or closed meanwhile
            continue
