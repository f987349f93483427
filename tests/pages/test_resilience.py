"""The Resilience page's figures, held against a slow reading of the log, and what it says of blacklisted models."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import Principal, Role
from lib.analytics import Totals
from lib.store.engine import writing
from lib.store.schema import hint_events, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.ui import context
from lib.ui.requests_view import FOLLOWED
from lib.ui.resilience_view import success_rate
from tests.pages.deck import Deck, charts, clean, go, words
from tests.pages.filling import PRICED
from tests.pages.test_usage import log


def table(at: AppTest, *columns: str) -> Any:
    return next(d.value for d in at.dataframe if set(columns) <= set(d.value.columns))


def blacklisted(deck: Deck, since: datetime, message: str = "No such model") -> None:
    """Note, as the router would, that a model is avoided."""
    model = deck.admin.get(PRICED)
    with writing(deck.services.engine).begin() as connection:
        connection.execute(
            sa.insert(model_compatibility_hints).values(
                provider=model.provider.slug,
                model=model.model_key,
                is_blacklisted=True,
                blacklist_reason="It failed three times in a row.",
                error_count=3,
                success_count=4,
                last_error_type="model-incompatible",
                last_error_message=message,
                last_error_time=since + timedelta(hours=1),
                created_at=since,
                updated_at=since,
            )
        )
        connection.execute(
            sa.insert(hint_events).values(at=since, provider=model.provider.slug, model=model.model_key, event="blacklisted", detail={})
        )


def test_a_fresh_page_is_one_sentence_instead_of_empty_charts(deck: Deck) -> None:
    at = deck.open("resilience")
    clean(at)
    assert [i.value for i in at.info] == ["No calls in the last 7 days. Send one from the playground and it appears here a second later."]
    assert charts(at) == [] and not at.dataframe
    assert [c.value for c in at.caption] == ["No model is blacklisted: the router uses every model that is switched on."]


@pytest.mark.parametrize("by", ["Provider", "Model"])
def test_success_rates_equal_a_slow_count(filled: Deck, by: str) -> None:
    at = filled.open("resilience", range="30d")
    clean(at)
    assert charts(at) == ["Attempts over time by outcome", "Errors over time by class"]
    found = table(at, by, "Success")
    told: dict[str, Counter[str]] = {}
    for row in log(filled, lambda r: r["status"] != "open", days=30):
        told.setdefault(row[f"{by.lower()}_name"], Counter())[row["status"]] += 1
    assert len(found) == len(told) >= 3
    for _, row in found.iterrows():
        counts = told[row[by]]
        assert row["Attempts"] == counts.total()
        for column, status in (("OK", "ok"), ("Errors", "error"), ("Interrupted", "interrupted"), ("Stopped", "cancelled")):
            assert row[column] == counts[status], column
        assert row["Success"] == pytest.approx(counts["ok"] / (counts.total() - counts["cancelled"]))
    assert list(found["Success"]) == sorted(found["Success"]), "the worst comes first"


def test_stopping_an_answer_is_no_failure_and_nothing_is_not_zero() -> None:
    assert success_rate(Totals(attempts=4, ok=3, cancelled=1)) == 1
    assert success_rate(Totals(attempts=2, cancelled=2)) is None
    assert success_rate(Totals(attempts=4, ok=1, errors=2, interrupted=1)) == 0.25


def test_errors_are_counted_by_model_and_class(filled: Deck) -> None:
    found = table(filled.open("resilience", range="30d"), "Model", "All")
    told = Counter((r["model_name"], r["error_class"]) for r in log(filled, lambda r: r["error_class"], days=30))
    assert len(told) >= 2
    classes = [name for name in found.columns if name not in ("Model", "All")]
    assert {(row["Model"], c): row[c] for _, row in found.iterrows() for c in classes if row[c] == row[c]} == told
    assert list(found["All"]) == [sum(n for (model, _), n in told.items() if model == name) for name in found["Model"]]


@pytest.mark.parametrize(("words_of", "column"), [("Time to first token", "ttft_ms"), ("Total time", "latency_ms")])
def test_percentiles_are_those_of_answers_that_came_through(filled: Deck, words_of: str, column: str) -> None:
    at = filled.open("resilience", range="30d")
    at.segmented_control(key="timed").set_value(words_of)
    at.run()
    clean(at)
    found = table(at, "Answers", "p99")
    name = filled.admin.get(PRICED).display_name
    (row,) = [r for _, r in found.iterrows() if r["Model"] == name]
    taken = sorted(r[column] for r in log(filled, lambda r: r["model_key"] == PRICED and r["status"] == "ok", days=30))
    assert row["Answers"] == len(taken)
    for part in (50, 90, 95, 99):
        number, unit = row[f"p{part}"].split(" ")
        nearest = taken[-(-part * len(taken) // 100) - 1]
        assert 0.8 <= float(number) * {"ms": 1, "s": 1000}[unit] / nearest <= 1.2, "one bucket of the rollup is a fifth wide"


def test_a_blacklisted_model_is_told_with_its_reason_and_since_when(filled: Deck) -> None:
    since = datetime(2026, 3, 1, 18, 45, tzinfo=UTC)
    blacklisted(filled, since, message="=1+1")
    at = filled.open("resilience", timezone="Asia/Kolkata")
    clean(at)
    (row,) = [r for _, r in table(at, "Reason").iterrows()]
    model = filled.admin.get(PRICED)
    assert (row["Model"], row["Provider"]) == (model.display_name, model.provider.display_name)
    assert row["Reason"] == "It failed three times in a row."
    assert row["Since"].to_pydatetime() == since
    assert row["Since"].tzinfo is not None and row["Since"].utcoffset() == timedelta(hours=5, minutes=30)
    assert (row["Attempts"], row["Failed"]) == (7, 3)
    assert row["Last error"] == "model-incompatible: =1+1"


def test_the_blacklist_follows_the_filters_and_stands_without_calls(deck: Deck) -> None:
    blacklisted(deck, datetime.now(UTC) - timedelta(days=40))
    assert "It failed three times in a row." in words(deck.open("resilience"))
    assert "It failed three times in a row." not in words(deck.open("resilience", **{"by-provider": "Demo"}))


def test_a_member_is_told_nothing_of_other_peoples_errors(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    blacklisted(filled, datetime.now(UTC))
    monkeypatch.setattr(context, "asking", lambda: Principal(str(UUID(int=77)), "Mia", Role.MEMBER))
    at = filled.open("resilience")
    text = clean(at)
    assert "No such model" not in text and "three times" not in text
    assert [h.value for h in at.subheader] == []


@pytest.mark.parametrize("model", [PRICED, "left-the-registry"])
def test_what_was_chosen_is_what_the_list_of_calls_is_narrowed_to(filled: Deck, model: str) -> None:
    with writing(filled.services.engine).begin() as connection:
        connection.execute(sa.update(llm_usage_log).where(llm_usage_log.c.model_key == PRICED).values(model_key=model))
    at = filled.open("resilience", range="30d")
    at.session_state["by-model"] = [model]  # as the table's callback does, which this bench cannot press
    at.session_state[FOLLOWED] = {"by-error": ["timeout"]}
    at.run()
    told = log(filled, lambda r: r["model_key"] == model and r["error_class"] == "timeout", days=30)
    for _ in range(2):
        clean(at)
        assert at.title[0].value == "Requests"
        assert list(at.multiselect(key="by-model").value) == [model]
        assert list(table(at, "Error class")["Error"]) == [r["error_message"] for r in told] != []
        go(at, "requests")
