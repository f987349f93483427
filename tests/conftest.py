"""Fixtures that every part of the suite may use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.database import upgrade
from lib.store.engine import open_engine
from tests.browser.conftest import FLAGS, chromium
from tests.postgres import PostgresServer, running_postgres
from tests.stack.stack import Stack, running_stack

# how long one example takes says how busy the machine is, not whether the example holds
hypothesis.settings.register_profile("house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running Postgres cluster, started when the first test asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A small Supabase (Postgres, PostgREST, auth and gateway) with today's migrations, started when first asked for."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with today's schema, made once and copied for each test that wants one."""
    path = tmp_path_factory.mktemp("template") / "modeldeck.db"
    engine = open_engine(SecretStr(f"sqlite:///{path}"))
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_engine(tmp_path: Path, sqlite_template: Path) -> Iterator[Engine]:
    """An embedded database with today's schema."""
    path = tmp_path / "modeldeck.db"
    shutil.copyfile(sqlite_template, path)
    engine = open_engine(SecretStr(f"sqlite:///{path}"))
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from the system, one for the session; Playwright's own download is not needed."""
    executable = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()
