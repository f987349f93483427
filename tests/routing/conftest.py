"""A router's desk on either database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.engine import open_engine
from tests.routing.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path) -> Iterator[Desk]:
    """A desk on a SQLite file whose locks are waited for only briefly."""
    file = tmp_path / "modeldeck.db"
    shutil.copyfile(sqlite_template, file)
    engine = open_engine(SecretStr(f"sqlite:///{file}"), busy_timeout_ms=50)
    yield Desk(engine)
    engine.dispose()


@pytest.fixture
def any_desk(database_engine: Engine) -> Desk:
    """A desk on SQLite, then on Postgres."""
    return Desk(database_engine)
