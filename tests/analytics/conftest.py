"""A database of either kind for each module, emptied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.engine import open_engine
from tests.analytics.rows import emptied


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("analytics") / "modeldeck.db"
        shutil.copyfile(sqlite_template, file)
        engine = open_engine(SecretStr(f"sqlite:///{file}"))
        yield engine
        engine.dispose()
    else:
        server = request.getfixturevalue("postgres_server")
        name = server.create_ready()
        engine = server.engine(name)
        yield engine
        engine.dispose()
        server.drop(name)


@pytest.fixture
def engine(database: Engine) -> Engine:
    return emptied(database)
