"""Sample calls look like a team's: a reader who trusts the pages on them will trust them on real ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from random import Random
from statistics import correlation, median
from typing import Any, get_args

import pytest

from lib.errors import ErrorKind
from lib.sample.calls import Cast, Role, sample_calls
from lib.sample.catalog import BLACKLISTED, INCIDENT_PROVIDER, MODELS, PROVIDER_OF, PROVIDERS
from lib.sample.failures import FAILURES, OUTAGE, WITHDRAWN, Failure, provider_error
from lib.sample.people import PEOPLE
from lib.sample.rhythm import ZONE, span
from lib.usage.values import Params

from .conftest import NOW

DAYS = 60
CALLS = 12_000
WEEK = timedelta(days=7)


def cast() -> Cast:
    """Return the roles with ids of their own, each price in force from before the range on."""
    since = NOW - timedelta(days=DAYS + 1)
    return {
        model.key: Role(
            *(model, PROVIDER_OF[model.provider], 900 + number, 90),
            tuple(replace(price, id=number, valid_from=since + timedelta(days=DAYS) * part) for part, price in model.prices),
        )
        for number, model in enumerate(MODELS)
    }


def made(calls: int = CALLS, days: int = DAYS, seed: int = 7, now: datetime = NOW) -> list[Params]:
    return list(sample_calls(cast(), calls, days, seed, now))


@pytest.fixture(scope="module")
def rows() -> list[Params]:
    return made()


def share(rows: list[Params], **values: Any) -> float:
    """Return the part of the rows that has all these values."""
    return sum(all(row[name] == value for name, value in values.items()) for row in rows) / len(rows)


def test_the_same_seed_brings_the_same_calls_and_another_brings_others() -> None:
    assert made(800) == made(800)
    assert made(800) != made(800, seed=8)
    assert made(800) != made(800, now=NOW + timedelta(hours=1))


@pytest.mark.parametrize(("calls", "days"), [(1, 1), (7, 90), (500, 1), (2_000, 3), (3_000, 400)])
def test_there_are_exactly_as_many_calls_as_asked_for_all_of_them_over_by_now(calls: int, days: int) -> None:
    rows = made(calls, days)
    assert len(rows) == calls
    assert all(NOW - timedelta(days=days) <= row["started_at"] < NOW for row in rows)
    assert all(row["is_sample"] and row["status"] != "open" for row in rows)


def test_attempts_of_a_request_count_up_and_the_last_one_is_final(rows: list[Params]) -> None:
    by_request = sorted(rows, key=lambda row: (row["request_id"], row["attempt"]))
    for _, attempts in groupby(by_request, key=lambda row: row["request_id"]):
        found = list(attempts)
        assert [row["attempt"] for row in found] == list(range(1, len(found) + 1))
        assert [row["is_final"] for row in found] == [False] * (len(found) - 1) + [True]
        assert all(row["status"] == "error" for row in found[:-1]), "only what failed is tried again"
        assert all(a["started_at"] < b["started_at"] for a, b in pairwise(found))


def test_working_days_are_busier_than_weekends_and_days_than_nights(rows: list[Params]) -> None:
    local = [row["started_at"].astimezone(ZONE) for row in rows]
    days = Counter(at.date() for at in local)
    week = [count for day, count in days.items() if day.weekday() < 5]
    weekend = [count for day, count in days.items() if day.weekday() >= 5]
    assert 0.15 < median(weekend) / median(week) < 0.6
    hours = Counter(at.hour for at in local)
    assert sum(hours[h] for h in range(9, 17)) > 0.5 * len(rows)
    assert all(hours[h] for h in range(24)), "programs call at night too"


def test_use_grows_over_the_range(rows: list[Params]) -> None:
    first = sum(row["started_at"] < NOW - timedelta(days=DAYS) + 2 * WEEK for row in rows)
    last = sum(row["started_at"] >= NOW - 2 * WEEK for row in rows)
    assert 1.4 < last / first < 3


def test_outcomes_are_those_of_a_healthy_team_with_some_trouble(rows: list[Params]) -> None:
    assert 0.9 < share(rows, status="ok") < 0.98
    assert 0.01 < share(rows, status="error") < 0.06
    assert 0.003 < share(rows, status="cancelled") < 0.03
    assert 0.0003 < share(rows, status="interrupted") < 0.01
    assert 0.005 < share(rows, is_final=False) < 0.05
    assert {row["error_class"] for row in made(20_000)} == {None, *get_args(ErrorKind)}
    assert {row["source"] for row in rows} == {"playground", "api", "cli", "test"}


def test_a_few_people_have_habits_of_their_own_and_names_nobody_takes_for_real(rows: list[Params]) -> None:
    people = {row["user_id"]: row["user_name"] for row in rows}
    assert people == {person.user_id: person.name for person in PEOPLE}
    assert 8 <= len(people) <= 12
    assert all("sample" in name.lower() for name in people.values())
    favourites = {user: Counter(r["model_key"] for r in rows if r["user_id"] == user).most_common(1)[0][0] for user in people}
    assert len(set(favourites.values())) >= 5
    night = Counter(row["user_name"] for row in rows if row["started_at"].astimezone(ZONE).hour in (2, 3))
    assert night.most_common(1)[0][0] == "Nightly report (sample)"


def test_models_and_providers_say_that_they_are_a_sample(rows: list[Params]) -> None:
    assert 4 <= len(PROVIDERS) <= 5
    assert 10 <= len(MODELS) <= 14
    assert {row["model_key"] for row in rows} == {model.key for model in MODELS}
    for row in rows:
        assert row["model_key"].startswith("sample-") and row["provider"].startswith("sample-")
        assert row["model_name"].endswith("(sample)") and row["provider_name"].endswith("(sample)")


def test_token_counts_hold_together_and_caches_are_used(rows: list[Params]) -> None:
    used = [row for row in rows if row["usage_source"] == "provider"]
    for row in used:
        assert 0 <= row["cache_write_1h_tokens"] <= row["cache_write_tokens"]
        assert row["cache_read_tokens"] + row["cache_write_tokens"] <= row["input_tokens"]
        assert 0 <= row["reasoning_tokens"] <= row["output_tokens"]
    read = sum(row["cache_read_tokens"] for row in used) / sum(row["input_tokens"] for row in used)
    assert 0.25 < read < 0.75
    writing = {row["provider"] for row in used if row["cache_write_tokens"]}
    assert writing == {"sample-northlight"}
    assert any(row["cache_write_1h_tokens"] for row in used)
    assert any(row["cache_write_tokens"] > row["cache_write_1h_tokens"] for row in used)
    assert {row["model_key"] for row in used if row["reasoning_tokens"]} == {"sample-lantern-think", "sample-basalt-xl"}


def test_long_answers_take_longer_and_the_first_token_comes_before_the_last(rows: list[Params]) -> None:
    answered = [row for row in rows if row["status"] == "ok"]
    assert all(row["ttft_ms"] is None or 0 < row["ttft_ms"] <= row["latency_ms"] for row in answered)
    for key in ("sample-quill-large", "sample-tide-72b"):
        own = [row for row in answered if row["model_key"] == key]
        assert correlation([r["output_tokens"] for r in own], [r["latency_ms"] for r in own]) > 0.6
    speed = {
        key: median(r["latency_ms"] for r in answered if r["model_key"] == key) for key in ("sample-basalt-flash", "sample-quill-large")
    }
    assert speed["sample-basalt-flash"] < speed["sample-quill-large"]


def test_one_provider_has_a_bad_day(rows: list[Params]) -> None:
    incident = span(DAYS, NOW).incident
    assert incident is not None
    own = [row for row in rows if row["provider"] == INCIDENT_PROVIDER]
    during = [row for row in own if incident[0] <= row["started_at"] < incident[1]]
    assert share(during, status="error") > 0.4
    assert share([row for row in own if row not in during], status="error") < 0.08
    assert incident[0].astimezone(ZONE).weekday() < 5


def test_spend_moves_to_a_dear_model_and_one_model_has_no_price(rows: list[Params]) -> None:
    def of_dear(part: list[Params]) -> float:
        return sum(r["cost_nano_usd"] or 0 for r in part if r["model_key"] == "sample-quill-large") / sum(
            r["cost_nano_usd"] or 0 for r in part
        )

    early = [row for row in rows if row["started_at"] < NOW - timedelta(days=DAYS * 2 // 3)]
    late = [row for row in rows if row["started_at"] >= NOW - timedelta(days=DAYS // 3)]
    assert of_dear(late) > of_dear(early) + 0.1
    unpriced = {row["model_key"] for row in rows if row["status"] == "ok" and row["cost_nano_usd"] is None}
    assert unpriced == {"sample-ember-preview"}


def test_nobody_asks_for_the_blacklisted_model_any_more(rows: list[Params]) -> None:
    range_ = span(DAYS, NOW)
    own = [row for row in rows if row["model_key"] == BLACKLISTED]
    leaving = [row for row in own if row["started_at"] >= range_.withdrawn and row["attempt"] == 1]
    assert share(leaving, error_class="model-incompatible") > 0.3
    assert not [row for row in own if row["started_at"] > range_.blacklisted + timedelta(hours=2)]


@pytest.mark.parametrize("failure", [*FAILURES, *OUTAGE, *WITHDRAWN])
def test_each_failure_is_classified_as_a_real_one_would_be(failure: Failure) -> None:
    error = provider_error(failure, provider="Tidepool (sample)", model="tide", window=8_000, random=Random(1))
    assert error.kind == failure.kind
    assert str(error).startswith("Tidepool (sample) ")
    assert "{" not in str(error)


@pytest.mark.parametrize("days", range(1, 12))
def test_a_bad_day_lies_within_the_range_and_never_at_a_weekend(days: int) -> None:
    range_ = span(days, NOW)
    if range_.incident is None:
        assert days <= 4
        return
    low, high = range_.incident
    assert range_.start < low < high < range_.end
    assert low.astimezone(ZONE).weekday() < 5
