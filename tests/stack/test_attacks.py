"""What somebody with a browser, an account and the public key would try on the database, each refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from lib.store.audit import append_entry
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.supabase_policies import EXPOSED
from lib.store.verify import verify
from tests.stack.parts import OWNER
from tests.stack.stack import Person, Stack, running_stack

CANARY = "canary-ciphertext-5f1c2d"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROTECTED = {
    "role": "admin",
    "has_subscription": True,
    "is_trial": True,
    "expiry_date": "2099-01-01T00:00:00Z",
    "is_active": False,
    "email": "admin@example.com",
    "user_id": str(uuid4()),
    "created_at": "2020-01-01T00:00:00Z",
}


@dataclass(frozen=True)
class Ground:
    """A project in which Ada and Bob are members, with clients of theirs."""

    stack: Stack
    ada: Person
    bob: Person
    as_ada: httpx.Client
    as_bob: httpx.Client
    as_admin: httpx.Client


@pytest.fixture(scope="module", params=["as it is", "with everything granted"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A project as it is, and one where somebody granted every table to every role, as dashboards used to do."""
    with running_stack() as stack:
        if request.param != "as it is":
            for what in ("TABLES", "SEQUENCES", "FUNCTIONS"):
                stack.sql(f"GRANT ALL ON ALL {what} IN SCHEMA public TO anon, authenticated, service_role")
        ada, bob = stack.sign_up("ada@example.com", name="Ada"), stack.sign_up("bob@example.com")
        admin = stack.sign_up("admin@example.com", role="admin")
        with stack.rest(ada.token) as as_ada, stack.rest(bob.token) as as_bob, stack.rest(admin.token) as as_admin:
            yield Ground(stack, ada, bob, as_ada, as_bob, as_admin)


def _forbidden(answer: httpx.Response) -> None:
    assert answer.status_code == 403 and answer.json()["code"] == "42501", answer.text


@pytest.mark.parametrize("column", PROTECTED)
def test_nobody_raises_their_own_role_or_subscription(ground: Ground, column: str) -> None:
    before = ground.stack.sql("SELECT * FROM profiles ORDER BY user_id")
    _forbidden(ground.as_ada.patch(f"/profiles?user_id=eq.{ground.ada.id}", json={column: PROTECTED[column]}))
    upsert = {"Prefer": "resolution=merge-duplicates"}
    stamps = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    _forbidden(ground.as_ada.post("/profiles", json={"user_id": ground.ada.id, **stamps, column: PROTECTED[column]}, headers=upsert))
    assert ground.stack.sql("SELECT * FROM profiles ORDER BY user_id") == before


def test_not_even_an_admin_gives_roles_past_the_server_and_its_audit(ground: Ground) -> None:
    before = ground.stack.sql("SELECT * FROM profiles ORDER BY user_id")
    answer = ground.as_admin.patch(f"/profiles?user_id=eq.{ground.ada.id}", json={"role": "admin"}, headers={"Prefer": "return=minimal"})
    assert answer.status_code in (204, 403)  # nothing matched, or no such right
    assert ground.stack.sql("SELECT * FROM profiles ORDER BY user_id") == before


def test_what_people_say_of_themselves_gives_no_role(ground: Ground) -> None:
    body = {"email": "eve@example.com", "password": "long-enough-1", "data": {"role": "admin", "app_role": "admin"}}
    key = {"apikey": ground.stack.publishable_key}
    made = httpx.post(f"{ground.stack.url}/auth/v1/signup", json=body, headers=key, trust_env=False).json()
    bearer = key | {"Authorization": f"Bearer {made['access_token']}"}
    httpx.put(f"{ground.stack.url}/auth/v1/user", json={"data": {"role": "admin"}}, headers=bearer, trust_env=False)
    assert ground.stack.sql("SELECT role, has_subscription FROM profiles WHERE email = 'eve@example.com'") == [("member", False)]
    with ground.stack.rest(made["access_token"]) as as_eve:
        assert as_eve.get("/audit_log").json() == []
        assert len(as_eve.get("/profiles").json()) == 1


def test_a_token_signed_by_somebody_else_unsigned_or_expired_is_refused(ground: Ground) -> None:
    def unsigned(part: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    forged = f"{unsigned({'alg': 'none', 'typ': 'JWT'})}.{unsigned({'role': 'service_role', 'sub': ground.ada.id})}."
    stranger = type(ground.stack.keys)("", "", "0" * 64).token("service_role")
    expired = ground.stack.keys.token("authenticated", sub=ground.ada.id, lifetime=-3600)
    for token in (forged, stranger, expired):
        with ground.stack.rest(token) as client:
            assert client.get("/profiles").status_code == 401


def test_no_way_past_modeldeck_leaves_a_project_without_an_admin(ground: Ground) -> None:
    """With the secret key, with an admin's own token, or by deleting the last one's account at Supabase."""
    ground.stack.sql("UPDATE profiles SET role = 'member' WHERE role = 'admin' AND email <> 'admin@example.com'")
    (last,) = ground.stack.sql("SELECT user_id FROM profiles WHERE role = 'admin'")[0]
    row = f"/profiles?user_id=eq.{last}"
    attempts = [("PATCH", row, {"role": "member"}), ("PATCH", "/profiles?role=eq.admin", {"is_active": False}), ("DELETE", row, None)]
    attempts.append(("DELETE", "/profiles?user_id=not.is.null", None))
    upsert = {"user_id": str(last), "role": "analyst", "created_at": NOW.isoformat(), "updated_at": NOW.isoformat()}
    change = {
        "op": "update",
        "table": "profiles",
        "values": {"role": "member"},
        "where": [{"column": "role", "op": "eq", "value": "admin"}],
    }
    with ground.stack.rest(key=ground.stack.secret_key) as service:
        for method, path, body in attempts:
            answer = service.request(method, path, json=body)
            assert answer.status_code >= 400 and "keep the last admin" in answer.text, (method, path, answer.text)
        merged = service.post("/profiles", json=upsert, headers={"Prefer": "resolution=merge-duplicates"})
        assert merged.status_code >= 400 and "keep the last admin" in merged.text
        applied = service.post("/rpc/apply_changes", json={"changes": [change]})
        assert applied.status_code >= 400 and "keep the last admin" in applied.text
        assert service.patch(row, json={"display_name": "Root"}).status_code == 204
    assert ground.as_admin.patch(row, json={"role": "member"}).status_code == 403
    users = f"{ground.stack.url}/auth/v1/admin/users/{last}"
    assert httpx.delete(users, headers={"apikey": ground.stack.secret_key}, trust_env=False).status_code >= 400
    assert ground.stack.sql("SELECT role, is_active, email FROM profiles WHERE user_id = %s", last) == [
        ("admin", True, "admin@example.com")
    ]
    with ground.stack.rest(key=ground.stack.secret_key) as service:
        assert service.patch(f"/profiles?user_id=eq.{ground.ada.id}", json={"role": "admin"}).status_code == 204
        assert service.patch(row, json={"role": "member"}).status_code == 204
        assert service.patch(row, json={"role": "admin"}).status_code == 204
        assert service.patch(f"/profiles?user_id=eq.{ground.ada.id}", json={"role": "member"}).status_code == 204


def test_a_demoted_or_disabled_person_loses_their_rights_at_once(ground: Ground) -> None:
    person = ground.stack.sign_up("carl@example.com", role="admin")
    with ground.stack.rest(person.token) as client:
        assert len(client.get("/profiles").json()) > 1
        ground.stack.sql("UPDATE profiles SET role = 'member' WHERE user_id = %s", person.id)
        assert len(client.get("/profiles").json()) == 1
        ground.stack.sql("UPDATE profiles SET is_active = false WHERE user_id = %s", person.id)
        assert {
            name: client.get(f"/{name}").json() for name in ("profiles", "llm_providers", "latency_edges", "model_compatibility_hints")
        } == {
            "profiles": [],
            "llm_providers": [],
            "latency_edges": [],
            "model_compatibility_hints": [],
        }
        talk = {"id": str(uuid4()), "owner_id": person.id, "created_at": str(NOW), "updated_at": str(NOW)}
        _forbidden(client.post("/conversations", json=talk))


def test_an_anonymous_account_reaches_nothing(ground: Ground) -> None:
    made = str(uuid4())
    with psycopg.connect(ground.stack.database_url.replace("postgres@", f"{OWNER}@"), autocommit=True) as connection:
        connection.execute("INSERT INTO auth.users (id, is_anonymous) VALUES (%s, true)", (made,))
    assert ground.stack.sql("SELECT FROM profiles WHERE user_id = %s", made) == []
    with ground.stack.rest(ground.stack.keys.token("authenticated", sub=made, is_anonymous=True)) as client:
        seen = {name: client.get(f"/{name}") for name in EXPOSED}
    assert {name: answer.text for name, answer in seen.items() if answer.status_code != 200 or answer.json()} == {}


def test_rows_are_not_handed_to_others_or_hung_on_what_is_theirs(ground: Ground) -> None:
    mine, theirs = str(uuid4()), str(uuid4())
    for client, person, made in ((ground.as_ada, ground.ada, mine), (ground.as_bob, ground.bob, theirs)):
        talk = {"id": made, "owner_id": person.id, "created_at": str(NOW), "updated_at": str(NOW)}
        assert client.post("/conversations", json=talk).status_code == 201
    message = {"id": str(uuid4()), "position": 1, "role": "user", "content": "hello", "created_at": str(NOW)}
    assert ground.as_ada.post("/llm_messages", json=message | {"conversation_id": mine}).status_code == 201
    _forbidden(ground.as_ada.patch(f"/conversations?id=eq.{mine}", json={"owner_id": ground.bob.id}))
    _forbidden(ground.as_ada.post("/llm_messages", json=message | {"id": str(uuid4()), "conversation_id": theirs}))
    _forbidden(ground.as_ada.patch(f"/llm_messages?id=eq.{message['id']}", json={"conversation_id": theirs}))
    _forbidden(
        ground.as_ada.post(
            "/conversations",
            json={"id": theirs, "owner_id": ground.ada.id, "created_at": str(NOW), "updated_at": str(NOW)},
            headers={"Prefer": "resolution=merge-duplicates"},
        )
    )
    embedded = ground.as_bob.get("/conversations?select=id,llm_messages(id)").json()
    assert embedded == [{"id": theirs, "llm_messages": []}]
    counted = ground.as_bob.head("/conversations", headers={"Prefer": "count=exact"})
    assert counted.headers["content-range"] == "0-0/1"


def test_a_member_neither_uses_a_private_provider_nor_makes_anything_global(ground: Ground) -> None:
    def provider(owner: str | None) -> dict[str, object]:
        return {
            "slug": f"p-{uuid4()}",
            "kind": "openai",
            "display_name": "P",
            "owner_id": owner,
            "created_at": str(NOW),
            "updated_at": str(NOW),
        }

    back = {"Prefer": "return=representation"}
    mine = ground.as_ada.post("/llm_providers", json=provider(ground.ada.id), headers=back).json()[0]["id"]
    theirs = ground.as_bob.post("/llm_providers", json=provider(ground.bob.id), headers=back).json()[0]["id"]
    everyones = ground.as_admin.post("/llm_providers", json=provider(None), headers=back).json()[0]["id"]
    model = {
        "upstream_id": "m",
        "display_name": "M",
        "owner_id": ground.ada.id,
        "is_default": True,
        "created_at": str(NOW),
        "updated_at": str(NOW),
    }
    default = model | {"model_key": f"g-{uuid4()}", "owner_id": None, "provider_id": everyones}
    assert ground.as_admin.post("/llm_models", json=default).status_code == 201
    _forbidden(ground.as_ada.post("/llm_models", json=model | {"model_key": "x", "provider_id": theirs}))
    own = ground.as_ada.post("/llm_models", json=model | {"model_key": "mine", "provider_id": mine}, headers=back).json()[0]["id"]
    _forbidden(ground.as_ada.patch(f"/llm_models?id=eq.{own}", json={"provider_id": theirs}))
    _forbidden(ground.as_ada.patch(f"/llm_models?id=eq.{own}", json={"owner_id": None}))
    _forbidden(ground.as_ada.patch(f"/llm_providers?id=eq.{mine}", json={"owner_id": None}))
    # The trigger that moves the default works as whoever asks: nobody's but one's own moves.
    assert ground.stack.sql("SELECT model_key FROM llm_models WHERE is_default AND owner_id IS NULL") == [(default["model_key"],)]


def test_the_audit_log_is_neither_rewritten_nor_forged_with_the_secret_key(ground: Ground) -> None:
    engine = open_engine(SecretStr(ground.stack.database_url.replace("postgresql://", "postgresql+psycopg://")))
    with engine.begin() as connection:
        append_entry(connection, NOW, Actor("Ada"), "tried", "llm_models", "1", None, {"is_active": True})
    before = ground.stack.sql("SELECT * FROM audit_log ORDER BY id")
    last_id, last_hash = ground.stack.sql("SELECT id, hash FROM audit_log ORDER BY id DESC LIMIT 1")[0]
    forged = {
        "id": last_id + 1,
        "at": str(NOW),
        "actor": "Ada",
        "action": "x",
        "subject": "y",
        "previous_hash": last_hash,
        "hash": "0" * 64,
    }
    with ground.stack.rest(key=ground.stack.secret_key) as client:
        for answer in (
            client.delete("/audit_log?id=gt.0"),
            client.patch("/audit_log?id=gt.0", json={"actor": "Nobody"}),
            client.post("/audit_log", json=forged),
        ):
            assert answer.status_code >= 400 and answer.json()["code"] in ("42501", "23001"), answer.text
    with psycopg.connect(ground.stack.database_url, autocommit=True) as connection:
        connection.execute("SET ROLE service_role")
        for statement in (
            "TRUNCATE audit_log",
            "DELETE FROM audit_log",
            "ALTER TABLE audit_log DISABLE TRIGGER ALL",
            "DROP TRIGGER guard_audit_log ON audit_log",
        ):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement.encode())
            assert refused.value.sqlstate in ("42501", "23001"), statement
    assert ground.stack.sql("SELECT * FROM audit_log ORDER BY id") == before
    assert [problem for problem in verify(engine).problems if "Entry" in problem] == []
    engine.dispose()


def test_stored_keys_reach_nobody_through_the_api(ground: Ground) -> None:
    ground.stack.sql(
        "INSERT INTO private.credentials (scope, subject, provider_id, origin, ciphertext, preview, key_id, created_at, updated_at)"
        " VALUES ('system', %s, 1, 'https://api.openai.com', %s, '…3f', 'k1', now(), now())",
        f"system:{uuid4()}",
        CANARY,
    )
    asked = [f"/{name}" for name in EXPOSED] + [
        "/",
        "/credentials",
        "/llm_providers?select=*,credentials(*)",
        "/llm_models?select=*,private.credentials(*)",
    ]
    with ground.stack.rest() as nobody, ground.stack.rest(key=ground.stack.secret_key) as service:
        for client in (nobody, ground.as_ada, ground.as_admin, service):
            for path in asked:
                for headers in ({}, {"Accept-Profile": "private"}):
                    answer = client.get(path, headers=headers)
                    assert CANARY not in answer.text and "ciphertext" not in answer.text, path
    assert ground.stack.sql("SELECT count(*) FROM private.credentials WHERE ciphertext = %s", CANARY)[0][0] >= 1


def test_helpers_of_the_policies_cannot_be_called(ground: Ground) -> None:
    for name in ("has_role", "person", "add_profile", "guard_profile", "canonical_json", "audit_change"):
        for client in (ground.as_ada, ground.as_admin):
            for headers in ({}, {"Content-Profile": "private"}):
                answer = client.post(f"/rpc/{name}", json={"roles": ["admin"]}, headers=headers)
                assert answer.status_code in (404, 406), answer.text
    query = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'private'::regnamespace AND has_function_privilege('anon', oid, 'execute')"
    assert ground.stack.sql(query) == [(0,)]


def test_the_functions_of_the_store_open_no_other_way(ground: Ground) -> None:
    def read(client: httpx.Client, table: str, **query: object) -> httpx.Response:
        return client.post("/rpc/read_rows", json={"query": {"table": table, "where": [], **query}})

    def change(op: str, table: str, **values: object) -> httpx.Response:
        return ground.as_ada.post("/rpc/apply_changes", json={"changes": [{"op": op, "table": table, **values}]})

    assert [row["user_id"] for row in read(ground.as_ada, "profiles").json()] == [ground.ada.id]
    assert read(ground.as_ada, "profiles", count=True).json() == 1
    for table in ("credentials", "private.credentials", "audit_log", "llm_usage_log", 'profiles" AS t; --'):
        assert read(ground.as_ada, table).status_code == 400
    for query in (
        {"columns": ['user_id" FROM private.credentials; --']},
        {"order_by": ['user_id"; DROP TABLE votes; --']},
        {"where": [{"column": "role' OR true --", "op": "eq", "value": "x"}]},
        {"where": [{"column": "email", "op": "eq", "value": "' OR true --"}]},
        {"where": [{"column": "email", "op": "in", "value": ["') OR (true) --"]}]},
    ):
        answer = read(ground.as_ada, "profiles", **query)
        assert answer.status_code == 400 or answer.json() == [], answer.text
    is_ada = [{"column": "user_id", "op": "eq", "value": ground.ada.id}]
    _forbidden(change("update", "profiles", values={"role": "admin"}, where=is_ada))
    _forbidden(
        change(
            "insert",
            "llm_providers",
            rows=[{"slug": "x", "kind": "openai", "display_name": "X", "created_at": str(NOW), "updated_at": str(NOW)}],
        )
    )
    assert change("insert", "audit_log", rows=[{"id": 1}]).status_code == 400
    with ground.stack.rest() as nobody:
        answer = read(nobody, "profiles")
        assert answer.status_code == 401 or answer.json() == [], answer.text


def test_a_deleted_account_leaves_no_way_in_and_a_new_one_inherits_nothing(ground: Ground) -> None:
    gone = ground.stack.sign_up("dora@example.com", role="admin")
    users = f"{ground.stack.url}/auth/v1/admin/users/{gone.id}"
    httpx.delete(users, headers={"apikey": ground.stack.secret_key}, trust_env=False).raise_for_status()
    with ground.stack.rest(gone.token) as client:
        assert client.get("/profiles").json() == []
    again = ground.stack.sign_up("dora@example.com")
    rows = ground.stack.sql(
        "SELECT user_id::text, email, role, is_active FROM profiles WHERE user_id IN (%s, %s) ORDER BY is_active", gone.id, again.id
    )
    assert rows == [(gone.id, None, "admin", False), (again.id, "dora@example.com", "member", True)]


def test_a_new_address_of_an_account_is_the_one_of_its_profile(ground: Ground) -> None:
    person = ground.stack.sign_up(f"{uuid4()}@example.com")
    with psycopg.connect(ground.stack.database_url.replace("postgres@", f"{OWNER}@"), autocommit=True) as connection:
        connection.execute("UPDATE auth.users SET email = %s WHERE id = %s", (f"New.{person.email}", person.id))
    assert ground.stack.sql("SELECT email FROM profiles WHERE user_id = %s", person.id) == [(f"new.{person.email}",)]


def test_policies_ask_for_the_role_once_and_not_for_each_row(ground: Ground) -> None:
    """Or a list of 100,000 calls would look 100,000 times into profiles."""
    stack = ground.stack
    started = NOW + timedelta(days=1)
    stack.sql(
        "INSERT INTO llm_usage_log (request_id, attempt, started_at, status, model_key, model_name, provider, provider_name, source, user_id)"
        " SELECT gen_random_uuid(), 1, %s, 'ok', 'alpha', 'Alpha', 'acme', 'Acme', 'api', %s FROM generate_series(1, 500)",
        started,
        ground.ada.id,
    )
    with psycopg.connect(stack.database_url) as connection:
        claims = json.dumps({"sub": ground.ada.id, "role": "authenticated"})
        connection.execute("SELECT set_config('request.jwt.claims', %s, true), set_config('role', 'authenticated', true)", (claims,))
        plan = "\n".join(line for (line,) in connection.execute("EXPLAIN ANALYZE SELECT count(*) FROM llm_usage_log"))
        assert connection.execute("SELECT count(*) FROM llm_usage_log").fetchone() == (500,)
    asked = [line for line in plan.splitlines() if "Result" in line]
    assert asked and all("loops=1)" in line or "never executed" in line for line in asked), plan
    assert "InitPlan" in plan and "SubPlan" not in plan, plan
