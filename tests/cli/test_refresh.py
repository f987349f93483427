"""``models refresh`` tells what providers offer before it is taken over, and fails only when none of them answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.replay import ReplayServer, Reply

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")


def says(*ids: str) -> Reply:
    return Reply(json.dumps({"data": [{"id": name, "context_length": 8_000} for name in ids]}).encode())


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer(says("a", "b", "whisper-1"), says("a", "b", "whisper-1"), says("a")) as running:
        yield running


def test_a_dry_run_says_what_a_refresh_then_does(run: Run, server: ReplayServer) -> None:
    key = {"OPENROUTER_API_KEY": "sk-or-test-0123456789abcdef"}
    moved = run("keys", "set", "openrouter", "--base-url", server.base_url, "--no-test", input="sk-or-test-0123456789abcdef\n")
    assert moved.code == 0, moved.err
    dry = run("models", "refresh", "openrouter", "--dry-run", **key)
    assert dry.code == 0
    assert "OpenRouter: 2 new, 1 gone. Left out as no models for chats: 1 audio." in dry.out
    assert "   new      a (Key: a): context 8,000" in dry.out.splitlines()
    assert dry.out.splitlines()[-1] == "would add: 2, would update: 1, failed: 0"
    assert "1 of 1 providers: OpenRouter answered" in dry.err
    assert "a" not in {m["key"] for m in run("models", "list", "--json").document}
    done = run("models", "refresh", "--json")
    assert done.code == 0
    assert {name: done.document[name] for name in ("dry_run", "added", "updated", "failed", "errors")} == {
        **{"dry_run": False, "added": 2, "updated": 1},
        **{"failed": 0, "errors": []},
    }
    (provider,) = done.document["providers"]
    assert (provider["provider"], provider["left_out"]) == ("openrouter", {"audio": 1})
    assert {model["key"]: model["action"] for model in provider["models"]} == {"a": "added", "b": "added", "moonshotai/kimi-k3": "gone"}
    assert not run("models", "show", "a", "--json").document["active"]


def test_a_list_that_looks_wrong_needs_a_yes(run: Run) -> None:
    with ReplayServer(says("a", "b", "c"), says("a")) as server:
        assert run("keys", "set", "groq", "--base-url", server.base_url, "--no-test", input="gsk_test0123456789abcdef\n").code == 0
        assert run("models", "refresh").code == 0
        held = run("models", "refresh")
        assert "lists only 1 of the 3 models it listed before. Nothing was applied." in held.out
        assert "updated: 0" in held.out
        assert run("models", "refresh", "--yes", "--json").document["updated"] == 2


def test_it_fails_when_every_provider_failed_and_not_before(run: Run, server: ReplayServer) -> None:
    with ReplayServer(Reply(b"{}", status=500)) as broken:
        run("keys", "set", "groq", "--base-url", broken.base_url, "--no-test", input="gsk_test0123456789abcdef\n")
        failed = run("models", "refresh", "--json")
        assert (failed.code, failed.document["failed"]) == (1, 1)
        assert failed.err.splitlines()[-1].startswith("Groq could not be reached")
        run("keys", "set", "openrouter", "--base-url", server.base_url, "--no-test", input="sk-or-test-0123456789abcdef\n")
        some = run("models", "refresh")
        assert some.code == 0
        assert "failed: 1" in some.out


def test_without_a_connected_provider_it_says_how_to_connect_one(run: Run) -> None:
    ran = run("models", "refresh")
    assert (ran.code, ran.out) == (0, "No provider is connected. Set a key with: python -m lib keys set PROVIDER\n")
    assert run("models", "refresh", "nobody").code == 1
