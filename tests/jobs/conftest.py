"""A Modeldeck whose clock the test sets, on the embedded file and on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.services import Services, open_services
from lib.settings import load_settings
from tests.postgres import PostgresServer


class Clock:
    """A clock that stands still until a test moves it on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def on(self, **by: float) -> None:
        self.now += timedelta(**by)


class Houses:
    """Processes on one database; ``open`` starts a further one."""

    def __init__(self, settings: dict[str, str], folder: Path, clock: Clock) -> None:
        self.clock = clock
        self._settings, self._folder = settings, folder
        self._open = ExitStack()

    def open(self, **given: str) -> Services:
        services = open_services(load_settings({**self._settings, **given}, self._folder), clock=self.clock)
        self._open.callback(services.close)
        return services

    def close(self) -> None:
        self._open.close()


@pytest.fixture(params=["embedded", "postgres"])
def houses(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Houses]:
    settings = {"MODELDECK_DATA_DIR": str(tmp_path / "data")}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        settings |= {"DATABASE_URL": server.url(server.create_ready()), "ENCRYPTION_KEY": "long-enough-for-tests-0123456789"}
    made = Houses(settings, tmp_path, Clock())
    yield made
    made.close()
