"""Fixtures that every part of the suite may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.database import upgrade
from lib.store.engine import open_engine
from tests.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running Postgres cluster, started when the first test asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """An embedded database with today's schema."""
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path / 'modeldeck.db'}"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_server: PostgresServer) -> Iterator[Engine]:
    """A database with today's schema on a real Postgres."""
    name = postgres_server.create_ready()
    engine = postgres_server.engine(name)
    yield engine
    engine.dispose()
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_engine(request: pytest.FixtureRequest) -> Engine:
    """A database with today's schema, once embedded and once on a real Postgres."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine
