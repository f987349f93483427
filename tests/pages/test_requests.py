"""The Requests page: every call exactly once, the filters against a slow reading of the log, and the CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import Principal, Role
from lib.analytics import ALL_CALLS, EVERYBODY, CallFilters, calls_page, preset
from lib.store.engine import writing
from lib.store.usage_tables import llm_usage_log
from lib.ui import context, requests_view
from lib.ui.calls_table import CHOSEN_CALL
from tests.pages.deck import Deck, button, clean, press
from tests.pages.filling import DEAD, FREE, PRICED, REFUSED, TIMED_OUT, UNPRICED
from tests.pages.test_usage import Row, log

KOLKATA = ZoneInfo("Asia/Kolkata")


def listed(at: AppTest) -> Any:
    return next(d.value for d in at.dataframe if "Error class" in d.value.columns)


def moments(at: AppTest) -> list[datetime]:
    return [moment.to_pydatetime() for moment in listed(at)["Time"]]


def newest_first(rows: list[Row]) -> list[datetime]:
    return sorted((row["started_at"] for row in rows), reverse=True)


def said(at: AppTest) -> str:
    return next(m.value for m in at.markdown if "retries included" in m.value)


def test_a_fresh_list_is_one_sentence_and_the_way_to_the_first_call(deck: Deck) -> None:
    at = deck.open("requests")
    clean(at)
    assert [i.value for i in at.info] == ["No calls in the last 7 days. Send one from the playground and it appears here a second later."]
    assert not at.dataframe


def test_pages_show_every_call_exactly_once_on_the_way_down_and_up(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_view, "PER_PAGE", 7)
    at = filled.open("requests", range="30d")
    told = newest_first(log(filled, days=30))
    assert len(told) > 3 * 7
    assert said(at) == f"**{len(told)} calls**, retries included"
    assert button(at, "Newer").disabled and button(at, "Newest").disabled
    pages = [moments(at)]
    while not button(at, "Older").disabled:
        press(at, "Older")
        clean(at)
        pages.append(moments(at))
    assert [moment for page in pages for moment in page] == told
    press(at, "Newer")
    up = moments(at)
    while not button(at, "Newer").disabled:
        press(at, "Newer")
        up = [*moments(at), *up]
    assert up == told[: len(up)] and len(up) >= len(told) - 7
    press(at, "Older")
    press(at, "Newest")
    assert moments(at) == told[:7]


def test_another_filter_begins_again_with_the_newest(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_view, "PER_PAGE", 7)
    at = press(filled.open("requests", range="30d"), "Older")
    at.multiselect(key="by-model").set_value([PRICED])
    at.run()
    assert moments(at) == newest_first(log(filled, lambda row: row["model_key"] == PRICED, days=30))[:7]


def test_a_page_whose_calls_are_gone_gives_way_to_the_newest(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_view, "PER_PAGE", 7)
    at = press(filled.open("requests", range="30d"), "Older")
    kept = newest_first(log(filled, days=30))[:3]
    with writing(filled.services.engine).begin() as connection:
        connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.started_at < min(kept)))
    at.run()
    clean(at)
    assert moments(at) == kept


@pytest.mark.parametrize(
    ("address", "keep"),
    [
        ({"q": "RATE LIMIT"}, lambda r: "rate limit" in (r["error_message"] or "").lower()),
        ({"q": "100%_"}, lambda r: False),
        ({"by-error": ["timeout", "rate-limit"]}, lambda r: r["error_class"] in ("timeout", "rate-limit")),
        ({"min-cost": "0.0035"}, lambda r: (r["cost_nano_usd"] or 0) >= 3_500_000),
        ({"max-cost": "0.0035"}, lambda r: r["cost_nano_usd"] is not None and r["cost_nano_usd"] <= 3_500_000),
        ({"min-latency": "1.5", "max-latency": "2"}, lambda r: 1_500 <= (r["latency_ms"] or 0) <= 2_000),
        ({"by-user": "No user"}, lambda r: r["user_id"] is None),
        ({"by-key": "system"}, lambda r: r["key_scope"] == "system"),
        ({"by-key": "No key needed"}, lambda r: r["key_scope"] is None),
        (
            {"unpriced": "true"},
            lambda r: (
                r["status"] != "open"
                and r["cost_nano_usd"] is None
                and not (r["status"] == "error" and r["ttft_ms"] is None and not (r["input_tokens"] or r["output_tokens"]))
            ),
        ),
        ({"by-status": "Error", "min-latency": "1"}, lambda r: r["status"] == "error" and r["latency_ms"] >= 1_000),
    ],
)
def test_a_filter_in_the_address_keeps_the_calls_a_slow_reading_keeps(filled: Deck, address: Row, keep: Callable[[Row], bool]) -> None:
    at = filled.open("requests", range="30d", **address)
    clean(at)
    told = newest_first(log(filled, keep, days=30))
    if not told:
        assert [i.value for i in at.info] == ["No call of the last 30 days matches these filters."]
        return
    assert 0 < len(told) < len(log(filled, days=30))
    assert moments(at) == told
    assert next(e for e in at.expander if e.label == "More filters").proto.expanded == (set(address) != {"by-status"})


def test_the_table_says_what_a_call_was_in_words(filled: Deck) -> None:
    table = listed(filled.open("requests", timezone="Asia/Kolkata"))
    rows = sorted(log(filled, timezone="Asia/Kolkata"), key=lambda r: (r["started_at"], r["id"]), reverse=True)
    assert table["Time"].iloc[0].utcoffset() == timedelta(hours=5, minutes=30)
    assert list(table["Error class"]) == [r["error_class"] or "" for r in rows]
    assert list(table["Provider"]) == [r["provider_name"] for r in rows]
    assert {str(REFUSED), str(TIMED_OUT)} <= set(table["Error"])
    assert "Sample" not in table.columns


def test_a_chosen_call_opens_its_receipt_with_every_attempt(filled: Deck) -> None:
    range_ = preset("30d", datetime.now(UTC), ZoneInfo("UTC"))
    page = calls_page(filled.services.analytics_engine, EVERYBODY, range_, CallFilters(error_classes=("rate-limit",)))
    at = filled.open("requests", range="30d")
    at.session_state[CHOSEN_CALL] = page.calls[0]
    at.run()
    assert f"1. {page.calls[0].model_name} · 210 ms · rate-limit: {REFUSED}" in clean(at)


def test_a_member_lists_only_calls_of_their_own_and_nobodys_name(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "asking", lambda: Principal(DEAD, "Mia", Role.MEMBER))
    at = filled.open("requests", **{"by-user": "No user"})
    clean(at)
    assert not at.dataframe
    assert "User" not in [m.label for m in at.multiselect]


def test_text_that_looks_like_a_formula_is_safe_in_the_table_and_in_the_csv(filled: Deck) -> None:
    with writing(filled.services.engine).begin() as connection:
        connection.execute(
            sa.update(llm_usage_log).where(llm_usage_log.c.error_class == "timeout").values(error_message='=HYPERLINK("http://x.invalid")')
        )
    at = filled.open("requests", **{"by-error": "timeout"})
    assert list(listed(at)["Error"]) == ['\'=HYPERLINK("http://x.invalid")']
    (row,) = [r for r in exported(filled) if r["error_class"] == "timeout"]
    assert row["error_message"] == '\'=HYPERLINK("http://x.invalid")'


def exported(deck: Deck, **limits: int) -> list[dict[str, str]]:
    range_ = preset("30d", datetime.now(UTC), KOLKATA)
    data = requests_view.export(deck.services.analytics_engine, EVERYBODY, range_, ALL_CALLS, KOLKATA, **limits)
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_csv_holds_every_call_of_the_list_with_every_digit(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_view, "_READ_AT_ONCE", 10)
    rows = exported(filled)
    told = sorted(log(filled, days=30, timezone="Asia/Kolkata"), key=lambda r: (r["started_at"], r["id"]), reverse=True)
    assert len(told) > 20
    assert [datetime.fromisoformat(r["time"]) for r in rows] == [t["started_at"] for t in told]
    assert all(r["time"].endswith("+05:30") for r in rows)
    cost = [None if r["cost_usd"] == "" else int(Decimal(r["cost_usd"]) * 10**9) for r in rows]
    assert cost == [t["cost_nano_usd"] for t in told]
    for column in ("request_id", "status", "input_tokens", "output_tokens", "latency_ms", "error_class", "error_message"):
        assert [r[column] for r in rows] == ["" if t[column] is None else str(t[column]) for t in told], column
    assert {r["model"] for r in rows} == {PRICED, UNPRICED, FREE}


def test_a_csv_of_more_than_fits_holds_the_newest(filled: Deck) -> None:
    assert exported(filled, most=5) == exported(filled)[:5]
