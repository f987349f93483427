"""``db backup`` makes a whole copy or none, and never in the place of another."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.usefixtures("seeded")
def test_a_backup_is_a_whole_database_and_says_what_belongs_to_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "encryption.key").write_text("a-key-for-tests")
    ran = run("db", "backup", str(tmp_path / "copy.db"))
    assert ran.code == 0 and str(tmp_path / "data" / "encryption.key") in ran.out
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) > 0 FROM llm_models").fetchone() == (1,)
    document = run("db", "backup", str(tmp_path / "second.db"), "--json", ENCRYPTION_KEY="a-key-for-tests-0123").document
    assert document == {"file": str(tmp_path / "second.db"), "bytes": (tmp_path / "second.db").stat().st_size, "key": "ENCRYPTION_KEY"}


@pytest.mark.usefixtures("seeded")
def test_a_backup_never_replaces_another_nor_leaves_half_a_file(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "kept.db"
    target.write_text("an earlier backup")
    refused = run("db", "backup", str(target))
    assert (refused.code, target.read_text()) == (1, "an earlier backup")
    assert "exists already" in refused.err
    nowhere = run("db", "backup", str(tmp_path / "missing" / "copy.db"))
    assert nowhere.code == 1 and "No such file or directory" in nowhere.err
    full = run("db", "backup", "/dev/full/copy.db")
    assert full.code == 1 and "No copy was made" in full.err
    assert [path.name for path in tmp_path.rglob("*") if "copying" in path.name] == []


def test_a_damaged_database_is_not_taken_for_a_backup(run: Run, sqlite_template: Path, tmp_path: Path) -> None:
    """A copy of damage under today's date would be kept in the place of one that is whole."""
    database = tmp_path / "data" / "modeldeck.db"
    database.parent.mkdir()
    shutil.copyfile(sqlite_template, database)
    with database.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(32768))
    refused = run("db", "backup", str(tmp_path / "copy.db"))
    assert refused.code == 1 and "damaged" in refused.err
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_of_nothing_and_of_a_server_say_what_to_do(run: Run, tmp_path: Path) -> None:
    nothing = run("db", "backup", str(tmp_path / "copy.db"))
    assert nothing.code == 1 and "no database" in nothing.err
    server = run(
        "db", "backup", str(tmp_path / "copy.db"), DATABASE_URL="postgresql://a@127.0.0.1:1/b", ENCRYPTION_KEY="a-key-for-tests-0123"
    )
    assert server.code == 2 and "pg_dump" in server.err
    assert list(tmp_path.iterdir()) == []
