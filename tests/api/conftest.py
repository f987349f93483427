"""A real server on loopback: uvicorn, a Streamlit app, the guard and the API's routes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = """
import streamlit as st
from starlette.middleware import Middleware
from lib.api.guard import Guard

if __name__ == "__main__":
    st.write("hello")
else:
    app = st.App(__file__, middleware=[Middleware(Guard)])
"""
SERVE = """
import socket, sys, uvicorn
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(128)
sys.path.insert(0, sys.argv[1])
config = uvicorn.Config("app:app", log_level="warning")
print(listener.getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=[listener])
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running server; requests that come before it is ready wait in its socket's queue."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "app.py").write_text(APP)
    with subprocess.Popen([sys.executable, "-c", SERVE, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()
