"""Providers and models of one's own, with one's own keys: nobody else sees, uses or pays for them, whatever the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as some

from lib.access import People, Principal, Role
from lib.analytics import Filters, Scope, calls_page, preset, recent_calls, usage_by
from lib.chat import Message
from lib.credentials import Holder
from lib.errors import InvalidValue, KeyRequired, ModelNotUsable, NotAllowed, NotFound, ProviderError, UnknownModel, WrongEncryptionKey
from lib.pricing import Price
from lib.registry import DraftModel, Model, Provider, Registry
from lib.services import ChatCall, Services, open_services
from lib.services.model_desk import ModelDesk
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.schema import audit_log, credentials, hint_events, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from tests.postgres import PostgresServer
from tests.replay import OPENAI_MODEL, TEXT, ReplayServer, Reply

SYSTEM_KEY, ENV_KEY = "sk-everyones-0123456789abcdef-system", "sk-environment-0123456789abcdef-env"
ADAS, BOBS = "sk-adas-canary-0123456789abcdef-ada", "sk-bobs-canary-0123456789abcdef-bob"
PASSWORD = "four unrelated plain words"


@dataclass
class Team:
    """Services on one kind of database, and three people: Ada and Bob are members, Root is an admin."""

    services: Services
    ada: Principal
    bob: Principal
    root: Principal

    def registry(self, who: Principal) -> Registry:
        return self.services.registry(who)

    def desk(self, who: Principal) -> ModelDesk:
        return ModelDesk(self.services, who, own=True)

    def log(self) -> list[dict[str, object]]:
        with self.services.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()]

    def everything_written(self) -> str:
        """Every row of the tables that others read."""
        tables = (llm_usage_log, audit_log, hint_events, model_compatibility_hints)
        with self.services.engine.connect() as connection:
            return repr([connection.execute(sa.select(table)).all() for table in tables])


def _opened(folder: Path, sink: ReplayServer, **settings: str) -> Services:
    """Services that may call the test's own server on this machine, and nothing else of it."""
    given = {"OUTBOUND_ALLOW": sink.base_url.split("/")[2], "OPENAI_API_KEY": ENV_KEY, "MODELDECK_DATA_DIR": str(folder), **settings}
    return open_services(load_settings(given, folder))


@pytest.fixture
def sink() -> Iterator[ReplayServer]:
    with ReplayServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres", "supabase"])
def team(request: pytest.FixtureRequest, tmp_path: Path, sink: ReplayServer) -> Iterator[Team]:
    """The same team, embedded (its people made up), on Postgres, and on a Supabase project under their own tokens."""
    if request.param == "sqlite":
        services = _opened(tmp_path, sink)
        made = [Principal(str(uuid4()), name, role) for name, role in (("Ada", Role.MEMBER), ("Bob", Role.MEMBER), ("Root", Role.ADMIN))]
        yield Team(services, *made)
        services.close()
        return
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = server.create_ready()
        services = _opened(tmp_path, sink, DATABASE_URL=server.url(name), ENCRYPTION_KEY="a-key-for-tests-0123456789")
        people, actor = People(services.engine, services.clock), Actor("Setup")

        def sign_in(who: str, role: Role) -> Principal:
            token = services.accounts.join(people.invite(f"{who}@example.com", role, actor).token, PASSWORD, who.title())
            found = services.principal(token)
            assert found is not None
            return found

        yield Team(services, sign_in("ada", Role.MEMBER), sign_in("bob", Role.MEMBER), sign_in("root", Role.ADMIN))
        services.close()
        server.drop(name)
        return
    stack = request.getfixturevalue("stack")
    services = _opened(tmp_path, sink, **stack.settings, ENCRYPTION_KEY="a-key-for-tests-0123456789")
    found = []
    for who, role in (("ada", "member"), ("bob", "member"), ("root", "admin")):
        person = stack.sign_up(f"{who}-{uuid4().hex[:8]}@example.com", role=role, name=who.title())
        principal = services.principal(services.sign_in(person.email, person.password, "203.0.113.7"))
        assert principal is not None
        found.append(principal)
    with services.engine.begin() as connection:  # the project is shared by tests
        newest = connection.scalar(sa.select(sa.func.max(llm_usage_log.c.id))) or 0
    team = Team(services, *found)
    everything = team.log
    team.log = lambda: [row for row in everything() if isinstance(row["id"], int) and row["id"] > newest]  # type: ignore[method-assign]
    yield team
    services.close()


def draft(sink: ReplayServer, name: str = "Ada's box", **values: object) -> DraftModel:
    given = DraftModel(f"box-{uuid4().hex[:6]}", "openai-compatible", OPENAI_MODEL, {"display_name": name, "is_active": True})
    return replace(given, provider_name="Ada's cellar", base_url=sink.base_url, **values)  # type: ignore[arg-type]


def allow(team: Team, server: ReplayServer) -> None:
    """Let calls of people's own providers reach one more server of the tests: the operator's settings, made larger."""
    host, _, port = server.base_url.split("/")[2].partition(":")
    settings = replace(team.services.settings, outbound_allow=team.services.settings.outbound_allow | {(host, int(port))})
    object.__setattr__(team.services, "settings", settings)
    team.services.router._open_adapter = team.services.reach.candidate


def say(team: Team, who: Principal, model: str | int) -> str:
    return team.services.complete(who, ChatCall([Message("user", "Hello")], model=model)).completion.text


def test_a_person_adds_tries_calls_changes_and_deletes_a_model_of_their_own(team: Team, sink: ReplayServer) -> None:
    typed = draft(sink)
    tried = team.desk(team.ada).test(typed, ADAS)
    assert tried.ok, tried.sentence
    model = team.desk(team.ada).add(typed, ADAS, tested=True)
    assert (model.owner_id, model.provider.owner_id, model.usable) == (team.ada.user_id, team.ada.user_id, True)
    assert model.provider.key.source == "stored" and model.provider.key.tested_at is not None
    assert say(team, team.ada, model.model_key) == TEXT
    assert [r.headers["authorization"] for r in sink.requests] == [f"Bearer {ADAS}"] * 2
    registry = team.registry(team.ada)
    registry.set_active([model.id], False)
    assert not registry.get(model.id).usable
    registry.set_active([model.id], True)
    registry.set_price(model.id, Price(input=Decimal(1), output=Decimal(2), cache_read=Decimal(1), source="manual"))
    registry.set_default(model.id)
    default = registry.default()
    assert default is not None and default.id == model.id
    copy = registry.duplicate_model(model.id)
    assert (copy.owner_id, copy.is_active, copy.is_default) == (team.ada.user_id, False, False)
    registry.reorder([copy.id, model.id])
    assert [m.id for m in registry.models() if m.is_own] == [copy.id, model.id]
    renamed = registry.update_model(model.id, display_name="Ada's other name", version=registry.get(model.id).version)
    assert renamed.display_name == "Ada's other name"
    say(team, team.ada, model.id)
    assert team.log()[-1]["cost_nano_usd"] == 1200 * 1000 + 34 * 2000
    for one in (model, copy):
        registry.delete_model(one.id)
    registry.delete_provider(model.provider)
    with pytest.raises(UnknownModel):
        registry.get(model.id)
    with team.services.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(credentials.c.provider_id == model.provider.id)) == 0


def grasps(team: Team, other: Principal, model: Model, sink: ReplayServer) -> list[Callable[[], object]]:
    """All that somebody else might try to do with a model."""
    registry = team.registry(other)
    return [
        lambda: registry.set_active([model.id], False),
        lambda: registry.update_model(model.id, display_name="Mine now"),
        lambda: registry.delete_model(model.id),
        lambda: registry.duplicate_model(model.id),
        lambda: registry.set_price(model.id, Price(input=Decimal(9))),
        lambda: registry.set_default(model.id),
        lambda: registry.reorder([model.id]),
        lambda: registry.set_provider(model.provider, base_url="https://evil.example/v1"),
        lambda: registry.delete_provider(model.provider),
        lambda: registry.add_model(model.provider, "stolen", own=True),
        lambda: team.services.set_key(other, model.provider, BOBS),
        lambda: team.services.remove_key(other, model.provider),
        lambda: team.desk(other).set_model_key(model, BOBS),
        lambda: team.desk(other).test(replace(draft(sink), provider=model.provider, base_url=None)),
        lambda: team.desk(other).add(replace(draft(sink), provider=model.provider, base_url=None)),
    ]


def test_nobody_else_sees_counts_names_or_changes_it_and_it_is_as_if_absent(team: Team, sink: ReplayServer) -> None:
    model = team.desk(team.ada).add(draft(sink), ADAS)
    team.registry(team.ada).set_default(model.id)
    for other in (team.bob, team.root):
        registry = team.registry(other)
        assert all(m.owner_id in (None, other.user_id) for m in registry.models())
        assert all(p.owner_id in (None, other.user_id) for p in registry.providers())
        for ref in (model.id, OPENAI_MODEL, "Ada's box", f"{model.provider.slug}/{OPENAI_MODEL}"):
            with pytest.raises(UnknownModel):
                registry.get(ref)
            with pytest.raises(UnknownModel):
                say(team, other, ref)
        with pytest.raises(UnknownModel) as unknown:
            registry.get(OPENAI_MODEL + "x")
        assert "Did you mean" not in str(unknown.value)
        default = registry.default()
        assert default is None or default.id != model.id
        assert "Ada's" not in json.dumps(registry.export())
        for forbidden in grasps(team, other, model, sink):
            with pytest.raises((UnknownModel, NotFound, NotAllowed)):
                forbidden()
    assert team.registry(team.ada).get(model.id).is_default
    assert not sink.requests


def test_a_member_changes_nothing_that_belongs_to_everyone(team: Team, sink: ReplayServer) -> None:
    registry, demo = team.registry(team.ada), team.registry(team.ada).get("demo-chat")
    for forbidden in (
        lambda: registry.set_active([demo.id], False),
        lambda: registry.update_model(demo.id, hidden=True),
        lambda: registry.set_default(demo.id),
        lambda: registry.set_default(None),
        lambda: registry.add_model("openai", "gpt-x"),
        lambda: registry.add_provider("everyones", "openai-compatible", base_url=sink.base_url),
        lambda: registry.set_provider("openai", base_url=sink.base_url),
        lambda: registry.delete_provider("openai"),
        lambda: team.services.set_key(team.ada, registry.provider("openai"), ADAS),
        lambda: ModelDesk(team.services, team.ada).add(draft(sink), ADAS),
        lambda: ModelDesk(team.services, team.ada).test(draft(sink), ADAS),
    ):
        with pytest.raises(NotAllowed):
            forbidden()
    with pytest.raises(InvalidValue, match="Only an admin changes where OpenAI is"):
        team.desk(team.ada).add(replace(draft(sink), kind="openai", provider=registry.provider("openai")), ADAS)


def test_a_key_for_everyone_reaches_neither_a_persons_provider_nor_their_model(team: Team, sink: ReplayServer) -> None:
    provider = team.registry(team.ada).add_provider(f"mine-{uuid4().hex[:6]}", "openai", own=True, base_url=sink.base_url)
    model = team.registry(team.ada).add_model(provider, OPENAI_MODEL, own=True, is_active=True)
    assert model.why_not == "Needs an OpenAI key"
    with pytest.raises(ModelNotUsable, match="API key required: paste yours on your Profile page"):
        say(team, team.ada, model.id)
    with pytest.raises(KeyRequired):
        team.services.keys.resolve(provider, model, team.ada.user_id)
    with pytest.raises(KeyRequired):
        team.desk(team.ada).test(DraftModel("", "openai", OPENAI_MODEL, provider=provider))
    everyones = team.registry(team.ada).provider("openai")
    assert everyones.key.source == "environment"
    on_global = team.registry(team.ada).add_model(everyones, "o1-pro-mine", own=True, is_active=True)
    assert on_global.why_not == "Needs an OpenAI key", "a person's own model is theirs to pay for"
    assert not sink.requests


def test_a_model_may_fall_back_and_shadow_for_its_owner_alone(team: Team, sink: ReplayServer) -> None:
    demo = team.registry(team.root).get("demo-chat")
    mine = replace(draft(sink), values={"display_name": "My demo", "model_key": "demo-chat", "is_active": True})
    model = team.desk(team.ada).add(mine, ADAS)
    assert team.registry(team.ada).get("demo-chat").id == model.id
    assert [m.id for m in team.registry(team.ada).usable() if m.model_key == "demo-chat"] == [model.id]
    assert team.registry(team.bob).get("demo-chat").id == demo.id
    assert say(team, team.ada, "demo-chat") == TEXT
    other = team.registry(team.ada).add_model(
        model.provider, "broken", own=True, model_key="broken", is_active=True, fallbacks=["demo-reasoner", "demo-chat"]
    )
    assert team.registry(team.ada).dependents(model.id).fallback_of == ("broken",)
    team.registry(team.ada).delete_model(model.id)
    assert team.registry(team.ada).get(other.id).fallbacks == ("demo-reasoner",)
    assert team.registry(team.bob).get("demo-chat").id == demo.id


def test_the_log_hints_and_audit_tell_others_nothing_of_key_name_or_message(team: Team, sink: ReplayServer) -> None:
    refusing = [Reply(json.dumps({"error": {"message": "no cellar-secret-model here", "code": "model_not_found"}}).encode(), status=404)]
    model = team.desk(team.ada).add(draft(sink), ADAS)
    say(team, team.ada, model.id)
    with ReplayServer(*refusing) as broken:
        allow(team, broken)
        wrong = team.desk(team.ada).add(replace(draft(broken), upstream_id="cellar-secret-model"), ADAS)
        with pytest.raises(ProviderError, match="cellar-secret-model"):
            say(team, team.ada, wrong.id)
    rows = team.log()
    ok, failed = rows[0], rows[-1]
    assert (ok["model_key"], ok["model_name"], ok["provider_name"]) == (f"~own-{model.id}", "Private model", "Private provider")
    assert ok["model_id"] == model.id and ok["status"] == "ok" and ok["user_id"] == team.ada.user_id and ok["key_scope"] == "user"
    assert (
        failed["error_class"] == "model-incompatible"
        and failed["error_message"] == "The message is not kept, since the model is a person's own."
    )
    for row in rows:
        told = repr(row)
        assert not any(word in told for word in ("Ada's", "cellar", model.provider.slug, OPENAI_MODEL, ADAS, sink.base_url)), told
    with team.services.engine.connect() as connection:
        for table in (model_compatibility_hints, hint_events):
            told = repr(connection.execute(sa.select(table)).all())
            assert "~own" not in told and "cellar" not in told and model.provider.slug not in told
    assert ADAS not in team.everything_written() and ADAS[:7] not in team.everything_written()


def test_its_calls_have_their_name_for_the_owner_and_are_private_ones_to_analysts(team: Team, sink: ReplayServer) -> None:
    model = team.desk(team.ada).add(draft(sink), ADAS)
    say(team, team.ada, model.id)
    now = team.services.clock()
    engine, range_ = team.services.analytics_engine, preset("24h", now, ZoneInfo("UTC"))
    mine = Scope(team.ada.user_id)
    assert [c.model_name for c in recent_calls(engine, mine, range_)] == ["Ada's box"]
    assert [c.provider_name for c in calls_page(engine, mine, range_).calls] == ["Ada's cellar"]
    assert [s.label for s in usage_by(engine, "model", mine, range_)] == ["Ada's box"]
    assert [s.label for s in usage_by(engine, "provider", mine, range_)] == ["Ada's cellar"]
    chosen = Filters(models=(f"~own-{model.id}",))
    assert [c.model_name for c in recent_calls(engine, Scope(), range_, chosen)] == [f"Private model {model.id}"]
    assert [s.label for s in usage_by(engine, "model", Scope(), range_, chosen)] == [f"Private model {model.id}"]
    assert [s.label for s in usage_by(engine, "provider", Scope(), range_, chosen)] == [f"Private provider {model.provider.id}"]


def test_a_key_of_ones_own_makes_everyones_models_usable_for_its_owner_alone(team: Team, sink: ReplayServer) -> None:
    registry = team.registry(team.root)
    slug = f"house-{uuid4().hex[:6]}"
    provider = registry.add_provider(slug, "groq", base_url=sink.base_url)
    model = registry.add_model(provider, OPENAI_MODEL, model_key=slug, is_active=True)
    assert team.registry(team.ada).get(slug).why_not == "Needs a Groq key"
    with pytest.raises(ModelNotUsable, match="API key required: paste yours on your Profile page"):
        say(team, team.ada, slug)
    with pytest.raises(ModelNotUsable, match="on its card on the Providers page"):
        say(team, team.root, slug)
    _set(team, team.ada, provider, ADAS)
    assert team.registry(team.ada).get(slug).usable
    assert slug in {m.model_key for m in team.registry(team.ada).usable()}
    for other in (team.bob, team.root):
        seen = team.registry(other).get(slug)
        assert not seen.usable and seen.provider.own_key is None and seen.provider.key.source == "missing"
    say(team, team.ada, slug)
    assert sink.requests[-1].headers["authorization"] == f"Bearer {ADAS}"
    assert (team.log()[-1]["key_scope"], team.log()[-1]["model_key"]) == ("user", slug)
    team.services.set_key(team.root, registry.provider(provider), SYSTEM_KEY)
    say(team, team.bob, slug)
    assert sink.requests[-1].headers["authorization"] == f"Bearer {SYSTEM_KEY}"
    say(team, team.ada, slug)
    assert sink.requests[-1].headers["authorization"] == f"Bearer {ADAS}"
    with ReplayServer() as elsewhere:
        registry.set_provider(provider, base_url=elsewhere.base_url)
        assert team.registry(team.ada).get(slug).why_not == "Needs a Groq key again"
        for who in (team.ada, team.bob):
            with pytest.raises((ModelNotUsable, WrongEncryptionKey)):
                say(team, who, slug)
        assert not elsewhere.requests
    assert model.owner_id is None


def _set(team: Team, who: Principal, provider: Provider, key: str) -> None:
    team.services.keys.set_key(provider, key, team.services.actor(who), holder=Holder("user", user_id=who.user_id))


def test_a_model_of_ones_own_at_everyones_provider_goes_with_ones_own_key_or_its_own(team: Team, sink: ReplayServer) -> None:
    slug = f"shared-{uuid4().hex[:6]}"
    provider = team.registry(team.root).add_provider(slug, "openai-compatible", base_url=sink.base_url)
    team.services.set_key(team.root, provider, SYSTEM_KEY)
    at_global = DraftModel("", "openai-compatible", OPENAI_MODEL, {"display_name": "Mine", "is_active": True}, provider=provider)
    first = team.desk(team.ada).add(at_global, ADAS)
    only = team.desk(team.ada).add(
        replace(at_global, values={"display_name": "Only", "model_key": "only", "is_active": True}), BOBS, only=True
    )
    for model, key, scope in ((first, ADAS, "user"), (only, BOBS, "own")):
        say(team, team.ada, model.id)
        assert sink.requests[-1].headers["authorization"] == f"Bearer {key}"
        assert team.log()[-1]["key_scope"] in (scope, "model" if scope == "own" else scope)
        assert team.log()[-1]["provider"] == slug and team.log()[-1]["model_key"] == f"~own-{model.id}"
    copy = team.registry(team.ada).duplicate_model(only.id)
    assert copy.key is not None and team.registry(team.ada).set_active([copy.id], True) == 1
    say(team, team.ada, copy.id)
    assert sink.requests[-1].headers["authorization"] == f"Bearer {BOBS}"
    team.desk(team.ada).set_model_key(only, "")
    say(team, team.ada, only.id)
    assert sink.requests[-1].headers["authorization"] == f"Bearer {ADAS}"
    team.services.keys.remove_key(provider, team.services.actor(team.ada), holder=Holder("user", user_id=team.ada.user_id))
    say(team, team.ada, only.id)  # the kind asks for no key, and everyone's is not for it
    assert "authorization" not in sink.requests[-1].headers


def test_a_key_left_behind_is_not_the_next_owners_when_a_number_is_used_again(team: Team, sink: ReplayServer) -> None:
    """Somebody who may add rows past Modeldeck may choose their ids; the key of a deleted model must not come with one."""
    slug = f"shared-{uuid4().hex[:6]}"
    provider = team.registry(team.root).add_provider(slug, "openai", base_url=sink.base_url)
    at_global = DraftModel("", "openai", OPENAI_MODEL, {"display_name": "Mine", "is_active": True}, provider=provider)
    adas = team.desk(team.ada).add(at_global, ADAS, only=True)
    team.services.store(team.ada).delete("llm_models", where={"id": adas.id})
    row = {"id": adas.id, "model_key": "again", "provider_id": provider.id, "upstream_id": OPENAI_MODEL, "display_name": "Again"}
    team.services.store(team.bob).insert("llm_models", [{**row, "is_active": True, "owner_id": team.bob.user_id}])
    bobs = team.registry(team.bob).get(adas.id)
    assert bobs.key is None and bobs.why_not == "Needs an OpenAI key"
    with pytest.raises(KeyRequired):
        team.services.keys.resolve(bobs.provider, bobs, team.bob.user_id)


def test_a_failed_save_leaves_no_row_and_no_key(team: Team, sink: ReplayServer) -> None:
    before = [p.id for p in team.registry(team.ada).providers()], [m.id for m in team.registry(team.ada).models()]
    for bad in (replace(draft(sink), values={"display_name": "x", "context_window": -1}), draft(sink)):
        with pytest.raises(InvalidValue):
            team.desk(team.ada).add(bad, "two words" if bad.values.get("is_active") else ADAS)
    assert ([p.id for p in team.registry(team.ada).providers()], [m.id for m in team.registry(team.ada).models()]) == before
    with team.services.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(credentials.c.user_id == team.ada.user_id)) == 0


def test_a_persons_provider_may_not_lead_inside_this_network(team: Team, sink: ReplayServer) -> None:
    if team.services.settings.mode == "embedded":
        return  # the one person there is the operator: their own machine is theirs to reach
    with ReplayServer() as inside:
        tried = team.desk(team.ada).test(replace(draft(sink), base_url=inside.base_url), ADAS)
        assert not tried.ok and "OUTBOUND_ALLOW" in tried.sentence
        model = team.desk(team.ada).add(replace(draft(sink), base_url=inside.base_url), ADAS)
        with pytest.raises(ProviderError, match="OUTBOUND_ALLOW"):
            say(team, team.ada, model.id)
        assert not inside.requests


ACTS = some.lists(some.tuples(some.sampled_from(["call", "set", "remove", "system"]), some.sampled_from(["ada", "bob"])), max_size=14)


@pytest.mark.parametrize("team", ["sqlite"], indirect=True)
@given(acts=ACTS)
@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_two_people_come_and_go_neither_calls_with_the_others_key(
    team: Team, sink: ReplayServer, acts: list[tuple[str, str]]
) -> None:
    registry = team.registry(team.root)
    slug = f"two-{uuid4().hex[:8]}"
    provider = registry.add_provider(slug, "groq", base_url=sink.base_url)
    registry.add_model(provider, OPENAI_MODEL, model_key=slug, is_active=True)
    people, keys = {"ada": team.ada, "bob": team.bob}, {"ada": ADAS, "bob": BOBS}
    holds: dict[str, bool] = {"ada": False, "bob": False}
    system = False
    for act, who in acts:
        person = people[who]
        if act == "set":
            _set(team, person, provider, keys[who])
            holds[who] = True
        elif act == "remove":
            team.services.keys.remove_key(provider, team.services.actor(person), holder=Holder("user", user_id=person.user_id))
            holds[who] = False
        elif act == "system":
            system = not system
            if system:
                team.services.set_key(team.root, provider, SYSTEM_KEY)
            else:
                team.services.remove_key(team.root, provider)
        elif (expected := keys[who] if holds[who] else SYSTEM_KEY if system else None) is None:
            with pytest.raises(ModelNotUsable):
                say(team, person, slug)
        else:
            say(team, person, slug)
            assert sink.requests[-1].headers["authorization"] == f"Bearer {expected}"
            assert team.log()[-1]["key_scope"] == ("user" if holds[who] else "system")


def test_two_people_who_call_at_once_each_call_with_their_own_key(team: Team, sink: ReplayServer) -> None:
    registry = team.registry(team.root)
    slug = f"two-{uuid4().hex[:8]}"
    provider = registry.add_provider(slug, "groq", base_url=sink.base_url)
    registry.add_model(provider, OPENAI_MODEL, model_key=slug, is_active=True)
    people = {"ada": (team.ada, ADAS), "bob": (team.bob, BOBS)}
    for person, key in people.values():
        _set(team, person, provider, key)

    def call(number: int) -> None:
        name = "ada" if number % 2 else "bob"
        said = ChatCall([Message("user", f"I am {name}")], model=slug)
        list(team.services.chat(people[name][0], said)) if number % 3 else team.services.complete(people[name][0], said)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(call, range(24)))
    went = {(r.body["messages"][-1]["content"].removeprefix("I am "), r.headers["authorization"]) for r in sink.requests}
    assert went == {(name, f"Bearer {key}") for name, (_, key) in people.items()}
    assert {(row["user_id"], row["key_scope"]) for row in team.log()} == {(team.ada.user_id, "user"), (team.bob.user_id, "user")}
