"""A provider's key goes in by stdin, is tried for real, and never comes out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replay import ReplayServer

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
GOOD = "good-0123456789-CANARY"
BAD = "bad-0123456789-CANARY"


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of a provider that accepts only the good key."""
    with ReplayServer(api_key=GOOD) as server:
        yield server.base_url


def source(run: Run, provider: str, **environ: str) -> str:
    return next(str(row["source"]) for row in run("keys", "list", "--json", **environ).document if row["provider"] == provider)


def test_a_key_that_works_is_tried_at_the_address_given_and_both_are_stored(run: Run, endpoint: str) -> None:
    ran = run("keys", "set", "openai", "--base-url", endpoint, "--json", input=f"{GOOD}\n")
    assert ran.code == 0, ran.err
    assert (ran.document["source"], ran.document["tested"]) == ("stored", True)
    assert GOOD not in ran.out + ran.err
    assert source(run, "openai") == "stored"
    assert run("models", "test", "gpt-4o-mini").code == 1  # still switched off
    assert run("models", "activate", "gpt-4o-mini").code == 0
    assert run("models", "test", "gpt-4o-mini").code == 0


def test_a_key_that_the_provider_refuses_is_not_stored_nor_repeated(run: Run, endpoint: str) -> None:
    ran = run("keys", "set", "openai", "--base-url", endpoint, input=BAD)
    assert (ran.code, ran.out) == (1, "")
    assert "not stored" in ran.err
    assert BAD not in ran.err
    assert source(run, "openai") == "missing"


def test_a_key_may_be_stored_untested_and_removed(run: Run, tmp_path: Path) -> None:
    assert run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef").code == 0
    assert source(run, "openai") == "stored"
    files = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())
    assert b"sk-canary-0123456789abcdef" not in files
    assert run("keys", "remove", "openai").code == 0
    assert source(run, "openai") == "missing"
    assert run("keys", "remove", "openai").code == 1


def test_no_key_is_wrong_usage_and_there_is_no_option_that_would_put_it_into_the_process_list(run: Run) -> None:
    assert run("keys", "set", "openai", input=" \n").code == 2
    assert run("keys", "set", "openai", "sk-canary-0123456789abcdef").code == 2
    assert run("keys", "set", "nobody", input="x").code == 1


def test_the_list_tells_where_each_key_is_from_and_never_the_key(run: Run) -> None:
    ran = run("keys", "list", OPENAI_API_KEY="sk-canary-0123456789abcdef")
    assert ran.code == 0
    assert "environment" in ran.out
    assert "none needed" in ran.out
    assert "canary" not in ran.out


def test_generated_keys_differ_and_touch_nothing(run: Run, tmp_path: Path) -> None:
    place = {"MODELDECK_DATA_DIR": str(tmp_path / "new")}
    first, second = run("keys", "generate", **place).out, run("keys", "generate", "--json", **place).document["encryption_key"]
    assert first.strip() != second
    assert not (tmp_path / "new").exists()


def test_rotation_keeps_every_key_readable(run: Run, tmp_path: Path) -> None:
    run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef")
    old = (tmp_path / "data" / "encryption.key").read_text()
    assert run("keys", "rotate", "--json").document == {"rewritten": 1, "unreadable": []}
    assert (tmp_path / "data" / "encryption.key").read_text() != old
    assert source(run, "openai") == "stored"


def test_a_rotation_of_a_key_from_the_settings_reads_the_new_one_and_says_to_set_it(run: Run) -> None:
    new = run("keys", "generate").out.strip()
    run("keys", "set", "openai", "--no-test", input="sk-canary-0123456789abcdef", ENCRYPTION_KEY="the old key of this server")
    assert run("keys", "rotate", input="", ENCRYPTION_KEY="the old key of this server").code == 2
    ran = run("keys", "rotate", input=new, ENCRYPTION_KEY="the old key of this server")
    assert ran.code == 0
    assert "set ENCRYPTION_KEY" in ran.out
    assert new not in ran.out + ran.err
    assert source(run, "openai", ENCRYPTION_KEY=new) == "stored"
    assert source(run, "openai", ENCRYPTION_KEY="the old key of this server") == "unreadable"
