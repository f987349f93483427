"""A Modeldeck whose clock the test sets, on the embedded file and on a real Postgres; seeded once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.services import Services, open_services
from lib.settings import load_settings
from tests.postgres import PostgresServer

ENCRYPTION_KEY = "long-enough-for-tests-0123456789"


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

    def __init__(self, settings: dict[str, str], folder: Path) -> None:
        self.clock = Clock()
        self._settings, self._folder = settings, folder
        self._open = ExitStack()

    def open(self, **given: str) -> Services:
        services = open_services(load_settings({**self._settings, **given}, self._folder), clock=self.clock)
        self._open.callback(services.close)
        return services

    def close(self) -> None:
        self._open.close()


def _seed(settings: dict[str, str], folder: Path) -> None:
    open_services(load_settings(settings, folder), clock=Clock()).close()


@pytest.fixture(scope="session")
def embedded_seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first start."""
    folder = tmp_path_factory.mktemp("houses")
    _seed({"MODELDECK_DATA_DIR": str(folder / "data")}, folder)
    return folder / "data"


@pytest.fixture(scope="session")
def postgres_seeded(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database after its first start."""
    name, folder = postgres_server.create_ready(), tmp_path_factory.mktemp("houses")
    _seed({"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": ENCRYPTION_KEY}, folder)
    return name


@pytest.fixture(params=["embedded", "postgres"])
def houses(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Houses]:
    settings = {"MODELDECK_DATA_DIR": str(tmp_path / "data")}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        copy = server.create(template=request.getfixturevalue("postgres_seeded"))
        settings |= {"DATABASE_URL": server.url(copy), "ENCRYPTION_KEY": ENCRYPTION_KEY}
    else:
        shutil.copytree(request.getfixturevalue("embedded_seeded"), tmp_path / "data")
    made = Houses(settings, tmp_path)
    yield made
    made.close()
    if request.param == "postgres":
        server.drop(copy)
