"""People sign in with their own password, nobody else does, and guessing is slow."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from lib.access import Role, passwords
from lib.access.accounts import WRONG
from lib.access.throttle import LIMITS, WINDOW
from lib.errors import InvalidValue, SignInRefused, TooManyAttempts
from lib.store.account_tables import accounts
from lib.store.verify import verify
from tests.access.conftest import ACTOR, PASSWORD, Team

HOME = "203.0.113.7"


def test_an_invited_person_sets_a_password_and_signs_in_with_it(team: Team) -> None:
    token = team.join("Ada@Example.com ", Role.ANALYST)
    person = team.sessions.principal(token)
    assert person is not None
    assert (person.name, person.role) == ("ada@example.com", Role.ANALYST)
    again = team.sessions.principal(team.accounts.sign_in(" ADA@example.com", PASSWORD, HOME))
    assert again == person


@pytest.mark.parametrize(
    "email", ["ada@example.com", "nobody@example.com", "not an address", "", "a\x00b@example.com", "ada@example.com\ud800"]
)
def test_a_wrong_password_and_an_unknown_address_are_refused_in_the_same_words(team: Team, email: str) -> None:
    team.join("ada@example.com")
    with pytest.raises(SignInRefused) as refusal:
        team.accounts.sign_in(email, "wrong \ud800 password", HOME)
    assert str(refusal.value) == WRONG


def test_an_unknown_address_costs_a_real_hash(monkeypatch: pytest.MonkeyPatch, team: Team) -> None:
    """An answer that comes faster for unknown addresses would tell who has an account."""
    costs: list[str | bytes] = []
    verify_hash = PasswordHasher.verify

    def counting(self: PasswordHasher, stored: str | bytes, given: str | bytes) -> bool:
        costs.append(stored)
        return verify_hash(self, stored, given)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    with pytest.raises(SignInRefused):
        team.accounts.sign_in("nobody@example.com", PASSWORD, HOME)
    assert len(costs) == 1
    assert not PasswordHasher().check_needs_rehash(str(costs[0]))  # as dear as those people have


def test_after_too_many_wrong_passwords_even_the_right_one_waits(team: Team) -> None:
    team.join("ada@example.com")
    for _ in range(LIMITS["email"]):
        with pytest.raises(SignInRefused):
            team.accounts.sign_in("ada@example.com", "wrong password", HOME)
    with pytest.raises(TooManyAttempts, match="Try again in 15 minutes"):
        team.accounts.sign_in("ada@example.com", PASSWORD, HOME)
    team.clock.turn(WINDOW)
    assert team.accounts.sign_in("ada@example.com", PASSWORD, HOME)


def test_one_network_address_cannot_try_a_password_on_everybody(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "address", 3)
    for number in range(3):
        with pytest.raises(SignInRefused):
            team.accounts.sign_in(f"person{number}@example.com", "Winter2026!", HOME)
    with pytest.raises(TooManyAttempts):
        team.accounts.sign_in("person4@example.com", "Winter2026!", HOME)
    with pytest.raises(SignInRefused):
        team.accounts.sign_in("person4@example.com", "Winter2026!", "203.0.113.8")


def test_guesses_made_at_once_do_not_pass_the_limit_together(team: Team) -> None:
    team.join("ada@example.com")
    outcomes: list[type[BaseException]] = []
    start = threading.Barrier(30)

    def guess() -> None:
        start.wait()
        try:
            team.accounts.sign_in("ada@example.com", "wrong password", HOME)
        except (SignInRefused, TooManyAttempts) as refusal:
            outcomes.append(type(refusal))

    guesses = [threading.Thread(target=guess) for _ in range(30)]
    for thread in guesses:
        thread.start()
    for thread in guesses:
        thread.join()
    assert outcomes.count(SignInRefused) == LIMITS["email"]
    assert outcomes.count(TooManyAttempts) == 30 - LIMITS["email"]


def test_signing_in_rightly_does_not_use_up_the_tries(team: Team) -> None:
    team.join("ada@example.com")
    for _ in range(LIMITS["email"] + 5):
        team.accounts.sign_in("ada@example.com", PASSWORD, HOME)
    for _ in range(LIMITS["email"] - 1):
        with pytest.raises(SignInRefused):
            team.accounts.sign_in("ada@example.com", "wrong password", HOME)
    assert team.accounts.sign_in("ada@example.com", PASSWORD, HOME)


def test_an_invitation_works_once_and_not_after_its_time(team: Team) -> None:
    link = team.people.invite("ada@example.com", Role.MEMBER, ACTOR)
    team.accounts.join(link.token, PASSWORD)
    with pytest.raises(InvalidValue, match="used or is too old"):
        team.accounts.join(link.token, "another long password")
    late = team.people.invite("bo@example.com", Role.MEMBER, ACTOR)
    team.clock.turn(timedelta(days=7))
    with pytest.raises(InvalidValue, match="used or is too old"):
        team.accounts.join(late.token, PASSWORD)
    assert team.accounts.sign_in("ada@example.com", PASSWORD, HOME)


def test_two_browsers_with_one_invitation_make_one_password(team: Team) -> None:
    link = team.people.invite("ada@example.com", Role.MEMBER, ACTOR)
    joined: list[int] = []
    start = threading.Barrier(4)

    def use(number: int) -> None:
        start.wait()
        try:
            team.accounts.join(link.token, f"the password of try {number}")
        except InvalidValue:
            return
        joined.append(number)

    tries = [threading.Thread(target=use, args=(n,)) for n in range(4)]
    for thread in tries:
        thread.start()
    for thread in tries:
        thread.join()
    assert len(joined) == 1
    assert team.accounts.sign_in("ada@example.com", f"the password of try {joined[0]}", HOME)


def test_a_newer_link_puts_an_older_one_out_of_use(team: Team) -> None:
    old = team.people.invite("ada@example.com", Role.MEMBER, ACTOR)
    new = team.people.invite("ada@example.com", Role.ANALYST, ACTOR)
    with pytest.raises(InvalidValue):
        team.accounts.invited(old.token)
    assert team.accounts.invited(new.token).email == "ada@example.com"
    assert team.people.get("ada@example.com").role is Role.ANALYST


def test_a_reset_ends_every_session_and_the_old_password(team: Team) -> None:
    phone, laptop = team.join("ada@example.com"), team.accounts.sign_in("ada@example.com", PASSWORD, HOME)
    fresh = team.accounts.join(team.people.reset("ada@example.com", ACTOR).token, "quite another password")
    assert team.sessions.principal(phone) is None
    assert team.sessions.principal(laptop) is None
    assert team.sessions.principal(fresh) is not None
    with pytest.raises(SignInRefused):
        team.accounts.sign_in("ada@example.com", PASSWORD, HOME)


@pytest.mark.parametrize("password", ["", "short", "ada@example.com", "aaaaaaaaaaaa", "x" * 201, "broken \ud800 character"])
def test_a_password_that_is_easy_to_guess_or_cannot_be_kept_is_refused_and_the_link_still_works(team: Team, password: str) -> None:
    link = team.people.invite("ada@example.com", Role.MEMBER, ACTOR)
    with pytest.raises(InvalidValue) as refusal:
        team.accounts.join(link.token, password)
    assert refusal.value.field == "password"
    assert team.accounts.join(link.token, PASSWORD)


def test_a_hash_made_with_yesterdays_cost_is_renewed_at_the_next_sign_in(team: Team) -> None:
    team.join("ada@example.com")
    with team.engine.begin() as connection:
        connection.execute(sa.update(accounts).values(password_hash=PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)))
    team.accounts.sign_in("ada@example.com", PASSWORD, HOME)
    with team.engine.connect() as connection:
        stored = connection.scalar(sa.select(accounts.c.password_hash))
    assert stored is not None
    assert not passwords._HASHER.check_needs_rehash(stored)
    assert team.accounts.sign_in("ada@example.com", PASSWORD, HOME)


def test_neither_password_nor_token_is_in_the_database(team: Team) -> None:
    link = team.people.invite("ada@example.com", Role.MEMBER, ACTOR)
    token = team.accounts.join(link.token, PASSWORD)
    with team.engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names(schema="private" if connection.dialect.name == "postgresql" else None)
        tables += sa.inspect(connection).get_table_names()
        everything = ""
        for table in dict.fromkeys(tables):
            schema = "private." if connection.dialect.name == "postgresql" and table in PRIVATE_TABLES else ""
            everything += str(connection.exec_driver_sql(f"SELECT * FROM {schema}{table}").all())
    for secret in (PASSWORD, token, link.token):
        assert secret not in everything
    assert verify(team.engine).problems == ()


PRIVATE_TABLES = frozenset(
    {
        "accounts",
        "identities",
        "sign_in_links",
        "sign_in_failures",
        "sessions",
        "credentials",
        "api_tokens",
        "encryption_keys",
        "alembic_version",
    }
)


def test_many_sign_ins_at_once_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hash takes 64 MiB; four hundred server threads at once would take 25 GiB."""
    inside, finish = threading.Semaphore(0), threading.Event()

    def held(self: PasswordHasher, stored: str | bytes, given: str | bytes) -> bool:
        inside.release()
        return finish.wait(30)

    monkeypatch.setattr(PasswordHasher, "verify", held)
    checks = [threading.Thread(target=passwords.verify_password, args=(None, "x")) for _ in range(30)]
    for thread in checks:
        thread.start()
    for _ in range(4):
        assert inside.acquire(timeout=30)
    fifth = passwords._GATE.acquire(blocking=False)
    finish.set()
    for thread in checks:
        thread.join()
    assert not fifth, "a fifth hash could have been made beside four others"
    assert sum(inside.acquire(blocking=False) for _ in range(30)) == 26, "everybody else had their turn afterwards"
