"""What an admin decides about a pair: it holds, it is told of, nobody else may, and nothing that was learned meanwhile is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.chat import Finish, TextDelta
from lib.errors import InvalidValue, NotAllowed, NotFound, ProviderError, UnknownModel
from lib.routing.compatibility import Compatibility, Pair
from lib.services import Services, open_services
from lib.services.compatibility import HintDesk
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.schema import audit_log, hint_events
from lib.store.schema import model_compatibility_hints as hints
from lib.store.verify import verify
from tests.routing.desk import Desk, Scripted

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
ADA = Actor("Ada", None, "page")
PAIR = Pair("openai", "m0")
LEARNED: dict[str, dict[str, Any]] = {
    "max_tokens": {
        "action": "rename",
        "to": "max_completion_tokens",
        "evidence": "use the other",
        "at": NOW.isoformat(),
        "state": "learned",
    },
    "temperature": {"action": "drop", "to": None, "evidence": "not supported", "at": NOW.isoformat(), "state": "learned"},
}


def desk_of(desk: Desk) -> Compatibility:
    return Compatibility(desk.engine, clock=lambda: NOW)


def put(desk: Desk, pair: Pair = PAIR, **values: Any) -> None:
    row = {"provider": pair.provider, "model": pair.model, "created_at": NOW, "updated_at": NOW, **values}
    with writing(desk.engine).begin() as connection:
        connection.execute(sa.insert(hints).values(row))


def events(desk: Desk) -> list[tuple[str, str | None, dict[str, Any]]]:
    columns = hint_events.c
    with desk.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(columns.event, columns.actor, columns.detail).order_by(columns.id))]


def audited(desk: Desk) -> list[tuple[Any, ...]]:
    columns = audit_log.c
    query = (
        sa.select(columns.action, columns.actor, columns.before, columns.after).where(columns.subject == hints.name).order_by(columns.id)
    )
    with desk.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def fail(desk: Desk) -> None:
    with pytest.raises(ProviderError):
        list(desk.router(Scripted([ProviderError("no", kind="unknown", retryable=False)])).stream(desk.call()))


def answer(desk: Desk) -> None:
    list(desk.router(Scripted([TextDelta("ok"), Finish("stop")])).stream(desk.call()))


# Blacklisting


def test_a_manual_blacklist_says_why_and_who_and_outlives_successes(any_desk: Desk) -> None:
    desk_of(any_desk).blacklist(PAIR, "  leaks\n data \x00", ADA)
    answer(any_desk)
    (hint,) = any_desk.hints()
    assert (hint["is_blacklisted"], hint["manual_state"], hint["blacklist_reason"]) == (True, "blacklisted", "leaks data")
    assert events(any_desk)[0] == ("manually_blacklisted", "Ada", {"reason": "leaks data"})
    ((action, actor, before, after),) = audited(any_desk)
    assert (action, actor) == (f"{hints.name}.manually_blacklisted", "Ada")
    assert (before["is_blacklisted"], after["is_blacklisted"], after["blacklist_reason"]) == (False, True, "leaks data")
    assert verify(any_desk.engine).ok, "the audit chain broke"


def test_a_reason_must_be_given_and_carries_no_key(any_desk: Desk) -> None:
    with pytest.raises(InvalidValue):
        desk_of(any_desk).blacklist(PAIR, " \n", ADA)
    assert (any_desk.hints(), events(any_desk)) == ([], [])
    desk_of(any_desk).blacklist(PAIR, "sk-proj-abcdefghijklmnop is leaked", ADA)
    assert "abcdefghijklmnop" not in str(any_desk.hints()) + str(events(any_desk)) + str(audited(any_desk))


def test_an_unblacklisted_pair_counts_as_one_that_worked_and_five_more_errors_do_not_list_it(any_desk: Desk) -> None:
    for _ in range(5):
        fail(any_desk)
    (hint,) = any_desk.hints()
    assert hint["is_blacklisted"]
    desk_of(any_desk).unblacklist(PAIR, ADA)
    (hint,) = any_desk.hints()
    assert (hint["is_blacklisted"], hint["error_count"], hint["success_count"]) == (False, 0, 1)
    assert (hint["blacklist_reason"], hint["next_probe_at"], hint["probe_failures"]) == (None, None, 0)
    for _ in range(6):
        fail(any_desk)
    (hint,) = any_desk.hints()
    assert (hint["is_blacklisted"], hint["error_count"]) == (False, 6)
    assert [e for e, _, _ in events(any_desk)] == ["blacklisted", "unblacklisted"]


def test_only_what_is_blacklisted_can_be_taken_off(any_desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk_of(any_desk).unblacklist(PAIR, ADA)
    put(any_desk)
    with pytest.raises(InvalidValue):
        desk_of(any_desk).unblacklist(PAIR, ADA)
    assert (events(any_desk), audited(any_desk)) == ([], [])


# Endpoints and parameters


@pytest.mark.parametrize("given", ["responses", "v1/responses", "/v1/responses/"])
def test_a_preferred_endpoint_is_stored_without_v1_and_outranks_what_was_learned(any_desk: Desk, given: str) -> None:
    put(any_desk, unsupported_endpoints=["responses", "other"], preferred_endpoint="chat/completions")
    desk_of(any_desk).prefer(PAIR, given, ADA, known=("responses", "chat/completions"))
    (hint,) = any_desk.hints()
    assert (hint["preferred_endpoint"], hint["unsupported_endpoints"]) == ("responses", ["other"])
    assert events(any_desk) == [("preferred_endpoint", "Ada", {"endpoint": "responses", "before": "chat/completions"})]
    desk_of(any_desk).prefer(PAIR, None, ADA)
    assert any_desk.hints()[0]["preferred_endpoint"] is None


def test_an_endpoint_that_cannot_be_spoken_is_refused(any_desk: Desk) -> None:
    with pytest.raises(InvalidValue, match="chat/completions"):
        desk_of(any_desk).prefer(PAIR, "messages", ADA, known=("chat/completions",))
    assert any_desk.hints() == []


def test_a_preferred_endpoint_is_asked_first(any_desk: Desk) -> None:
    provider = Scripted([TextDelta("ok"), Finish("stop")], endpoints=frozenset({"chat/completions", "responses"}))
    desk_of(any_desk).prefer(PAIR, "responses", ADA)
    list(any_desk.router(provider).stream(any_desk.call()))
    assert provider.asked == [("upstream-0", "responses")]


@pytest.mark.parametrize(("judge", "state"), [("accept_parameter", "accepted"), ("reject_parameter", "rejected")])
def test_a_judged_parameter_keeps_its_evidence_and_leaves_the_others(any_desk: Desk, judge: str, state: str) -> None:
    put(any_desk, learned_parameters=LEARNED)
    getattr(desk_of(any_desk), judge)(PAIR, "temperature", ADA)
    learned = any_desk.hints()[0]["learned_parameters"]
    assert learned == {**LEARNED, "temperature": {**LEARNED["temperature"], "state": state}}
    ((event, actor, detail),) = events(any_desk)
    assert (event, actor, detail["parameter"], detail["before"]) == (f"parameter_{state}", "Ada", "temperature", "learned")
    with pytest.raises(NotFound):
        getattr(desk_of(any_desk), judge)(PAIR, "top_p", ADA)


def test_decisions_made_at_once_are_all_kept(any_desk: Desk) -> None:
    names = [f"p{n}" for n in range(8)]
    put(any_desk, learned_parameters={name: LEARNED["temperature"] for name in names})
    compatibility = desk_of(any_desk)
    gate = threading.Barrier(len(names))

    def judge(name: str) -> None:
        gate.wait()
        compatibility.accept_parameter(PAIR, name, ADA)

    threads = [threading.Thread(target=judge, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one["state"] for one in any_desk.hints()[0]["learned_parameters"].values()} == {"accepted"}
    assert len(events(any_desk)) == len(audited(any_desk)) == len(names)
    assert verify(any_desk.engine).ok


# Forgetting


def test_reset_forgets_what_was_named_and_keeps_the_timeline(any_desk: Desk) -> None:
    for n in range(3):
        put(any_desk, Pair("openai", f"m{n}"), error_count=n)
    compatibility = desk_of(any_desk)
    assert compatibility.reset([], ADA) == []
    assert compatibility.reset([Pair("openai", "m1"), Pair("openai", "never")], ADA) == [Pair("openai", "m1")]
    assert compatibility.reset(None, ADA) == [Pair("openai", "m0"), Pair("openai", "m2")]
    assert any_desk.hints() == []
    assert [e for e, _, _ in events(any_desk)] == ["reset"] * 3
    assert [(action, after) for action, _, _, after in audited(any_desk)] == [(f"{hints.name}.reset", None)] * 3


OLD = NOW - timedelta(days=90, seconds=1)


@pytest.mark.parametrize(
    ("values", "goes"),
    [
        ({"last_error_time": OLD}, True),
        ({"last_error_time": OLD, "updated_at": NOW}, True),
        ({"last_error_time": None, "updated_at": OLD}, True),
        ({"last_error_time": OLD, "preferred_endpoint": "responses"}, True),
        ({"last_error_time": OLD, "learned_parameters": {"top_p": {"state": "learned"}}}, True),
        ({"last_error_time": NOW - timedelta(days=90)}, False),
        ({"last_error_time": OLD, "error_count": 1}, False),
        ({"last_error_time": OLD, "success_count": 1}, False),
        ({"last_error_time": OLD, "last_success_time": NOW}, False),
        ({"last_error_time": OLD, "is_blacklisted": True}, False),
        ({"last_error_time": OLD, "manual_state": "allowed"}, False),
        ({"last_error_time": OLD, "learned_parameters": {"top_p": {"state": "accepted"}}}, False),
        ({"last_error_time": None, "updated_at": NOW}, False),
    ],
)
def test_a_cleanup_takes_old_hints_that_count_nothing_and_no_decision(any_desk: Desk, values: dict[str, Any], goes: bool) -> None:
    put(any_desk, **values)
    compatibility = desk_of(any_desk)
    expected = [PAIR] if goes else []
    assert compatibility.removable(timedelta(days=90)) == expected
    assert compatibility.cleanup(timedelta(days=90), ADA) == expected
    assert len(any_desk.hints()) == (0 if goes else 1)
    assert [e for e, _, _ in events(any_desk)] == (["cleaned_up"] if goes else [])


def test_an_endpoint_an_admin_chose_is_not_cleaned_up(any_desk: Desk) -> None:
    Compatibility(any_desk.engine, clock=lambda: NOW - timedelta(days=200)).prefer(PAIR, "responses", ADA)
    assert desk_of(any_desk).cleanup(timedelta(days=90), ADA) == []


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=23), timedelta(days=-90), timedelta(days=999_999)])
def test_an_age_that_would_take_todays_hints_or_none_ever_is_refused(any_desk: Desk, age: timedelta) -> None:
    put(any_desk, last_error_time=OLD)
    with pytest.raises(InvalidValue):
        desk_of(any_desk).cleanup(age, ADA)
    assert len(any_desk.hints()) == 1


# Who may


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_services(load_settings({"MODELDECK_DATA_DIR": str(tmp_path / "data")}, tmp_path))
    yield opened
    opened.close()


DEMO = Pair("demo", "demo-chat")
ACTIONS: dict[str, Callable[[HintDesk], object]] = {
    "blacklist": lambda desk: desk.blacklist(DEMO, "x"),
    "unblacklist": lambda desk: desk.unblacklist(DEMO),
    "prefer": lambda desk: desk.prefer(DEMO, None),
    "accept_parameter": lambda desk: desk.accept_parameter(DEMO, "top_p"),
    "reject_parameter": lambda desk: desk.reject_parameter(DEMO, "top_p"),
    "reset": lambda desk: desk.reset(None),
    "cleanup": lambda desk: desk.cleanup(),
    "removable": lambda desk: desk.removable(),
    "probe": lambda desk: desk.probe(DEMO),
    "probe_due": lambda desk: desk.probe_due(),
}


@pytest.mark.parametrize("role", [Role.ANALYST, Role.MEMBER])
@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_but_an_admin_may_do_anything(services: Services, role: Role, action: str) -> None:
    with pytest.raises(NotAllowed):
        ACTIONS[action](services.hints(Principal("00000000-0000-4000-8000-0000000000ff", "Mia", role)))
    with services.engine.connect() as connection:
        assert connection.execute(sa.select(hints)).all() == []


def test_every_action_of_the_desk_is_tried_above() -> None:
    """A new one without its guard would otherwise go unnoticed."""
    reads = {"all", "pair"}
    assert {name for name in vars(HintDesk) if not name.startswith("_") and callable(getattr(HintDesk, name))} == {*ACTIONS, *reads}


def test_a_member_reads_no_hints_and_an_analyst_does(services: Services) -> None:
    member, analyst = (Principal("00000000-0000-4000-8000-0000000000ff", "Mia", role) for role in (Role.MEMBER, Role.ANALYST))
    services.hints(LOCAL_ADMIN).blacklist(DEMO, "x")
    with pytest.raises(NotAllowed):
        services.hints(member).all()
    assert [hint.pair for hint in services.hints(analyst).all()] == [DEMO]


def test_a_pair_is_found_by_any_name_of_its_model_and_by_what_is_noted_of_one_that_is_gone(services: Services) -> None:
    desk = services.hints(LOCAL_ADMIN)
    for ref in ("demo-chat", "demo/demo-chat"):
        assert desk.pair(ref) == DEMO
    desk.hints.blacklist(Pair("gone", "old"), "x", desk.actor)
    assert desk.pair("old") == desk.pair("gone/old") == Pair("gone", "old")
    desk.hints.blacklist(Pair("elsewhere", "old"), "x", desk.actor)
    with pytest.raises(UnknownModel, match="gone/old"):
        desk.pair("old")
