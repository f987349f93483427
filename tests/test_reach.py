"""Whose word an address is decides where its calls may go: the operator's anywhere, an admin's into the network, a person's out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.chat import Message
from lib.credentials import origin
from lib.errors import ProviderError
from lib.registry import DraftModel, Provider
from lib.services import ChatCall, Services, open_services
from lib.services.calls import addressed_by
from lib.services.key_trial import try_key
from lib.services.model_trial import try_model
from lib.settings import load_settings
from tests.postgres import PostgresServer
from tests.replay import TEXT, ReplayServer

MIA = Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.MEMBER)
ENCRYPTION = {"ENCRYPTION_KEY": "a-test-encryption-key-of-forty-characters"}
HELLO = [Message("user", "Why is water wet?")]
METADATA = "http://169.254.169.254/v1"
Opened = Callable[..., Services]


@pytest.fixture
def team(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Opened]:
    """Opens the services of a team on a Postgres, with further settings."""
    database, opened = postgres_server.create_ready(), []

    def open_team(**given: str) -> Services:
        settings = load_settings({"DATABASE_URL": postgres_server.url(database), **ENCRYPTION, **given}, tmp_path)
        opened.append(open_services(settings))
        return opened[-1]

    yield open_team
    for services in opened:
        services.close()
    postgres_server.drop(database)


def place(server: ReplayServer) -> str:
    return origin(server.base_url).removeprefix("http://")


def every_way(services: Services, principal: Principal, provider: Provider, key: str) -> Iterator[str]:
    """Try every way by which a provider's address is called, and yield the answer or the refusal of each."""
    asks: tuple[Callable[[], str], ...] = (
        lambda: services.complete(principal, ChatCall(HELLO, model=key)).completion.text,
        lambda: "".join(getattr(item, "text", "") for item in services.chat(principal, ChatCall(HELLO, model=key))),
        lambda: services.reach.provider(provider, SecretStr("sk-mine")).models()[0].id,
    )
    for ask in asks:
        try:
            yield ask()
        except ProviderError as error:
            yield str(error)
    models = services.registry(principal).models(provider=provider.slug)
    yield try_key(services.ledger, services.reach, principal, provider, models, "sk-mine", None).sentence
    yield try_key(services.ledger, services.reach, principal, provider, [], "sk-mine", None).sentence
    draft = DraftModel(provider.slug, provider.kind, "new", provider=provider)
    yield try_model(services.ledger, services.reach, principal, draft, SecretStr("sk-mine"), None, None).sentence


def own_provider(services: Services, base_url: str) -> tuple[Provider, str]:
    registry = services.registry(MIA)
    provider = registry.add_provider("mine", "openai-compatible", own=True, base_url=base_url)
    return provider, registry.add_model(provider, "my-model", own=True, is_active=True).model_key


def test_a_persons_own_provider_reaches_nothing_inside_the_network(team: Opened) -> None:
    with ReplayServer() as sink:
        services = team(OPENAI_API_KEY="sk-everyones")
        for said in every_way(services, MIA, *own_provider(services, sink.base_url)):
            assert "this machine itself" in said and f"add {place(sink)} to OUTBOUND_ALLOW" in said
        assert (sink.connections, sink.requests) == (0, [])


def test_what_the_operator_allows_a_person_may_call(team: Opened) -> None:
    with ReplayServer() as server:
        services = team(OUTBOUND_ALLOW=place(server))
        said = list(every_way(services, MIA, *own_provider(services, server.base_url)))
        assert said[:2] == [TEXT, TEXT]
        assert not any("OUTBOUND_ALLOW" in sentence for sentence in said)


def test_a_persons_own_address_is_checked_where_it_is_only_typed(team: Opened) -> None:
    with ReplayServer() as sink:
        services = team()
        provider, _ = own_provider(services, "https://api.example.com/v1")
        result = try_key(services.ledger, services.reach, MIA, provider, [], "sk-mine", sink.base_url)
        assert "this machine itself" in result.sentence
        draft = DraftModel("mine", "openai-compatible", "new", provider=provider, base_url=sink.base_url)
        assert "this machine itself" in try_model(services.ledger, services.reach, MIA, draft, None, None, None).sentence
        everyones = services.registry(MIA).provider("vllm")
        for theirs in (None, everyones):
            draft = DraftModel("new", "vllm", "new", provider=theirs, base_url=sink.base_url, owner_id=MIA.user_id)
            assert "this machine itself" in try_model(services.ledger, services.reach, MIA, draft, None, None, None).sentence
        draft = DraftModel("new", "ollama", "new", owner_id=MIA.user_id)
        assert "this machine itself" in try_model(services.ledger, services.reach, MIA, draft, None, None, None).sentence, (
            "by default it is"
        )
        assert sink.connections == 0


def test_an_admin_may_point_everyones_provider_at_the_teams_own_server_but_not_at_a_clouds_metadata(team: Opened) -> None:
    services = team()
    registry = services.registry(LOCAL_ADMIN)
    with ReplayServer() as server:
        provider = registry.set_provider("vllm", base_url=server.base_url)
        key = registry.add_model("vllm", "ours", is_active=True).model_key
        assert services.complete(MIA, ChatCall(HELLO, model=key)).completion.text == TEXT
    provider = registry.set_provider("vllm", base_url=METADATA)
    for said in every_way(services, MIA, provider, key):
        assert "a cloud's own service" in said


def test_what_the_operator_set_leads_anywhere(team: Opened) -> None:
    """An address of the settings needs no second entry in a list; one an admin typed over it does."""
    services = team(OLLAMA_BASE_URL=METADATA)
    registry = services.registry(LOCAL_ADMIN)
    assert services.reach.guard("operator") is None
    assert [registry.provider(slug).own_base_url for slug in ("ollama", "vllm")] == [None, None]
    assert addressed_by(registry.provider("ollama")) == "operator"
    assert addressed_by(registry.provider("ollama"), "http://10.0.0.5:11434") == "admin"
    assert addressed_by(registry.set_provider("ollama", base_url="http://10.0.0.5:11434")) == "admin"


def test_the_person_at_this_machine_may_call_it(tmp_path: Path) -> None:
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(tmp_path / "data")}, tmp_path))
    registry = services.registry(LOCAL_ADMIN)
    with ReplayServer() as server:
        provider = registry.set_provider("vllm", base_url=server.base_url)
        key = registry.add_model("vllm", "ours", is_active=True).model_key
        assert services.complete(LOCAL_ADMIN, ChatCall(HELLO, model=key)).completion.text == TEXT
    provider = registry.set_provider("vllm", base_url=METADATA)
    for said in every_way(services, LOCAL_ADMIN, provider, key):
        assert "a cloud's own service" in said
    services.close()
