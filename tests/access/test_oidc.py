"""Single sign-on: who comes in, and that nothing a provider or a stranger makes up lets anybody in."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from joserfc import jwt
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from lib.access import Principal, Role
from lib.api import Guard, routes
from lib.api.forms import COOKIE, FLOW_COOKIE
from lib.services import Services, open_services
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.schema import audit_log, sessions
from lib.store.verify import verify
from tests.access.openid import ADA, CLIENT, SECRET, Provider, new_key, running_provider
from tests.postgres import PostgresServer

ACTOR = Actor("Setup", None, "cli")
ROOT = Principal("00000000-0000-4000-8000-0000000000aa", "Root", Role.ADMIN)
PASSWORD = "four unrelated plain words"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def opened(running: Provider, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A team's services on a real Postgres, with single sign-on that lets everybody of corp.example in."""
    name, folder = postgres_server.create_ready(), tmp_path_factory.mktemp("oidc")
    given = {
        "DATABASE_URL": postgres_server.url(name),
        "ENCRYPTION_KEY": "a-key-for-tests-0123456789",
        "OIDC_ISSUER": running.issuer,
        "OIDC_CLIENT_ID": CLIENT,
        "OIDC_CLIENT_SECRET": SECRET,
        "OIDC_ALLOWED_DOMAINS": "corp.example",
        "MODELDECK_DATA_DIR": str(folder),
    }
    services = open_services(load_settings(given, folder))
    yield services
    assert verify(services.engine).problems == ()
    services.close()
    postgres_server.drop(name)


@pytest.fixture
def provider(running: Provider) -> Provider:
    """An honest provider."""
    running.__dict__.update(Provider(issuer=running.issuer).__dict__)
    return running


@pytest.fixture
def services(opened: Services, provider: Provider) -> Services:
    """The team's services without anybody yet, and nothing known of the provider."""
    with opened.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))  # past what keeps the last admin
        tables = ("profiles", *(f"private.{name}" for name in ("accounts", "identities", "sessions", "sign_in_failures", "sign_in_links")))
        connection.execute(sa.text(f"TRUNCATE {', '.join(tables)}"))
    forget(opened)
    return opened


def forget(services: Services) -> None:
    """Forget what the provider said of itself, as after an hour."""
    assert services.oidc is not None
    services.oidc._provider._known = None


def browser(services: Services) -> TestClient:
    """Return a browser that follows nothing by itself, behind the guard."""
    app = Starlette(routes=routes(lambda: services), middleware=[Middleware(Guard, loopback_only=False)])
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


@pytest.fixture
def client(services: Services) -> TestClient:
    return browser(services)


def begin(client: TestClient, onward: str = "/costs?range=7d") -> str:
    """Press the button; return the address at the provider."""
    answer = client.get("/api/auth/oauth", params={"provider": "single sign-on", "next": onward})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(client: TestClient, returned: dict[str, str]) -> tuple[str, str | None]:
    """Return from the provider; return where that leads and the problem it names."""
    answer = client.get("/api/auth/callback", params=returned)
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["location"])
    problem = parse_qs(parts.query).get("problem", [None])[0]
    assert (problem is None) == (COOKIE in answer.headers.get("set-cookie", ""))
    return parts.path, problem


def invite(services: Services, email: str = "ada@example.com", role: Role = Role.ANALYST) -> None:
    services.people(ROOT).invite(email, role, ACTOR)


def signed_in(services: Services, client: TestClient) -> Principal:
    principal = services.principal(client.cookies[COOKIE])
    assert principal is not None
    return principal


def test_somebody_invited_comes_in_with_their_role_at_the_page_they_asked_for(
    services: Services, client: TestClient, provider: Provider
) -> None:
    link = services.people(ROOT).invite("ada@example.com", Role.ANALYST, ACTOR)
    url = begin(client)
    query = parse_qs(urlsplit(url).query)
    assert query["tenant"] == ["a"] and query["redirect_uri"] == ["http://localhost/api/auth/callback"]
    assert client.cookies[FLOW_COOKIE] not in url
    answer = client.get("/api/auth/callback", params=provider.agree(url))
    assert answer.headers["location"] == "/costs?range=7d"
    principal = signed_in(services, client)
    assert (principal.name, principal.role) == ("Ada", Role.ANALYST)
    assert services.people(ROOT).get("ada@example.com").state == "joined"
    assert client.post("/api/auth/join", data={"token": link.token, "password": PASSWORD}).headers["location"].endswith("problem=gone")
    with services.engine.connect() as connection:
        actions = connection.execute(sa.select(audit_log.c.action, audit_log.c.actor).order_by(audit_log.c.id)).all()
    assert tuple(actions[-1]) == ("account.link", "ada@example.com")


def test_from_then_on_the_providers_id_counts_and_not_the_address(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services)
    assert come_back(client, provider.agree(begin(client))) == ("/costs", None)
    first = signed_in(services, client).user_id
    renamed = browser(services)
    person = {**ADA, "email": "ada.lovelace@elsewhere.example", "email_verified": False}
    assert come_back(renamed, provider.agree(begin(renamed), **person)) == ("/costs", None)
    assert signed_in(services, renamed).user_id == first


def test_an_address_given_to_somebody_else_is_not_their_way_into_the_old_account(
    services: Services, client: TestClient, provider: Provider
) -> None:
    invite(services, role=Role.ADMIN)
    assert come_back(client, provider.agree(begin(client))) == ("/costs", None)
    successor = {**ADA, "sub": "eve-2"}
    assert come_back(client, provider.agree(begin(client), **successor)) == ("/costs", "taken")
    services.people(ROOT).reset("ada@example.com", ACTOR)  # an admin says that it is theirs now
    assert come_back(client, provider.agree(begin(client), **successor)) == ("/costs", None)


def test_a_password_goes_on_working_beside_single_sign_on(services: Services, client: TestClient, provider: Provider) -> None:
    services.accounts.join(services.people(ROOT).invite("ada@example.com", Role.MEMBER, ACTOR).token, PASSWORD, "Countess")
    assert come_back(client, provider.agree(begin(client))) == ("/costs", None)
    assert signed_in(services, client).name == "Countess"
    assert client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": PASSWORD}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("person", "problem"),
    [
        ({"email": "new@corp.example"}, None),
        ({"email": "New@CORP.example"}, None),
        ({"email": "new@corp.example", "email_verified": "true"}, None),
        ({"email": "new@other.example"}, "not-invited"),
        ({"email": "new@sub.corp.example"}, "not-invited"),
        ({"email": "new@corp.example.evil.example"}, "not-invited"),
        ({"email": "new@evil.example@corp.example"}, "not-verified"),
        ({"email": "new@corp.example", "email_verified": False}, "not-verified"),
        ({"email": "new@corp.example", "email_verified": None}, "not-verified"),
        ({"email": "new@corp.example", "email_verified": "yes"}, "not-verified"),
        ({"email": ""}, "not-verified"),
        ({"email": ["new@corp.example"]}, "not-verified"),
    ],
)
def test_strangers_come_in_as_members_only_from_domains_that_the_operator_named(
    services: Services, client: TestClient, provider: Provider, person: dict[str, Any], problem: str | None
) -> None:
    assert come_back(client, provider.agree(begin(client), **{"sub": "new", "email_verified": True, **person})) == ("/costs", problem)
    people = services.people(ROOT).list()
    assert [(p.email, p.role) for p in people] == ([] if problem else [("new@corp.example", Role.MEMBER)])


def test_an_unverified_address_does_not_open_the_account_it_names(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services, role=Role.ADMIN)
    mallory = {**ADA, "sub": "mallory", "email_verified": False}
    assert come_back(client, provider.agree(begin(client), **mallory)) == ("/costs", "not-verified")


@pytest.mark.parametrize("joined", [True, False])
def test_an_account_switched_off_stays_out(services: Services, client: TestClient, provider: Provider, joined: bool) -> None:
    invite(services)
    if joined:
        assert come_back(client, provider.agree(begin(client))) == ("/costs", None)
    services.people(ROOT).set_active("ada@example.com", False, ACTOR)
    assert come_back(client, provider.agree(begin(client))) == ("/costs", "switched-off")
    assert joined is False or services.principal(client.cookies[COOKIE]) is None


def test_providers_that_tell_addresses_only_when_asked_again_are_asked_again(
    services: Services, client: TestClient, provider: Provider
) -> None:
    invite(services)
    provider.userinfo = dict(ADA)
    assert come_back(client, provider.agree(begin(client), sub="ada-1")) == ("/costs", None)
    provider.userinfo = {**ADA, "sub": "somebody else"}
    assert come_back(client, provider.agree(begin(client), sub="ada-2")) == ("/costs", "unproven")


@pytest.mark.parametrize(
    ("token", "profile", "problem"),
    [
        ({"email": "ada@example.com"}, {"email_verified": True}, "not-verified"),
        ({"email": "ada@example.com"}, {"email_verified": True, "email": "ada@example.com"}, None),
        ({"email": "ada@example.com"}, {"email_verified": True, "email": "mallory@example.com"}, "not-verified"),
        ({"email": "ada@example.com", "email_verified": False}, {"email_verified": True, "email": "ada@example.com"}, "not-verified"),
        ({"email_verified": True}, {"email_verified": False, "email": "ada@example.com"}, "not-verified"),
        ({"email": "ada@example.com"}, {}, "not-verified"),
    ],
)
def test_an_address_counts_as_verified_only_where_it_is_the_one_that_was(
    services: Services, client: TestClient, provider: Provider, token: dict[str, Any], profile: dict[str, Any], problem: str | None
) -> None:
    invite(services)
    provider.userinfo = {"sub": "ada-1", **profile}
    assert come_back(client, provider.agree(begin(client), sub="ada-1", **token)) == ("/costs", problem)


def test_what_a_provider_makes_up_is_never_a_failure_of_ours(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services)
    assert come_back(client, provider.agree(begin(client), **{**ADA, "sub": "a\x00b"})) == ("/costs", "unproven")
    provider.userinfo = {**ADA, "name": "A\x00d\ud800a\n" + "x" * 100}
    assert come_back(client, provider.agree(begin(client), sub="ada-1")) == ("/costs", None)
    assert signed_in(services, client).name == ("Ada" + "x" * 100)[:80]
    provider.access_token = "line\nbreak"
    assert come_back(client, provider.agree(begin(client), sub="ada-1")) == ("/costs", "provider-away")
    provider.document = lambda document: {**document, "userinfo_endpoint": "http://plain.example/userinfo"}
    forget(services)
    assert come_back(client, provider.agree(begin(client), sub="ada-1")) == ("/costs", None)


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(provider: Provider, claims: dict[str, Any]) -> str:
    return f"{_part(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{_part(json.dumps(claims).encode())}."


def _hashed(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    text = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
    return f"{text}.{_part(hmac.digest(secret, text.encode(), 'sha256'))}"


def signed_with_our_secret(provider: Provider, claims: dict[str, Any]) -> str:
    return _hashed({"alg": "HS256"}, claims, SECRET.encode())


def signed_with_the_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    """As if the provider's public key were a secret of both sides."""
    return _hashed({"alg": "HS256", "kid": provider.key.kid}, claims, provider.key.as_pem(private=False))


def signed_with_a_strangers_key(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.signed(claims, new_key())


def signed_under_the_providers_name(provider: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": provider.key.kid}, claims, new_key(), ["RS256"])


def changed_afterwards(provider: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = provider.signed(claims | {"email": "nobody@example.com"}).split(".")
    return ".".join((head, unsigned(provider, claims).split(".")[1], signature))


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        signed_with_our_secret,
        signed_with_the_public_key,
        signed_with_a_strangers_key,
        signed_under_the_providers_name,
        changed_afterwards,
        lambda provider, claims: "",
        lambda provider, claims: "not.a.token",
    ],
)
def test_a_token_that_the_provider_has_not_signed_lets_nobody_in(
    services: Services, client: TestClient, provider: Provider, sign: Any
) -> None:
    invite(services)
    provider.sign = sign
    assert come_back(client, provider.agree(begin(client))) == ("/costs", "unproven")
    provider.sign = Provider.signed
    assert come_back(client, provider.agree(begin(client))) == ("/costs", None)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["another-client", CLIENT]},  # for both, and it does not say who asked for it
        {"aud": ["another-client", CLIENT], "azp": "another-client"},
        {"aud": None},
        {"exp": 1_700_000_000},
        {"exp": "soon"},
        {"exp": None},
        {"iat": None},
        {"nbf": 4_000_000_000},
        {"nonce": "of-another-sign-in"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": {"a": 1}},
        {"at_hash": "of-another-token"},
    ],
)
def test_a_token_for_another_client_time_or_sign_in_lets_nobody_in(
    services: Services, client: TestClient, provider: Provider, change: dict[str, Any]
) -> None:
    invite(services)
    provider.claims = lambda claims: {name: value for name, value in {**claims, **change}.items() if value is not None}
    assert come_back(client, provider.agree(begin(client))) == ("/costs", "unproven")


def test_a_token_for_several_clients_that_names_us_lets_in(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services)
    provider.claims = lambda claims: {**claims, "aud": ["another-client", CLIENT], "azp": CLIENT}
    assert come_back(client, provider.agree(begin(client))) == ("/costs", None)


def test_what_one_browser_began_no_other_finishes_and_nobody_twice(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services)
    other = browser(services)
    returned = provider.agree(begin(client))
    assert come_back(other, returned) == ("/", "begin-again")
    begin(other, "/models")
    assert come_back(other, returned) == ("/models", "begin-again")  # with a cookie of its own, but the state of another
    kept = client.cookies[FLOW_COOKIE]
    assert come_back(client, returned) == ("/costs", None)
    client.cookies.set(FLOW_COOKIE, kept, domain="localhost.local", path="/api/auth")
    assert come_back(client, returned) == ("/", "begin-again")
    begin(client)
    fresh = parse_qs(urlsplit(begin(client)).query)["state"][0]
    assert come_back(client, {**returned, "state": fresh}) == ("/costs", "begin-again")  # a code that was used


def test_of_the_same_answer_sent_many_times_at_once_one_signs_in(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services)
    returned = provider.agree(begin(client))
    kept = client.cookies[FLOW_COOKIE]

    def finish(_number: int) -> str | None:
        other = browser(services)
        other.cookies.set(FLOW_COOKIE, kept, domain="localhost.local", path="/api/auth")
        return come_back(other, returned)[1]

    with ThreadPoolExecutor(8) as pool:
        problems = list(pool.map(finish, range(8)))
    assert sorted(map(str, problems)) == ["None"] + ["begin-again"] * 7


def test_two_first_sign_ins_at_once_make_one_person(services: Services, provider: Provider) -> None:
    browsers = [browser(services) for _ in range(6)]
    person = {"sub": "new", "email": "new@corp.example", "email_verified": True}
    returned = [provider.agree(begin(one), **person) for one in browsers]
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(come_back, browsers, returned)) == {("/costs", None)}
    assert len({signed_in(services, one).user_id for one in browsers}) == len(services.people(ROOT).list()) == 1


@pytest.mark.parametrize("returned", [{}, {"state": ""}, {"code": "x"}, {"iss": "https://evil.example"}, {"iss": ""}])
def test_a_mangled_answer_signs_nobody_in(services: Services, client: TestClient, provider: Provider, returned: dict[str, str]) -> None:
    invite(services)
    good = provider.agree(begin(client))
    sent = {**good, **returned} if returned else {}
    assert come_back(client, sent)[1] in ("begin-again", "unproven")


def test_another_provider_cannot_slip_its_answer_in(services: Services, client: TestClient, provider: Provider) -> None:
    invite(services)
    returned = provider.agree(begin(client))
    del returned["iss"]  # ours says that it always names itself
    assert come_back(client, returned) == ("/costs", "unproven")


def test_somebody_who_says_no_at_the_provider_is_told_so(services: Services, client: TestClient, provider: Provider) -> None:
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    assert come_back(client, {"error": "access_denied", "state": state, "iss": provider.issuer}) == ("/costs", "declined")


def test_keys_that_change_between_leaving_and_coming_back_are_read_again(
    services: Services, client: TestClient, provider: Provider
) -> None:
    invite(services)
    returned = provider.agree(begin(client))
    provider.key = new_key()
    assert come_back(client, returned) == ("/costs", None)
    asked = len(provider.asked)
    assert come_back(client, provider.agree(begin(client))) == ("/costs", None)
    assert provider.asked[asked:] == ["/token"]  # and kept from then on
    old, provider.key = provider.key, new_key()
    provider.sign = lambda self, claims: self.signed(claims, old)
    forget(services)
    assert come_back(client, provider.agree(begin(client))) == ("/costs", "unproven")  # a key taken back counts no more


def test_while_the_provider_is_away_passwords_go_on_working(services: Services, client: TestClient, provider: Provider) -> None:
    services.accounts.join(services.people(ROOT).invite("ada@example.com", Role.MEMBER, ACTOR).token, PASSWORD)
    returned = provider.agree(begin(client))
    provider.away = True
    assert come_back(client, returned) == ("/costs", "provider-away")
    assert client.post("/api/auth/sign-in", data={"email": "ada@example.com", "password": PASSWORD}).headers["location"] == "/"
    forget(services)
    answer = client.get("/api/auth/oauth", params={"next": "/costs"})
    assert answer.headers["location"] == "/costs?problem=provider-away"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://plain.example/token"},
        {"authorization_endpoint": None},
        {"jwks_uri": 7},
    ],
)
def test_a_provider_that_is_not_what_it_should_be_is_not_followed(
    services: Services, client: TestClient, provider: Provider, change: dict[str, Any]
) -> None:
    provider.document = lambda document: {**document, **change}
    assert client.get("/api/auth/oauth", params={"next": "/costs"}).headers["location"] == "/costs?problem=provider-away"


def test_nobody_begins_without_end(client: TestClient) -> None:
    answers = [client.get("/api/auth/oauth", params={"next": "/costs"}).headers["location"] for _ in range(101)]
    assert answers[-1] == "/costs?problem=throttled" and "throttled" not in answers[-2]


def test_what_was_begun_cannot_be_read_in_the_database(services: Services, client: TestClient) -> None:
    url = begin(client)
    with services.engine.connect() as connection:
        kept = str(connection.execute(sa.select(sessions)).all())
    for secret in (client.cookies[FLOW_COOKIE], parse_qs(urlsplit(url).query)["nonce"][0], "/costs"):
        assert secret not in kept


def test_without_single_sign_on_there_is_no_way_to_it(postgres_server: PostgresServer, tmp_path: Path) -> None:
    name = postgres_server.create_ready()
    given = {"DATABASE_URL": postgres_server.url(name), "ENCRYPTION_KEY": "a-key-for-tests-0123456789", "MODELDECK_DATA_DIR": str(tmp_path)}
    opened = open_services(load_settings(given, tmp_path))
    for path in ("oauth", "callback"):
        assert browser(opened).get(f"/api/auth/{path}").status_code == 404
    opened.close()
    postgres_server.drop(name)
