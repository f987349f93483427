"""The shell, the console and the start: what a person or an operator is told when something is wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.analytics import PRESETS
from lib.errors import (
    InvalidValue,
    KeyRequired,
    ModelNotUsable,
    SettingsError,
    StaleVersion,
    StoreUnavailable,
)
from lib.services import Services, open_services
from lib.settings import Settings, load_settings
from lib.store.usage_tables import SOURCES, STATUSES
from lib.ui import shell
from lib.ui.context import Console
from lib.ui.filters import DEFAULT_RANGE, RANGE_WORDS, SOURCE_WORDS, STATUS_WORDS, distinct
from tests.serving import ROOT, clean_environ
from tests.ui.drawing import drawn

SECRET = "sk-live-0123456789abcdefghijklmnop"
POSTGRES = "postgresql://deck:hunter2hunter2@db.example/deck"


def settings_in(folder: Path) -> Settings:
    return load_settings({"MODELDECK_DATA_DIR": str(folder / "data")}, root=folder)


# Failures on a page


def shown(error: Exception) -> AppTest:
    return drawn(lambda: shell.on_script_error(error))


def test_streamlit_is_told_to_draw_no_box_of_its_own() -> None:
    assert shell.on_script_error(SettingsError("Set ENCRYPTION_KEY.")) is True


def test_what_nobody_expected_is_named_only_by_its_kind() -> None:
    at = shown(ZeroDivisionError(f"division by {SECRET}"))
    assert not at.exception
    assert [e.value for e in at.error] == [
        "Something unexpected went wrong (ZeroDivisionError). It was written to the server's log; nothing you saved is lost."
    ]


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("Set ENCRYPTION_KEY."),
        StaleVersion("Somebody changed this model first. Reload and try again."),
        KeyRequired("OpenAI needs a key.", provider="openai"),
        ModelNotUsable("GPT cannot be used. Switched off."),
        InvalidValue("A required value is missing.", field="name"),
    ],
)
def test_an_explained_failure_is_its_own_sentence(error: Exception) -> None:
    at = shown(error)
    assert not at.exception
    assert [box.value for box in [*at.error, *at.warning]] == [str(error)]


def test_an_unusable_database_is_a_page_with_a_way_back() -> None:
    at = shown(StoreUnavailable("The disk is full.", reason="disk-full"))
    assert [h.value for h in at.subheader] == ["The database cannot be used"]
    assert [m.value for m in at.markdown] == ["The disk is full."]
    assert [b.label for b in at.button] == ["Check again"]


def test_every_page_of_the_sidebar_exists_under_an_address_of_its_own() -> None:
    files = [file for _, file, _, _ in (*shell.PAGES, *shell.TEAM_PAGES, shell.SETUP)]
    assert all((ROOT / file).is_file() for file in files)
    assert len({Path(file).stem for file in files}) == len(files)
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "pages").rglob("*.py")} == set(files)


def test_a_page_out_of_date_is_not_drawn_again_by_the_run_that_draws_it() -> None:
    def script() -> None:
        import streamlit as st

        from lib.ui.watch import rerun_when

        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        rerun_when(lambda: True)

    at = AppTest.from_function(script, default_timeout=30).run()
    assert at.session_state["runs"] == 1


# The words of the filters


def test_every_range_status_and_source_has_a_word() -> None:
    assert set(RANGE_WORDS) == set(PRESETS)
    assert DEFAULT_RANGE in PRESETS
    assert set(STATUS_WORDS) == set(STATUSES)
    assert set(SOURCE_WORDS) == set(SOURCES)


def test_equal_names_are_told_apart_and_others_left_alone() -> None:
    assert distinct({"a": "GPT-4o", "b": "GPT-4o", "c": "Claude"}) == {"a": "GPT-4o (a)", "b": "GPT-4o (b)", "c": "Claude"}


# The console


def test_the_console_opens_again_after_a_failure_is_mended(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the folder's place")
    console = Console(load=lambda: settings_in(tmp_path))
    with pytest.raises(StoreUnavailable):
        console.services()
    (tmp_path / "data").unlink()
    try:
        assert console.services().health()["schema"] == "ready"
    finally:
        console.close()


def test_settings_that_were_wrong_are_read_again(tmp_path: Path) -> None:
    answers: list[Any] = [SettingsError("Set DATABASE_URL."), settings_in(tmp_path)]

    def load() -> Settings:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return settings_in(tmp_path)

    console = Console(load=load)
    with pytest.raises(SettingsError):
        console.services()
    try:
        assert console.services().registry(LOCAL_ADMIN).usable()
    finally:
        console.close()


def test_many_visitors_at_once_share_one_set_of_services_and_a_close_begins_anew(tmp_path: Path) -> None:
    opened: list[Services] = []
    together = threading.Barrier(8)

    def start(settings: Settings) -> Services:
        opened.append(open_services(settings))
        return opened[-1]

    def visit(_: int) -> Services:
        together.wait(30)
        return console.services()

    console = Console(load=lambda: settings_in(tmp_path), start=start)
    try:
        with ThreadPoolExecutor(8) as visitors:
            seen = set(map(id, visitors.map(visit, range(8))))
        assert seen == {id(opened[0])}
        console.close()
        console.close()
        assert console.services() is opened[1]
    finally:
        console.close()


# The start


def start(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Build the app as a server would, with nothing but these settings."""
    environ = clean_environ(folder / "data", **settings)
    return subprocess.run([sys.executable, "-c", "import app"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"DATABASE_URL": POSTGRES},
            "Set ENCRYPTION_KEY next to DATABASE_URL: provider keys are stored encrypted under it.",
        ),
        (
            {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SECRET_KEY": SECRET},
            "SUPABASE_URL is set but SUPABASE_PUBLISHABLE_KEY and DATABASE_URL are not; "
            "set SUPABASE_PUBLISHABLE_KEY and DATABASE_URL to use Supabase, or remove SUPABASE_URL and SUPABASE_SECRET_KEY.",
        ),
    ],
)
def test_half_a_configuration_ends_with_one_sentence(tmp_path: Path, settings: dict[str, str], sentence: str) -> None:
    done = start(tmp_path, **settings)
    assert done.returncode == 2
    assert done.stderr.strip() == sentence
    assert done.stdout == ""
    assert not (tmp_path / "data").exists(), "nothing is made before the settings are understood"


def test_with_nothing_set_the_app_is_built_without_a_word(tmp_path: Path) -> None:
    done = start(tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
