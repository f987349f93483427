"""A real Modeldeck server for tests: its own process, data folder and port, stopped by process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
_READY = "URL:"


@dataclass
class Server:
    """A running server; ``log`` is everything it wrote, for tests that look for what must not be there."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]
    lines: list[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    """What it was told besides its data folder."""

    @property
    def log(self) -> str:
        """All output so far."""
        return "".join(self.lines)


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environ(data_dir: Path, **settings: str) -> dict[str, str]:
    """Return an environment in which only these settings are given, whatever the machine's own has.

    Made-up keys make providers look connected: nobody asks them by itself for their models.
    """
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return (
        {name: os.environ[name] for name in kept if name in os.environ}
        | {"MODELDECK_DATA_DIR": str(data_dir), "REFRESH_MODELS": "off"}
        | settings
    )


@contextmanager
def serve(data_dir: Path, script: str = "app.py", **settings: str) -> Iterator[Server]:
    """Run ``streamlit run app.py``, or another script, on a free loopback port until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
        cwd=ROOT,
        env=clean_environ(data_dir, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    ready = threading.Event()

    def drain() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if _READY in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        ready.wait(60)
        if process.poll() is not None or _READY not in "".join(lines):
            raise AssertionError("the server did not start:\n" + "".join(lines))
        yield Server(f"http://localhost:{port}", data_dir, process, lines, settings)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
        reader.join(5)
        if process.stdout is not None:
            process.stdout.close()
