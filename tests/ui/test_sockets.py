"""The server answers on a kept connection at once: pages load a hundred small files, and answers come in small pieces."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import anyio
import pytest
import streamlit as st

from lib.ui import server, sockets
from tests.pages.deck import Deck


def delays(listener: socket.socket) -> bool:
    """Whether a connection that the listener accepts holds small pieces back."""
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        return not accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_connections_of_a_started_server_hold_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "console", Deck(tmp_path / "data", {}).console)

    async def start(listener: socket.socket) -> None:
        async with server.lifespan(st.App(__file__)):
            assert not delays(listener)

    with socket.socket(socket.AF_INET) as listener:  # as Streamlit makes it
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert delays(listener)
        anyio.run(start, listener)


def test_other_open_files_stay_as_they_are() -> None:
    first, second = socket.socketpair()
    with first, second, tempfile.TemporaryFile() as file:
        sockets.send_at_once()
        first.sendall(b"still here")
        assert second.recv(10) == b"still here"
        os.fstat(file.fileno())
