"""No key may reach a log line, whoever logs it and wherever in the event it stands."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from lib.logs import configure, get_logger, redact

ROOT = Path(__file__).resolve().parent.parent
BODY = "Q7canaryQ7canaryQ7canaryQ7canary"
KEYS = {
    "openai": f"sk-{BODY}",
    "openai project": f"sk-proj-{BODY}_-{BODY}",
    "anthropic": f"sk-ant-api03-{BODY}-AA",
    "openrouter": f"sk-or-v1-{BODY}",
    "google": f"AIza{BODY}abc",
    "hugging face": f"hf_{BODY}",
    "groq": f"gsk_{BODY}",
    "xai": f"xai-{BODY}",
    "replicate": f"r8_{BODY}",
    "supabase": f"sb_secret_{BODY}",
    "github": f"ghp_{BODY}",
    "aws": "AKIAQ7CANARYQ7CANARY",
    "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ{BODY}.{BODY}",
}
SENTENCES = (
    "Incorrect API key provided: {}. Find yours on the keys page.",
    "{}",
    "refused ({})",
    '{{"error": {{"message": "bad key {}"}}}}',
    "https://api.example.com/v1/models?key={}&page=2",
    "line one\nAuthorization: Bearer {}\nline three",
)
NAMELESS = (
    "x-api-key: {}",
    "api-key={}",
    '{{"api_key": "{}"}}',
    "{{'Authorization': 'Bearer {}'}}",
    "[(b'x-api-key', b'{}')]",
    r"{{\"apiKey\": \"{}\"}}",
    "MISTRAL_API_KEY={}",
    "SUPABASE_SERVICE_ROLE_KEY: {}",
    "postgresql+psycopg://admin:{}@db.example.com:5432/app",
    "postgres://admin:{}@db.example.com/app?sslmode=require",
    "host=db password='{}' user=admin",
    "Authorization: Basic {}",
    "Cookie: theme=dark; session={}",
    "Incorrect API key provided: {}",
    "GET /?access_token={} HTTP/1.1",
)


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_of_a_known_form_is_masked_wherever_it_stands(key: str, sentence: str) -> None:
    masked = redact(sentence.format(key))
    assert "***" in masked
    assert key not in masked
    assert "anary" not in masked.lower()


@pytest.mark.parametrize("sentence", NAMELESS)
def test_a_key_without_a_form_is_masked_by_what_stands_before_it(sentence: str) -> None:
    masked = redact(sentence.format("0123456789abcdefCANARY"))
    assert "CANARY" not in masked
    assert "0123" not in masked


def test_a_database_password_with_odd_characters_is_masked_and_its_host_stays() -> None:
    assert (
        redact("cannot reach postgresql://admin:p@ss/w:rd@db.example.com/app") == "cannot reach postgresql://admin:***@db.example.com/app"
    )


def test_a_private_key_block_is_masked_to_its_end() -> None:
    assert (
        redact("pem -----BEGIN PRIVATE KEY-----\nCANARY\nCANARY\n-----END PRIVATE KEY----- rest")
        == "pem -----BEGIN PRIVATE KEY-----*** rest"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Claude 3.7 Sonnet (ID: 28, Key: claude-3-7-sonnet) [DEFAULT]",
        "This model's maximum context length is 8192 tokens: 9000 given, max_tokens=4096 input_tokens=5000",
        "Bearer authentication required; api_key is required; token: required",
        "password authentication failed for user admin",
        "task-management risk-assessment sk-learn http://localhost:8501/users/@me",
        "request_id=1b671a64-40d5-491e-99b0-da01ff1f3341 sha256=9f86d081884c7d659a2feaa0c55ad015",
    ],
)
def test_ordinary_text_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_exact_secrets_are_masked_and_short_ones_do_not_blank_the_text() -> None:
    assert redact("echo 0f3c9d1ab2 and on", "0f3c9d1ab2", "on") == "echo *** and on"


@given(st.lists(st.sampled_from([*KEYS.values(), "token=", "Bearer", '"', "'", ":", "@", "://", "\\", "a", "***", "{"]), max_size=12))
def test_no_neighbourhood_of_text_saves_a_key_from_the_mask(pieces: list[str]) -> None:
    assert "canary" not in redact(" ".join(pieces)).lower()


@pytest.mark.parametrize("sentence", [s.format(KEYS["openai project"]) for s in SENTENCES + NAMELESS])
def test_masking_a_masked_text_changes_nothing(sentence: str) -> None:
    once = redact(sentence)
    assert redact(once) == once


@pytest.mark.parametrize("piece", ["a", "sk-", "postgres://a:", "api_key", "eyJ", "Bearer ", 'token"\\', "password ", "://a:"])
def test_a_hostile_error_body_does_not_stall_the_masking(piece: str) -> None:
    started = time.perf_counter()
    redact(piece * (200_000 // len(piece)))
    assert time.perf_counter() - started < 3


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The lines that the whole process logs, and the logging set-up put back afterwards."""
    root = logging.getLogger()
    factory, handlers, level = logging.getLogRecordFactory(), list(root.handlers), root.level
    levels = {name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)}
    stream = io.StringIO()
    configure("debug", stream, secrets=["plain-canary-value"])
    yield stream
    logging.setLogRecordFactory(factory)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_time_level_and_its_values(lines: io.StringIO) -> None:
    get_logger("lib.test").info("call.started", request_id="r1", model="demo", tokens=3, live=True, none=None)
    (event,) = events(lines)
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "info",
        "logger": "lib.test",
        "event": "call.started",
        "request_id": "r1",
        "model": "demo",
        "tokens": 3,
        "live": True,
        "none": None,
    }


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_no_value_of_an_event_carries_a_key(lines: io.StringIO, key: str) -> None:
    log = get_logger("lib.test")
    log.info(
        f"event {key}", a=key, b=[key, {"c": (key,)}], d={"authorization": "short", "api_key": b"short"}, e=ValueError(key), f=key.encode()
    )
    log.bind(bound=key).warning("bound")
    with structlog.contextvars.bound_contextvars(context=key):
        log.error("context")
    try:
        raise RuntimeError(f"failed with {key}")
    except RuntimeError:
        log.exception("raised")
    assert len(events(lines)) == 4
    assert key not in lines.getvalue()
    assert "short" not in lines.getvalue()
    assert "RuntimeError" in events(lines)[3]["exception"]


def test_a_field_named_like_a_secret_is_masked_whole_and_token_counts_are_not(lines: io.StringIO) -> None:
    get_logger("lib.test").info("e", api_key="x", password="y", access_token="z", input_tokens=7, token=None, model_key="gpt-4o")
    (event,) = events(lines)
    assert (event["api_key"], event["password"], event["access_token"]) == ("***", "***", "***")
    assert (event["input_tokens"], event["token"], event["model_key"]) == (7, None, "gpt-4o")


@pytest.mark.parametrize("name", ["uvicorn.error", "httpx", "streamlit.runtime", "alembic.runtime", "any.library"])
def test_what_libraries_log_is_masked_too_with_its_exceptions(lines: io.StringIO, name: str) -> None:
    key = KEYS["anthropic"]
    library = logging.getLogger(name)
    library.warning("message %s", key)
    library.warning("named %(key)s", {"key": key})
    library.warning("object %r and configured %s", {"k": key}, "plain-canary-value")
    try:
        raise RuntimeError(key)
    except RuntimeError:
        library.exception("raised")
    assert [e["logger"] for e in events(lines)] == [name] * 4
    assert "anary" not in lines.getvalue()


def test_a_handler_that_a_library_installs_later_gets_masked_records(lines: io.StringIO) -> None:
    own = io.StringIO()
    library = logging.getLogger("late.library")
    handler = logging.StreamHandler(own)
    library.addHandler(handler)
    try:
        try:
            raise RuntimeError(KEYS["google"])
        except RuntimeError:
            library.exception("at %s", KEYS["groq"])
    finally:
        library.removeHandler(handler)
    assert "RuntimeError" in own.getvalue()
    assert "anary" not in own.getvalue()


def test_a_library_with_its_own_console_handler_does_not_print_each_event_twice(lines: io.StringIO) -> None:
    own = io.StringIO()
    library = logging.getLogger("console.library")
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    configure("info", lines)
    library.warning("once")
    assert own.getvalue() == ""
    assert [e["event"] for e in events(lines)] == ["once"]


def test_a_broken_log_call_is_reported_without_its_arguments(lines: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    root.handlers[:] = [h for h in root.handlers if getattr(h, "stream", None) is lines]
    logging.getLogger("broken").warning("one %d", KEYS["openai"])
    assert [e["event"] for e in events(lines)] == ["log.failed"]
    assert capfd.readouterr().err == ""


def test_each_line_stays_one_line_on_a_terminal_whatever_a_provider_says(lines: io.StringIO) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure("info", terminal)
    get_logger("lib.test").info("call.failed", error="first\nlevel=info event=forged \x1b[2J", status=500)
    assert terminal.getvalue().count("\n") == 1
    assert "\x1b" not in terminal.getvalue()
    assert 'event=call.failed error="first\\nlevel=info event=forged \\u001b[2J" status=500' in terminal.getvalue()


def test_lines_below_the_level_are_not_written(lines: io.StringIO) -> None:
    configure("warning", lines)
    get_logger("lib.test").info("quiet")
    logging.getLogger("httpx").info("HTTP Request: GET https://x")
    get_logger("lib.test").warning("loud")
    assert [e["event"] for e in events(lines)] == ["loud"]


def test_an_unconfigured_process_never_logs_on_stdout() -> None:
    code = f"""
from lib.logs import get_logger
log = get_logger("x")
log.error("e", value={KEYS["openai"]!r})
try:
    raise RuntimeError({KEYS["groq"]!r})
except RuntimeError as error:
    log.exception("raised")
    log.error("passed on", exc_info=error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "sk-***" in done.stderr
    assert done.stderr.count("RuntimeError: gsk_***") == 2
    assert "anary" not in done.stderr


def test_an_error_nobody_caught_is_one_masked_line_and_no_traceback_on_the_terminal() -> None:
    code = f"""
import threading
from lib.logs import configure
configure("info")
def fail():
    raise RuntimeError({KEYS["openai"]!r})
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["error.uncaught"] * 2
    assert "anary" not in done.stderr
