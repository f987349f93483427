"""What the Resilience page tells of hints, recomputed row by row: matrix, timeline, rests, attempts avoided, fallback paths, report."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib import analytics
from lib.analytics import EVERYBODY, NO_FILTERS, Filters, Range, Scope
from lib.analytics.compatibility import BROKEN_FROM, LOOKED_AT
from lib.analytics.detours import LOOKED_AT as FAILURES_LOOKED_AT
from lib.store.schema import hint_events, llm_models, llm_providers
from lib.store.schema import model_compatibility_hints as hints
from tests.analytics.rows import insert, logged

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RANGE = Range(NOW - timedelta(days=7), NOW, ZoneInfo("UTC"), "day", NOW)
MIA = Scope("00000000-0000-4000-8000-0000000000aa")
MODELS = {"sonnet": ("anthropic", 1), "haiku": ("anthropic", 2), "gpt": ("openai", 3), "mini": ("openai", 4)}
CLASSES = ("rate-limit", "network", "model-incompatible", "unknown", "timeout")


@pytest.fixture
def engine(database_engine: Engine) -> Engine:
    """A database of its own for each test, since events cannot be taken back: two providers with two models each, and no hint."""
    stamps = {"created_at": NOW, "updated_at": NOW}
    with database_engine.begin() as connection:
        for number, (slug, name) in enumerate((("anthropic", "Anthropic"), ("openai", "OpenAI")), start=1):
            row = {"id": number, "slug": slug, "kind": slug, "display_name": name}
            connection.execute(sa.insert(llm_providers).values({**row, **stamps}))
        for key, (slug, number) in MODELS.items():
            named = {"id": number, "model_key": key, "upstream_id": key, "display_name": key.title()}
            connection.execute(sa.insert(llm_models).values({**named, "provider_id": 1 + (slug == "openai"), **stamps}))
    return database_engine


def call(model: str = "sonnet", **values: Any) -> dict[str, Any]:
    provider, number = MODELS[model]
    named = {"model_key": model, "model_id": number, "provider": provider, "provider_name": provider.title()}
    return logged(**{**named, "started_at": NOW - timedelta(hours=1), "endpoint": "messages", "latency_ms": 100, **values})


def failed(model: str = "sonnet", kind: str = "unknown", **values: Any) -> dict[str, Any]:
    return call(model, **{"status": "error", "error_class": kind, "error_message": f"{kind} happened", **values})


def hint(engine: Engine, model: str = "sonnet", provider: str | None = None, **values: Any) -> None:
    row = {"provider": provider or MODELS[model][0], "model": model, "created_at": NOW, "updated_at": NOW, **values}
    with engine.begin() as connection:
        connection.execute(sa.insert(hints).values(row))


def event(engine: Engine, name: str, at: datetime, model: str = "sonnet", **values: Any) -> None:
    row = {"event": name, "at": at, "provider": MODELS[model][0], "model": model, "detail": {}, **values}
    with engine.begin() as connection:
        connection.execute(sa.insert(hint_events).values(row))


def matrix(engine: Engine, filters: Filters = NO_FILTERS, range_: Range = RANGE) -> analytics.Matrix:
    return analytics.compatibility_matrix(engine, EVERYBODY, range_, filters)


# Nothing of it is one person's


def test_one_persons_scope_is_told_nothing(engine: Engine) -> None:
    insert(engine, [failed(user_id=MIA.user_id), call("gpt", user_id=MIA.user_id)])
    hint(engine, is_blacklisted=True, error_count=5, cooldown_until=NOW + timedelta(hours=1))
    event(engine, "blacklisted", NOW - timedelta(hours=2))
    event(engine, "skipped", NOW - timedelta(hours=1), detail={"kind": "blacklisted"})
    assert analytics.compatibility_matrix(engine, MIA, RANGE).rows == ()
    assert analytics.blacklist_timeline(engine, MIA, RANGE) == []
    assert analytics.cooldowns(engine, MIA, NOW) == []
    assert analytics.avoided(engine, MIA, RANGE) == []
    assert analytics.fallback_paths(engine, MIA, RANGE) == []
    report = analytics.hint_report(engine, MIA, RANGE, [], [("anthropic", "sonnet")])
    assert (report.problems, report.removable, report.providers) == ((), (), ())
    assert analytics.compatibility_matrix(engine, EVERYBODY, RANGE).rows != ()
    assert analytics.blacklist_timeline(engine, EVERYBODY, RANGE) != []
    assert analytics.cooldowns(engine, EVERYBODY, NOW) != []
    assert analytics.avoided(engine, EVERYBODY, RANGE) != []


# The matrix


def test_without_calls_or_hints_there_is_nothing_to_tell(engine: Engine) -> None:
    assert matrix(engine) == analytics.Matrix((), (), ())


def test_an_endpoint_that_answered_works_and_tells_its_last_failure(engine: Engine) -> None:
    insert(engine, [call(), call(), failed(kind="network", started_at=NOW - timedelta(minutes=5)), failed(kind="timeout")])
    (row,) = matrix(engine).rows
    cell = row.endpoints["messages"]
    assert (row.provider, row.model, row.label, cell.state) == ("anthropic", "sonnet", "Sonnet", "works")
    assert cell.evidence == "2 of its newest 4 calls in the range came through."
    assert (cell.last_failure_at, cell.last_failure) == (NOW - timedelta(minutes=5), "network happened")


def test_what_the_router_learned_of_endpoints_is_broken_and_learned(engine: Engine) -> None:
    learned: dict[str, Any] = {
        "supported_endpoints": ["responses"],
        "unsupported_endpoints": ["chat/completions"],
        "preferred_endpoint": "responses",
    }
    hint(engine, "gpt", success_count=1, **learned)
    (row,) = matrix(engine).rows
    assert {name: cell.state for name, cell in row.endpoints.items()} == {"chat/completions": "broken", "responses": "learned"}
    assert "responses is used instead" in row.endpoints["chat/completions"].evidence
    assert "chat/completions was refused" in row.endpoints["responses"].evidence


def test_an_endpoint_that_an_admin_chose_says_so(engine: Engine) -> None:
    hint(engine, "gpt", preferred_endpoint="responses")
    assert "An admin chose it" in matrix(engine).rows[0].endpoints["responses"].evidence


@pytest.mark.parametrize(
    ("faults", "blacklisted", "state"),
    [(1, False, "untested"), (BROKEN_FROM - 1, False, "untested"), (BROKEN_FROM, False, "broken"), (1, True, "broken")],
)
def test_an_endpoint_is_broken_after_faults_of_the_model_itself_and_no_success(
    engine: Engine, faults: int, blacklisted: bool, state: str
) -> None:
    insert(engine, [failed() for _ in range(faults)])
    hint(engine, is_blacklisted=blacklisted, error_count=faults)
    assert matrix(engine).rows[0].endpoints["messages"].state == state


def test_faults_that_pass_break_nothing(engine: Engine) -> None:
    insert(engine, [failed(kind="rate-limit") for _ in range(20)])
    assert matrix(engine).rows[0].endpoints["messages"].state == "untested"


def test_a_first_success_before_the_range_still_means_that_it_works(engine: Engine) -> None:
    hint(engine, success_count=4)
    event(engine, "first_success", NOW - timedelta(days=300), detail={"endpoint": "messages"})
    cell = matrix(engine).rows[0].endpoints["messages"]
    assert (cell.state, cell.evidence) == ("works", "It has answered before; no call of the range came through on it.")


def test_parameters_are_columns_for_every_model(engine: Engine) -> None:
    at = (NOW - timedelta(days=1)).isoformat()
    base = {"evidence": "its own words", "at": at}
    learned = {
        "max_tokens": {"action": "rename", "to": "max_completion_tokens", "state": "learned", **base},
        "temperature": {"action": "drop", "to": None, "state": "accepted", **base},
        "top_p": {"action": "drop", "to": None, "state": "rejected", **base},
    }
    hint(engine, "gpt", learned_parameters=learned)
    hint(engine, "sonnet", success_count=1)
    found = matrix(engine)
    assert found.parameters == ("max_tokens", "temperature", "top_p")
    sonnet, gpt = found.rows
    assert [cell.state for cell in gpt.parameters.values()] == ["learned", "broken", "untested"]
    assert [cell.state for cell in sonnet.parameters.values()] == ["untested"] * 3
    assert "max_completion_tokens" in gpt.parameters["max_tokens"].evidence
    assert "accepted" in gpt.parameters["temperature"].evidence
    assert "rejected" in gpt.parameters["top_p"].evidence
    assert gpt.parameters["temperature"].last_failure == "its own words"
    assert gpt.parameters["temperature"].last_failure_at == NOW - timedelta(days=1)


@pytest.mark.parametrize(
    "filters", [NO_FILTERS, Filters(sources=("api",)), Filters(models=("gpt", "sonnet")), Filters(providers=("openai",))]
)
def test_the_matrix_is_what_counting_the_newest_calls_one_by_one_gives(engine: Engine, filters: Filters) -> None:
    chance = random.Random(11)
    rows = []
    for number in range(900):
        model = chance.choice(["sonnet", "gpt", "gpt", "gpt", "mini"])
        given = {
            "started_at": NOW - timedelta(minutes=17 * number + chance.randint(0, 16)),
            "endpoint": chance.choice(["messages"] if model == "sonnet" else ["chat/completions", "responses"]),
            "source": chance.choice(["api", "playground"]),
        }
        rows.append(call(model, **given) if chance.random() < 0.8 else failed(model, chance.choice(CLASSES), **given))
    insert(engine, rows)
    counted = {}
    for model, (provider, _) in MODELS.items():
        if (filters.models and model not in filters.models) or (filters.providers and provider not in filters.providers):
            continue
        theirs = [r for r in rows if r["model_key"] == model and RANGE.start <= r["started_at"] < RANGE.end]
        theirs = [r for r in theirs if not filters.sources or r["source"] in filters.sources]
        newest = sorted(theirs, key=lambda r: r["started_at"], reverse=True)[:LOOKED_AT]
        for endpoint in {r["endpoint"] for r in newest}:
            of_it = [r for r in newest if r["endpoint"] == endpoint]
            bad = [r for r in of_it if r["status"] == "error"]
            last = (bad[0]["started_at"], bad[0]["error_message"]) if bad else (None, None)
            came = len([r for r in of_it if r["status"] == "ok"])
            counted[model, endpoint] = (f"{came:,} of its newest {len(of_it):,} calls in the range came through.", *last)
    found = {
        (row.model, name): (cell.evidence, cell.last_failure_at, cell.last_failure)
        for row in matrix(engine, filters).rows
        for name, cell in row.endpoints.items()
        if cell.state == "works"
    }
    assert counted and found == counted


def test_a_model_that_is_gone_from_the_registry_keeps_its_row(engine: Engine) -> None:
    hint(engine, "long-gone", "nowhere", error_count=5, is_blacklisted=True, blacklist_reason="Too many", unsupported_endpoints=["x"])
    (row,) = matrix(engine).rows
    assert (row.provider, row.model, row.label, row.is_blacklisted, row.reason) == ("nowhere", "long-gone", "long-gone", True, "Too many")
    assert row.endpoints["x"].state == "broken"


# Rests


def test_rests_are_told_with_what_remains_longest_first(engine: Engine) -> None:
    for minutes, model in ((5, "gpt"), (9, "sonnet"), (0, "haiku"), (-1, "mini")):
        hint(engine, model, cooldown_until=NOW + timedelta(minutes=minutes), cooldown_reason="rate limited", cooldown_count=2)
    found = analytics.cooldowns(engine, EVERYBODY, NOW)
    assert [(c.model, c.reason, c.remaining_s, c.count) for c in found] == [
        ("sonnet", "rate limited", 540, 2),
        ("gpt", "rate limited", 300, 2),
    ]
    assert [c.model for c in analytics.cooldowns(engine, EVERYBODY, NOW, Filters(providers=("openai",)))] == ["gpt"]
    assert analytics.cooldowns(engine, EVERYBODY, NOW, Filters(sample=True)) == []


# The timeline


def day(n: float) -> datetime:
    return NOW - timedelta(days=n)


def test_a_time_on_the_list_goes_from_its_event_to_what_ended_it_with_its_probes(engine: Engine) -> None:
    event(engine, "blacklisted", day(20), detail={"reason": "Too many errors (5) with no successes"})
    event(engine, "probe_failed", day(8), detail={"message": "still gone"})
    event(engine, "probe_failed", day(5), detail={"message": "still gone"})
    event(engine, "probe_ok", day(3), actor="Ada")
    event(engine, "recovered", day(3))
    event(engine, "manually_blacklisted", day(1), actor="Ada", detail={"reason": "costs"})
    hint(engine, is_blacklisted=True, manual_state="blacklisted", blacklist_reason="costs", probe_lease_until=NOW + timedelta(minutes=1))
    (one,) = analytics.blacklist_timeline(engine, EVERYBODY, RANGE)
    assert [(s.start, s.end, s.reason, s.by, s.ended) for s in one.listed] == [
        (day(20), day(3), "Too many errors (5) with no successes", None, "recovered"),
        (day(1), None, "costs", "Ada", None),
    ]
    assert [(p.at, p.ok, p.message, p.by) for p in one.probes] == [(day(5), False, "still gone", None), (day(3), True, None, "Ada")]
    assert (one.label, one.is_blacklisted, one.is_probing) == ("Sonnet", True, True)


def test_what_lies_outside_the_range_is_left_out_and_what_reaches_into_it_is_not(engine: Engine) -> None:
    event(engine, "blacklisted", day(30), "sonnet")
    event(engine, "recovered", day(8), "sonnet")
    event(engine, "blacklisted", day(30), "gpt")
    event(engine, "unblacklisted", day(6), "gpt")
    event(engine, "blacklisted", NOW + timedelta(hours=1), "mini")
    assert [one.model for one in analytics.blacklist_timeline(engine, EVERYBODY, RANGE)] == ["gpt"]
    assert analytics.blacklist_timeline(engine, EVERYBODY, RANGE, Filters(providers=("anthropic",))) == []


def test_a_pair_listed_before_events_were_kept_counts_from_its_last_error(engine: Engine) -> None:
    hint(engine, is_blacklisted=True, blacklist_reason="old", last_error_time=day(40), next_probe_at=NOW)
    (one,) = analytics.blacklist_timeline(engine, EVERYBODY, RANGE)
    assert [(s.start, s.end, s.reason) for s in one.listed] == [(day(40), None, "old")]
    assert one.next_probe_at == NOW


def test_random_histories_agree_with_a_replay_of_every_moment(engine: Engine) -> None:
    """Reference: walk each pair's events and ask at every hour of the range whether it was listed."""
    chance = random.Random(5)
    names = ("blacklisted", "manually_blacklisted", "recovered", "unblacklisted", "reset", "probe_failed", "probe_ok", "cooldown")
    happened: dict[str, list[tuple[datetime, str]]] = {model: [] for model in MODELS}
    for number in range(120):
        model, name, at = chance.choice(list(MODELS)), chance.choice(names), day(20) + timedelta(hours=4 * number, minutes=7)
        happened[model].append((at, name))
        event(engine, name, at, model)
    found = {one.model: one for one in analytics.blacklist_timeline(engine, EVERYBODY, RANGE)}
    for model, steps in happened.items():
        hours = [RANGE.start + timedelta(hours=n) for n in range(24 * 7)]
        for hour in hours:
            before = [name for at, name in steps if at <= hour and name in names[:5]]
            listed = bool(before) and before[-1] in names[:2]
            if listed:
                assert any(s.start <= hour and (s.end is None or s.end > hour) for s in found[model].listed), (model, hour)
            elif model in found:
                assert not any(s.start <= hour and (s.end is None or s.end > hour) for s in found[model].listed), (model, hour)
        probes = [(at, name == "probe_ok") for at, name in steps if name.startswith("probe") and RANGE.start <= at < RANGE.end]
        assert [(p.at, p.ok) for p in found[model].probes] == probes


# Attempts avoided


def test_attempts_avoided_and_time_saved_are_what_counting_gives(engine: Engine) -> None:
    chance = random.Random(3)
    rows, skips = [], []
    for number in range(300):
        model = chance.choice(["sonnet", "gpt"])
        rows.append(failed(model, latency_ms=chance.randint(1, 5_000), started_at=day(chance.uniform(0.1, 120))))
        rows.append(call(model, latency_ms=10**6, started_at=day(0.5)))
        at, kind = day(chance.uniform(-1, 9)), chance.choice(["blacklisted", "cooling", "key", "unusable"])
        request = str(UUID(int=10**9 + number))
        tried = chance.random() < 0.2
        skips.append((model, at, kind, tried))
        event(engine, "skipped", at, model, detail={"kind": kind}, request_id=request)
        if tried:
            rows.append(failed(model, request_id=request, started_at=day(200)))
    skips.append(("mini", day(1), "blacklisted", False))
    event(engine, "skipped", day(1), "mini", detail={"kind": "blacklisted"})
    insert(engine, rows)
    found = {one.model: one for one in analytics.avoided(engine, EVERYBODY, RANGE)}
    assert set(found) == {"sonnet", "gpt", "mini"}
    for model, one in found.items():
        mine = Counter(kind for of, at, kind, tried in skips if of == model and RANGE.start <= at < RANGE.end and not tried)
        assert (one.blacklisted, one.cooling, one.key_refused) == (mine["blacklisted"], mine["cooling"], mine["key"])
        assert one.attempts == mine.total() - mine["unusable"]
        times = [
            r["latency_ms"]
            for r in sorted(rows, key=lambda r: r["started_at"], reverse=True)
            if r["model_key"] == model and r["status"] == "error" and day(90) <= r["started_at"] < NOW
        ][:FAILURES_LOOKED_AT]
        expected = float(median(times)) if times else None
        assert one.failing_ms == expected
        assert one.saved_ms == (None if expected is None else expected * one.attempts)
    assert found["mini"].saved_ms is None, "nothing is known of how long it takes to fail"
    assert [a.model for a in analytics.avoided(engine, EVERYBODY, RANGE, Filters(models=("gpt",)))] == ["gpt"]
    assert analytics.avoided(engine, EVERYBODY, RANGE, Filters(sample=True)) == []


# Fallback paths


@pytest.mark.parametrize(
    "filters",
    [
        NO_FILTERS,
        Filters(models=("gpt",)),
        Filters(providers=("anthropic",)),
        Filters(sources=("api",)),
        Filters(sample=False),
        Filters(sample=True),
    ],
)
def test_fallback_paths_are_what_following_each_request_gives(engine: Engine, filters: Filters) -> None:
    chance = random.Random(9)
    rows: list[dict[str, Any]] = []
    requests = []
    for number in range(400):
        request, at = str(UUID(int=10**6 + number)), day(chance.uniform(0.01, 9))
        same = {"request_id": request, "source": chance.choice(["api", "playground"]), "is_sample": chance.random() < 0.3}
        attempts = []
        for place in range(1, chance.randint(2, 5)):
            row_of: dict[str, Any] = {**same, "attempt": place, "is_final": False, "started_at": at + timedelta(seconds=place)}
            attempts.append(failed(chance.choice(list(MODELS)), chance.choice(CLASSES), **row_of))
        last = {**same, "attempt": len(attempts) + 1, "started_at": at + timedelta(seconds=9)}
        attempts.append(call(chance.choice(list(MODELS)), **last) if chance.random() < 0.7 else failed("gpt", **last))
        rows += attempts
        requests.append(attempts)
    insert(engine, rows)
    steps: Counter[tuple[str, str]] = Counter()
    answered: Counter[tuple[str, str]] = Counter()
    classes: dict[tuple[str, str], Counter[str]] = {}
    for attempts in requests:
        for a, b in pairwise(attempts):
            if a["model_key"] == b["model_key"] or not RANGE.start <= a["started_at"] < RANGE.end:
                continue
            if filters.models and not {a["model_key"], b["model_key"]} & set(filters.models):
                continue
            if filters.providers and not {a["provider"], b["provider"]} & set(filters.providers):
                continue
            if (filters.sources and a["source"] not in filters.sources) or (
                filters.sample is not None and a["is_sample"] != filters.sample
            ):
                continue
            step = (a["model_key"], b["model_key"])
            steps[step] += 1
            answered[step] += b["status"] == "ok"
            classes.setdefault(step, Counter())[a["error_class"]] += 1
    found = analytics.fallback_paths(engine, EVERYBODY, RANGE, filters)
    assert steps and {(p.from_model, p.to_model): (p.requests, p.answered, dict(p.classes)) for p in found} == {
        step: (count, answered[step], dict(classes[step])) for step, count in steps.items()
    }
    assert [p.requests for p in found] == sorted((p.requests for p in found), reverse=True)
    assert {(p.from_label, p.from_provider) for p in found} <= {(key.title(), slug) for key, (slug, _) in MODELS.items()}


# The report


def test_problem_models_have_more_than_two_errors_worst_first(engine: Engine) -> None:
    for model, errors in (("sonnet", 2), ("haiku", 3), ("gpt", 9), ("mini", 3)):
        hint(engine, model, error_count=errors, success_count=int(model == "mini"), is_blacklisted=model == "gpt", last_error_message="no")
    report = analytics.hint_report(engine, EVERYBODY, RANGE, [], [("b", "2"), ("a", "1")])
    assert [(p.model, p.error_count, p.is_blacklisted) for p in report.problems] == [
        ("gpt", 9, True),
        ("haiku", 3, False),
        ("mini", 3, False),
    ]
    assert report.removable == (("a", "1"), ("b", "2"))


def test_success_rates_are_of_real_calls_and_leave_out_what_readers_stopped_lowest_first(engine: Engine) -> None:
    rows = [call("gpt"), failed("gpt"), call("gpt", status="cancelled"), call("gpt", status="interrupted"), call("mini"), call()]
    insert(engine, [*rows, failed("mini", is_sample=True), failed(started_at=day(30))])
    report = analytics.hint_report(engine, EVERYBODY, RANGE, [], [])
    assert [(r.key, r.label, r.attempts, r.ok, r.rate) for r in report.models] == [
        ("gpt", "Gpt", 4, 1, 1 / 3),
        ("mini", "Mini", 1, 1, 1.0),
        ("sonnet", "Sonnet", 1, 1, 1.0),
    ]
    assert [(r.key, r.rate) for r in report.providers] == [("openai", 2 / 4), ("anthropic", 1.0)]
    assert len(analytics.hint_report(engine, EVERYBODY, RANGE, [], [], kept=1).models) == 1
