"""Opening the database: it is made, upgraded, or the person is told why not; and what was in it is never lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.errors import StoreUnavailable
from lib.settings import Settings, load_settings
from lib.store.base import Actor
from lib.store.database import HEAD, MIGRATIONS, check, open_database, upgrade
from lib.store.engine import open_engine, writing
from lib.store.sql import SqlStore
from lib.store.triggers import problems
from lib.store.verify import verify
from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


def settings_for(folder: Path) -> Settings:
    return load_settings({"MODELDECK_DATA_DIR": str(folder)}, root=folder.parent / "no-such-root")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder that does not exist yet; made writable again afterwards, whatever the test did to it."""
    path = tmp_path / "data"
    yield path
    if path.is_dir():
        path.chmod(0o700)


@pytest.fixture
def file(folder: Path, sqlite_template: Path) -> Path:
    """A database with today's schema and one provider in it."""
    folder.mkdir(mode=0o700)
    path = folder / "modeldeck.db"
    shutil.copyfile(sqlite_template, path)
    _add_provider(path)
    return path


@pytest.fixture
def old_file(folder: Path) -> Path:
    """A database as the first migration left it, with one provider in it."""
    folder.mkdir(mode=0o700)
    path = folder / "modeldeck.db"
    engine = open_engine(SecretStr(f"sqlite:///{path}"))
    _migrate_to(engine, "0001")
    engine.dispose()
    _add_provider(path)
    return path


def _migrate_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _add_provider(path: Path) -> None:
    row = "INSERT INTO llm_providers (slug, kind, display_name, created_at, updated_at) VALUES ('kept', 'demo', 'Kept', 1, 1)"
    _sql(path, row, "PRAGMA wal_checkpoint(TRUNCATE)")


def _sql(path: Path, *statements: str) -> Any:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in statements:
            found = connection.execute(statement).fetchall()
    finally:
        connection.close()
    return found


def _slugs(path: Path) -> list[str]:
    return [slug for (slug,) in _sql(path, "SELECT slug FROM llm_providers ORDER BY id")]


def _refusal(folder: Path) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as refusal:
        open_database(settings_for(folder), busy_timeout_ms=50)
    return refusal.value


# In another process, so that limits and permissions are real: root, too, must then ask before writing.

_OPEN = """
import json, sys
from pathlib import Path
from lib.errors import StoreUnavailable
from lib.settings import load_settings
from lib.store import database
folder = Path(sys.argv[1])
try:
    engine = database.open_database(load_settings({"MODELDECK_DATA_DIR": str(folder)}, root=folder / "none"), busy_timeout_ms=int(sys.argv[2]))
except StoreUnavailable as error:
    print(json.dumps([error.reason, str(error)]))
else:
    print(json.dumps([database.check(engine).state, ""]))
"""


_GATE = "import sys\nfrom lib.store import database\nprint('ready', flush=True)\nsys.stdin.readline()\n"


def _start(folder: Path, *, script: str = _OPEN, timeout_ms: int = 50, largest_file: int | None = None) -> subprocess.Popen[str]:
    unprivileged = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    limited = ["prlimit", f"--fsize={largest_file}"] if largest_file else []
    return subprocess.Popen(
        [*limited, *unprivileged, sys.executable, "-B", "-c", script, str(folder), str(timeout_ms)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _outcome(process: subprocess.Popen[str]) -> tuple[str, str]:
    said, _ = process.communicate()
    assert process.returncode == 0
    reason, sentence = json.loads(said)
    return reason, sentence


# Making and upgrading


def test_a_first_start_makes_folder_and_file_for_their_owner_alone(folder: Path) -> None:
    engine = open_database(settings_for(folder))
    with writing(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE rollup_state SET fold_owner = NULL")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    engine.dispose()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {"modeldeck.db": 0o600, "modeldeck.db-wal": 0o600, "modeldeck.db-shm": 0o600}


def test_a_second_start_finds_everything_ready(file: Path, folder: Path) -> None:
    engine = open_database(settings_for(folder))
    status = check(engine)
    engine.dispose()
    assert (status.state, status.revision, status.head) == ("ready", HEAD, HEAD)
    assert _slugs(file) == ["kept"]


def test_four_processes_that_start_at_once_on_nothing_all_succeed(folder: Path) -> None:
    processes = [_start(folder, script=_GATE + _OPEN, timeout_ms=20_000) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [_outcome(process) for process in processes] == [("ready", "")] * 4


def test_triggers_that_are_missing_or_of_another_version_come_back_at_the_next_start(file: Path, folder: Path) -> None:
    _sql(file, "DROP TRIGGER trg_usage_log_insert", "DROP VIEW usage_errors_now", "CREATE VIEW usage_errors_now AS SELECT 1 AS attempts")
    engine = open_database(settings_for(folder))
    with engine.connect() as connection:
        assert problems(connection) == []
    engine.dispose()


def test_an_older_file_is_copied_then_upgraded_with_everything_in_it(old_file: Path, folder: Path) -> None:
    before = old_file.read_bytes()
    engine = open_database(settings_for(folder))
    assert verify(engine).ok
    engine.dispose()
    copy = folder / "modeldeck.db.before-0001"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert (_slugs(old_file), _slugs(copy)) == (["kept"], ["kept"])
    assert _sql(copy, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert len(copy.read_bytes()) == len(before)
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))) == [
        "modeldeck.db",
        "modeldeck.db.before-0001",
    ]


def test_an_upgrade_killed_in_the_middle_is_as_if_it_never_began(old_file: Path, folder: Path) -> None:
    script = (
        f"import os, signal\nfrom lib.store import triggers\ntriggers.install = lambda c: os.kill(os.getpid(), signal.SIGKILL)\n{_OPEN}"
    )
    process = _start(folder, script=script)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert _sql(old_file, "SELECT version_num FROM alembic_version") == [("0001",)]
    engine = open_database(settings_for(folder))
    assert verify(engine).ok
    engine.dispose()
    assert _slugs(old_file) == ["kept"]


def test_foreign_keys_hold_again_after_an_upgrade(old_file: Path, folder: Path) -> None:
    engine = open_database(settings_for(folder))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


def test_looking_at_a_database_that_is_not_there_makes_nothing(folder: Path) -> None:
    engine = open_engine(settings_for(folder).database_url)
    assert check(engine).state == "empty"
    engine.dispose()
    assert not folder.exists()


def test_an_upgrade_by_hand_makes_the_file_for_its_owner_alone(folder: Path) -> None:
    engine = open_engine(settings_for(folder).database_url)
    upgrade(engine)
    engine.dispose()
    assert stat.S_IMODE((folder / "modeldeck.db").stat().st_mode) == 0o600


# Faults


def test_a_newer_schema_is_left_alone(file: Path, folder: Path) -> None:
    _sql(file, "UPDATE alembic_version SET version_num = '9999'", "PRAGMA wal_checkpoint(TRUNCATE)")
    refusal = _refusal(folder)
    assert (refusal.reason, "newer Modeldeck" in str(refusal)) == ("newer-schema", True)
    assert _slugs(file) == ["kept"]


@pytest.mark.parametrize("content", [b"This is not a database, but it is somebody's file." * 99, b"SQLite format 3\0" + b"\xff" * 8176])
def test_a_file_that_is_no_database_is_left_as_it_was(folder: Path, content: bytes) -> None:
    folder.mkdir()
    path = folder / "modeldeck.db"
    path.write_bytes(content)
    refusal = _refusal(folder)
    assert refusal.reason == "corrupt"
    assert "Restore it from a backup" in str(refusal)
    assert path.read_bytes() == content


def test_a_file_damaged_inside_is_left_as_it_was(file: Path, folder: Path) -> None:
    whole = file.read_bytes()
    damaged = whole[:4096] + random.Random(1).randbytes(len(whole) - 4096)
    file.write_bytes(damaged)
    assert _refusal(folder).reason == "corrupt"
    assert file.read_bytes() == damaged


@pytest.mark.parametrize("hold", ["BEGIN EXCLUSIVE", "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT"])
def test_a_file_another_process_holds_is_told_and_opens_once_it_is_free(file: Path, folder: Path, hold: str) -> None:
    script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    script += f"[c.execute(s) for s in {hold.split('; ')!r}]\nprint('held', flush=True)\nsys.stdin.read()"
    arguments = [sys.executable, "-c", script, str(file)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        refusal = _refusal(folder)
        holder.communicate("")
    assert (refusal.reason, "Another process holds the database" in str(refusal)) == ("locked", True)
    engine = open_database(settings_for(folder))
    engine.dispose()
    assert _slugs(file) == ["kept"]


def test_a_read_only_file_is_told(file: Path, folder: Path) -> None:
    file.chmod(0o444)
    reason, sentence = _outcome(_start(folder))
    assert (reason, "cannot be written" in sentence) == ("read-only", True)
    assert _slugs(file) == ["kept"]


def test_a_read_only_folder_is_told(file: Path, folder: Path) -> None:
    folder.chmod(0o555)
    reason, sentence = _outcome(_start(folder))
    assert (reason, "cannot be written" in sentence) == ("read-only", True)
    folder.chmod(0o700)
    assert _slugs(file) == ["kept"]


def test_an_older_file_that_is_read_only_is_told_as_both(old_file: Path, folder: Path) -> None:
    old_file.chmod(0o444)
    before = old_file.read_bytes()
    reason, sentence = _outcome(_start(folder))
    assert reason == "older-schema"
    assert "older Modeldeck" in sentence
    assert "read-only" in sentence
    assert old_file.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o555)
    reason, sentence = _outcome(_start(parent / "data"))
    assert (reason, str(parent) in sentence) == ("read-only", True)
    assert list(parent.iterdir()) == []


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    assert _refusal(tmp_path / "data").reason == "read-only"
    assert (tmp_path / "data").read_text() == "mine"


def test_a_disk_that_fills_while_the_file_is_made_is_told_and_the_next_start_succeeds(folder: Path) -> None:
    reason, sentence = _outcome(_start(folder, largest_file=60_000))
    assert (reason, "Free some space" in sentence) == ("disk-full", True)
    engine = open_database(settings_for(folder))
    assert verify(engine).ok
    engine.dispose()


def test_an_upgrade_for_which_the_disk_has_no_room_changes_nothing(old_file: Path, folder: Path) -> None:
    reason, sentence = _outcome(_start(folder, largest_file=old_file.stat().st_size // 2))
    assert (reason, "Free some space" in sentence) == ("disk-full", True)
    assert _sql(old_file, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert _slugs(old_file) == ["kept"]
    assert not [path for path in folder.iterdir() if "before" in path.name or "copying" in path.name]


def test_a_write_for_which_the_disk_has_no_room_takes_everything_back(file: Path, folder: Path) -> None:
    engine = open_database(settings_for(folder))
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA max_page_count=1")  # from now on this connection finds no room for another page
    store = SqlStore(engine, Actor("Ada"))
    with pytest.raises(StoreUnavailable) as refusal:
        store.insert("llm_providers", [{"slug": f"p{n}", "kind": "demo", "display_name": "x" * 1000} for n in range(50)])
    assert refusal.value.reason == "disk-full"
    assert [row["slug"] for row in store.select("llm_providers")] == ["kept"]
    engine.dispose()
    engine = open_database(settings_for(folder))
    SqlStore(engine, Actor("Ada")).insert("llm_providers", [{"slug": "later", "kind": "demo", "display_name": "Later"}])
    assert verify(engine).ok
    engine.dispose()


# Postgres


def _team_settings(server: PostgresServer, name: str) -> Settings:
    return load_settings({"DATABASE_URL": server.url(name), "ENCRYPTION_KEY": "k" * 32}, root=Path("/no-such-root"))


def test_a_servers_schema_is_only_changed_when_asked(postgres_server: PostgresServer) -> None:
    name = postgres_server.create()
    team = _team_settings(postgres_server, name)
    engine = postgres_server.engine(name)

    def refused() -> tuple[str, bool]:
        with pytest.raises(StoreUnavailable) as refusal:
            open_database(team)
        return refusal.value.reason, str(refusal.value).endswith("Run: python -m lib db upgrade")

    try:
        assert check(engine).state == "empty"
        assert refused() == ("missing-schema", True)
        assert sa.inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT 1")
        _migrate_to(engine, "0001")
        assert check(engine).state == "older"
        assert refused() == ("older-schema", True)
        upgrade(engine)
        opened = open_database(team)
        assert check(opened).state == "ready"
        assert verify(opened).ok
        opened.dispose()
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE private.alembic_version SET version_num = '9999'")
        assert refused() == ("newer-schema", False)
        with pytest.raises(StoreUnavailable, match="newer Modeldeck"):
            upgrade(engine)
    finally:
        engine.dispose()
        postgres_server.drop(name)


def test_a_server_that_does_not_answer_is_told_without_its_address() -> None:
    team = load_settings({"DATABASE_URL": "postgres://me:hunter2@127.0.0.1:1/x", "ENCRYPTION_KEY": "k" * 32}, root=Path("/no-such-root"))
    with pytest.raises(StoreUnavailable) as refusal:
        open_database(team)
    assert refusal.value.reason == "unreachable"
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__suppress_context__
