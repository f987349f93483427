"""A key ring on a real database file, and providers to hang keys on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.credentials import KeyRing
from lib.settings import Settings
from lib.store.base import Actor

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ACTOR = Actor("Ada", origin="page")
CANARY = "sk-canary-7f3a9d-do-not-leak-2b81c4"


@dataclass(frozen=True)
class Ref:
    """A provider as the key ring sees it."""

    id: int = 1
    slug: str = "openai"
    kind: str = "openai"
    display_name: str = "OpenAI"
    base_url: str | None = None
    owner_id: str | None = None

    def at(self, base_url: str | None) -> Ref:
        return replace(self, base_url=base_url)


def settings_for(folder: Path, **values: str) -> Settings:
    secrets = {name: SecretStr(value) for name, value in values.items()}
    return Settings("embedded", folder, SecretStr(""), encryption_key=secrets.get("ENCRYPTION_KEY"), values=secrets)


@pytest.fixture
def engine(sqlite_engine: Engine) -> Engine:
    """The database file of these tests, modeldeck.db."""
    return sqlite_engine


@pytest.fixture
def ring(engine: Engine, tmp_path: Path) -> Callable[..., KeyRing]:
    """Make a key ring as a process with these settings would."""

    def make(**values: str) -> KeyRing:
        return KeyRing(engine, settings_for(tmp_path, **values), lambda: NOW)

    return make
