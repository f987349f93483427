"""The Usage page's figures, held against a count of the log done here row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.analytics import EVERYBODY, preset, recent_calls
from lib.chat import Message
from lib.errors import ProviderError
from lib.money import format_usd
from lib.services import ChatCall
from lib.store.usage_tables import llm_usage_log
from lib.ui.calls_table import CHOSEN_CALL
from tests.analytics.rows import recomputed
from tests.pages.deck import Deck, charts, clean, nodes, words
from tests.pages.filling import FREE, PRICED, REFUSED, UNPRICED

ALL_CHARTS = ["Cost over time by model", "Attempts over time by outcome", "Tokens over time by kind", "Latency over time, median and p95"]
Row = dict[str, Any]


def log(deck: Deck, keep: Callable[[Row], bool] = lambda row: True, *, days: int = 7, timezone: str = "UTC") -> list[Row]:
    """Return the log's rows of the last local days, today's included."""
    today = datetime.now(ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    since = (today - timedelta(days=days - 1)).astimezone(UTC)
    with deck.services.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(llm_usage_log)).mappings()]
    return [row for row in rows if row["started_at"] >= since and keep(row)]


def figure(at: AppTest, title: str) -> str:
    (metric,) = [m for m in at.metric if m.label == title]
    return str(metric.value)


def exact_cost(at: AppTest) -> int:
    """Return the nano-dollars the cost card's tooltip names."""
    (metric,) = [m for m in at.metric if m.label == "Cost"]
    found = re.search(r"Exactly \\\$([\d.,]+)\. ", metric.help)
    assert found, metric.help
    return int(Decimal(found[1].replace(",", "")) * 10**9)


def by_model(at: AppTest) -> Any:
    return next(d.value for d in at.dataframe if "Share of cost" in d.value.columns)


def latest(at: AppTest) -> Any:
    return next(d.value for d in at.dataframe if "Source" in d.value.columns)


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
@pytest.mark.parametrize(("name", "days"), [("7d", 7), ("30d", 30)])
def test_the_headline_equals_an_independent_count(filled: Deck, timezone: str, name: str, days: int) -> None:
    at = filled.open("usage", timezone=timezone, range=name)
    clean(at)
    rows = log(filled, days=days, timezone=timezone)
    told = recomputed(rows)
    failed = sum(1 for r in rows if r["is_final"] and r["status"] in ("error", "interrupted"))
    assert exact_cost(at) == told.cost_nano_usd > 0
    assert figure(at, "Cost") == "\\" + format_usd(told.cost_nano_usd)
    assert figure(at, "Requests") == str(told.requests)
    assert figure(at, "Error rate") == f"{100 * failed / told.requests:.1f}%"
    assert charts(at) == ALL_CHARTS


def test_latency_is_that_of_nineteen_of_twenty_answers_that_came_through(filled: Deck) -> None:
    at = filled.open("usage")
    durations = sorted(r["latency_ms"] for r in log(filled, lambda r: r["status"] == "ok"))
    nearest = durations[-(-95 * len(durations) // 100) - 1]
    number, unit = figure(at, "p95 latency").split(" ")
    told = float(number) * {"ms": 1, "s": 1000}[unit]
    assert 0.8 <= told / nearest <= 1.2, "one bucket of the rollup is a fifth wide"


def test_the_table_by_model_adds_up_to_the_headline(filled: Deck) -> None:
    at = filled.open("usage")
    told, table = recomputed(log(filled)), by_model(at)
    assert table["Requests"].sum() == told.requests
    assert (table["Tokens in"].sum(), table["Tokens out"].sum()) == (told.input_tokens, told.output_tokens)
    assert table["Cached"].sum() == told.cache_read_tokens
    assert table["Errors"].sum() == told.errors
    assert table["Unpriced"].sum() == told.unpriced
    assert abs(table["Share of cost"].sum() - 1) < 1e-9
    costs = dict(zip(table["Model"], table["Cost"], strict=True))
    assert costs["Your own model (vLLM)"] == "unpriced"
    assert costs["Demo chat"] == "$0.00"


def test_unpriced_calls_are_named_beside_the_cost_they_are_not_in(filled: Deck) -> None:
    unpriced = recomputed(log(filled)).unpriced
    assert unpriced > 1
    at = filled.open("usage")
    assert [w.value for w in at.warning] == [
        f"{unpriced} calls are unpriced: no price or no token count is known, so the cost above leaves them out."
    ]


def test_every_outcome_is_listed_in_words_newest_first(filled: Deck) -> None:
    at = filled.open("usage")
    table, rows = latest(at), sorted(log(filled), key=lambda r: (r["started_at"], r["id"]), reverse=True)
    assert len(table) == len(rows)
    assert {status for (status,) in table["Status"]} == {"OK", "Error", "Stopped", "Interrupted", "Running"}
    assert list(table["Tokens in"].astype("Int64").fillna(-1)) == [-1 if r["input_tokens"] is None else r["input_tokens"] for r in rows]
    by_status = {(status, cost) for (status,), cost in zip(table["Status"], table["Cost"], strict=True)}
    assert ("Running", "–") in by_status
    assert ("Error", "–") in by_status, "a failure that moved no token cost nothing"
    assert ("Interrupted", "unpriced") in by_status
    assert str(REFUSED) in set(table["Error"])


def test_moments_are_those_of_the_readers_clock(filled: Deck) -> None:
    kolkata = latest(filled.open("usage", timezone="Asia/Kolkata"))["Time"].iloc[0]
    newest = max(r["started_at"] for r in log(filled))
    assert kolkata.to_pydatetime() == newest
    assert kolkata.utcoffset() == timedelta(hours=5, minutes=30)


def test_filters_narrow_every_part_of_the_page(filled: Deck) -> None:
    name = filled.admin.get(PRICED).display_name
    address: Row = {"by-model": name, "by-status": ["OK", "Error"]}
    at = filled.open("usage", **address)
    clean(at)
    rows = log(filled, lambda r: r["model_key"] == PRICED and r["status"] in ("ok", "error"))
    assert figure(at, "Requests") == str(recomputed(rows).requests)
    assert exact_cost(at) == recomputed(rows).cost_nano_usd
    assert list(by_model(at)["Model"]) == [name]
    assert len(latest(at)) == len(rows)
    assert f"Model: {name}" in words(at), "filters that are set are in sight"
    assert "Status: OK, Error" in words(at)


def test_a_filter_that_leaves_nothing_says_so(filled: Deck) -> None:
    at = filled.open("usage", **{"by-model": "Claude Opus 4.6"})
    clean(at)
    assert [i.value for i in at.info] == ["No call of the last 7 days matches these filters."]
    assert charts(at) == []


def test_models_of_one_name_are_told_apart_in_the_filter(filled: Deck) -> None:
    at = filled.open("usage")
    words_of = at.multiselect(key="by-model").options
    assert len(set(words_of)) == len(words_of)
    same = [key for key in ("gpt-4o", "openai-gpt-4o") if filled.admin.get(key).display_name == "GPT-4o"]
    assert len(same) == 2
    for key in same:
        at.multiselect(key="by-model").set_value([key])
        at.run()
        assert at.multiselect(key="by-model").value == [key]


def test_charts_without_a_value_say_why_instead_of_standing_empty(deck: Deck) -> None:
    deck.admin.set_active([deck.admin.get("demo-timeout").id], True)
    for _ in deck.services.chat(LOCAL_ADMIN, ChatCall([Message("user", "Hello")], model=FREE)):
        pass
    at = deck.open("usage")
    assert "No priced call in this range: its calls were free, unpriced or failed." in clean(at)
    assert charts(at) == ALL_CHARTS[1:]


def test_a_call_shows_up_the_next_time_the_page_is_drawn(deck: Deck) -> None:
    at = deck.open("usage")
    assert figure(at, "Requests") == "0"
    for _ in deck.services.chat(LOCAL_ADMIN, ChatCall([Message("user", "Hello")], model=FREE)):
        pass
    at.button(key="refresh").click()
    at.run()
    assert figure(at, "Requests") == "1"
    assert list(latest(at)["Model"]) == ["Demo chat"]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (lambda c: c.status == "ok" and c.model_key == PRICED, "Price set by hand, valid from"),
        (lambda c: c.model_key == UNPRICED, "No price was known for this model when it was called, so the call is unpriced."),
        (lambda c: c.status == "open", "The call is still running."),
        (lambda c: c.status == "interrupted", "The provider reported no token counts"),
        (lambda c: c.status == "error" and c.error_class == "rate-limit", str(REFUSED)),
    ],
)
def test_the_drawer_of_a_call_holds_its_receipt_or_why_there_is_none(filled: Deck, wanted: Callable[[Any], bool], sentence: str) -> None:
    range_ = preset("30d", datetime.now(UTC), ZoneInfo("UTC"))
    chosen = next(c for c in recent_calls(filled.services.analytics_engine, EVERYBODY, range_, limit=500) if wanted(c))
    at = filled.open("usage")
    at.session_state[CHOSEN_CALL] = chosen
    at.run()
    text = clean(at)
    assert sentence in text
    assert chosen.request_id in text
    at.run()
    assert chosen.request_id not in words(at), "the drawer does not come back by itself"


def test_the_receipts_lines_add_up_to_the_cost(filled: Deck) -> None:
    range_ = preset("7d", datetime.now(UTC), ZoneInfo("UTC"))
    calls = recent_calls(filled.services.analytics_engine, EVERYBODY, range_)
    chosen = next(c for c in calls if c.cost_nano_usd and c.cache_read_tokens)
    at = filled.open("usage")
    at.session_state[CHOSEN_CALL] = chosen
    at.run()
    receipt = next(d.value for d in at.dataframe if "Amount" in d.value.columns)
    assert sum(Decimal(a.removeprefix("$")) for a in receipt["Amount"]) * 10**9 == chosen.cost_nano_usd
    assert len([n for n in nodes(at) if getattr(n, "type", "") == "dialog"]) == 1


def test_a_request_that_was_tried_twice_shows_both_attempts(filled: Deck) -> None:
    range_ = preset("7d", datetime.now(UTC), ZoneInfo("UTC"))
    calls = recent_calls(filled.services.analytics_engine, EVERYBODY, range_, limit=500)
    chosen = next(c for c in calls if c.attempt == 2)
    at = filled.open("usage")
    at.session_state[CHOSEN_CALL] = chosen
    at.run()
    text = clean(at)
    assert f"1. {chosen.model_name} · 210 ms · rate-limit: {REFUSED}" in text
    assert f"2. {chosen.model_name} · 1.50 s · OK" in text


def test_an_answer_that_broke_off_after_its_first_token_is_unpriced_not_free(deck: Deck) -> None:
    call = ChatCall(model="demo-truncated", messages=[Message("user", "Hello")])
    with pytest.raises(ProviderError):
        list(deck.services.chat(LOCAL_ADMIN, call))
    with pytest.raises(ProviderError):
        list(deck.services.chat(LOCAL_ADMIN, replace(call, model="demo-rate-limit")))
    at = deck.open("usage")
    assert [w.value for w in at.warning if w.value.startswith("1 call is unpriced")], "only the one that had begun may have cost something"
    costs = dict(zip(latest(at)["Model"], latest(at)["Cost"], strict=True))
    assert (costs["Demo: truncated answer"], costs["Demo: rate limit"]) == ("unpriced", "–")


def test_a_page_without_calls_says_so_and_leads_to_the_playground(deck: Deck) -> None:
    for page in ("usage", "costs", "resilience"):
        (said,) = [i.value for i in deck.open(page).info]
        assert said.startswith("No calls in the last 7 days."), page
