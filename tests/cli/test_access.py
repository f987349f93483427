"""From an empty Postgres to a first admin and a team, by the command line alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer

from .conftest import Ran, Run

KEY = "a-key-for-tests-0123456789"


@pytest.fixture
def team(run: Run, postgres_server: PostgresServer) -> Iterator[Run]:
    """``run`` on a database of its own."""
    name = postgres_server.create_ready()
    url = postgres_server.url(name)

    def command(*words: str, input: str | None = None, **environ: str) -> Ran:
        return run(*words, input=input, DATABASE_URL=url, ENCRYPTION_KEY=KEY, **environ)

    yield command
    postgres_server.drop(name)


def test_the_first_admin_is_named_and_gets_a_link(team: Run) -> None:
    assert "grant-admin" in team("access", "list").out
    ran = team("access", "grant-admin", "Boss@Example.com")
    assert ran.code == 0, ran.err
    assert "boss@example.com is an admin." in ran.out
    assert re.search(r"^/join\?token=\S{40,}$", ran.out, re.MULTILINE)
    row = team("access", "list", "--json").document[0]
    assert (row["email"], row["role"], row["state"]) == ("boss@example.com", "admin", "invited")


def test_people_are_invited_changed_and_switched_off(team: Run) -> None:
    team("access", "grant-admin", "boss@example.com")
    ran = team("access", "invite", "mia@example.com", "--role", "analyst", "--json")
    assert (ran.document["role"], ran.document["link"].startswith("/join?token=")) == ("analyst", True)
    assert team("access", "role", "mia@example.com", "member", "--json").document["role"] == "member"
    assert team("access", "disable", "mia@example.com", "--json").document["state"] == "off"
    assert team("access", "reset", "mia@example.com").code == 1
    assert team("access", "enable", "mia@example.com", "--json").document["state"] == "invited"
    assert team("access", "reset", "mia@example.com", "--json").document["link"]


def test_mistakes_are_told_in_a_sentence(team: Run) -> None:
    assert "such as ada@example.com" in team("access", "invite", "nobody").err
    assert "Nobody here has" in team("access", "role", "nobody@example.com", "admin").err
    assert team("access", "invite", "a@example.com", "--role", "king").code == 2


def test_the_embedded_mode_says_that_it_has_no_accounts(run: Run) -> None:
    ran = run("access", "grant-admin", "boss@example.com")
    assert ran.code == 2
    assert "Set DATABASE_URL" in ran.err
