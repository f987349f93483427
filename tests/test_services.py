"""The whole way of a request, from a pasted key to the exact cost on the usage page, against a real local server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.analytics import EVERYBODY, preset, recent_calls, usage_totals
from lib.chat import Message, TextDelta
from lib.errors import InvalidValue, KeyRequired, ModelNotUsable, NotAllowed, ProviderError, StoreUnavailable, UnknownModel
from lib.pricing import Price
from lib.services import ChatCall, Services, open_services
from lib.settings import Settings, load_settings
from lib.store.schema import instances, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.usage import LAPSE_S, Attempt
from tests.postgres import PostgresServer
from tests.replay import TEXT, ReplayServer, Reply, openai_stream
from tests.replay_responses import responses_stream

ROOT = Path(__file__).parents[1]
KEY = "sk-ant-test-0123456789abcdefghijklmnop"
HELLO = [Message("user", "Why is water wet?")]
MEMBER = Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.MEMBER)
PRICE = Price(
    input=Decimal(3),
    output=Decimal(15),
    cache_read=Decimal("0.3"),
    cache_write_5m=Decimal("3.75"),
    cache_write_1h=Decimal(6),
    source="manual",
)
EXACT = 150 * 3_000 + 1_000 * 300 + 30 * 3_750 + 20 * 6_000 + 34 * 15_000
"""What tests.replay's Anthropic answer costs at PRICE, in nano-dollars."""


def settings_for(folder: Path, **given: str) -> Settings:
    return load_settings({"MODELDECK_DATA_DIR": str(folder / "data"), **given}, folder)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first start, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("seeded")
    open_services(settings_for(folder)).close()
    return folder / "data"


@pytest.fixture
def services(tmp_path: Path, seeded: Path) -> Iterator[Services]:
    shutil.copytree(seeded, tmp_path / "data")
    opened = open_services(settings_for(tmp_path))
    opened.registry(LOCAL_ADMIN).set_provider("demo", settings={"pace": 0})
    yield opened
    opened.close()


def rows(services: Services) -> list[dict[str, Any]]:
    with services.engine.connect() as connection:
        return [dict(r) for r in connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()]


def connect(services: Services, server: ReplayServer, slug: str = "anthropic") -> str:
    """Point a provider's card at the server, paste its key, switch one model on, and return the model's key."""
    registry = services.registry(LOCAL_ADMIN)
    provider = registry.set_provider(slug, base_url=server.base_url)
    services.set_key(LOCAL_ADMIN, provider, KEY, tested=True)
    model = registry.models(provider=slug)[0]
    registry.set_price(model.id, PRICE)
    registry.set_active([model.id], True)
    return model.model_key


def text_of(items: list[Any]) -> str:
    return "".join(item.text for item in items if isinstance(item, TextDelta))


def test_a_fresh_start_answers_without_key_or_account(tmp_path: Path) -> None:
    services = open_services(settings_for(tmp_path))
    try:
        services.registry(LOCAL_ADMIN).set_provider("demo", settings={"pace": 0})
        answers_from_the_demo(services)
    finally:
        services.close()


def answers_from_the_demo(services: Services) -> None:
    *items, last = services.chat(LOCAL_ADMIN, ChatCall(HELLO))
    assert isinstance(last, Attempt)
    assert (last.status, last.provider, last.key_scope) == ("ok", "demo", None)
    assert "Demo answer" in text_of(items)
    assert last.cost_nano_usd is not None
    assert services.health() == {"mode": "embedded", "schema": "ready", "version": "0.1.0", "unsaved_calls": 0}


def test_from_a_pasted_key_to_the_exact_cost_without_a_restart(services: Services) -> None:
    with ReplayServer(api_key=KEY) as server:
        provider = services.registry(LOCAL_ADMIN).set_provider("anthropic", base_url=server.base_url)
        tested = services.test_key(LOCAL_ADMIN, provider, KEY)
        assert (tested.ok, tested.text, tested.error) == (True, TEXT, None)
        assert tested.latency_ms is not None

        model = connect(services, server)
        *items, last = services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=model, source="playground"))
    assert text_of(items) == TEXT
    assert isinstance(last, Attempt)
    assert (last.cost_nano_usd, last.key_scope, last.price_source) == (EXACT, "system", "manual")

    range_ = preset("24h", datetime.now(UTC), ZoneInfo("Asia/Kolkata"))
    newest, test = recent_calls(services.analytics_engine, EVERYBODY, range_)
    assert (newest.cost_nano_usd, newest.status, newest.user_name, newest.input_tokens) == (EXACT, "ok", "Local admin", 1_200)
    assert (test.source, test.status) == ("test", "ok")
    totals = usage_totals(services.analytics_engine, EVERYBODY, range_).current
    assert (totals.requests, totals.cost_nano_usd) == (2, EXACT + (test.cost_nano_usd or 0))


def test_a_whole_answer_costs_the_same(services: Services) -> None:
    with ReplayServer(api_key=KEY) as server:
        routed = services.complete(LOCAL_ADMIN, ChatCall(HELLO, model=connect(services, server), source="api"))
    assert (routed.completion.text, routed.attempts[-1].cost_nano_usd) == (TEXT, EXACT)


def test_a_wrong_key_is_said_in_the_providers_words_and_is_neither_stored_nor_shown(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with ReplayServer(api_key="another") as server:
        provider = services.registry(LOCAL_ADMIN).set_provider("anthropic", base_url=server.base_url)
        result = services.test_key(LOCAL_ADMIN, provider, KEY)
    assert not result.ok
    assert result.error is not None
    assert result.error.kind == "auth"
    assert result.sentence == str(result.error)
    assert len(server.requests) == 1, "a wrong key is wrong for every model"
    (row,) = rows(services)
    assert (row["source"], row["status"], row["error_class"], row["error_status"]) == ("test", "error", "auth", 401)
    assert services.registry(LOCAL_ADMIN).provider("anthropic").key.source == "missing"
    assert KEY not in caplog.text + repr(result) + json.dumps(row, default=str) + repr(services)


def test_a_test_uses_the_address_and_key_that_were_typed(services: Services) -> None:
    with ReplayServer(api_key="stored-key-0123456789") as old, ReplayServer(api_key=KEY) as typed:
        provider = services.registry(LOCAL_ADMIN).set_provider("anthropic", base_url=old.base_url)
        services.set_key(LOCAL_ADMIN, provider, "stored-key-0123456789")
        assert services.test_key(LOCAL_ADMIN, provider, KEY, base_url=typed.base_url).ok
        assert old.requests == []
        assert typed.requests[0].headers["x-api-key"] == KEY


def test_a_model_the_key_may_not_use_gives_way_to_the_next_one(services: Services) -> None:
    error = {"error": {"message": "The model `gpt-x` does not exist or you do not have access to it.", "code": "model_not_found"}}
    refusal = Reply(json.dumps(error).encode(), status=404)
    with ReplayServer(refusal, Reply(openai_stream(), content_type="text/event-stream")) as server:
        provider = services.registry(LOCAL_ADMIN).set_provider("openai", base_url=server.base_url)
        assert services.test_key(LOCAL_ADMIN, provider, KEY).ok
    asked = [request.body["model"] for request in server.requests]
    assert len(asked) == len(set(asked)) == 2


def test_a_provider_without_models_is_tested_with_one_it_lists(services: Services) -> None:
    with ReplayServer(api_key=KEY) as server:
        provider = services.registry(LOCAL_ADMIN).add_provider("lab", "openai-compatible", base_url=server.base_url)
        result = services.test_key(LOCAL_ADMIN, provider, KEY)
    assert (result.ok, result.cost_nano_usd) == (True, None)


def test_a_providers_settings_reach_the_calls_and_the_tests_of_its_models(services: Services) -> None:
    with ReplayServer(api_key=KEY) as server:
        registry = services.registry(LOCAL_ADMIN)
        provider = registry.set_provider("azure", base_url=server.base_url, settings={"api_version": "2024-02-01"})
        assert services.test_key(LOCAL_ADMIN, provider, KEY).ok
        services.set_key(LOCAL_ADMIN, provider, KEY, tested=True)
        model = registry.add_model("azure", "gpt-team", model_key="team")
        registry.set_active([model.id], True)
        assert text_of(list(services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="team")))) == TEXT
        tried, asked = server.requests
    assert tried.path.endswith("/chat/completions") and "/deployments/" in tried.path
    assert asked.path.endswith("/openai/deployments/gpt-team/chat/completions")
    assert "stream_options" not in asked.body  # which that version refuses


def test_a_model_served_only_by_responses_answers_in_the_same_call(services: Services) -> None:
    words = "This model is only supported in v1/responses and not in v1/chat/completions."
    refusal = Reply(json.dumps({"error": {"message": words, "type": "invalid_request_error", "param": "model"}}).encode(), status=404)
    with ReplayServer(refusal, Reply(responses_stream(), content_type="text/event-stream"), api_key=KEY) as server:
        model = connect(services, server, "openai")
        items = list(services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=model)))
        again = list(services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=model)))
    assert text_of(items) == text_of(again) == TEXT
    assert [r.path.rpartition("/v1/")[2] for r in server.requests] == ["chat/completions", "responses", "responses"]


def test_an_address_nobody_can_call_is_a_sentence(services: Services) -> None:
    provider = services.registry(LOCAL_ADMIN).provider("openai")
    result = services.test_key(LOCAL_ADMIN, provider, KEY, base_url="ftp://nowhere")
    assert not result.ok
    assert "http" in result.sentence
    assert rows(services) == []


def test_stopping_hangs_up_on_the_provider(services: Services) -> None:
    with ReplayServer(Reply(openai_stream(), content_type="text/event-stream", endless=True), pace=0.001) as server:
        stream = services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=connect(services, server, "openai")))
        assert isinstance(next(stream), TextDelta)
        stream.close()
        assert server.hung_up.wait(10)
    (row,) = rows(services)
    assert (row["status"], row["is_final"]) == ("cancelled", True)


STREAMING = """
import sys
from pathlib import Path
from lib.access import LOCAL_ADMIN
from lib.chat import Message, TextDelta
from lib.services import ChatCall, open_services
from lib.settings import load_settings

folder, model = sys.argv[1:]
services = open_services(load_settings({"MODELDECK_DATA_DIR": folder}, Path(folder)))
for item in services.chat(LOCAL_ADMIN, ChatCall([Message("user", "Go on for ever.")], model=model, source="cli")):
    if isinstance(item, TextDelta):
        print("streaming", flush=True)
"""


def test_a_process_killed_in_mid_stream_is_told_apart_from_one_that_still_streams(tmp_path: Path, seeded: Path) -> None:
    shutil.copytree(seeded, tmp_path / "data")
    ahead = timedelta(0)
    services = open_services(settings_for(tmp_path), clock=lambda: datetime.now(UTC) + ahead)
    try:
        with ReplayServer(Reply(openai_stream(), content_type="text/event-stream", endless=True), pace=0.002) as server:
            model = connect(services, server, "openai")
            own = services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=model))
            next(own)
            child = subprocess.Popen(
                [sys.executable, "-c", STREAMING, str(tmp_path / "data"), model], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            assert child.stdout is not None
            assert child.stdout.readline() == "streaming\n"
            child.kill()
            child.communicate()

            services.heartbeat.beat()
            assert {r["source"]: r["status"] for r in rows(services)} == {"playground": "open", "cli": "open"}
            ahead = timedelta(seconds=LAPSE_S + 1)
            services.heartbeat.beat()
            assert {r["source"]: r["status"] for r in rows(services)} == {"playground": "open", "cli": "interrupted"}
            own.close()
            assert {r["source"]: r["status"] for r in rows(services)} == {"playground": "cancelled", "cli": "interrupted"}
    finally:
        services.close()


def test_a_removed_key_ends_a_models_use_with_a_reason(services: Services) -> None:
    with ReplayServer(api_key=KEY) as server:
        model = connect(services, server)
        services.remove_key(LOCAL_ADMIN, services.registry(LOCAL_ADMIN).provider("anthropic"))
        with pytest.raises(ModelNotUsable, match=r"cannot be used\. Needs an Anthropic key"):
            services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=model))
        assert server.requests == []
    assert rows(services) == []


def test_what_cannot_be_called_is_refused_before_the_stream_begins(services: Services) -> None:
    with pytest.raises(UnknownModel):
        services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="no-such-model"))
    registry = services.registry(LOCAL_ADMIN)
    registry.set_active([m.id for m in registry.models(active=True)], False)
    with pytest.raises(ModelNotUsable, match="Switched off"):
        services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="demo-chat"))
    with pytest.raises(ModelNotUsable, match="Add a provider key"):
        services.chat(LOCAL_ADMIN, ChatCall(HELLO))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"temperature": 2.5}, "Temperature must be from 0 to 2 for Demo chat, not 2.5."),
        ({"top_p": -0.1}, "Top-p must be from 0 to 1 for Demo chat, not -0.1."),
        ({"max_tokens": 5_000}, "Max tokens must be from 1 to 4,096 for Demo chat, not 5,000."),
        ({"max_tokens": 0}, "Max tokens must be from 1 to 4,096 for Demo chat, not 0."),
        ({"temperature": float("nan")}, "Temperature must be from 0 to 2 for Demo chat, not nan."),
    ],
)
def test_a_parameter_out_of_range_is_named(services: Services, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="demo-chat", **values))
    assert (str(refusal.value), refusal.value.field) == (sentence, next(iter(values)))
    with pytest.raises(InvalidValue, match="Write a message first"):
        services.chat(LOCAL_ADMIN, ChatCall([], model="demo-chat"))


def test_a_fixed_parameter_is_left_to_the_model(services: Services) -> None:
    registry = services.registry(LOCAL_ADMIN)
    model = registry.get("demo-chat")
    registry.update_model(model.id, constraints={"temperature": [1, 1]})
    with pytest.raises(InvalidValue, match="fixed at 1"):
        services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="demo-chat", temperature=0.5))
    services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="demo-chat", temperature=1))


def test_the_failing_demo_models_leave_rows_that_can_be_seen(services: Services) -> None:
    with pytest.raises(ProviderError):
        list(services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="demo-truncated")))
    with pytest.raises(ProviderError):
        list(services.chat(LOCAL_ADMIN, ChatCall(HELLO, model="demo-rate-limit")))
    assert [(r["status"], r["error_class"]) for r in rows(services)] == [("error", "network"), ("error", "rate-limit")]


def test_keys_are_an_admins_matter(services: Services) -> None:
    provider = services.registry(LOCAL_ADMIN).provider("openai")
    for act in (
        lambda: services.test_key(MEMBER, provider, KEY),
        lambda: services.set_key(MEMBER, provider, KEY),
        lambda: services.remove_key(MEMBER, provider),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_change_in_one_process_shows_in_another(services: Services) -> None:
    other = open_services(services.settings)
    try:
        before = other.revision()
        registry = services.registry(LOCAL_ADMIN)
        registry.set_active([registry.get("demo-reasoner").id], False)
        assert other.revision() != before
        assert not other.registry(LOCAL_ADMIN).get("demo-reasoner").usable
    finally:
        other.close()


def test_what_a_person_chose_is_remembered_apart_from_others(services: Services) -> None:
    services.set_preference(LOCAL_ADMIN, "model", "demo-chat")
    services.set_preference(LOCAL_ADMIN, "days", 7)
    assert (services.preference(LOCAL_ADMIN, "model"), services.preference(LOCAL_ADMIN, "days")) == ("demo-chat", 7)
    assert services.preference(MEMBER, "model") is None


def test_a_removed_built_in_model_stays_removed(services: Services) -> None:
    registry = services.registry(LOCAL_ADMIN)
    registry.delete_model(registry.get("demo-timeout").id)
    services.close()
    again = open_services(services.settings)
    try:
        with pytest.raises(UnknownModel):
            again.registry(LOCAL_ADMIN).get("demo-timeout")
        with again.engine.connect() as connection:
            states = connection.execute(sa.select(instances.c.stopped_at).order_by(instances.c.started_at)).scalars().all()
        assert [state is None for state in states] == [False] * (len(states) - 1) + [True]
    finally:
        again.close()


def test_nothing_is_learned_when_the_settings_say_so(tmp_path: Path) -> None:
    services = open_services(settings_for(tmp_path, LEARN_FROM_FAILURES="false"))
    try:
        services.registry(LOCAL_ADMIN).set_provider("demo", settings={"pace": 0})
        list(services.chat(LOCAL_ADMIN, ChatCall(HELLO)))
        with services.engine.connect() as connection:
            assert connection.execute(sa.select(model_compatibility_hints)).all() == []
    finally:
        services.close()


def test_a_damaged_database_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.data_dir.mkdir()
    file = settings.data_dir / "modeldeck.db"
    file.write_bytes(b"not a database at all " * 100)
    with pytest.raises(StoreUnavailable, match="damaged") as refusal:
        open_services(settings)
    assert refusal.value.reason == "corrupt"
    assert file.read_bytes().startswith(b"not a database at all")


def test_postgres_is_refused_unmigrated_and_serves_once_upgraded(tmp_path: Path, postgres_server: PostgresServer) -> None:
    encryption = {"ENCRYPTION_KEY": "a-test-encryption-key-of-forty-characters"}
    bare = settings_for(tmp_path, DATABASE_URL=postgres_server.url(postgres_server.create()), **encryption)
    with pytest.raises(StoreUnavailable, match="python -m lib db upgrade"):
        open_services(bare)
    ready = settings_for(tmp_path, DATABASE_URL=postgres_server.url(postgres_server.create_ready()), **encryption)
    services = open_services(ready)
    try:
        services.registry(LOCAL_ADMIN).set_provider("demo", settings={"pace": 0})
        with ReplayServer(api_key=KEY) as server:
            *_, last = services.chat(LOCAL_ADMIN, ChatCall(HELLO, model=connect(services, server)))
        assert isinstance(last, Attempt)
        range_ = preset("24h", datetime.now(UTC), ZoneInfo("Asia/Kolkata"))
        assert usage_totals(services.analytics_engine, EVERYBODY, range_).current.cost_nano_usd == EXACT
        services.heartbeat.beat()  # folds what the triggers left
        with services.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM usage_delta")) == 0
        assert usage_totals(services.analytics_engine, EVERYBODY, range_).current.cost_nano_usd == EXACT
    finally:
        services.close()


def test_a_key_that_vanishes_between_two_looks_is_asked_for(services: Services) -> None:
    with pytest.raises(KeyRequired, match="paste one"):
        services.keys.resolve(services.registry(LOCAL_ADMIN).provider("openai"))
