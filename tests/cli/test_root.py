"""However a command ends, it says so in one sentence and with the right exit code, never with a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lib.cli import commands
from lib.cli.output import plain, table
from lib.cli.root import Root
from lib.errors import KeyRequired, SettingsError

from .conftest import Run

ROOT = Path(__file__).resolve().parents[2]


@click.group(cls=Root)
def failing() -> None:
    """A root whose command fails as it is told."""


@failing.command()
@click.argument("how")
def fail(how: str) -> None:
    errors: dict[str, Exception] = {
        "settings": SettingsError("Set ENCRYPTION_KEY."),
        "modeldeck": KeyRequired("OpenAI needs a key.", provider="openai"),
        "usage": click.UsageError("--since must be a date."),
        "click": click.ClickException("It did not work."),
        "bug": RuntimeError("boom with sk-canary-0123456789abcdef\nand a second line"),
        "interrupt": click.Abort(),
        "pipe": BrokenPipeError(),
    }
    raise errors[how]


@pytest.mark.parametrize(
    ("how", "code", "sentence"),
    [
        ("settings", 2, "Set ENCRYPTION_KEY.\n"),
        ("modeldeck", 1, "OpenAI needs a key.\n"),
        ("usage", 2, "--since must be a date. See: python -m lib fail --help\n"),
        ("click", 1, "It did not work.\n"),
        ("bug", 1, "Something went wrong inside Modeldeck (RuntimeError: boom with sk-*** and a second line).\n"),
        ("interrupt", 1, ""),
        ("pipe", 1, ""),
    ],
)
def test_each_way_to_fail_has_its_sentence_and_exit_code(how: str, code: int, sentence: str) -> None:
    result = CliRunner().invoke(failing, ["fail", how])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", sentence)


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["models", "nonsense"],
        ["models", "show"],
        ["models", "list", "--nonsense"],
        ["usage", "summary", "--by", "x"],
        [],
        ["db"],
    ],
)
def test_wrong_usage_exits_2_and_prints_nothing_on_stdout(run: Run, words: list[str]) -> None:
    ran = run(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err


def test_a_half_configured_mode_exits_2_with_what_to_set(run: Run) -> None:
    ran = run("db", "status", "--json", DATABASE_URL="postgresql://app:CANARY@localhost/x")
    assert (ran.code, ran.out) == (2, "")
    assert "ENCRYPTION_KEY" in ran.err
    assert "CANARY" not in ran.err
    assert ran.err.count("\n") == 1


def test_every_command_has_help_and_json() -> None:
    listed = commands()
    assert {"db status", "models list", "chat", "usage summary", "keys set"} <= set(listed)
    for info in listed.values():
        assert "--json" in info.options, info.name
        assert info.help.endswith("."), info.name


def test_help_answers_quickly_because_nothing_heavy_is_imported() -> None:
    heavy = "import sys; from lib.cli import commands; commands(); print([m for m in ('sqlalchemy', 'httpx', 'pydantic', 'structlog') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _start(tmp_path: Path, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    environ = {"PATH": os.environ["PATH"], "MODELDECK_DATA_DIR": str(tmp_path / "data"), "PYTHONIOENCODING": "ascii"}
    return subprocess.Popen(
        [sys.executable, "-m", "lib", *words],
        cwd=ROOT,
        env=environ,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as in a terminal, wherever the tests run
    )


def test_the_process_exits_with_these_codes_and_survives_a_terminal_without_emoji(tmp_path: Path) -> None:
    for words, code in ((("models", "list"), 0), (("models", "show", "no-such-model"), 1), (("models", "list", "--nonsense"), 2)):
        with _start(tmp_path, *words) as process:
            _, err = process.communicate(timeout=60)
            assert process.returncode == code
            assert "Traceback" not in err


def test_a_reader_that_goes_away_is_not_an_error_worth_words(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with _start(tmp_path, "models", "list", stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_ctrl_c_in_an_answer_ends_quietly(tmp_path: Path) -> None:
    with _start(tmp_path, "chat", "demo-chat", "Write a long story about a lighthouse") as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert time.monotonic() - started < 20


def test_text_from_a_model_cannot_drive_the_terminal() -> None:
    assert plain("a\x1b[2J\x07b\r\x9bc\n\td é 🟢") == "a[2Jbc\n\td é 🟢"


def test_tables_line_up() -> None:
    assert table(["Model", "Cost"], [["a", "$1.00"], ["longer name", "$0.0123"]]) == [
        "Model           Cost",
        "a              $1.00",
        "longer name  $0.0123",
    ]
