"""``hints``: what was learned about models that fail, seen, judged, probed and forgotten from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection

from lib.store.engine import open_engine, writing
from lib.store.schema import audit_log, hint_events
from lib.store.schema import model_compatibility_hints as hints
from lib.store.usage_tables import llm_usage_log

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
DEMO = ("demo", "demo-chat")
NOW = datetime.now(UTC)
LEARNED = {
    "temperature": {"action": "drop", "to": None, "evidence": "temperature is not supported", "at": NOW.isoformat(), "state": "learned"}
}


@pytest.fixture
def tables(tmp_path: Path) -> Any:
    @contextmanager
    def opened() -> Iterator[Connection]:
        engine = open_engine(SecretStr(f"sqlite:///{tmp_path / 'data' / 'modeldeck.db'}"))
        with writing(engine).begin() as connection:
            yield connection
        engine.dispose()

    return opened


def put(tables: Any, provider: str = "demo", model: str = "demo-chat", **values: Any) -> None:
    row = {"provider": provider, "model": model, "created_at": NOW, "updated_at": NOW, **values}
    with tables() as connection:
        connection.execute(sa.insert(hints).values(row))


def events(tables: Any) -> list[tuple[str, str, str | None]]:
    with tables() as connection:
        columns = hint_events.c
        return [tuple(row) for row in connection.execute(sa.select(columns.event, columns.model, columns.actor).order_by(columns.id))]


def test_nothing_noted_is_said_and_is_no_error(run: Run) -> None:
    assert run("hints", "list").out == "Nothing is noted of any model.\n"
    assert run("hints", "list", "--json").document == []
    assert run("hints", "probe").out == "No probe is due.\n"
    assert run("hints", "cleanup").out == "There is nothing to clean up.\n"
    assert run("hints", "reset", "--all").out == "Nothing was noted.\n"


def test_list_tells_counts_state_and_filters(run: Run, tables: Any) -> None:
    put(tables, error_count=5, is_blacklisted=True, blacklist_reason="Too many errors (5) with no successes", last_error_message="gone")
    put(tables, "openai", "gpt-x", success_count=3, preferred_endpoint="responses", learned_parameters=LEARNED)
    out = run("hints", "list").out
    assert "demo/demo-chat" in out
    assert "blacklisted" in out
    assert "asked on responses" in out
    document = run("hints", "list", "--json").document
    assert [(h["model"], h["error_count"], h["is_blacklisted"]) for h in document] == [("demo-chat", 5, True), ("gpt-x", 0, False)]
    assert document[1]["learned_parameters"] == LEARNED
    assert [h["model"] for h in run("hints", "list", "--blacklisted", "--json").document] == ["demo-chat"]
    assert [h["model"] for h in run("hints", "list", "--provider", "openai", "--json").document] == ["gpt-x"]


def test_a_blacklist_with_its_reason_and_back_leaves_events_audit_and_a_counted_success(run: Run, tables: Any) -> None:
    document = run("hints", "blacklist", "demo-chat", "--reason", "costs too much", "--json").document
    assert (document["is_blacklisted"], document["manual_state"], document["blacklist_reason"]) == (True, "blacklisted", "costs too much")
    assert run("hints", "unblacklist", "demo/demo-chat").out == "demo/demo-chat is used again.\n"
    (hint,) = run("hints", "list", "--json").document
    assert (hint["is_blacklisted"], hint["error_count"], hint["success_count"], hint["manual_state"]) == (False, 0, 1, "allowed")
    assert events(tables) == [("manually_blacklisted", "demo-chat", "Local admin"), ("unblacklisted", "demo-chat", "Local admin")]
    with tables() as connection:
        actions = list(connection.scalars(sa.select(audit_log.c.action).where(audit_log.c.subject == hints.name).order_by(audit_log.c.id)))
        origins = set(connection.scalars(sa.select(audit_log.c.origin).where(audit_log.c.subject == hints.name)))
    assert actions == [f"{hints.name}.manually_blacklisted", f"{hints.name}.unblacklisted"]
    assert origins == {"cli"}
    assert run("db", "verify").code == 0


def test_an_endpoint_is_preferred_only_if_the_provider_has_it(run: Run) -> None:
    model = next(m["key"] for m in run("models", "list", "--provider", "openai", "--json").document)
    ran = run("hints", "prefer", model, "nonsense")
    assert (ran.code, ran.out) == (1, "")
    assert "chat/completions" in ran.err
    assert run("hints", "prefer", model, "/v1/chat/completions", "--json").document["preferred_endpoint"] == "chat/completions"
    assert run("hints", "prefer", model, "--json").document["preferred_endpoint"] is None


def test_a_learned_parameter_is_accepted_or_rejected_and_another_is_not_there(run: Run, tables: Any) -> None:
    put(tables, learned_parameters=LEARNED)
    assert run("hints", "reject", "demo-chat", "temperature", "--json").document["learned_parameters"]["temperature"]["state"] == "rejected"
    assert run("hints", "accept", "demo-chat", "temperature", "--json").document["learned_parameters"]["temperature"]["state"] == "accepted"
    ran = run("hints", "accept", "demo-chat", "top_p")
    assert (ran.code, ran.out) == (1, "")
    assert [event for event, _, _ in events(tables)] == ["parameter_rejected", "parameter_accepted"]


def test_a_probe_of_the_demo_model_costs_are_in_the_log_as_a_probe(run: Run, tables: Any) -> None:
    (document,) = run("hints", "probe", "demo-chat", "--json").document
    assert (document["outcome"], document["provider"], document["model"]) == ("ok", *DEMO)
    assert document["cost_nano_usd"] > 0
    with tables() as connection:
        row = connection.execute(sa.select(llm_usage_log)).mappings().one()
    assert (row["source"], row["request_id"], row["cost_nano_usd"]) == ("probe", document["request_id"], document["cost_nano_usd"])
    assert run("usage", "summary", "--by", "source", "--json").document["rows"][0]["key"] == "probe"
    assert "🟢 demo/demo-chat" in run("hints", "probe", "demo-chat").out


def test_due_probes_are_made_and_bring_a_model_back(run: Run, tables: Any) -> None:
    put(tables, error_count=5, is_blacklisted=True, next_probe_at=NOW - timedelta(minutes=1))
    put(tables, model="demo-reasoning", is_blacklisted=True, next_probe_at=NOW + timedelta(days=2))
    assert [(p["model"], p["outcome"]) for p in run("hints", "probe", "--json").document] == [("demo-chat", "ok")]
    assert [h["model"] for h in run("hints", "list", "--blacklisted", "--json").document] == ["demo-reasoning"]
    ran = run("hints", "probe")
    assert "No probe is due. The next one is at" in ran.out


def test_a_probe_over_the_days_budget_or_without_a_key_fails_with_what_to_do(run: Run, tables: Any) -> None:
    ran = run("hints", "probe", "demo-chat", PROBE_BUDGET_USD="0")
    assert ran.code == 1
    assert "PROBE_BUDGET_USD" in ran.err
    model = next(m["key"] for m in run("models", "list", "--provider", "openai", "--json").document)
    ran = run("hints", "probe", model)
    assert (ran.code, ran.out) == (1, "")
    assert "Needs an OpenAI key" in ran.err
    with tables() as connection:
        assert not connection.scalar(sa.select(sa.func.count()).select_from(llm_usage_log))


def test_reset_forgets_some_or_all_and_keeps_the_timeline(run: Run, tables: Any) -> None:
    put(tables, error_count=3)
    put(tables, "gone", "long-gone", error_count=4)
    put(tables, "gone", "another")
    assert run("hints", "reset", "long-gone", "--json").document == [{"provider": "gone", "model": "long-gone"}]
    assert len(run("hints", "list", "--json").document) == 2
    assert len(run("hints", "reset", "--all", "--json").document) == 2
    assert [event for event, _, _ in events(tables)] == ["reset"] * 3


def test_cleanup_removes_what_is_old_and_counts_nothing_and_keeps_decisions(run: Run, tables: Any) -> None:
    old: dict[str, Any] = {"last_error_time": NOW - timedelta(days=91), "updated_at": NOW - timedelta(days=91)}
    put(tables, model="stale", **old)
    put(tables, model="counted", error_count=1, **old)
    put(tables, model="worked", success_count=1, **old)
    put(tables, model="young", last_error_time=NOW - timedelta(days=89))
    put(tables, model="judged", learned_parameters={"top_p": {"state": "rejected"}}, **old)
    put(tables, model="banned", is_blacklisted=True, manual_state="blacklisted", **old)
    assert run("hints", "cleanup", "--older-than", "90d", "--dry-run", "--json").document["removed"] == [
        {"provider": "demo", "model": "stale"}
    ]
    assert len(run("hints", "list", "--json").document) == 6
    assert run("hints", "cleanup", "--older-than", "90d", "--json").document == {
        "older_than_days": 90,
        "dry_run": False,
        "removed": [{"provider": "demo", "model": "stale"}],
    }
    assert len(run("hints", "list", "--json").document) == 5
    assert events(tables) == [("cleaned_up", "stale", "Local admin")]


def test_the_report_answers_every_question_in_one_document(run: Run, tables: Any) -> None:
    put(tables, error_count=3, success_count=1, last_error_message="too warm")
    put(tables, "openai", "two", error_count=2)
    put(tables, "openai", "worst", error_count=9, is_blacklisted=True)
    put(tables, "openai", "stale", last_error_time=NOW - timedelta(days=100), updated_at=NOW - timedelta(days=100))
    run("chat", "demo-chat", "hello")
    document = run("hints", "report", "--json").document
    assert [(p["model"], p["error_count"]) for p in document["problems"]] == [("worst", 9), ("demo-chat", 3)]
    assert document["removable"] == [{"provider": "openai", "model": "stale"}]
    assert [(r["key"], r["rate"], r["attempts"]) for r in document["providers"]] == [("demo", 1.0, 1)]
    assert [(r["key"], r["ok"]) for r in document["models"]] == [("demo-chat", 1)]
    assert (document["suggestions"], document["without"]) == ([], [])
    out = run("hints", "report").out
    for words in ("Problem models", "too warm", "openai/stale", "100.0% of 1 attempts", "Suggested fallbacks"):
        assert words in out


@pytest.mark.parametrize(
    "words",
    [
        ("cleanup", "--older-than", "soon"),
        ("cleanup", "--older-than", "0d"),
        ("report", "--since", "yesterday"),
        ("report", "--older-than", "90"),
        ("reset",),
        ("reset", "demo-chat", "--all"),
        ("blacklist", "demo-chat"),
        ("prefer",),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_2_and_changes_nothing(run: Run, tables: Any, words: tuple[str, ...]) -> None:
    put(tables, error_count=1)
    ran = run("hints", *words)
    assert (ran.code, ran.out) == (2, "")
    assert len(run("hints", "list", "--json").document) == 1
    assert events(tables) == []


@pytest.mark.parametrize(
    "words",
    [
        ("probe", "no-such-model"),
        ("reset", "no-such-model"),
        ("unblacklist", "demo-chat"),
        ("accept", "demo-chat", "top_p"),
        ("blacklist", "demo-chat", "--reason", "  "),
        ("blacklist", "no-such-model", "--reason", "x"),
    ],
)
def test_a_failure_exits_1_with_one_sentence_and_changes_nothing(run: Run, tables: Any, words: tuple[str, ...]) -> None:
    ran = run("hints", *words, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1
    assert events(tables) == []


def test_a_configuration_that_makes_no_sense_exits_2(run: Run) -> None:
    ran = run("hints", "list", PROBE_BUDGET_USD="plenty")
    assert (ran.code, ran.out) == (2, "")
    assert "PROBE_BUDGET_USD must be an amount in dollars" in ran.err


def test_what_a_provider_said_cannot_drive_the_terminal(run: Run, tables: Any) -> None:
    put(tables, error_count=4, last_error_message="\x1b[2Jboom", model="\x1b]0;evil\x07m")
    for words in (("list",), ("report",)):
        assert "\x1b" not in run("hints", *words).out
