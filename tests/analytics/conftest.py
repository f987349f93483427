"""A migrated SQLite file for each module, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.database import upgrade
from lib.store.engine import open_engine
from tests.analytics.rows import emptied


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path_factory.mktemp('analytics') / 'modeldeck.db'}"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(database: Engine) -> Engine:
    return emptied(database)
