"""Copies of a SQLite file that somebody may be writing to."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def copy_database(source: Path, target: Path) -> None:
    """Copy one moment of a database to ``target``, for its owner alone; the copy is whole or absent.

    It is written under another name first. Readers and writers of ``source`` go on. Raises OSError and sqlite3.Error.
    """
    unfinished = target.with_name(f"{target.name}.copying")
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    try:
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(unfinished)) as copy:
            original.backup(copy)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def damage(path: Path) -> str | None:
    """Return what SQLite finds wrong in a file, None when it is sound."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else found
