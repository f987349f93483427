"""``chat`` answers on stdout with its figures beside it, and ``usage`` adds up to the same figures."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from lib.access import LOCAL_ADMIN
from lib.cli.amounts import usd_text
from lib.cli.usage import parse_since
from lib.services import open_services
from lib.settings import load_settings

from .conftest import Run

pytestmark = pytest.mark.usefixtures("seeded")
NOW = datetime(2026, 3, 10, 9, 40, tzinfo=UTC)


def test_an_answer_streams_to_stdout_and_its_figures_to_stderr(run: Run) -> None:
    ran = run("chat", "demo-chat", "hello")
    assert ran.code == 0
    assert ran.out.strip()
    assert "first token" not in ran.out
    for figure in ("first token", "tokens/s", " in", " out", "$", "price: "):
        assert figure in ran.err


def test_without_streaming_the_text_is_the_same(run: Run) -> None:
    assert run("chat", "demo-chat", "hello", "--no-stream").out == run("chat", "demo-chat", "hello").out


def test_the_document_holds_text_usage_and_the_exact_cost(run: Run) -> None:
    document = run("chat", "demo-chat", "hello", "--system", "Be brief.", "--json").document
    usage = document["usage"]
    assert document["text"]
    assert usage["input_tokens"] > 0 < usage["output_tokens"]
    exact = usage["input_tokens"] * 500 + usage["output_tokens"] * 1_500
    assert document["cost_nano_usd"] == exact - usage["cache_read_tokens"] * 450 + usage["cache_write_tokens"] * 125
    assert Decimal(document["cost_usd"]) * 1_000_000_000 == document["cost_nano_usd"]
    assert document["latency_ms"] >= document["ttft_ms"] >= 0
    (attempt,) = document["attempts"]
    assert (attempt["status"], attempt["model"], attempt["cost_nano_usd"]) == ("ok", "demo-chat", document["cost_nano_usd"])


@pytest.mark.parametrize("way", [(), ("--no-stream",)])
def test_a_call_that_falls_back_says_from_whom_why_and_to_whom(run: Run, seeded: Path, way: tuple[str, ...]) -> None:
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(seeded)}, seeded))
    registry = services.registry(LOCAL_ADMIN)
    registry.update_model(registry.get("demo-rate-limit").id, fallbacks=["demo-chat"])
    services.close()
    ran = run("chat", "demo-rate-limit", "hello", *way)
    assert ran.code == 0
    assert ran.out.strip()
    assert "Fell back from Demo: rate limit: rate limited, retry in 20 s.\n" in ran.err
    assert "answered by Demo chat" in ran.err
    document = run("chat", "demo-rate-limit", "hello", "--json", *way).document
    assert (document["model"], [attempt["status"] for attempt in document["attempts"]]) == ("demo-chat", ["ok"])
    assert [(notice["kind"], notice["model"], notice["reason"]) for notice in document["notices"]] == [
        ("skipped", "demo-rate-limit", "rate limited")  # it rests for the time it asked for
    ]


def test_a_prompt_may_come_from_standard_input(run: Run) -> None:
    assert run("chat", "demo-chat", "-", input="hello\n").out == run("chat", "demo-chat", "hello").out
    assert run("chat", "demo-chat", "-", input=" \n").code == 2


@pytest.mark.parametrize("model", ["no-such-model", "demo-truncated"])
def test_a_call_that_fails_is_one_sentence_and_exit_1(run: Run, model: str) -> None:
    ran = run("chat", model, "hello", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1


def test_a_model_that_is_off_or_lacks_a_key_says_what_to_do(run: Run) -> None:
    run("models", "deactivate", "demo-chat")
    ran = run("chat", "demo-chat", "hello")
    assert ran.code == 1
    assert "off" in ran.err


def test_usage_adds_up_to_what_the_calls_said(run: Run) -> None:
    calls = [run("chat", "demo-chat", prompt, "--json").document for prompt in ("one", "two words")]
    run("chat", "demo-truncated", "three", "--json")
    summary = run("usage", "summary", "--since", "30d", "--by", "model", "--json").document
    row = next(row for row in summary["rows"] if row["key"] == "demo-chat")
    assert row["requests"] == 2
    assert row["cost_nano_usd"] == sum(call["cost_nano_usd"] for call in calls)
    assert row["input_tokens"] == sum(call["usage"]["input_tokens"] for call in calls)
    assert Decimal(row["cost_usd"]) * 1_000_000_000 == row["cost_nano_usd"]
    assert summary["total"]["requests"] == 3
    assert summary["total"]["failed_requests"] == 1
    assert {row["key"] for row in run("usage", "summary", "--by", "provider", "--json").document["rows"]} == {"demo"}
    assert {row["key"] for row in run("usage", "summary", "--by", "source", "--json").document["rows"]} == {"cli"}
    (by_key,) = run("usage", "summary", "--by", "key", "--json").document["rows"]
    assert (by_key["key"], by_key["label"], by_key["requests"]) == ("", "No key needed", 3)


def test_the_table_has_a_line_for_each_and_a_total(run: Run) -> None:
    run("chat", "demo-chat", "one", "--json")
    lines = run("usage", "summary", "--since", "2h").out.splitlines()
    assert lines[1].split() == ["Model", "Requests", "Failed", "Tokens", "in", "Cached", "Tokens", "out", "Cost", "Unpriced"]
    assert lines[2].startswith("Demo chat ")
    assert lines[-1].startswith("Total ")


def test_no_calls_are_an_empty_table_and_not_an_error(run: Run) -> None:
    ran = run("usage", "summary", "--json")
    assert ran.code == 0
    assert ran.document["rows"] == []
    assert ran.document["total"]["cost_usd"] == "0"


@pytest.mark.parametrize(
    ("text", "tz", "start"),
    [
        ("1d", "UTC", datetime(2026, 3, 10, tzinfo=UTC)),
        ("30d", "UTC", datetime(2026, 2, 9, tzinfo=UTC)),
        ("2w", "UTC", datetime(2026, 2, 25, tzinfo=UTC)),
        ("24h", "UTC", datetime(2026, 3, 9, 9, 30, tzinfo=UTC)),
        ("2026-03-01", "UTC", datetime(2026, 3, 1, tzinfo=UTC)),
        ("1d", "Asia/Kolkata", datetime(2026, 3, 9, 18, 30, tzinfo=UTC)),
        (" 7D ", "UTC", datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_since_begins_where_the_reader_means(text: str, tz: str, start: datetime) -> None:
    assert parse_since(text, NOW, ZoneInfo(tz)).start == start


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1y", "2026-02-30", "2027-01-01", "99999d", "99999w", "1 d"])
def test_a_since_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError):
        parse_since(text, NOW, ZoneInfo("UTC"))


def test_a_wrong_timezone_is_wrong_usage(run: Run) -> None:
    for name in ("Nowhere/Atall", "../etc/passwd", ""):
        assert run("usage", "summary", "--timezone", name).code == 2


@pytest.mark.parametrize(("nano", "text"), [(None, None), (0, "0"), (1, "0.000000001"), (27_500, "0.0000275"), (100_000_000_000, "100")])
def test_dollars_in_json_are_exact_and_never_in_exponent_form(nano: int | None, text: str | None) -> None:
    assert usd_text(nano) == text
