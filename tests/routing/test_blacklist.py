"""A model that never works is left alone after five errors, one that has worked is not, and each turn is told exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from lib.chat import Finish, TextDelta
from lib.errors import ErrorKind, ProviderError
from lib.routing.hints import COUNTED, FIRST_PROBE, REASON
from lib.store.engine import writing
from lib.store.schema import model_compatibility_hints
from tests.postgres import PostgresServer
from tests.routing.desk import Desk, Scripted

ROOT = Path(__file__).parents[2]
ANSWER: list[Any] = [TextDelta("ok"), Finish("stop")]
KINDS: list[ErrorKind] = ["model-incompatible", "unknown", "timeout", "rate-limit", "auth", "quota", "bad-request", "content-filter"]


def fail(desk: Desk, kind: ErrorKind = "model-incompatible", **values: Any) -> None:
    error = ProviderError(f"a {kind} fault", kind=kind, retryable=False, **values)
    with pytest.raises(ProviderError):
        list(desk.router(Scripted([error])).stream(desk.call()))


def succeed(desk: Desk) -> None:
    list(desk.router(Scripted(ANSWER)).stream(desk.call()))


def state(desk: Desk) -> tuple[bool, str | None]:
    hint = desk.hint()
    return hint["is_blacklisted"], hint["blacklist_reason"]


def test_four_errors_are_not_enough_and_five_are(any_desk: Desk) -> None:
    for _ in range(4):
        fail(any_desk)
    assert state(any_desk) == (False, None)
    fail(any_desk, "unknown")
    assert state(any_desk) == (True, "Too many errors (5) with no successes")
    assert any_desk.hint()["next_probe_at"] == any_desk.moment + FIRST_PROBE
    ((_, _, detail),) = any_desk.events("blacklisted")
    assert (detail["reason"], detail["error_count"], detail["error_class"]) == (REASON, 5, "unknown")


def test_any_success_keeps_a_model_off_the_list(any_desk: Desk) -> None:
    succeed(any_desk)
    for _ in range(9):
        fail(any_desk)
    assert state(any_desk) == (False, None)
    assert any_desk.hint()["error_count"] == 9


def test_a_model_that_an_admin_took_off_the_list_stays_off(any_desk: Desk) -> None:
    any_desk.know("m0", error_count=0, success_count=1, manual_state="allowed")
    for _ in range(7):
        fail(any_desk)
    assert state(any_desk) == (False, None)


def test_the_reason_stays_the_same_when_it_goes_on_failing(any_desk: Desk) -> None:
    for _ in range(8):
        fail(any_desk)
    assert state(any_desk) == (True, REASON)
    assert len(any_desk.events("blacklisted")) == 1


def test_a_success_takes_it_off_the_list_for_good(any_desk: Desk) -> None:
    for _ in range(5):
        fail(any_desk)
    succeed(any_desk)
    hint = any_desk.hint()
    assert (hint["is_blacklisted"], hint["blacklist_reason"], hint["next_probe_at"], hint["probe_failures"]) == (False, None, None, 0)
    assert [event for _, event, _ in any_desk.events()] == ["blacklisted", "first_success", "recovered"]
    for _ in range(6):
        fail(any_desk)
    assert state(any_desk) == (False, None)


@pytest.mark.parametrize("kind", ["timeout", "network", "rate-limit", "auth", "quota", "bad-request", "context-length", "content-filter"])
def test_what_is_not_the_models_fault_never_lists_it(any_desk: Desk, kind: ErrorKind) -> None:
    for _ in range(7):
        fail(any_desk, kind)
    assert [hint for hint in any_desk.hints() if hint["is_blacklisted"] or hint["error_count"]] == []


def test_the_log_tells_of_recorded_errors_the_blacklisting_and_the_recovery(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(5):
        fail(desk)
    succeed(desk)
    said = [r.msg["event"] for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"].startswith("hints.")]
    assert said == [*["hints.error_recorded"] * 5, "hints.blacklisted", "hints.first_success", "hints.recovered"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*KINDS, "ok", "unblacklist", "blacklist"]), max_size=20))
def test_any_history_leads_where_the_rules_say(desk: Desk, history: list[str]) -> None:
    with writing(desk.engine).begin() as connection:
        connection.execute(sa.delete(model_compatibility_hints))
    desk.know("m0")
    before = len(desk.events("blacklisted"))
    errors = successes = listings = 0
    listed, manual = False, None
    for step in history:
        if step == "ok":
            succeed(desk)
            successes += 1
            listed = listed and manual == "blacklisted"
        elif step in ("unblacklist", "blacklist"):
            listed = step == "blacklist"
            manual = "blacklisted" if listed else "allowed"
            values: dict[str, Any] = {"is_blacklisted": listed, "manual_state": manual}
            if not listed:
                errors, successes = 0, 1
                values |= {"error_count": 0, "success_count": 1}
            with writing(desk.engine).begin() as connection:
                connection.execute(sa.update(model_compatibility_hints).values(**values))
        else:
            fail(desk, step)  # type: ignore[arg-type]
            if step in COUNTED:
                errors += 1
                if errors >= 5 and successes == 0 and manual is None and not listed:
                    listed, listings = True, listings + 1
    hint = desk.hint()
    assert (hint["error_count"], hint["success_count"], hint["is_blacklisted"]) == (errors, successes, listed)
    assert len(desk.events("blacklisted")) - before == listings


HAMMER = """
import sys
from pydantic import SecretStr
from lib.errors import ProviderError
from lib.store.engine import open_engine
from tests.routing.desk import Desk, Scripted
desk = Desk(open_engine(SecretStr(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    try:
        list(desk.router(Scripted([ProviderError("gone", kind="model-incompatible")])).stream(desk.call()))
    except ProviderError:
        pass
"""


def hammer(url: str, times: int) -> None:
    """Let two processes fail at the same pair at the same time."""
    command = [sys.executable, "-c", HAMMER, url, str(times)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=120)
        assert process.returncode == 0


def test_two_processes_that_fail_together_list_a_model_once_and_lose_no_count(
    sqlite_engine: Engine, postgres_server: PostgresServer
) -> None:
    name = postgres_server.create_ready()
    postgres = postgres_server.engine(name)
    try:
        for engine in (sqlite_engine, postgres):
            hammer(engine.url.render_as_string(hide_password=False), 40)
            desk = Desk(engine)
            (hint,) = desk.hints()
            assert (hint["error_count"], hint["success_count"], hint["is_blacklisted"], hint["blacklist_reason"]) == (80, 0, True, REASON)
            ((_, _, detail),) = desk.events("blacklisted")
            assert detail["error_count"] == 5
            assert len(desk.rows()) == 80
    finally:
        postgres.dispose()
        postgres_server.drop(name)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"kind": "rate-limit", "retry_after": 34.0}, 34),
        ({"kind": "rate-limit", "retry_after": 0.0}, 1),
        ({"kind": "rate-limit", "retry_after": 86_400.0}, 600),
        ({"kind": "network"}, 5),
        ({"kind": "timeout"}, 5),
    ],
)
def test_what_passes_rests_a_model_for_a_while(any_desk: Desk, error: dict[str, Any], seconds: float) -> None:
    fail(any_desk, **error)
    hint = any_desk.hint()
    assert hint["cooldown_until"] == any_desk.moment + timedelta(seconds=seconds)
    assert hint["cooldown_reason"]
    assert [(event, detail["seconds"]) for _, event, detail in any_desk.events()] == [("cooldown", seconds)]


def test_each_rest_in_a_row_is_twice_as_long_and_a_success_ends_it(any_desk: Desk) -> None:
    rests = []
    for _ in range(8):
        fail(any_desk, "network")
        until = any_desk.hint()["cooldown_until"]
        rests.append((until - any_desk.moment).total_seconds())
        any_desk.moment = until
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300]
    fail(any_desk, "network")
    succeed(any_desk)
    hint = any_desk.hint()
    assert (hint["cooldown_until"], hint["cooldown_reason"], hint["cooldown_count"]) == (None, None, 0)
    fail(any_desk, "network")
    assert any_desk.hint()["cooldown_until"] == any_desk.moment + timedelta(seconds=5)


def test_calls_that_fail_together_are_one_reason_to_rest(any_desk: Desk) -> None:
    for _ in range(6):
        fail(any_desk, "network")
    assert any_desk.hint()["cooldown_until"] == any_desk.moment + timedelta(seconds=5)
    assert len(any_desk.events("cooldown")) == 1


def test_a_try_that_is_repeated_at_once_is_no_reason_to_rest(any_desk: Desk) -> None:
    busy = ProviderError("busy", kind="network")
    seen: list[Any] = []
    list(any_desk.router(Scripted([busy], [lambda: seen.extend(any_desk.hints()), *ANSWER])).stream(any_desk.call()))
    assert [hint["cooldown_until"] for hint in seen] == [None]


def test_details_on_the_timeline_are_json_that_shows_no_key(any_desk: Desk) -> None:
    for _ in range(5):
        error = ProviderError("key sk-proj-abcdefghijklmnop\x00 refused", kind="unknown", retryable=False)
        with pytest.raises(ProviderError):
            list(any_desk.router(Scripted([error])).stream(any_desk.call()))
    assert "abcdefghijklmnop" not in json.dumps([detail for _, _, detail in any_desk.events()])
