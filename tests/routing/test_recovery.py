"""Blacklisted models are asked again: when due, once for all processes, within the day's budget, and never to anyone's harm."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.access import LOCAL_ADMIN
from lib.analytics import EVERYBODY, avoided, preset
from lib.chat import Finish, Message, TextDelta, Usage
from lib.crypto import generate_encryption_key
from lib.errors import KeyRequired, ProviderError, StoreUnavailable
from lib.routing import RoutedCall, Router
from lib.routing.compatibility import Compatibility, Pair
from lib.routing.recovery import PER_RUN, UNPRICED_NANO, Probe, Recovery, delay
from lib.services import ChatCall, Services, open_services
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.schema import hint_events
from lib.store.schema import model_compatibility_hints as hints
from lib.store.usage_tables import llm_usage_log
from lib.usage import Attempt
from tests.replay import ReplayServer, Reply
from tests.routing.desk import Desk, Scripted

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPENAI = Pair("openai", "m0")
ANSWER: list[Any] = [TextDelta("OK"), Usage(10, 2), Finish("stop")]
ADMIN = Actor("Ada", None, "cli")


def refusal() -> list[Any]:
    return [ProviderError("no such model; key sk-proj-abcdefghijklmnop", kind="model-incompatible", retryable=False)]


class Ward:
    """A recovery over a desk whose provider follows a script, with a clock that is set by hand."""

    def __init__(self, desk: Desk, *tries: list[Any], budget_nano: int = 500_000_000, forever: list[Any] | None = None) -> None:
        self.desk = desk
        self.now = NOW
        self.log = Said()
        self.asked: list[Pair] = []
        self.forever = forever
        self.tries = list(tries)
        self.adapter: Callable[[], Scripted] = lambda: Scripted(self.forever or self.tries.pop(0))
        router = Router(desk.ledger, None, lambda candidate: self.adapter(), sleep=lambda s: None)
        self.recovery = Recovery(desk.engine, router, self.prepare, budget_nano=budget_nano, clock=lambda: self.now, log=self.log)

    def prepare(self, pair: Pair) -> RoutedCall:
        self.asked.append(pair)
        call = self.desk.call()
        named = replace(call.candidates[0], provider=pair.provider, model_key=pair.model)
        return replace(call, candidates=(named,), source="probe")

    def put(self, pair: Pair = OPENAI, **values: Any) -> None:
        row = {"provider": pair.provider, "model": pair.model, "is_blacklisted": True, "next_probe_at": self.now, "error_count": 5}
        with writing(self.desk.engine).begin() as connection:
            connection.execute(sa.insert(hints).values({**row, "created_at": self.now, "updated_at": self.now, **values}))

    def hint(self, pair: Pair = OPENAI) -> dict[str, Any]:
        return next(row for row in self.desk.hints() if (row["provider"], row["model"]) == pair)

    def events(self) -> list[str]:
        return events(self.desk.engine)


class Said:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = error = info

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.lines if name == event]


def events(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(hint_events.c.event).order_by(hint_events.c.id)))


# When


def test_the_wait_doubles_from_an_hour_up_to_a_day() -> None:
    assert [delay(n) / HOUR for n in (0, 1, 2, 3, 4, 5, 6, 7, 10_000)] == [1, 1, 2, 4, 8, 16, 24, 24, 24]


def test_a_pair_that_keeps_failing_is_asked_after_1_2_4_8_16_and_then_every_24_hours(any_desk: Desk) -> None:
    ward = Ward(any_desk, forever=refusal())
    ward.put(next_probe_at=NOW + timedelta(minutes=30))
    made = []
    for _ in range(6 * 24 * 4):
        made += [ward.now for probe in ward.recovery.run() if probe.outcome == "failed"]
        ward.now += timedelta(minutes=10)
    assert made[0] == NOW + timedelta(minutes=30)
    assert [(b - a) / HOUR for a, b in pairwise(made)] == [1, 2, 4, 8, 16, 24, 24]
    assert ward.events() == ["probe_failed"] * 8
    assert ward.hint()["probe_failures"] == 8


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"next_probe_at": NOW + timedelta(seconds=1)}, "it is not due yet"),
        ({"manual_state": "blacklisted"}, "a person blacklisted it"),
        ({"is_blacklisted": False}, "it is not blacklisted"),
        ({"probe_lease_by": str(uuid4()), "probe_lease_until": NOW + timedelta(seconds=1)}, "another process is at it"),
        ({"cooldown_until": NOW + timedelta(seconds=1)}, "its provider asked to be left alone"),
    ],
)
def test_the_schedule_leaves_a_pair_alone(any_desk: Desk, values: dict[str, Any], why: str) -> None:
    ward = Ward(any_desk, ANSWER)
    ward.put(**values)
    assert ward.recovery.run() == [], why
    assert (ward.asked, any_desk.rows()) == ([], [])


@pytest.mark.parametrize("values", [{}, {"next_probe_at": None}, {"probe_lease_by": str(uuid4()), "probe_lease_until": NOW}])
def test_a_pair_that_is_due_or_whose_prober_died_is_asked(any_desk: Desk, values: dict[str, Any]) -> None:
    ward = Ward(any_desk, ANSWER)
    ward.put(**values)
    (probe,) = ward.recovery.run()
    (row,) = any_desk.rows()
    assert (probe.outcome, probe.request_id, row["source"], row["status"]) == ("ok", row["request_id"], "probe", "ok")
    hint = ward.hint()
    assert (hint["probe_lease_by"], hint["probe_lease_until"]) == (None, None)


def test_a_pair_blacklisted_again_is_not_probed_within_an_hour_of_the_last_probe(any_desk: Desk) -> None:
    ward = Ward(any_desk, refusal(), ANSWER)
    ward.put()
    assert ward.recovery.run()[0].outcome == "failed"
    with writing(any_desk.engine).begin() as connection:
        connection.execute(sa.update(hints).values(next_probe_at=NOW))
    ward.now = NOW + timedelta(minutes=59)
    assert ward.recovery.run() == []
    ward.now = NOW + timedelta(minutes=61)
    assert ward.recovery.run()[0].outcome == "ok"


def test_one_run_takes_a_handful_longest_waiting_first(any_desk: Desk) -> None:
    ward = Ward(any_desk, forever=refusal())
    for n in range(PER_RUN + 2):
        ward.put(Pair("openai", f"m{n}"), next_probe_at=NOW - timedelta(minutes=n))
    ward.recovery.run()
    assert ward.asked == [Pair("openai", f"m{n}") for n in range(PER_RUN + 1, 1, -1)]


# How it ends


def test_a_failed_probe_is_an_event_with_its_reason_and_without_a_secret(any_desk: Desk) -> None:
    ward = Ward(any_desk, refusal())
    ward.put()
    (probe,) = ward.recovery.run()
    assert (probe.outcome, probe.next_probe_at) == ("failed", NOW + HOUR)
    with any_desk.engine.connect() as connection:
        event = connection.execute(sa.select(hint_events)).mappings().one()
    assert (event["event"], event["at"], event["request_id"], event["actor"]) == ("probe_failed", NOW, probe.request_id, None)
    assert "no such model" in event["detail"]["message"]
    assert "abcdefghijklmnop" not in str(dict(event)) + probe.sentence + str(ward.log.lines)
    assert event["detail"]["next_probe_at"] == (NOW + HOUR).isoformat()


def test_what_cannot_be_asked_is_said_and_looked_at_again_in_an_hour(any_desk: Desk) -> None:
    ward = Ward(any_desk)
    ward.put(probe_failures=3)

    def no_key(_: Pair) -> RoutedCall:
        raise KeyRequired("OpenAI needs a key.", provider="openai")

    ward.recovery._prepare = no_key
    (probe,) = ward.recovery.run()
    assert (probe.outcome, probe.sentence, probe.next_probe_at) == ("skipped", "OpenAI needs a key.", NOW + HOUR)
    assert ward.log.of("probe.skipped") == [{"provider": "openai", "model": "m0", "because": "OpenAI needs a key."}]
    assert (ward.hint()["probe_failures"], ward.hint()["probe_lease_by"], ward.events(), any_desk.rows()) == (3, None, [], [])
    assert ward.recovery.run() == []


def test_one_that_goes_wrong_keeps_none_of_the_others_and_does_not_come_again_at_once(any_desk: Desk) -> None:
    ward = Ward(any_desk, [RuntimeError("a defect")], ANSWER)
    ward.put(Pair("openai", "broken"), next_probe_at=NOW - HOUR)
    ward.put(Pair("openai", "fine"))
    assert [(p.model, p.outcome) for p in ward.recovery.run()] == [("broken", "failed"), ("fine", "ok")]
    assert ward.hint(Pair("openai", "broken"))["next_probe_at"] == NOW + HOUR
    assert len(ward.log.of("probe.defect")) == 1


def test_a_server_that_stops_breaks_a_probe_off_and_leaves_the_pair_as_it_was(any_desk: Desk) -> None:
    ward = Ward(any_desk)

    class Slow(Scripted):
        def stream(self, request: Any, endpoint: str) -> Iterator[Any]:
            yield TextDelta("O")
            ward.recovery.stop()
            yield TextDelta("K")
            raise AssertionError("it was read on")

    ward.adapter = lambda: Slow()
    ward.put(Pair("openai", "first"), next_probe_at=NOW - HOUR, probe_failures=2)
    ward.put(Pair("openai", "second"))
    (probe,) = ward.recovery.run()
    hint = ward.hint(Pair("openai", "first"))
    assert (probe.outcome, hint["probe_failures"], hint["probe_lease_by"], ward.events()) == ("skipped", 2, None, [])
    assert [row["status"] for row in any_desk.rows()] == ["cancelled"]


def test_nothing_is_sent_when_the_ledger_cannot_be_written(any_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ward = Ward(any_desk, ANSWER)
    ward.put()

    def refuse(_: Any) -> Any:
        raise StoreUnavailable("The disk is full.", reason="disk-full")

    monkeypatch.setattr(any_desk.ledger, "open", refuse)
    (probe,) = ward.recovery.run()
    assert (probe.outcome, probe.sentence, ward.events()) == ("skipped", "The disk is full.", [])
    assert ward.hint()["probe_lease_by"] is None


def test_a_server_that_stops_hangs_up_on_a_provider_that_says_nothing(services: Services) -> None:
    """Without it, Ctrl-C would wait as long as the provider pleases."""
    with ReplayServer(Reply(body=b": nothing yet\n\n", content_type="text/event-stream", endless=True), pace=0.05) as server:
        pair = connect(services, server)
        done: list[Probe] = []
        thread = threading.Thread(target=lambda: done.append(services.hints(LOCAL_ADMIN).probe(pair)))
        thread.start()
        while not server.requests:
            thread.join(0.01)
        services.recovery.stop()
        thread.join(5)
        assert [probe.outcome for probe in done] == ["skipped"]
    with services.engine.connect() as connection:
        assert connection.scalars(sa.select(llm_usage_log.c.status)).all() == ["cancelled"]
        assert connection.scalars(sa.select(hints.c.probe_lease_by)).all() == [None]


# What it may cost


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        ({"cost_nano_usd": 7}, 7),
        ({"cost_nano_usd": None, "status": "ok"}, UNPRICED_NANO),
        ({"cost_nano_usd": None, "status": "open"}, UNPRICED_NANO),
        ({"cost_nano_usd": None, "status": "interrupted"}, UNPRICED_NANO),
        ({"cost_nano_usd": None, "status": "error", "ttft_ms": 5}, UNPRICED_NANO),
        ({"cost_nano_usd": None, "status": "error"}, 0),
        ({"cost_nano_usd": 7, "source": "api"}, 0),
        ({"cost_nano_usd": 7, "started_at": NOW.replace(hour=0)}, 7),
        ({"cost_nano_usd": 7, "started_at": NOW.replace(hour=0) - timedelta(seconds=1)}, 0),
    ],
)
def test_the_budget_counts_todays_probes_and_a_cent_for_each_whose_cost_nobody_knows(
    any_desk: Desk, row: dict[str, Any], counts: int
) -> None:
    base = {"request_id": str(uuid4()), "attempt": 1, "is_final": True, "started_at": NOW, "status": "ok", "source": "probe"}
    names = {"model_key": "m", "model_name": "M", "provider": "p", "provider_name": "P"}
    with writing(any_desk.engine).begin() as connection:
        connection.execute(sa.insert(llm_usage_log).values({**base, **names, **row}))
    for budget, asked in ((counts, []), (counts + 1, [OPENAI])):
        ward = Ward(any_desk, forever=refusal(), budget_nano=budget)
        if not asked:
            ward.put()
        ward.recovery.run()
        assert ward.asked == asked


def test_over_budget_nothing_is_asked_it_is_logged_once_a_day_and_tomorrow_goes_on(any_desk: Desk) -> None:
    ward = Ward(any_desk, refusal(), budget_nano=14)
    ward.put(Pair("openai", "a"))
    with writing(any_desk.engine).begin() as connection:
        row = {"request_id": str(uuid4()), "attempt": 1, "started_at": NOW, "status": "ok", "source": "probe", "cost_nano_usd": 14}
        names = {"model_key": "m", "model_name": "M", "provider": "p", "provider_name": "P"}
        connection.execute(sa.insert(llm_usage_log).values({**row, **names}))
    for _ in range(3):
        (probe,) = ward.recovery.run()
        assert probe.outcome == "skipped"
        assert "PROBE_BUDGET_USD" in probe.sentence
    assert (ward.asked, len(ward.log.of("probe.over_budget"))) == ([], 1)
    assert ward.recovery.probe(Pair("openai", "a")).outcome == "skipped"
    ward.now += timedelta(hours=12)
    assert ward.recovery.run()[0].outcome == "failed"


def test_a_budget_of_nothing_switches_probes_off(any_desk: Desk) -> None:
    ward = Ward(any_desk, budget_nano=0)
    ward.put()
    assert [(p.outcome, p.sentence) for p in ward.recovery.run()] == [("skipped", "Probes are switched off: PROBE_BUDGET_USD is 0.")]


# On demand


def test_an_admin_can_have_any_pair_probed_at_once_and_is_named_on_its_timeline(any_desk: Desk) -> None:
    ward = Ward(any_desk, ANSWER, ANSWER)
    ward.put(next_probe_at=NOW + 24 * HOUR, manual_state="blacklisted")
    assert ward.recovery.probe(OPENAI, actor="Ada").outcome == "ok"
    assert (ward.hint()["is_blacklisted"], ward.hint()["next_probe_at"]) == (True, None), "what a person decided stays"
    assert ward.recovery.probe(Pair("openai", "never-seen")).outcome == "ok"
    with any_desk.engine.connect() as connection:
        found = connection.execute(sa.select(hint_events.c.event, hint_events.c.model, hint_events.c.actor).order_by(hint_events.c.id))
        assert [tuple(row) for row in found] == [("probe_ok", "m0", "Ada"), ("probe_ok", "never-seen", None)]


def test_a_pair_that_is_being_probed_is_not_asked_twice(any_desk: Desk) -> None:
    ward = Ward(any_desk, ANSWER)
    ward.put(probe_lease_by=str(uuid4()), probe_lease_until=NOW + timedelta(minutes=5))
    probe = ward.recovery.probe(OPENAI)
    assert (probe.outcome, ward.asked) == ("skipped", [])
    assert "being probed right now" in probe.sentence


def test_a_reset_in_the_middle_of_a_probe_is_not_undone_by_it(any_desk: Desk) -> None:
    ward = Ward(any_desk)

    class Resetting(Scripted):
        def stream(self, request: Any, endpoint: str) -> Iterator[Any]:
            Compatibility(any_desk.engine).reset([OPENAI], ADMIN)
            yield from Scripted(refusal()).stream(request, endpoint)

    ward.adapter = lambda: Resetting()
    ward.put()
    assert ward.recovery.run()[0].outcome == "failed"
    assert (any_desk.hints(), ward.events()) == ([], ["reset", "probe_failed"])


def test_a_probe_that_outlived_its_lease_leaves_the_next_ones_alone(any_desk: Desk) -> None:
    ward = Ward(any_desk)
    other = str(uuid4())

    class Slow(Scripted):
        def stream(self, request: Any, endpoint: str) -> Iterator[Any]:
            with writing(any_desk.engine).begin() as connection:
                connection.execute(sa.update(hints).values(probe_lease_by=other, probe_lease_until=NOW + HOUR))
            yield from Scripted(refusal()).stream(request, endpoint)

    ward.adapter = lambda: Slow()
    ward.put(probe_failures=1)
    assert ward.recovery.run()[0].outcome == "failed"
    assert (ward.hint()["probe_lease_by"], ward.hint()["probe_failures"]) == (other, 1)


# Once for all


def test_many_threads_that_look_at_once_probe_each_pair_once(any_desk: Desk) -> None:
    ward = Ward(any_desk, forever=refusal())
    pairs = [Pair("openai", f"m{n}") for n in range(4)]
    for pair in pairs:
        ward.put(pair)
    gate = threading.Barrier(6)
    found: list[Probe] = []

    def look() -> None:
        gate.wait()
        found.extend(ward.recovery.run())

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(ward.asked) == Counter(pairs)
    assert [probe.outcome for probe in found] == ["failed"] * 4


CHILD = textwrap.dedent(
    """
    import sys
    from uuid import uuid4
    from pydantic import SecretStr
    from lib.chat import Message, Request
    from lib.providers import open_adapter
    from lib.routing import Candidate, RoutedCall, Router
    from lib.routing.recovery import Recovery
    from lib.store.engine import open_engine
    from lib.usage import Ledger

    url, base_url = sys.argv[1:]
    engine = open_engine(SecretStr(url))
    ledger = Ledger(engine, instance_id=str(uuid4()))
    ledger.register("test")

    def prepare(pair):
        one = Candidate(pair.model, pair.model, pair.model, "openai", pair.provider, "OpenAI", "chat/completions", base_url=base_url)
        return RoutedCall(str(uuid4()), Request("", [Message("user", "OK?")]), (one,), "probe")

    adapter = lambda one: open_adapter("openai-compatible", base_url=base_url, api_key=SecretStr("sk-test"))
    recovery = Recovery(engine, Router(ledger, None, adapter), prepare, budget_nano=10**12)
    print("ready", flush=True)
    sys.stdin.readline()
    print(len([probe for probe in recovery.run() if probe.outcome == "ok"]), flush=True)
    """
)


def test_two_processes_with_the_same_probes_due_make_each_once(database_engine: Engine) -> None:
    """Each looks at the same moment, and an answer takes long enough that both are at it together."""
    pairs = [Pair("openai", f"m{n}") for n in range(4)]
    moment = datetime.now(UTC) - HOUR
    rows = [{"provider": p.provider, "model": p.model, "is_blacklisted": True, "next_probe_at": moment} for p in pairs]
    with writing(database_engine).begin() as connection:
        connection.execute(sa.insert(hints), [{**row, "created_at": moment, "updated_at": moment} for row in rows])
    with ReplayServer(pace=0.02) as server:
        command = [sys.executable, "-c", CHILD, database_engine.url.render_as_string(hide_password=False), server.base_url]
        both = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in both:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answered = [int(process.communicate()[0]) for process in both]
        assert [process.returncode for process in both] == [0, 0]
    assert Counter(request.body["model"] for request in server.requests) == {pair.model: 1 for pair in pairs}
    assert sum(answered) == 4
    assert sorted(events(database_engine)) == ["probe_ok"] * 4
    with database_engine.connect() as connection:
        spans = connection.execute(sa.select(llm_usage_log.c.model_key, llm_usage_log.c.status, llm_usage_log.c.source)).all()
        assert sorted(tuple(span) for span in spans) == [(pair.model, "ok", "probe") for pair in pairs]
        assert connection.scalars(sa.select(hints.c.probe_lease_by)).all() == [None] * 4


# The whole way


@pytest.fixture
def at() -> list[datetime]:
    """The moment the services' clock shows; tests move it."""
    return [datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0)]


@pytest.fixture
def services(tmp_path: Path, at: list[datetime]) -> Iterator[Services]:
    settings = load_settings({"MODELDECK_DATA_DIR": str(tmp_path / "data")}, tmp_path)
    opened = open_services(settings, clock=lambda: at[0])
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def any_services(request: pytest.FixtureRequest, tmp_path: Path, at: list[datetime]) -> Iterator[Services]:
    """Services on the embedded file, then on a Postgres."""
    given = {"MODELDECK_DATA_DIR": str(tmp_path / "data")}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        given |= {"DATABASE_URL": server.url(server.create_ready()), "ENCRYPTION_KEY": generate_encryption_key()}
    opened = open_services(load_settings(given, tmp_path), clock=lambda: at[0])
    yield opened
    opened.close()


GONE = Reply(b'{"error": {"message": "The model does not exist.", "type": "invalid_request_error", "code": "model_not_found"}}', status=404)


def connect(services: Services, server: ReplayServer) -> Pair:
    registry = services.registry(LOCAL_ADMIN)
    provider = registry.set_provider("openai", base_url=server.base_url)
    services.set_key(LOCAL_ADMIN, provider, "sk-test-0123456789abcdefghij", tested=True)
    model = next(m for m in registry.models(provider="openai") if m.price is not None)
    registry.set_active([model.id], True)
    return Pair("openai", model.model_key)


def fail(services: Services, pair: Pair) -> None:
    with pytest.raises(ProviderError):
        list(services.chat(LOCAL_ADMIN, ChatCall([Message("user", "hi")], model=pair.model)))


def test_a_model_that_failed_five_times_is_probed_half_an_hour_later_and_used_again(any_services: Services, at: list[datetime]) -> None:
    with ReplayServer(*[GONE] * 5, Reply(body=b"")) as server:
        pair = connect(any_services, server)
        for _ in range(5):
            fail(any_services, pair)
        server._replies = []  # from now on it speaks for itself
        asked = len(server.requests)
        at[0] += timedelta(minutes=29)
        assert any_services.recovery.run() == []
        assert len(server.requests) == asked
        at[0] += timedelta(minutes=1)
        (probe,) = any_services.recovery.run()
        assert (probe.outcome, len(server.requests)) == ("ok", asked + 1)
        sent = server.requests[-1].body
        assert max(sent.get("max_tokens") or 0, sent.get("max_completion_tokens") or 0) >= 256, "a reasoning model needs room"
        at[0] += 48 * HOUR
        assert any_services.recovery.run() == []
    with any_services.engine.connect() as connection:
        hint = connection.execute(sa.select(hints)).mappings().one()
        row = connection.execute(sa.select(llm_usage_log).where(llm_usage_log.c.source == "probe")).mappings().one()
    assert (hint["is_blacklisted"], hint["success_count"], hint["next_probe_at"], hint["probe_failures"]) == (False, 1, None, 0)
    assert [e for e in events(any_services.engine) if e != "first_success"] == ["blacklisted", "recovered", "probe_ok"]
    assert (row["status"], row["user_id"], row["user_name"]) == ("ok", None, "Modeldeck")
    assert row["cost_nano_usd"] > 0
    assert probe.cost_nano_usd == row["cost_nano_usd"]


def test_a_manual_blacklist_is_never_probed_by_the_schedule_and_outlives_a_success(services: Services, at: list[datetime]) -> None:
    with ReplayServer() as server:
        pair = connect(services, server)
        services.hints(LOCAL_ADMIN).blacklist(pair, "costs too much")
        at[0] += 48 * HOUR
        assert services.recovery.run() == []
        assert services.hints(LOCAL_ADMIN).probe(pair).outcome == "ok"
    with services.engine.connect() as connection:
        assert connection.scalar(sa.select(hints.c.is_blacklisted))


def test_a_sample_model_or_one_that_is_gone_is_never_called(services: Services, at: list[datetime]) -> None:
    services.load_sample(LOCAL_ADMIN, 200, 10, 3)
    rows = [Pair("sample-ember", "sample-quill-large"), Pair("openai", "long-gone")]
    with writing(services.engine).begin() as connection:
        for pair in rows:
            named = {"provider": pair.provider, "model": pair.model, "is_blacklisted": True}
            connection.execute(sa.insert(hints).values({**named, "created_at": at[0], "updated_at": at[0]}))
    probes = services.recovery.run()
    assert [p.outcome for p in probes] == ["skipped", "skipped"]
    assert all("not among the models" in p.sentence for p in probes)
    with services.engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).where(llm_usage_log.c.source == "probe", ~llm_usage_log.c.is_sample))
    assert count == 0


@pytest.mark.parametrize(("learn", "origin", "looks"), [("true", "page", True), ("false", "page", False), ("true", "cli", False)])
def test_only_a_server_that_learns_looks_after_blacklisted_models(tmp_path: Path, learn: str, origin: str, looks: bool) -> None:
    given = {"MODELDECK_DATA_DIR": str(tmp_path / "data"), "LEARN_FROM_FAILURES": learn}
    opened = open_services(load_settings(given, tmp_path), origin=origin)
    try:
        assert opened.probes._thread.is_alive() == looks
    finally:
        opened.close()
    assert not opened.probes._thread.is_alive()


def test_attempts_avoided_are_those_of_calls_that_passed_a_blacklisted_model_over(services: Services) -> None:
    """A call whose only model is blacklisted makes the attempt after all: nothing was saved."""
    registry = services.registry(LOCAL_ADMIN)
    registry.set_provider("demo", settings={"pace": 0})
    first, second = (model for model in registry.models(provider="demo", usable=True)[:2])
    registry.update_model(first.id, fallbacks=[second.model_key])
    pair = Pair("demo", first.model_key)
    services.hints(LOCAL_ADMIN).blacklist(pair, "a trial")
    now = services.clock()
    range_ = preset("24h", now, ZoneInfo("UTC"))
    *_, attempt = services.chat(LOCAL_ADMIN, ChatCall([Message("user", "hi")], model=first.model_key))
    assert isinstance(attempt, Attempt)
    assert attempt.model_key == second.model_key
    assert [(one.model, one.blacklisted) for one in avoided(services.engine, EVERYBODY, range_)] == [(first.model_key, 1)]
    registry.update_model(first.id, fallbacks=[])
    *_, attempt = services.chat(LOCAL_ADMIN, ChatCall([Message("user", "hi")], model=first.model_key))
    assert isinstance(attempt, Attempt)
    assert attempt.model_key == first.model_key
    assert [(one.model, one.blacklisted) for one in avoided(services.engine, EVERYBODY, range_)] == [(first.model_key, 1)]
