"""A session is one person's, ends when it should, and a changed role counts at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.access import Role
from lib.access.sessions import IDLE, LONGEST
from lib.store.schema import sessions
from tests.access.conftest import ACTOR, Team


def test_a_token_nobody_was_given_is_nobody(team: Team) -> None:
    token = team.join("ada@example.com")
    for guess in (None, "", token[:-1], token + "x", "' OR 1=1 --", "\ud800"):
        assert team.sessions.principal(guess) is None


def test_signing_out_ends_this_session_and_signing_out_everywhere_ends_all_of_one_person(team: Team) -> None:
    ada, bo = team.join("ada@example.com"), team.join("bo@example.com")
    person = team.sessions.principal(ada)
    assert person is not None
    phone, tablet = team.sessions.start(person.user_id), team.sessions.start(person.user_id)
    team.sessions.end(ada)
    assert team.sessions.principal(ada) is None
    assert team.sessions.principal(phone) == person
    team.sessions.end_all(person.user_id)
    assert team.sessions.principal(phone) is team.sessions.principal(tablet) is None
    assert team.sessions.principal(bo) is not None


def test_a_session_ends_after_a_week_unused(team: Team) -> None:
    token = team.join("ada@example.com")
    team.clock.turn(IDLE - timedelta(seconds=1))
    assert team.sessions.principal(token) is not None
    team.clock.turn(IDLE - timedelta(seconds=1))
    assert team.sessions.principal(token) is not None
    team.clock.turn(IDLE)
    assert team.sessions.principal(token) is None


def test_a_session_ends_after_a_month_however_much_it_is_used(team: Team) -> None:
    token = team.join("ada@example.com")
    for _ in range(LONGEST.days - 1):
        team.clock.turn(timedelta(days=1))
        assert team.sessions.principal(token) is not None
    team.clock.turn(timedelta(days=1))
    assert team.sessions.principal(token) is None


def test_what_is_long_over_leaves_the_table(team: Team) -> None:
    team.join("ada@example.com")
    team.clock.turn(LONGEST)
    team.join("bo@example.com")
    with team.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sessions)) == 1


def test_a_new_role_counts_from_the_next_click_and_a_switched_off_account_is_out(team: Team) -> None:
    team.join("root@example.com", Role.ADMIN)
    token = team.join("ada@example.com", Role.ADMIN)
    team.people.set_role("ada@example.com", Role.MEMBER, ACTOR)
    person = team.sessions.principal(token)
    assert person is not None
    assert person.role is Role.MEMBER
    team.people.set_active("ada@example.com", False, ACTOR)
    assert team.sessions.principal(token) is None
    team.people.set_active("ada@example.com", True, ACTOR)
    assert team.sessions.principal(token) is None  # switching on does not bring old sessions back


def test_when_somebody_was_last_seen_is_known_to_five_minutes(team: Team) -> None:
    token = team.join("ada@example.com")
    first = team.people.get("ada@example.com").last_seen_at
    team.clock.turn(timedelta(minutes=4))
    team.sessions.principal(token)
    assert team.people.get("ada@example.com").last_seen_at == first
    team.clock.turn(timedelta(minutes=1))
    team.sessions.principal(token)
    assert team.people.get("ada@example.com").last_seen_at == team.clock.now


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["start", "end", "end_all", "ask"]), st.integers(0, 1), st.integers(0, 5)), max_size=30))
def test_sessions_of_two_people_never_mix_whatever_happens_in_between(team: Team, steps: list[tuple[str, int, int]]) -> None:
    with team.engine.begin() as connection:
        connection.execute(sa.delete(sessions))
    emails = ("ada@example.com", "bo@example.com")
    people = [_known(team, email) for email in emails]
    live: list[dict[str, bool]] = [{}, {}]
    for action, who, which in steps:
        tokens = list(live[who])
        token = tokens[which % len(tokens)] if tokens else None
        if action == "start":
            live[who][team.sessions.start(people[who])] = True
        elif action == "end" and token is not None:
            team.sessions.end(token)
            live[who][token] = False
        elif action == "end_all":
            team.sessions.end_all(people[who])
            live[who] = dict.fromkeys(live[who], False)
        for person, owned in zip(people, live, strict=True):
            for owned_token, alive in owned.items():
                principal = team.sessions.principal(owned_token)
                assert (principal.user_id if principal else None) == (person if alive else None)


def _known(team: Team, email: str) -> Any:
    if email not in {p.email for p in team.people.list()}:
        team.people.invite(email, Role.MEMBER, ACTOR)
    return team.people.get(email).user_id
