"""The server answers on a kept connection at once: pages load a hundred small files, and answers come in small pieces."""

from __future__ import annotations

import asyncio
import socket
from asyncio import base_events
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import streamlit as st

from lib.ui import server
from tests.pages.deck import Deck


async def holds_back() -> bool:
    """Whether a connection to a server that is made as Streamlit makes it holds small pieces back."""
    found: list[bool] = []
    served = asyncio.Event()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(not writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()
        served.set()

    listener = socket.socket(family=socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    async with await asyncio.start_server(answer, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        await served.wait()
        writer.close()
        await writer.wait_closed()
    return found[0]


def test_connections_of_a_started_server_hold_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_events, "_set_nodelay", lambda _: None)
    monkeypatch.setattr(server, "console", Deck(tmp_path / "data", {}).console)

    async def start() -> tuple[bool, bool]:
        before = await holds_back()
        async with server.lifespan(st.App(__file__)):
            return before, await holds_back()

    with ThreadPoolExecutor(1) as elsewhere:  # this thread may be running a browser's loop
        assert elsewhere.submit(asyncio.run, start()).result() == (True, False)
