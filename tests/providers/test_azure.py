"""Azure OpenAI by deployment and dated version, for the resources that are set up that way."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from lib.chat import Message, Request, fold
from lib.errors import ProviderError
from lib.net import new_client
from lib.providers import open_adapter
from tests.replay import TEXT, openai_stream, openai_whole
from tests.replay_responses import responses_whole

ASK = Request("gpt-4o team", (Message("user", "Hello"),))
RESOURCE = "https://team.openai.azure.com"
VERSION = "2024-10-21"
LISTED = {
    "data": [
        {
            "id": "gpt-4o-2024-11-20",
            "status": "succeeded",
            "capabilities": {"inference": True, "chat_completion": True, "embeddings": False},
        },
        {"id": "text-embedding-3-large", "capabilities": {"inference": True, "chat_completion": False, "embeddings": True}},
        {"id": "davinci", "capabilities": {"inference": False, "fine_tune": True, "chat_completion": False, "embeddings": False}},
    ]
}


class Azure:
    """A resource that notes what it is asked."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if request.method == "GET":
            return httpx.Response(200, json=LISTED)
        if request.url.path.endswith("/responses"):
            return httpx.Response(200, content=responses_whole(), headers={"content-type": "application/json"})
        if json.loads(request.content).get("stream"):
            return httpx.Response(200, content=openai_stream(), headers={"content-type": "text/event-stream"})
        return httpx.Response(200, content=openai_whole(), headers={"content-type": "application/json"})


@pytest.fixture
def azure() -> Azure:
    return Azure()


def ask(azure: Azure, endpoint: str = "chat/completions", *, base_url: str = RESOURCE, stream: bool = False, **options: Any) -> str:
    """Send a request and return the answer's text."""
    with new_client(httpx.MockTransport(azure)) as client:
        adapter = open_adapter("azure", base_url=base_url, api_key="the-key", client=client, **options)
        return (fold(adapter.stream(ASK, endpoint)) if stream else adapter.complete(ASK, endpoint)).text


@pytest.mark.parametrize(
    "base_url",
    [
        RESOURCE,
        f"{RESOURCE}/",
        f"{RESOURCE}/openai",
        f"{RESOURCE}/openai/v1/",
        f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2023-05-15",
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_goes_to_its_deployment_under_the_version_that_is_set(azure: Azure, base_url: str, stream: bool) -> None:
    assert ask(azure, base_url=base_url, stream=stream, api_version=VERSION) == TEXT
    request = azure.seen[0]

    assert str(request.url) == f"{RESOURCE}/openai/deployments/gpt-4o%20team/chat/completions?api-version={VERSION}"
    assert request.headers["api-key"] == "the-key"
    assert "authorization" not in request.headers


def test_responses_name_the_deployment_in_the_body(azure: Azure) -> None:
    assert ask(azure, "responses", api_version="2025-04-01-preview") == TEXT

    assert str(azure.seen[0].url) == f"{RESOURCE}/openai/responses?api-version=2025-04-01-preview"
    assert json.loads(azure.seen[0].content)["model"] == "gpt-4o team"


@pytest.mark.parametrize("unset", [{}, {"api_version": None}, {"api_version": ""}])
def test_without_a_version_the_surface_without_versions_is_used(azure: Azure, unset: dict[str, Any]) -> None:
    ask(azure, **unset)

    assert str(azure.seen[0].url) == f"{RESOURCE}/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"api_version": "2024-10-21"}, True),
        ({"api_version": "2024-09-01-preview"}, True),
        ({"api_version": "2024-02-01"}, False),
        ({"api_version": "2024-02-01", "include_usage": True}, True),
        ({}, True),
    ],
)
def test_usage_of_a_stream_is_asked_for_only_from_versions_that_know_the_question(
    azure: Azure, options: dict[str, Any], asked: bool
) -> None:
    ask(azure, stream=True, **options)

    assert ("stream_options" in json.loads(azure.seen[0].content)) is asked


@pytest.mark.parametrize("version", [VERSION, None])
def test_models_are_listed_without_those_that_cannot_chat(azure: Azure, version: str | None) -> None:
    with new_client(httpx.MockTransport(azure)) as client:
        models = open_adapter("azure", base_url=RESOURCE, api_key="k", client=client, api_version=version).models()

    assert [model.id for model in models] == ["gpt-4o-2024-11-20"]
    assert str(azure.seen[0].url) == (f"{RESOURCE}/openai/models?api-version={VERSION}" if version else f"{RESOURCE}/openai/v1/models")


@pytest.mark.parametrize("version", ["latest", "2024-10", "2024-10-21&x=1", 20241021])
def test_a_version_that_is_no_date_is_refused_in_words(version: Any) -> None:
    with pytest.raises(ProviderError, match="a date such as 2024-10-21"):
        open_adapter("azure", base_url=RESOURCE, api_key="k", api_version=version)


def test_only_azure_takes_a_version() -> None:
    with pytest.raises(TypeError, match="api_version"):
        open_adapter("openai", api_key="k", api_version=VERSION)
