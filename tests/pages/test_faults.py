"""Every page over a database that cannot be used: one sentence, a way to check again, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from lib.store.database import MIGRATIONS, open_database
from lib.store.engine import open_engine, writing
from lib.ui import shell
from tests.pages.deck import PAGES, ROOT, Deck, choose, clean, press

TITLE = "The database cannot be used"
SENTENCES = {
    "corrupt": "The database file is damaged. Restore it from a backup; the damaged file was left as it is.",
    "newer-schema": "The database was made by a newer Modeldeck. Update Modeldeck, or point it at another database.",
    "locked": "Another process holds the database. Close it, or wait a moment, then try again.",
    "read-only": "The database cannot be written. Check the permissions of its file and folder, then try again.",
    "disk-full": "The disk is full, so nothing was saved. Free some space, then try again.",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a locked file only as long as a test can."""
    monkeypatch.setattr("lib.services.services.open_database", partial(open_database, busy_timeout_ms=50))


def file_of(deck: Deck) -> Path:
    return deck.folder / "modeldeck.db"


def run_sql(path: Path, statement: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


@contextmanager
def damaged(deck: Deck) -> Iterator[None]:
    whole = file_of(deck).read_bytes()
    file_of(deck).write_bytes(b"This is not a database, but it is somebody's file." * 99)
    yield
    file_of(deck).write_bytes(whole)


@contextmanager
def from_a_newer_version(deck: Deck) -> Iterator[None]:
    ((head,),) = run_sql(file_of(deck), "SELECT version_num FROM alembic_version")
    run_sql(file_of(deck), "UPDATE alembic_version SET version_num = '9999'")
    yield
    run_sql(file_of(deck), f"UPDATE alembic_version SET version_num = '{head}'")


@contextmanager
def held(deck: Deck, *statements: str) -> Iterator[None]:
    """Hold the file in another process."""
    script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    script += "[c.execute(s) for s in sys.argv[2:]]\nprint('held', flush=True)\nsys.stdin.read()"
    arguments = [sys.executable, "-c", script, str(file_of(deck)), *statements]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate("")


STILL = "Checked just now: it is still so."


def told(at: AppTest, reason: str, *still: str) -> None:
    """The page says what is wrong with the database, and only that; the playground answers all the same."""
    clean(at)
    if at.title:
        assert at.title[0].value == "Playground"
        assert SENTENCES[reason].rstrip(".") in at.markdown[0].value
        assert [b.label for b in at.button] == ["Check again"]
        assert at.selectbox[0].label == "Built-in model (fallback)"
        return
    assert [h.value for h in at.subheader] == [TITLE]
    assert at.markdown[0].value.startswith(SENTENCES[reason].rstrip("."))
    assert [c.value for c in at.caption] == [f"Reason: {reason}. Nothing was changed or lost by this page.", *still]
    assert [b.label for b in at.button] == ["Check again"]


TITLES = {Path(file).stem: title for _, file, title, _ in shell.PAGES}
Fault = Callable[[Deck], AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {
    "corrupt": damaged,
    "newer-schema": from_a_newer_version,
    "locked": lambda deck: held(deck, "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("reason", FAULTS)
def test_a_page_says_what_is_wrong_and_recovers_once_it_is_mended(deck: Deck, page: str, reason: str) -> None:
    models = [model.model_key for model in deck.admin.models()]
    deck.again()
    with FAULTS[reason](deck):
        at = deck.open(page)
        assert bool(at.title) == (page == "playground")
        told(at, reason)
        told(press(at, "Check again"), reason, STILL)
    press(at, "Check again")
    clean(at)
    assert at.title[0].value == TITLES[page]
    assert [model.model_key for model in deck.admin.models()] == models


@pytest.mark.parametrize("page", PAGES)
def test_a_file_damaged_under_a_running_app_is_told_and_used_again_once_restored(filled: Deck, page: str) -> None:
    at = filled.open(page)
    filled.services.engine.dispose()  # as for a reader on a new connection: one that is open may still read from memory
    with damaged(filled):
        at.run()
        clean(at)
        assert (TITLE in [h.value for h in at.subheader]) != (page == "playground")
        assert any(SENTENCES["corrupt"] in m.value for m in at.markdown)
        filled.services.engine.dispose()
    press(at, "Check again")
    clean(at)
    assert at.title[0].value == TITLES[page]
    assert TITLE not in [h.value for h in at.subheader]


def test_a_change_that_cannot_be_written_is_told_and_made_the_next_time(deck: Deck) -> None:
    at = choose(deck.open("models", provider="Demo"), "models-table", 0, 1)
    with held(deck, "BEGIN IMMEDIATE"):
        press(at, "Switch off")
        clean(at)
        assert [h.value for h in at.subheader] == [TITLE]
        assert SENTENCES["locked"] in [m.value for m in at.markdown]
        assert sum(model.is_active for model in deck.admin.models()) == 5
    clean(press(at, "Check again"))
    choose(at, "models-table", 0, 1)
    press(at, "Switch off")
    assert sum(model.is_active for model in deck.admin.models()) == 3


def test_a_question_that_cannot_be_accounted_for_is_not_sent_and_the_page_stays(deck: Deck) -> None:
    at = deck.open("playground")
    with held(deck, "BEGIN IMMEDIATE"):
        at.chat_input[0].set_value("Why?")
        at.run()
    clean(at)
    assert [e.value for e in at.error] == [SENTENCES["locked"]]
    assert at.title[0].value == "Playground"
    at.chat_input[0].set_value("And now?")
    at.run()
    assert "“And now?”" in clean(at)


def test_an_older_database_is_upgraded_and_every_page_stands(deck: Deck) -> None:
    deck.again()
    shutil.rmtree(deck.folder)
    deck.folder.mkdir()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = open_engine(SecretStr(f"sqlite:///{file_of(deck)}"))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    for page in PAGES:
        at = deck.open(page)
        clean(at)
        assert at.title[0].value == TITLES[page]
        assert not at.error
    assert (deck.folder / "modeldeck.db.before-0001").is_file()


# In another process, so that permissions and limits are real: root, too, must then ask before writing.

_VISIT = """
import json, sys
from functools import partial
from pathlib import Path
from lib.services import services
from lib.store.database import open_database
from lib.ui import context
from tests.pages.deck import PAGES, Deck, choose, clean, press
services.open_database = partial(open_database, busy_timeout_ms=50)
deck = Deck(Path(sys.argv[1]), {})
context.console = deck.console
told = {}
for page in PAGES:
    at = deck.open(page)
    clean(at)
    told[page] = [[h.value for h in at.subheader], at.markdown[0].value if at.markdown else "", [b.label for b in at.button]]
print(json.dumps(told))
"""


def visit(folder: Path, *, largest_file: int | None = None) -> dict[str, tuple[list[str], str, list[str]]]:
    """Open every page in a process without root's powers, and return what each one says."""
    unprivileged = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    limited = ["prlimit", f"--fsize={largest_file}"] if largest_file else []
    arguments = [*limited, *unprivileged, sys.executable, "-B", "-c", _VISIT, str(folder)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, tuple[list[str], str, list[str]]] = json.loads(done.stdout)
    return told


def read_only_file(deck: Deck) -> None:
    file_of(deck).chmod(0o444)


def read_only_folder(deck: Deck) -> None:
    deck.folder.chmod(0o555)


@pytest.mark.parametrize("lock_up", [read_only_file, read_only_folder])
def test_a_database_nobody_may_write_is_told_on_every_page(deck: Deck, lock_up: Callable[[Deck], None]) -> None:
    before = len(deck.admin.models())
    deck.again()
    lock_up(deck)
    told = visit(deck.folder)
    deck.folder.chmod(0o700)
    file_of(deck).chmod(0o600)
    for page in PAGES:
        titles, sentence, buttons = told[page]
        assert (titles, buttons) == ([] if page == "playground" else [TITLE], ["Check again"])
        assert SENTENCES["read-only"].rstrip(".") in sentence
    assert len(deck.admin.models()) == before


def test_a_full_disk_is_told_on_every_page_and_the_next_start_succeeds(tmp_path: Path) -> None:
    told = visit(tmp_path / "data", largest_file=60_000)
    for page in PAGES:
        titles, sentence, buttons = told[page]
        assert (titles, buttons) == ([] if page == "playground" else [TITLE], ["Check again"])
        assert SENTENCES["disk-full"].rstrip(".") in sentence
    deck = Deck(tmp_path / "data", {})
    try:
        assert len(deck.admin.usable()) == 5
    finally:
        deck.console.close()
