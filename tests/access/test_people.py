"""A team changes who may do what, every change is on record, and an admin is always left."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from lib.access import Role
from lib.errors import InvalidValue, NotFound
from lib.store.schema import audit_log
from lib.store.verify import verify
from tests.access.conftest import ACTOR, Team


def test_the_list_says_who_was_invited_and_who_joined(team: Team) -> None:
    team.join("root@example.com", Role.ADMIN)
    team.people.invite("bo@example.com", Role.ANALYST, ACTOR)
    assert [(p.email, p.role, p.state, p.invited_until is None) for p in team.people.list()] == [
        ("bo@example.com", Role.ANALYST, "invited", False),
        ("root@example.com", Role.ADMIN, "joined", True),
    ]


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example..com", "x" * 250 + "@a.de", "a,b@example.com"]
)
def test_what_is_no_address_is_refused_with_an_example(team: Team, email: str) -> None:
    with pytest.raises(InvalidValue, match=r"such as ada@example\.com"):
        team.people.invite(email, Role.MEMBER, ACTOR)


def test_somebody_who_signs_in_already_is_not_invited_again(team: Team) -> None:
    team.join("ada@example.com")
    with pytest.raises(InvalidValue, match="signs in already"):
        team.people.invite("ada@example.com", Role.ADMIN, ACTOR)
    assert team.people.get("ada@example.com").role is Role.MEMBER


def test_the_last_admin_stays(team: Team) -> None:
    team.join("root@example.com", Role.ADMIN)
    team.people.invite("later@example.com", Role.ADMIN, ACTOR)  # an invitation may never be taken up
    with pytest.raises(InvalidValue, match="last admin"):
        team.people.set_role("root@example.com", Role.MEMBER, ACTOR)
    with pytest.raises(InvalidValue, match="last admin"):
        team.people.set_active("root@example.com", False, ACTOR)
    team.join("second@example.com", Role.ADMIN)
    assert team.people.set_role("root@example.com", Role.MEMBER, ACTOR).role is Role.MEMBER


def test_two_admins_who_demote_each_other_at_once_leave_one(team: Team) -> None:
    for email in ("a@example.com", "b@example.com"):
        team.join(email, Role.ADMIN)
    start = threading.Barrier(2)
    refused: list[str] = []

    def demote(email: str) -> None:
        start.wait()
        try:
            team.people.set_role(email, Role.MEMBER, ACTOR)
        except InvalidValue:
            refused.append(email)

    threads = [threading.Thread(target=demote, args=(email,)) for email in ("a@example.com", "b@example.com")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [p.email for p in team.people.list() if p.role is Role.ADMIN] == refused


def test_the_first_admin_is_made_by_name_and_never_by_being_first(team: Team) -> None:
    team.join("first@example.com")
    assert team.people.get("first@example.com").role is Role.MEMBER
    person, link = team.people.grant_admin("boss@example.com", ACTOR)
    assert (person.role, person.state) == (Role.ADMIN, "invited")
    assert link is not None
    team.accounts.join(link.token, "the password of the boss")
    person, link = team.people.grant_admin("first@example.com", ACTOR)
    assert (person.role, link) == (Role.ADMIN, None)


def test_granting_admin_again_hands_out_a_link_while_nobody_joined(team: Team) -> None:
    team.people.grant_admin("boss@example.com", ACTOR)
    team.clock.turn(timedelta(days=30))
    _, link = team.people.grant_admin("boss@example.com", ACTOR)
    assert link is not None
    assert team.accounts.invited(link.token).email == "boss@example.com"


def test_nobody_is_not_found_with_a_sentence(team: Team) -> None:
    for change in (
        lambda: team.people.set_role("nobody@example.com", Role.ADMIN, ACTOR),
        lambda: team.people.reset("nobody@example.com", ACTOR),
        lambda: team.people.get("nobody@example.com"),
    ):
        with pytest.raises(NotFound, match=r"Nobody here has the e-mail address nobody@example\.com"):
            change()


def test_a_trial_needs_its_end(team: Team) -> None:
    team.join("ada@example.com")
    with pytest.raises(InvalidValue, match="a date on which it ends"):
        team.people.set_subscription("ada@example.com", has_subscription=False, is_trial=True, expiry_date=None, actor=ACTOR)
    end = datetime(2026, 12, 24, tzinfo=UTC)
    person = team.people.set_subscription("ada@example.com", has_subscription=False, is_trial=True, expiry_date=end, actor=ACTOR)
    assert (person.is_trial, person.expiry_date) == (True, end)


def test_every_change_is_on_record_with_who_made_it_and_the_chain_holds(team: Team) -> None:
    team.join("root@example.com", Role.ADMIN)
    team.join("ada@example.com")
    team.people.set_role("ada@example.com", Role.ANALYST, ACTOR)
    team.people.set_active("ada@example.com", False, ACTOR)
    with team.engine.connect() as connection:
        rows = connection.execute(sa.select(audit_log.c.actor, audit_log.c.action, audit_log.c.before, audit_log.c.after)).all()
    assert ("Setup", "update", {"role": "member"}, {"role": "analyst"}) in rows
    assert ("Setup", "update", {"is_active": True}, {"is_active": False}) in rows
    assert verify(team.engine).problems == ()
