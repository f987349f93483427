"""The page on deploying, done word by word: what it says to back up is everything that a restored Modeldeck needs.

How a database of an earlier version is upgraded, and copied before, is tried in tests/store/test_database.py and test_migrations.py.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.access import LOCAL_ADMIN
from lib.errors import WrongEncryptionKey
from lib.services import Services, open_services
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.usage_tables import llm_usage_log
from tests.deploy.unprivileged import PATH
from tests.postgres import PostgresServer
from tests.serving import ROOT, clean_environ
from tests.store.calls import closed, insert

PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
KEY = "sk-restored-0123456789abcdef"
ACTOR = Actor("Setup", None, "cli")


def steps(title: str, number: int) -> str:
    """Return a block of commands from a section of the page."""
    section = PAGE.split(f"\n### {title}\n", 1)[1].split("\n#", 1)[0]
    return str(re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)[number])


def follow(commands: str, environ: dict[str, str]) -> str:
    """Run commands as a person would who stops at the first that fails; return what they printed."""
    environ = environ | {"PATH": PATH}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], env=environ, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Folders:
    """Where a person keeps things."""

    data: Path
    backups: Path
    safe: Path

    def environ(self, **settings: str) -> dict[str, str]:
        """Return the environment that the page's commands use."""
        named = {"DATA": str(self.data), "BACKUPS": str(self.backups), "SAFE": str(self.safe)}
        return clean_environ(self.data, **settings) | named


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Empty folders for backups and keys, and a data folder still to be made."""
    for name in ("backups", "safe"):
        (tmp_path / name).mkdir()
    return Folders(tmp_path / "data", tmp_path / "backups", tmp_path / "safe")


@contextmanager
def opened(data: Path, **settings: str) -> Iterator[Services]:
    """Open the services on a data folder or a database."""
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(data), **settings}, data))
    yield services
    services.close()


def store_key(services: Services) -> None:
    """Paste a provider's key."""
    services.keys.set_system_key(services.registry(LOCAL_ADMIN).provider("openai"), KEY, ACTOR)


def stored_key(services: Services) -> str:
    """Decrypt that key."""
    key = services.keys.resolve(services.registry(LOCAL_ADMIN).provider("openai")).api_key
    assert key
    return key.get_secret_value()


def calls(engine: Engine) -> int:
    """Count the calls of the log."""
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(llm_usage_log)) or 0


@contextmanager
def written_to(engine: Engine) -> Iterator[None]:
    """Write calls from another thread for as long as the block lasts, the first of them before it begins."""
    begun, over = threading.Event(), threading.Event()

    def write() -> None:
        while not over.wait(0.005):  # as fast as it can, it would take the processor from what is tried
            with writing(engine).begin() as connection:
                insert(connection, closed())
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(30)
    try:
        yield
    finally:
        over.set()
        writer.join()


def test_an_embedded_database_copied_while_it_is_written_comes_back_whole(folders: Folders, tmp_path: Path) -> None:
    with opened(folders.data) as services:
        store_key(services)
        with written_to(services.engine):
            before = calls(services.engine)
            follow(steps("The embedded database", 0), folders.environ())
            after = calls(services.engine)
    assert after > before > 0, "nothing was written meanwhile"
    (copy,) = folders.backups.iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600

    fresh = Folders(tmp_path / "fresh", folders.backups, folders.safe)
    assert "No problem found." in follow(steps("The embedded database", 1), fresh.environ())
    assert {path.stat().st_mode & 0o077 for path in (fresh.data, *fresh.data.iterdir())} == {0}
    with opened(fresh.data) as services:
        assert before <= calls(services.engine) <= after
        assert stored_key(services) == KEY
    (fresh.data / "encryption.key").unlink()
    with opened(fresh.data) as services, pytest.raises(WrongEncryptionKey):
        stored_key(services)


@dataclass(frozen=True)
class Owned:
    """Two empty databases of a user who may do nothing else, as the page asks for."""

    server: PostgresServer
    names: tuple[str, str]

    def settings(self, number: int, key: str = "a-key-for-tests-0123456789") -> dict[str, str]:
        """Return what a server on one of them is told."""
        return {"DATABASE_URL": self.server.url(self.names[number]).replace("postgres@", "deck_owner@"), "ENCRYPTION_KEY": key}


@pytest.fixture
def owned(postgres_server: PostgresServer) -> Iterator[Owned]:
    """Databases and their owner, gone afterwards."""
    names = (postgres_server.create(), postgres_server.create())
    engine = postgres_server.engine("postgres")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE ROLE deck_owner LOGIN"))
        for name in names:
            connection.execute(sa.text(f"ALTER DATABASE {name} OWNER TO deck_owner"))
    yield Owned(postgres_server, names)
    for name in names:
        postgres_server.drop(name)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP ROLE deck_owner"))
    engine.dispose()


def test_a_postgres_database_comes_back_from_its_dump(folders: Folders, owned: Owned) -> None:
    old, new = owned.settings(0), owned.settings(1)
    follow("python -m lib db upgrade", folders.environ(**old))
    with opened(folders.data, **old) as services:
        store_key(services)
        with writing(services.engine).begin() as connection:
            insert(connection, *(closed() for _ in range(20)))
        with written_to(services.engine):
            before = calls(services.engine)
            follow(steps("Postgres", 0), folders.environ(**old))
            after = calls(services.engine)
    assert "No problem found." in follow(steps("Postgres", 1), folders.environ(**new))
    with opened(folders.data, **new) as services:
        assert 20 < before <= calls(services.engine) <= after
        assert stored_key(services) == KEY
    with opened(folders.data, **owned.settings(1, "another-key-for-tests-01234")) as services, pytest.raises(WrongEncryptionKey):
        stored_key(services)
