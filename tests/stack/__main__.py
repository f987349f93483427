"""Run the stack: for the tests until standard input closes, or with --demo for a person until Ctrl-C."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import uvicorn
from starlette.applications import Starlette

from tests.stack.admin import AuthAdmin
from tests.stack.gateway import Gateway, Keys
from tests.stack.parts import make_project, migrate, running_auth, running_platform, running_postgrest, url
from tests.stack.stack import PASSWORD, Stack

DEMO = (("admin@example.com", "admin"), ("analyst@example.com", "analyst"), ("member@example.com", "member"))


@contextmanager
def stack(*, default_grants: bool = False, auth: dict[str, Any] | None = None) -> Iterator[Stack]:
    """Start everything in this process and its children, and stop it in the opposite order."""
    keys = Keys(f"sb_publishable_{secrets.token_hex(16)}", f"sb_secret_{secrets.token_hex(16)}", secrets.token_hex(32))
    with running_platform() as server:
        database_url = make_project(server, "project", default_grants=default_grants)
        migrate(database_url)
        with (
            running_postgrest(server, "project", keys) as rest,
            running_auth(server, "project", keys, auth or {}) as auth_url,
            _serving(Gateway(keys, rest, auth_url, AuthAdmin(url(server, "project", "supabase_auth_admin"), auth_url)).app()) as address,
        ):
            yield Stack(address, database_url, keys.publishable, keys.secret, keys.jwt_secret)


@contextmanager
def _serving(app: Starlette) -> Iterator[str]:
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # named, or asyncio leaves small answers waiting for 40 ms
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def main() -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control starts what is behind & deaf to it
    if sys.argv[1:] == ["--demo"]:
        try:
            _demo()
        except KeyboardInterrupt:
            print("\nStopped.")
        return
    with stack(**json.loads(sys.argv[1])) as running:
        print(json.dumps(asdict(running)), flush=True)
        sys.stdin.read()


def _demo() -> None:
    with stack() as running:
        for email, role in DEMO:
            running.sign_up(email, role=role)
        print("A small Supabase runs until Ctrl-C. Put this into .env, then make run:\n")
        print("\n".join(f"{name}={value}" for name, value in running.settings.items()))
        print(f"\nAccounts, password {PASSWORD}: {', '.join(email for email, _ in DEMO)}", flush=True)
        signal.pause()


main()
