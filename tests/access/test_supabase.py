"""Signing in with Supabase Auth on a real small Supabase: sessions, tokens, roles, and whose rows are read."""

from __future__ import annotations

import json
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import hypothesis
import pytest
from hypothesis import strategies as given
from pydantic import SecretStr
from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.access.sessions import hashed
from lib.access.supabase import SupabaseAccounts
from lib.access.supabase_admin import SupabaseAdmin
from lib.access.supabase_auth import Tokens
from lib.access.supabase_people import SupabasePeople
from lib.api import Guard, routes
from lib.api.forms import COOKIE, FLOW_COOKIE
from lib.errors import (
    InvalidValue,
    ModeldeckError,
    NotAllowed,
    SignInRefused,
    SignInRequired,
    StaleVersion,
    StoreUnavailable,
    TooManyAttempts,
)
from lib.services import Services, open_services
from lib.services.supabase_parts import SupabaseParts
from lib.settings import Settings, load_settings
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.rest_faults import explained
from lib.store.supabase import Project, SupabaseStore
from tests.replay import ReplayServer, Reply
from tests.serving import ROOT, clean_environ
from tests.stack.stack import PASSWORD, Stack

ENCRYPTION_KEY = "a-key-for-tests-0123456789"
HERE = "203.0.113.7"


@pytest.fixture(scope="module")
def settings(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("supabase")
    return load_settings({**stack.settings, "ENCRYPTION_KEY": ENCRYPTION_KEY, "MODELDECK_DATA_DIR": str(folder)}, folder)


@pytest.fixture(scope="module")
def services(settings: Settings) -> Iterator[Services]:
    opened = open_services(settings)
    yield opened
    opened.close()


@pytest.fixture
def client(services: Services) -> TestClient:
    """A browser that follows nothing by itself, behind the guard."""
    app = Starlette(routes=routes(lambda: services), middleware=[Middleware(Guard, loopback_only=False)])
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


@dataclass
class People:
    """Makes people of the stack with addresses nobody had before."""

    stack: Stack
    services: Services
    number: int = 0

    def add(self, role: str = "member", name: str | None = None) -> str:
        """Return the address of somebody new."""
        self.number += 1
        email = f"{role}{self.number}@example.com"
        self.stack.sign_up(email, role=role, name=name)
        return email

    def enter(self, role: str = "member") -> tuple[str, Principal]:
        """Return a new session's token and who it belongs to."""
        token = self.services.sign_in(self.add(role), PASSWORD, HERE)
        return token, seen(self.services, token)


@pytest.fixture(scope="module")
def people(stack: Stack, services: Services) -> People:
    return People(stack, services)


def seen(services: Services, token: str) -> Principal:
    principal = services.principal(token)
    assert principal is not None
    return principal


def parts(services: Services) -> SupabaseParts:
    assert services.supabase is not None
    return services.supabase


Processes = Callable[[], SupabaseAccounts]


@pytest.fixture
def another_process(settings: Settings, services: Services) -> Iterator[Processes]:
    """Makes what other processes would have: nothing in memory, connections of their own."""
    engines: list[Engine] = []

    def start() -> SupabaseAccounts:
        engines.append(open_engine(settings.database_url))
        return SupabaseAccounts(parts(services).project, engines[-1], services.keys.vault, services.clock)

    yield start
    for engine in engines:
        engine.dispose()


def age(stack: Stack, services: Services, token: str) -> None:
    """Make a session's access token about to end, in the database and in memory."""
    accounts, key = parts(services).accounts, hashed(token)
    (data,) = stack.sql("SELECT data FROM private.sessions WHERE id_hash = %s", key)[0]
    old = replace(accounts._opened(key, data), expires_at=int(services.clock().timestamp()) + 5)
    stack.sql("UPDATE private.sessions SET data = %s::jsonb WHERE id_hash = %s", json.dumps(accounts._sealed(key, old)), key)
    accounts._fresh.pop(key, None)


# Signing in


def test_the_right_password_starts_a_session_as_the_profile_says_whatever_the_metadata_claim(stack: Stack, services: Services) -> None:
    answer = httpx.post(
        f"{stack.url}/auth/v1/signup",
        json={"email": "mallory@example.com", "password": PASSWORD, "data": {"role": "admin", "display_name": "Mallory"}},
        headers={"apikey": stack.publishable_key},
        trust_env=False,
    )
    assert answer.status_code == 200
    principal = seen(services, services.sign_in(" Mallory@Example.com ", PASSWORD, HERE))
    assert (principal.role, principal.user_id) == (Role.MEMBER, answer.json()["user"]["id"])
    with pytest.raises(NotAllowed):
        services.people(principal)


@pytest.mark.parametrize("password", ["wrong", "", "correct-horse-battery "])
def test_a_wrong_password_and_an_unknown_address_are_told_apart_by_nobody(people: People, services: Services, password: str) -> None:
    known = people.add()
    said = set()
    for email in (known, "nobody@example.com", "no address"):
        with pytest.raises(SignInRefused) as refusal:
            services.sign_in(email, password, "203.0.113.8")
        said.add(str(refusal.value))
    assert len(said) == 1


def test_the_eleventh_wrong_password_waits_even_when_it_is_right(people: People, services: Services) -> None:
    email = people.add()
    for _ in range(10):
        with pytest.raises(SignInRefused):
            services.sign_in(email, "wrong", "203.0.113.9")
    with pytest.raises(TooManyAttempts):
        services.sign_in(email, PASSWORD, "203.0.113.9")


def test_a_person_switched_off_or_deleted_in_supabase_is_out_at_once(people: People, stack: Stack, services: Services) -> None:
    email = people.add()
    token = services.sign_in(email, PASSWORD, HERE)
    services.people(LOCAL_ADMIN).set_active(email, False, Actor("Setup", None, "cli"))
    assert services.principal(token) is None
    with pytest.raises(SignInRefused, match="switched off"):
        services.sign_in(email, PASSWORD, HERE)
    gone, principal = people.enter()
    stack.sql("DELETE FROM auth.users WHERE id = %s", principal.user_id)
    assert services.principal(gone) is None


def test_no_token_of_supabase_can_be_read_in_the_database(people: People, stack: Stack, services: Services) -> None:
    token, principal = people.enter()
    access = parts(services).accounts.access_token(principal.session)
    kept = stack.sql("SELECT data::text || id_hash FROM private.sessions WHERE user_id = %s", principal.user_id)[0][0]
    assert access not in kept and token not in kept and "eyJ" not in kept
    assert stack.sql("SELECT count(*) FROM private.sessions WHERE data::text LIKE %s", "%refresh%")[0][0] == 0


def test_tokens_of_one_session_do_not_open_in_another(people: People, stack: Stack, services: Services, another_process: Processes) -> None:
    _, ada = people.enter()
    _, mallory = people.enter()
    stack.sql(
        "UPDATE private.sessions SET data = (SELECT data FROM private.sessions WHERE id_hash = %s) WHERE id_hash = %s",
        ada.session,
        mallory.session,
    )
    with pytest.raises(SignInRequired):
        another_process().access_token(mallory.session)


# Keeping the session alive


def test_many_threads_of_two_processes_refresh_a_token_once(
    people: People, stack: Stack, services: Services, another_process: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, principal = people.enter()
    age(stack, services, token)
    processes = [another_process() for _ in range(2)]
    asked: list[str] = []
    for process in processes:
        monkeypatch.setattr(process, "auth", Counting(process, asked))
    gate = threading.Barrier(16)

    def ask(number: int) -> str:
        gate.wait()
        return processes[number % 2].access_token(principal.session)

    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(ask, range(16)))
    assert len(tokens) == len(asked) == 1
    assert SupabaseStore(parts(services).project, lambda _refused: tokens.pop()).count("profiles") == 1


class Counting:
    """The real refresh, counted."""

    def __init__(self, accounts: SupabaseAccounts, asked: list[str]) -> None:
        self._refresh, self._asked = accounts.auth.refresh, asked

    def refresh(self, refresh_token: str) -> Tokens:
        self._asked.append(refresh_token)
        return self._refresh(refresh_token)


def test_the_new_tokens_are_saved_so_that_the_next_process_goes_on(
    people: People, stack: Stack, services: Services, another_process: Processes
) -> None:
    token, principal = people.enter()
    for _ in range(3):
        age(stack, services, token)
        another_process().access_token(principal.session)
    assert services.store(principal).count("profiles") == 1


def test_a_token_refused_before_its_time_is_renewed(people: People, stack: Stack, services: Services) -> None:
    """A project whose signing key was changed takes no token from before, however long it was to live."""
    token, principal = people.enter()
    accounts, key = parts(services).accounts, hashed(token)
    kept = accounts._opened(key, stack.sql("SELECT data FROM private.sessions WHERE id_hash = %s", key)[0][0])
    foreign = replace(kept, access=replace(stack.keys, jwt_secret="f" * 64).token("authenticated", sub=principal.user_id))
    stack.sql("UPDATE private.sessions SET data = %s::jsonb WHERE id_hash = %s", json.dumps(accounts._sealed(key, foreign)), key)
    accounts._remember(key, foreign)
    assert services.store(principal).count("profiles") == 1
    assert accounts.access_token(key) != foreign.access


def test_a_session_that_supabase_has_ended_is_over_here_too(
    people: People, stack: Stack, services: Services, another_process: Processes
) -> None:
    token, principal = people.enter()
    parts(services).accounts.auth.sign_out(parts(services).accounts.access_token(principal.session), everywhere=True)
    age(stack, services, token)
    with pytest.raises(SignInRequired, match="Sign in again"):
        another_process().access_token(principal.session)
    assert services.principal(token) is None


def test_a_project_that_is_away_ends_no_session(people: People, stack: Stack, services: Services, another_process: Processes) -> None:
    token, principal = people.enter()
    age(stack, services, token)
    away = SupabaseAccounts(Project("http://127.0.0.1:9", "x"), services.engine, services.keys.vault, services.clock)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        away.access_token(principal.session)
    assert seen(services, token) == principal
    assert services.store(principal).count("profiles") == 1


def test_signing_out_ends_the_session_here_and_at_supabase(people: People, stack: Stack, services: Services) -> None:
    email = people.add()
    here, there, elsewhere = (services.sign_in(email, PASSWORD, HERE) for _ in range(3))
    user = seen(services, here).user_id
    services.sign_out(here)
    assert services.principal(here) is None
    assert services.principal(there) is not None
    services.sign_out(there, everywhere=True)
    assert services.principal(elsewhere) is None
    assert stack.sql("SELECT count(*) FROM private.sessions WHERE user_id = %s AND data <> '{}'", user) == [(0,)]
    assert stack.sql("SELECT count(*) FROM auth.sessions WHERE user_id = %s", user) == [(0,)]


def test_signing_out_works_while_supabase_is_away(people: People, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    token, _ = people.enter()
    monkeypatch.setattr(parts(services).project, "url", "http://127.0.0.1:9")
    services.sign_out(token)
    assert services.principal(token) is None


# Links, codes and other providers


def test_a_mailed_code_signs_in_the_browser_that_asked_for_it_and_no_other(
    people: People, stack: Stack, services: Services, client: TestClient
) -> None:
    email = people.add()
    answer = client.post("/api/auth/link", data={"email": email, "next": "/costs?range=7d"})
    assert answer.headers["location"] == "/costs?range=7d&sent=1"
    cookie = answer.headers["set-cookie"]
    assert FLOW_COOKIE in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/api/auth" in cookie
    code = re.findall(r"code is: (\d+)", stack.outbox(email)[-1]["text"])[0]
    state = client.cookies[FLOW_COOKIE]
    client.cookies.clear()
    assert "problem=code" in client.post("/api/auth/code", data={"code": code}).headers["location"]
    client.cookies.set(FLOW_COOKIE, state)
    assert "problem=code" in client.post("/api/auth/code", data={"code": "000000"}).headers["location"]
    done = client.post("/api/auth/code", data={"code": code})
    assert done.headers["location"] == "/costs?range=7d"
    assert seen(services, client.cookies[COOKIE]).role is Role.MEMBER
    client.cookies.set(FLOW_COOKIE, state)
    assert "problem=code" in client.post("/api/auth/code", data={"code": code}).headers["location"]


def test_asking_for_a_link_tells_nobody_who_has_an_account(people: People, client: TestClient) -> None:
    known, unknown = people.add(), "stranger@example.com"
    first, second = (client.post("/api/auth/link", data={"email": email, "next": "/"}) for email in (known, unknown))
    assert (first.status_code, first.headers["location"]) == (second.status_code, second.headers["location"])


def test_another_provider_gets_a_challenge_while_the_secret_stays_here(
    services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = client.get("/api/auth/oauth?provider=github&next=/costs")
    assert refused.headers["location"] == "/costs?problem=way-off"
    monkeypatch.setattr(parts(services).accounts, "_providers", (services.clock().timestamp(), ("github",)))
    answer = client.get("/api/auth/oauth?provider=github&next=/costs", headers={"X-Forwarded-Proto": "https"})
    parted = urlsplit(answer.headers["location"])
    query = parse_qs(parted.query)
    assert parted.path == "/auth/v1/authorize"
    assert query["redirect_to"] == ["https://localhost/api/auth/callback"]
    assert query["code_challenge_method"] == ["s256"] and len(query["code_challenge"][0]) == 43
    assert "Secure" in answer.headers["set-cookie"]
    accounts = parts(services).accounts
    flow = accounts._flows.read(re.findall(rf"{FLOW_COOKIE}=([^;]+)", answer.headers["set-cookie"])[0])
    assert flow["verifier"] not in answer.headers["location"] + answer.headers["set-cookie"]


def test_what_another_provider_brings_back_counts_only_in_the_browser_that_began(
    people: People, stack: Stack, services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part of the other provider is played: Supabase writes down the challenge it was given, and hands out a code."""
    monkeypatch.setattr(parts(services).accounts, "_providers", (services.clock().timestamp(), ("github",)))
    _, person = people.enter()

    def begin() -> str:
        """Return the code with which Supabase would lead back."""
        location = client.get("/api/auth/oauth?provider=github&next=/costs").headers["location"]
        code, challenge = str(uuid4()), parse_qs(urlsplit(location).query)["code_challenge"][0]
        stack.sql(
            "INSERT INTO auth.flow_state (id, user_id, auth_code, authentication_method, code_challenge_method, code_challenge, provider_type,"
            " created_at) VALUES (%s, %s, %s, 'oauth', 's256', %s, 'github', now())",
            str(uuid4()),
            person.user_id,
            code,
            challenge,
        )
        return code

    stolen = begin()
    begin()  # in another browser
    assert client.get(f"/api/auth/callback?code={stolen}").headers["location"] == "/?problem=code"
    code = begin()
    answer = client.get(f"/api/auth/callback?code={code}")
    assert answer.headers["location"] == "/costs"
    assert seen(services, client.cookies[COOKIE]) == person
    assert client.get(f"/api/auth/callback?code={code}").headers["location"] == "/?problem=code"


@pytest.mark.parametrize("query", ["?code=", "?code=nonsense", "?error=access_denied&error_description=no"])
def test_a_callback_that_nobody_began_signs_nobody_in(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/auth/callback{query}")
    assert answer.headers["location"] == "/?problem=code"
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize("path", ["/api/auth/sign-in", "/api/auth/sign-out", "/api/auth/link", "/api/auth/code"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_another_sites_form_changes_nothing(people: People, services: Services, client: TestClient, path: str, origin: str) -> None:
    email = people.add()
    token = services.sign_in(email, PASSWORD, HERE)
    client.cookies.set(COOKIE, token)
    answer = client.post(path, data={"email": email, "password": PASSWORD}, headers={"Origin": origin})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert services.principal(token) is not None


def test_invitations_of_built_in_accounts_have_no_place_here(client: TestClient) -> None:
    assert client.post("/api/auth/join", data={"token": "x", "password": PASSWORD}).status_code == 404


# Whose rows


def test_a_member_cannot_change_everyones_models_and_is_told_so(people: People, services: Services) -> None:
    _, member = people.enter()
    store = services.store(member)
    row = store.select("llm_models", where={"owner_id": None}, limit=1)[0]
    attempts: list[Callable[[], Any]] = [
        lambda: store.update("llm_models", {"is_active": True}, where={"id": row["id"]}),
        lambda: store.update("llm_models", {"is_active": True}, where={"id": row["id"]}, version=row["version"]),
        lambda: store.delete("llm_models", where={"id": row["id"]}),
        lambda: store.insert("llm_models", [{k: row[k] for k in ("provider_id", "upstream_id", "display_name")} | {"model_key": "mine"}]),
        lambda: store.update("profiles", {"role": "admin"}, where={"user_id": member.user_id}),
        lambda: store.insert("conversations", [{"id": "7d0e4c1c-8f2d-4c9b-8a6b-54b2b1f6e922", "owner_id": LOCAL_ADMIN.user_id}]),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowed, match="does not permit"):
            attempt()
    assert services.store(LOCAL_ADMIN).select("llm_models", where={"id": row["id"]}) == [row]


def test_what_an_admin_changes_is_in_the_audit_log_under_their_name(people: People, stack: Stack, services: Services) -> None:
    _, admin = people.enter("admin")
    registry = services.registry(admin)
    model = registry.models()[0]
    registry.set_active([model.id], not model.is_active)
    last = "SELECT actor_id::text, actor, origin, action, subject_id FROM audit_log ORDER BY id DESC LIMIT 1"
    assert stack.sql(last) == [(admin.user_id, admin.name, "page", "llm_models.update", str(model.id))]


def test_a_change_past_modeldeck_counts_as_a_version_and_is_audited(people: People, stack: Stack, services: Services) -> None:
    """One made in Supabase's table editor, or by a script on its API, once left a page free to overwrite it."""
    _, admin = people.enter("admin")
    registry = services.registry(admin)
    model, before = registry.models()[0], services.revision()
    with stack.rest(parts(services).accounts.access_token(admin.session)) as client:
        done = client.patch(f"/llm_models?id=eq.{model.id}", json={"display_order": model.display_order})
    assert done.is_success
    with pytest.raises(StaleVersion):
        registry.update_model(model.id, version=model.version, display_name="Overwritten")
    stack.sql("UPDATE llm_models SET vendor = vendor || '.' WHERE id = %s", model.id)
    assert registry.get(model.id).version == model.version + 2
    assert services.revision() != before
    audited = "SELECT origin, after FROM audit_log WHERE actor_id = %s AND subject_id = %s"
    assert stack.sql(audited, admin.user_id, str(model.id)) == [], "nothing of interest changed"
    with stack.rest(parts(services).accounts.access_token(admin.session)) as client:
        client.patch(f"/llm_models?id=eq.{model.id}", json={"vendor": model.vendor})
    assert stack.sql(audited, admin.user_id, str(model.id)) == [("rest", {"vendor": model.vendor})]


def test_somebody_who_is_not_signed_in_gets_no_store(services: Services, people: People) -> None:
    _, admin = people.enter("admin")
    with pytest.raises(SignInRequired):
        services.store(replace(admin, session=""))


def test_a_preference_is_kept_for_its_person_alone(people: People, services: Services) -> None:
    (_, ada), (_, ben) = people.enter(), people.enter()
    services.set_preference(ada, "range", "7d")
    assert (services.preference(ada, "range"), services.preference(ben, "range")) == ("7d", None)


@pytest.fixture(scope="module")
def pair(people: People, services: Services) -> tuple[Principal, Principal]:
    """Two people with a session each, and nothing of theirs yet."""
    return people.enter()[1], people.enter()[1]


STEP = given.tuples(given.integers(0, 1), given.sampled_from(["write", "read", "renew", "leave"]))


@hypothesis.settings(max_examples=12)
@hypothesis.given(steps=given.lists(STEP, min_size=2, max_size=12), threads=given.booleans())
def test_sessions_of_two_people_in_one_process_never_mix(
    stack: Stack, services: Services, pair: tuple[Principal, Principal], steps: list[tuple[int, str]], threads: bool
) -> None:
    """A client shared by two people once read one's rows for the other after the second signed in."""
    emails = [services.store(person).select("profiles", where={"user_id": person.user_id})[0]["email"] for person in pair]
    tokens = [services.sign_in(email, PASSWORD, HERE) for email in emails]

    def step(asked: tuple[int, str]) -> None:
        who, action = asked
        person = seen(services, tokens[who])
        assert person.user_id == pair[who].user_id
        store = services.store(person)
        if action == "write":
            store.update("profiles", {"display_name": f"Person {who}"}, where={"user_id": person.user_id})
        elif action == "renew":
            parts(services).accounts._fresh.pop(person.session, None)
        elif action == "leave":
            services.sign_out(services.sign_in(emails[who], PASSWORD, HERE))
        assert [row["user_id"] for row in store.select("profiles")] == [person.user_id]

    if threads:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(step, steps))
    else:
        for asked in steps:
            step(asked)


# Naming admins


def test_the_first_admin_is_named_by_the_command_and_must_be_a_user_of_the_project(people: People, services: Services) -> None:
    actor, team = Actor("Setup", None, "cli"), services.people(LOCAL_ADMIN)
    with pytest.raises(InvalidValue, match=r"has no user ghost@example\.com\. Invite them"):
        team.grant_admin("ghost@example.com", actor)
    email = people.add()
    person, link = team.grant_admin(email.upper(), actor)
    assert (person.role, link) == (Role.ADMIN, None)
    assert seen(services, services.sign_in(email, PASSWORD, HERE)).role is Role.ADMIN
    with pytest.raises(InvalidValue, match="kept by Supabase"):
        team.reset(email, actor)


def test_the_command_line_names_admins_and_says_who_is_missing(people: People, stack: Stack, tmp_path: Path) -> None:
    email = people.add()
    environ = clean_environ(tmp_path, **stack.settings, ENCRYPTION_KEY=ENCRYPTION_KEY)

    def grant(address: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lib", "access", "grant-admin", address]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    missing, done = grant("ghost@example.com"), grant(email)
    assert missing.returncode == 1 and "has no user ghost@example.com" in missing.stderr
    assert (done.returncode, done.stdout.strip()) == (0, f"{email} is an admin.")
    assert stack.sql("SELECT role FROM profiles WHERE email = %s", email) == [("admin",)]


# Inviting


def test_an_invitation_is_mailed_by_supabase_and_brings_somebody_with_their_role(
    stack: Stack, services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, actor = services.people(LOCAL_ADMIN), Actor("Ada", None, "page")
    led_to, invite = list[str](), SupabaseAdmin.invite

    def watched(admin: SupabaseAdmin, email: str, redirect_to: str) -> str:
        led_to.append(redirect_to)
        return invite(admin, email, redirect_to)

    monkeypatch.setattr(SupabaseAdmin, "invite", watched)
    link = team.invite(" Ines@Example.com", Role.ANALYST, actor, "https://deck.example.com")
    assert (link.email, link.token, link.path) == ("ines@example.com", "", "")
    person = team.get("ines@example.com")
    assert (person.role, person.state) == (Role.ANALYST, "invited")
    team.invite("ines@example.com", Role.ADMIN, actor)  # again, with another role
    assert len(stack.outbox("ines@example.com")) == 2
    assert led_to == ["https://deck.example.com/api/auth/callback", ""]
    with pytest.raises(InvalidValue, match="last admin"):  # who never came does not count as one
        team.set_role(team_admin(services), Role.MEMBER, actor)

    # Supabase leads back with tokens behind the #: those sign nobody in, but the address is confirmed.
    answer = client.get("/api/auth/callback")
    assert answer.headers["location"] == "/?problem=confirmed#"
    assert COOKIE not in answer.cookies
    client.post("/api/auth/link", data={"email": "ines@example.com", "next": "/"})
    code = re.findall(r"code is: (\d+)", stack.outbox("ines@example.com")[-1]["text"])[0]
    assert client.post("/api/auth/code", data={"code": code}).headers["location"] == "/"
    assert seen(services, client.cookies[COOKIE]).role is Role.ADMIN
    assert team.get("ines@example.com").state == "joined"
    with pytest.raises(InvalidValue, match=r"ines@example\.com signs in already"):
        team.invite("ines@example.com", Role.MEMBER, actor)
    entries = stack.sql("SELECT actor, after ->> 'role' FROM audit_log WHERE action = 'account.invite' AND subject_id = %s", person.user_id)
    assert entries == [("Ada", "analyst"), ("Ada", "admin")]


def team_admin(services: Services) -> str:
    """Leave one admin who has signed in, and return their address."""
    team, actor = services.people(LOCAL_ADMIN), Actor("Setup", None, "cli")
    admins = [p for p in team.list() if p.role is Role.ADMIN and p.is_active and p.state == "joined"]
    for admin in admins[1:]:
        team.set_role(admin.email, Role.MEMBER, actor)
    return admins[0].email


def test_the_client_that_invites_speaks_with_the_secret_key_and_is_gone_afterwards(services: Services) -> None:
    with ReplayServer(Reply(b"{}", 500)) as away:
        project = Project(away.base_url.removesuffix("/v1"), "sb_publishable_x")
        admin = SupabaseAdmin(project, SecretStr("sb_secret_canary"))
        for number in range(2):
            with pytest.raises(StoreUnavailable):
                admin.invite(f"x{number}@example.com", "https://deck.example.com/api/auth/callback")
        project.close()
        assert len(away.requests) == 2
        for request in away.requests:
            assert request.headers["apikey"] == "sb_secret_canary"


@pytest.mark.parametrize(
    ("status", "code", "kind", "sentence"),
    [
        (422, "email_exists", InvalidValue, "has an account in this Supabase project already"),
        (400, "email_address_invalid", InvalidValue, "sends no mail to"),
        (429, "over_email_send_rate_limit", TooManyAttempts, "limits how often"),
        (401, "bad_jwt", StoreUnavailable, "refuses the API key"),
        (403, "not_admin", StoreUnavailable, "refuses the API key"),
        (540, "", StoreUnavailable, "paused"),
        (503, "", StoreUnavailable, "does not answer"),
        (500, "unexpected_failure", StoreUnavailable, "does not answer"),
    ],
)
def test_an_invitation_that_supabase_refuses_says_why_and_adds_nobody(
    services: Services, status: int, code: str, kind: type[ModeldeckError], sentence: str
) -> None:
    body = json.dumps({"code": status, "error_code": code, "msg": "no"}).encode()
    with ReplayServer(Reply(body, status)) as away:
        project = Project(away.base_url.removesuffix("/v1"), "sb_publishable_x")
        people = SupabasePeople(services.engine, services.clock, SupabaseAdmin(project, SecretStr("sb_secret_canary")))
        with pytest.raises(kind, match=sentence) as raised:
            people.invite("nobody@example.com", Role.ADMIN, Actor("Ada", None, "page"))
        project.close()
    assert "canary" not in str(raised.value)
    assert "nobody@example.com" not in {person.email for person in people.list()}


def test_the_secret_key_wrong_invites_nobody(stack: Stack, services: Services) -> None:
    project = Project(stack.url, stack.publishable_key)
    for wrong in (stack.publishable_key, "sb_secret_other"):
        with pytest.raises(StoreUnavailable, match="refuses the API key"):
            SupabaseAdmin(project, SecretStr(wrong)).invite("nobody@example.com", "")
    project.close()
    assert stack.outbox("nobody@example.com") == []


# What goes wrong


def faulty(stack: Stack, token: str, *, url: str | None = None, key: str | None = None) -> ModeldeckError:
    """Return what a read under a token raises."""
    project = Project(url or stack.url, key or stack.publishable_key)
    with pytest.raises(ModeldeckError) as raised:
        SupabaseStore(project, lambda _refused: token).count("llm_models")
    project.close()
    return raised.value


@pytest.mark.parametrize(
    ("said", "severity"), [("Tenant or user not found", "XX000"), ("(ENOTFOUND) tenant/user postgres.abc not found", "XX000")]
)
def test_a_wrong_pooler_string_says_what_to_copy(tmp_path: Path, said: str, severity: str) -> None:
    """The pooler is played: it answers every start-up message with its error."""
    fields = f"SFATAL\0VFATAL\0C{severity}\0M{said}\0\0".encode()
    answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), pooler(answer)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"postgresql://postgres.abc:secret@127.0.0.1:{server.server_address[1]}/postgres?sslmode=disable"
        keys = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_PUBLISHABLE_KEY": "p", "SUPABASE_SECRET_KEY": "s"}
        given = {**keys, "DATABASE_URL": url, "ENCRYPTION_KEY": ENCRYPTION_KEY, "MODELDECK_DATA_DIR": str(tmp_path)}
        with pytest.raises(StoreUnavailable, match="Copy the whole connection string again from Connect") as refusal:
            open_services(load_settings(given, tmp_path))
        server.shutdown()
    assert "secret" not in str(refusal.value)


def pooler(answer: bytes) -> type[socketserver.BaseRequestHandler]:
    class Refusing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(answer)

    return Refusing


def test_a_project_without_migrations_says_what_to_run(stack: Stack, tmp_path: Path) -> None:
    bare = stack.database_url.rpartition("/")[0] + "/template1"
    given = {**stack.settings, "DATABASE_URL": bare, "ENCRYPTION_KEY": ENCRYPTION_KEY, "MODELDECK_DATA_DIR": str(tmp_path)}
    with pytest.raises(StoreUnavailable, match="Run: supabase db push"):
        open_services(load_settings(given, tmp_path))


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "refuses the API key"),
        (402, "restricted this project"),
        (404, "no Supabase project"),
        (429, "Wait a"),
        (500, "does not answer"),
        (540, "project is paused"),
        (544, "takes too long"),
    ],
)
def test_what_the_platform_answers_for_a_project_is_told_in_a_sentence(services: Services, status: int, sentence: str) -> None:
    with ReplayServer(Reply(b"<html>sorry</html>", status, "text/html")) as platform:
        away = Project(platform.base_url, "x")
        accounts = SupabaseAccounts(away, services.engine, services.keys.vault, services.clock)
        raised: list[ModeldeckError] = []
        for work in (lambda: SupabaseStore(away, lambda _refused: "t").count("profiles"), lambda: accounts.auth.by_password("a@b.de", "x")):
            with pytest.raises(ModeldeckError) as error:
                work()
            raised.append(error.value)
        away.close()
    for told in raised:
        assert isinstance(told, StoreUnavailable | TooManyAttempts)
        assert sentence in str(told)


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        ("PGRST301", SignInRequired, "Sign in again"),
        ("PGRST303", SignInRequired, "Sign in again"),
        ("42P01", StoreUnavailable, "supabase db push"),
        ("PGRST205", StoreUnavailable, "supabase db push"),
        ("PGRST202", StoreUnavailable, "supabase db push"),
        ("PGRST001", StoreUnavailable, "cannot reach its own database"),
        ("57014", StoreUnavailable, "wait a moment"),
        ("42501", NotAllowed, "does not permit"),
        ("ABCDE", ModeldeckError, "unexpected way (ABCDE)"),
    ],
)
def test_each_code_of_either_version_has_its_meaning(code: str, kind: type[ModeldeckError], sentence: str) -> None:
    error = explained(code, "sk-secret in what the database said", "http://127.0.0.1:9")
    assert isinstance(error, kind)
    assert sentence in str(error) and "sk-secret" not in str(error)


INJECTIONS = ["llm_models; DROP TABLE votes", 'x" IS NULL OR true --', "' OR 1=1 --", "audit_log", "pg_catalog.pg_authid"]


@pytest.mark.parametrize("bad", INJECTIONS)
def test_names_and_values_sent_past_modeldeck_stay_names_and_values(stack: Stack, people: People, bad: str) -> None:
    """Anybody signed in may call the two functions themselves, with whatever they like in them."""
    token = stack.sign_in(people.add()).token
    row = {"id": str(uuid4()), "owner_id": str(uuid4())}
    queries: list[tuple[str, dict[str, Any]]] = [
        ("read_rows", {"query": {"table": bad, "where": []}}),
        ("read_rows", {"query": {"table": "llm_models", "columns": [bad], "where": []}}),
        ("read_rows", {"query": {"table": "llm_models", "where": [{"column": bad, "op": "eq", "value": 1}]}}),
        ("read_rows", {"query": {"table": "llm_models", "where": [{"column": "id", "op": bad, "value": 1}]}}),
        ("read_rows", {"query": {"table": "llm_models", "where": [{"column": "id", "op": "eq", "value": bad}]}}),
        ("read_rows", {"query": {"table": "llm_models", "where": [], "order_by": [bad]}}),
        ("read_rows", {"query": {"table": "llm_models", "where": [], "limit": bad}}),
        ("apply_changes", {"changes": [{"op": "insert", "table": bad, "rows": [row]}]}),
        ("apply_changes", {"changes": [{"op": "insert", "table": "conversations", "rows": [{**row, bad: 1}]}]}),
        ("apply_changes", {"changes": [{"op": "delete", "table": "conversations", "where": []}]}),
        ("apply_changes", {"changes": [{"op": "delete", "table": "conversations"}]}),
        (
            "apply_changes",
            {"changes": [{"op": "update", "table": "profiles", "values": {bad: 1}, "where": [{"column": "role", "op": "not_null"}]}]},
        ),
        (
            "apply_changes",
            {"changes": [{"op": "delete", "table": "conversations", "where": [{"column": "id", "op": "not_null"}], "version": bad}]},
        ),
    ]
    with stack.rest(token) as client:
        answers = [(client.post(f"/rpc/{name}", json=body), body) for name, body in queries]
        assert client.post("/rpc/read_rows", json={"query": {"table": "votes", "where": [], "count": True}}).json() == 0
    assert [body for answer, body in answers if answer.is_success] == []
    with stack.rest() as anybody:
        assert anybody.post("/rpc/read_rows", json={"query": {"table": "profiles", "where": []}}).status_code in (401, 403)


def test_each_way_of_failing_is_told_in_its_own_sentence(stack: Stack) -> None:
    sound, over = stack.keys.token("authenticated", sub=LOCAL_ADMIN.user_id), stack.keys.token("authenticated", lifetime=-60)
    assert isinstance(faulty(stack, over), SignInRequired)
    assert isinstance(faulty(stack, "not-a-token"), SignInRequired)
    assert isinstance(faulty(stack, stack.keys.token("anon")), NotAllowed)
    assert "refuses the API key" in str(faulty(stack, sound, key="sb_publishable_other"))
    assert "does not answer" in str(faulty(stack, sound, url="http://127.0.0.1:9"))
