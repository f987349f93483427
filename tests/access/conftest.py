"""A team on both databases, with a clock the tests turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy.engine import Engine

from lib.access import Accounts, People, Role, Sessions, passwords
from lib.store.base import Actor

ACTOR = Actor("Setup", None, "cli")
PASSWORD = "four unrelated plain words"


@dataclass
class Clock:
    """A clock that stands until it is turned."""

    now: datetime = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by


@dataclass
class Team:
    """The access modules on one database."""

    engine: Engine
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.people = People(self.engine, self.clock)
        self.accounts = Accounts(self.engine, self.clock)
        self.sessions = Sessions(self.engine, self.clock)

    def join(self, email: str, role: Role = Role.MEMBER, password: str = PASSWORD) -> str:
        """Invite somebody who sets a password at once; return their session's token."""
        return self.accounts.join(self.people.invite(email, role, ACTOR).token, password)


@pytest.fixture
def team(database_engine: Engine) -> Team:
    """A team without people yet."""
    return Team(database_engine)


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory, so that the suite is quick; what real hashes cost has a test of its own."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=256, parallelism=1))
