"""The server looks after its jobs from its start to its end, and its start does not wait for them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest

from lib.jobs import Scheduler
from lib.services import Services
from lib.ui import server
from lib.ui.context import Console
from tests.jobs.conftest import Houses
from tests.jobs.test_scheduler import job


def test_jobs_run_while_the_server_does(houses: Houses, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    services, begun, done = houses.open(), threading.Event(), threading.Event()

    def run(_: Services) -> str:
        begun.wait(30)
        done.set()
        return "Done."

    monkeypatch.setattr(server, "console", Console(load=lambda: services.settings, start=lambda _: services))
    monkeypatch.setattr(server, "Scheduler", partial(Scheduler, jobs=[job(run)], first_look=0, look_every=0.01))

    async def live() -> None:
        async with server.lifespan(cast(Any, None)):
            begun.set()  # only now: a server that waited for its jobs would not have come here
            await anyio.to_thread.run_sync(done.wait, 30)

    with ThreadPoolExecutor(1) as apart:  # a browser of other tests may have an event loop in this thread
        apart.submit(anyio.run, live).result(60)
    assert done.is_set()
    assert "modeldeck-heartbeat" not in {thread.name for thread in set(threading.enumerate()) - before}
