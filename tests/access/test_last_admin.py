"""Once there is an admin there is always one, whoever writes to the database past Modeldeck, and however."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from lib.access import Role
from lib.errors import InvalidValue
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.sql import SqlStore, utc_now
from lib.store.verify import verify
from tests.access.conftest import ACTOR, Team

LAST = "last admin. Make somebody else an admin first"
LOST = [
    "UPDATE profiles SET role = 'member'",
    "UPDATE profiles SET role = 'analyst' WHERE role = 'admin'",
    "UPDATE profiles SET is_active = false",
    "UPDATE profiles SET is_active = false, role = 'member' WHERE email = 'root@example.com'",
    "UPDATE profiles SET role = CASE WHEN email = 'root@example.com' THEN 'member' ELSE role END",
    "DELETE FROM profiles",
    "DELETE FROM profiles WHERE email = 'root@example.com'",
    "WITH gone AS (SELECT user_id FROM profiles WHERE role = 'admin') DELETE FROM profiles WHERE user_id IN (SELECT user_id FROM gone)",
    "INSERT INTO profiles (user_id, email, role, created_at, updated_at) SELECT user_id, email, 'member', created_at, updated_at"
    " FROM profiles WHERE role = 'admin' ON CONFLICT (user_id) DO UPDATE SET role = excluded.role",
]


@pytest.fixture
def staffed(team: Team) -> Iterator[Team]:
    """A team with one admin who signs in, an admin who is switched off, and a member."""
    for email, role in (("root@example.com", Role.ADMIN), ("old@example.com", Role.ADMIN), ("mia@example.com", Role.MEMBER)):
        team.join(email, role)
    team.people.set_active("old@example.com", False, ACTOR)
    yield team
    assert verify(team.engine).problems == ()
    assert [p.email for p in team.people.list() if p.role is Role.ADMIN and p.is_active] != []


def run(engine: Engine, *statements: str) -> None:
    with store_faults(), writing(engine).begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.mark.parametrize("statement", LOST)
def test_no_statement_leaves_nobody_who_can_let_others_in(staffed: Team, statement: str) -> None:
    with pytest.raises(InvalidValue, match=LAST):
        run(staffed.engine, statement)
    assert staffed.people.get("root@example.com").role is Role.ADMIN


def test_a_table_of_people_with_an_admin_is_not_emptied(postgres_engine: Engine) -> None:
    team = Team(postgres_engine)
    run(team.engine, "TRUNCATE profiles")
    team.join("root@example.com", Role.ADMIN)
    with pytest.raises(InvalidValue, match=LAST):
        run(team.engine, "TRUNCATE profiles CASCADE")
    assert len(team.people.list()) == 1


def test_through_the_store_it_is_told_in_the_same_words(staffed: Team) -> None:
    store = SqlStore(staffed.engine, Actor("Setup", None, "cli"), clock=utc_now)
    with pytest.raises(InvalidValue, match=LAST):
        store.update("profiles", {"role": "member"}, where={"email": "root@example.com"})
    with pytest.raises(InvalidValue, match=LAST):
        store.delete("profiles", where={"role": "admin"})


def test_with_another_admin_there_every_change_goes_through(staffed: Team) -> None:
    run(staffed.engine, "UPDATE profiles SET role = 'admin' WHERE email = 'mia@example.com'")
    run(staffed.engine, "UPDATE profiles SET role = 'member' WHERE email = 'root@example.com'")
    run(staffed.engine, "DELETE FROM profiles WHERE email = 'root@example.com'", "DELETE FROM profiles WHERE email = 'old@example.com'")
    run(staffed.engine, "UPDATE profiles SET display_name = 'Mia', has_subscription = true", "UPDATE profiles SET role = 'admin'")
    with pytest.raises(InvalidValue, match=LAST):
        run(staffed.engine, "UPDATE profiles SET role = 'member' WHERE email = 'mia@example.com'")


def test_a_database_that_never_had_an_admin_is_free(team: Team) -> None:
    team.join("mia@example.com")
    run(team.engine, "UPDATE profiles SET role = 'analyst'", "UPDATE profiles SET is_active = false", "DELETE FROM profiles")


def test_one_statement_may_hand_the_role_over(postgres_engine: Engine) -> None:
    team = Team(postgres_engine)
    team.join("root@example.com", Role.ADMIN)
    team.join("mia@example.com")
    run(team.engine, "UPDATE profiles SET role = CASE role WHEN 'admin' THEN 'member' ELSE 'admin' END")
    assert team.people.get("mia@example.com").role is Role.ADMIN


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_two_admins_who_take_each_others_role_at_once_leave_one(postgres_engine: Engine, isolation: str) -> None:
    team, ready = Team(postgres_engine), threading.Barrier(2)
    emails = ("ann@example.com", "bob@example.com")
    for email in emails:
        team.join(email, Role.ADMIN)

    def demote(email: str) -> str:
        with suppress(IntegrityError, OperationalError), team.engine.connect().execution_options(isolation_level=isolation) as connection:
            connection.execute(sa.text("SELECT count(*) FROM profiles")).scalar()  # what it sees from here on
            ready.wait(30)
            connection.execute(sa.text("UPDATE profiles SET role = 'member' WHERE email = :email"), {"email": email})
            connection.commit()
            return "done"
        return "refused"

    for _ in range(5):
        run(team.engine, "UPDATE profiles SET role = 'admin'")
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(demote, emails)) == ["done", "refused"]
        assert [p.role for p in team.people.list()].count(Role.ADMIN) == 1


def test_people_who_join_while_admins_change_wait_for_no_one_in_a_circle(postgres_engine: Engine) -> None:
    """Setting a password once locked the profile first and the audit log after it, changing a role the other way round."""
    team = Team(postgres_engine)
    links = [team.people.invite(f"a{number}@example.com", Role.ADMIN, ACTOR).token for number in range(12)]
    team.join("root@example.com", Role.ADMIN)

    def join(token: str) -> None:
        team.accounts.join(token, "four unrelated plain words")

    def change(number: int) -> None:
        run(team.engine, "UPDATE profiles SET role = 'member' WHERE email = 'root@example.com'")
        run(team.engine, "UPDATE profiles SET role = 'admin' WHERE email = 'root@example.com'")

    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(join, token) for token in links] + [pool.submit(change, number) for number in range(30)]
        failed = [type(error) for error in (one.exception() for one in done) if error is not None]
    assert failed == []


def test_verify_tells_when_the_guard_is_gone(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE profiles DISABLE TRIGGER trg_profiles_keep_admin_update"))
        connection.execute(sa.text("DROP TRIGGER trg_profiles_keep_admin_delete ON profiles"))
    told = " ".join(verify(postgres_engine).problems)
    assert "trg_profiles_keep_admin_update is switched off" in told
    assert "trg_profiles_keep_admin_delete is missing" in told
