"""A migrated SQLite file under a router's desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from lib.store.database import upgrade
from lib.store.engine import open_engine
from tests.routing.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path / 'modeldeck.db'}"), busy_timeout_ms=50)
    upgrade(engine)
    yield Desk(engine)
    engine.dispose()
