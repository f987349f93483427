"""A migrated database on either server, and a clock that is moved by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.engine import open_engine


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 5, 12, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    return tmp_path / "modeldeck.db"


@pytest.fixture
def embedded(database_file: Path, sqlite_template: Path) -> Iterator[Engine]:
    """A SQLite file whose locks are waited for only briefly."""
    shutil.copyfile(sqlite_template, database_file)
    engine = open_engine(SecretStr(f"sqlite:///{database_file}"), busy_timeout_ms=50)
    yield engine
    engine.dispose()


@pytest.fixture(params=["embedded", "postgres_engine"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine
