"""A registry on a real database file; the schema is made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.access import LOCAL_ADMIN, Principal
from lib.credentials import KeyRing
from lib.pricing.catalogue import look_up
from lib.registry import Registry
from lib.registry.seeding import Catalogue
from lib.settings import Settings
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import SqlStore

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ACTOR = Actor("Ada")
NOTHING_SET: Mapping[str, str] = {}


class House:
    """One data folder; ``registry`` opens it as a process with these settings would."""

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        self.folder = folder
        self.now = NOW
        self.engine = engine or open_engine(SecretStr(f"sqlite:///{folder / 'modeldeck.db'}"))
        self.store = SqlStore(self.engine, ACTOR, clock=lambda: self.now)

    def settings(self, values: Mapping[str, str] = NOTHING_SET) -> Settings:
        secrets = {name: SecretStr(value) for name, value in values.items()}
        return Settings("embedded", self.folder, SecretStr(""), encryption_key=secrets.get("ENCRYPTION_KEY"), values=secrets)

    def keys(self, values: Mapping[str, str] = NOTHING_SET) -> KeyRing:
        return KeyRing(self.engine, self.settings(values), lambda: self.now)

    def registry(
        self, values: Mapping[str, str] = NOTHING_SET, *, principal: Principal = LOCAL_ADMIN, catalogue: Catalogue = look_up
    ) -> Registry:
        return Registry(self.store, self.keys(values), self.settings(values), principal, lambda: self.now, catalogue)

    def add_model(self, key: str, provider: str = "openai", **values: object) -> int:
        owner = self.store.select("llm_providers", where={"slug": provider})[0]["id"]
        row = {"model_key": key, "upstream_id": key, "display_name": key, "provider_id": owner, "is_active": True, **values}
        model_id: int = self.store.insert("llm_models", [row])[0]["id"]
        return model_id


def copy_of(source: Path, folder: Path) -> House:
    """Open a copy of a database in another folder."""
    shutil.copyfile(source, folder / "modeldeck.db")
    return House(folder)


@pytest.fixture(scope="session")
def seeded_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    house = copy_of(sqlite_template, tmp_path_factory.mktemp("seeded"))
    house.registry().seed()
    with house.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    house.engine.dispose()
    return house.folder / "modeldeck.db"


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    """An empty database with two callable providers."""
    made = copy_of(sqlite_template, tmp_path)
    made.store.insert(
        "llm_providers", [{"slug": kind, "kind": kind, "display_name": name} for kind, name in (("openai", "OpenAI"), ("demo", "Demo"))]
    )
    yield made
    made.engine.dispose()


@pytest.fixture
def seeded(seeded_template: Path, tmp_path: Path) -> Iterator[House]:
    """A freshly seeded database."""
    made = copy_of(seeded_template, tmp_path)
    yield made
    made.engine.dispose()
