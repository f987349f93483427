"""The contract every adapter keeps, whatever it speaks: what works with one provider works with all."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from lib.chat import Finish, Message, Request, TextDelta, Usage, fold
from lib.errors import ProviderError
from lib.net import new_client
from lib.providers import KINDS, ProviderAdapter, open_adapter
from tests.replay import ReplayServer


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as server:
        yield server


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with new_client() as client:
        yield client


@pytest.fixture(params=[f"{kind}:{endpoint}" for kind, row in KINDS.items() for endpoint in sorted(row.endpoints)])
def way(request: pytest.FixtureRequest) -> str:
    """A kind and an endpoint it speaks."""
    return str(request.param)


@pytest.fixture
def kind(way: str) -> str:
    return way.partition(":")[0]


@pytest.fixture
def endpoint(way: str) -> str:
    return way.partition(":")[2]


@pytest.fixture
def adapter(kind: str, server: ReplayServer, client: httpx.Client) -> ProviderAdapter:
    if kind == "demo":
        return open_adapter(kind, pace=0)
    return open_adapter(kind, base_url=server.base_url, api_key="k", client=client)


@pytest.fixture
def ask(kind: str) -> Request:
    return Request("demo-reasoner" if kind == "demo" else "m", (Message("user", "Why is water wet?"),))


def test_a_folded_stream_is_the_whole_answer(adapter: ProviderAdapter, kind: str, endpoint: str, ask: Request) -> None:
    streamed = fold(adapter.stream(ask, endpoint))

    assert streamed == adapter.complete(ask, endpoint)
    assert streamed.text
    assert streamed.model or kind == "cohere"  # which names no model


def test_usage_comes_once_and_finish_last(adapter: ProviderAdapter, endpoint: str, ask: Request) -> None:
    events = list(adapter.stream(ask, endpoint))

    assert sum(isinstance(event, TextDelta) for event in events) > 1
    assert [type(event) for event in events[-2:]] == [Usage, Finish]
    assert not any(isinstance(event, Usage | Finish) for event in events[:-2])


def test_parts_are_inside_their_totals(adapter: ProviderAdapter, endpoint: str, ask: Request) -> None:
    usage = adapter.complete(ask, endpoint).usage

    assert usage is not None
    assert usage.cache_read + usage.cache_write <= usage.input
    assert usage.cache_write_1h <= usage.cache_write
    assert usage.reasoning <= usage.output


def test_models_have_ids(adapter: ProviderAdapter) -> None:
    models = adapter.models()

    assert models
    assert all(model.id for model in models)


def test_another_endpoint_is_refused_before_anything_is_sent(adapter: ProviderAdapter, ask: Request, server: ReplayServer) -> None:
    before = len(server.requests)
    for call in (adapter.complete, adapter.stream):
        with pytest.raises(ProviderError) as caught:
            call(ask, "nonesuch")
        assert caught.value.kind == "model-incompatible"

    assert len(server.requests) == before


def test_a_stream_may_be_given_up(adapter: ProviderAdapter, endpoint: str, ask: Request) -> None:
    stream = adapter.stream(ask, endpoint)
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # every stream is a generator

    assert list(stream) == []
