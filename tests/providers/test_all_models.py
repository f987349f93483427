"""What a provider's list tells beyond names: types, abilities and pages; a registry filled from it must not promise more."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lib.errors import ProviderError
from lib.net import new_client
from lib.providers import ModelInfo, all_models, open_adapter


def everything(kind: str, *pages: Any, **options: Any) -> tuple[list[ModelInfo], list[httpx.URL]]:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json=pages[min(len(asked), len(pages)) - 1])

    with new_client(httpx.MockTransport(answer)) as client:
        adapter = open_adapter(kind, base_url="https://provider.test", api_key="k", client=client, **options)
        return all_models(adapter), asked


def types(kind: str, document: Any) -> dict[str, str]:
    return {model.id: model.model_type for model in everything(kind, document)[0]}


def able(kind: str, document: Any) -> dict[str, Any]:
    (model,) = everything(kind, document)[0]
    return dict(model.capabilities)


def test_what_a_provider_types_is_kept_with_its_type() -> None:
    assert types("together", [{"id": "flux", "type": "image"}, {"id": "llama", "type": "chat"}, {"id": "bge", "type": "embeddings"}]) == {
        "flux": "image",
        "llama": "chat",
        "bge": "embedding",
    }
    assert types("openrouter", {"data": [{"id": "p", "architecture": {"output_modalities": ["image"]}}]}) == {"p": "image"}
    methods = {"gemini": ["generateContent"], "embed": ["embedContent"], "imagen": ["predict"], "veo": ["predictLongRunning"], "aqa": ["x"]}
    document = {"models": [{"name": f"models/{name}", "supportedGenerationMethods": how} for name, how in methods.items()]}
    assert list(types("google", document).values()) == ["chat", "embedding", "image", "video", "other"]
    pulled = [
        {"model": "nomic", "details": {"family": "nomic-bert"}},
        {"model": "qwen", "details": {"family": "qwen3"}},
        {"model": "gemma-embed", "details": {"family": "gemma3"}, "capabilities": ["embedding"]},
    ]
    assert list(types("ollama", {"models": pulled}).values()) == ["embedding", "chat", "embedding"]


@pytest.mark.parametrize(
    ("kind", "document", "expected"),
    [
        (
            "openrouter",
            {
                "data": [
                    {"id": "a", "architecture": {"input_modalities": ["text", "image"]}, "supported_parameters": ["tools", "reasoning"]}
                ]
            },
            {"vision": True, "files": False, "tools": True, "json": False, "reasoning": True},
        ),
        ("mistral", {"data": [{"id": "a", "capabilities": {"function_calling": True, "vision": False}}]}, {"tools": True, "vision": False}),
        ("fireworks", {"data": [{"id": "a", "supports_tools": False, "supports_image_input": True}]}, {"tools": False, "vision": True}),
        (
            "huggingface",
            {
                "data": [
                    {"id": "a", "providers": [{"status": "live", "supports_tools": True}, {"status": "error", "supports_tools": False}]}
                ]
            },
            {"tools": True},
        ),
        (
            "anthropic",
            {"data": [{"id": "a", "capabilities": {"image_input": {"supported": True}, "thinking": {"supported": False}, "new": 3}}]},
            {"vision": True, "reasoning": False},
        ),
        ("google", {"models": [{"name": "models/a", "thinking": True}]}, {"reasoning": True}),
        ("cohere", {"models": [{"name": "a", "features": ["tools"]}]}, {"tools": True, "json": False, "vision": False, "reasoning": False}),
        (
            "ollama",
            {"models": [{"name": "a", "capabilities": ["completion", "thinking"]}]},
            {"tools": False, "vision": False, "reasoning": True},
        ),
        ("matchaai", [{"id": 1, "capabilities": {"supports_tools": True, "supports_vision": False}}], {"tools": True, "vision": False}),
        ("openai", {"data": [{"id": "a", "capabilities": None}]}, {}),
    ],
)
def test_what_a_model_can_do_is_read_where_it_is_said_and_left_open_where_not(kind: str, document: Any, expected: dict[str, bool]) -> None:
    assert able(kind, document) == expected


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("anthropic", {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}),
        ("google", {"models": [{"name": "models/a"}], "nextPageToken": "again"}),
        ("cohere", {"models": [{"name": "a"}], "next_page_token": "again"}),
    ],
)
def test_a_list_that_leads_back_to_itself_counts_for_nothing(kind: str, page: Any) -> None:
    with pytest.raises(ProviderError, match="has no end"):
        everything(kind, page)


def test_a_list_that_goes_on_and_on_is_given_up_and_counts_for_nothing() -> None:
    pages = [{"data": [{"id": f"m{n}"}], "has_more": True, "last_id": f"m{n}"} for n in range(50)]
    with pytest.raises(ProviderError, match="has no end after 2"):
        everything("anthropic", *pages)


def test_of_azure_what_is_deployed_is_listed_with_the_model_behind_it() -> None:
    rows = [
        {"id": "our-gpt", "object": "deployment", "model": "gpt-4o", "status": "succeeded"},
        {"id": "half-made", "object": "deployment", "model": "gpt-4o", "status": "running"},
    ]
    found, asked = everything("azure", {"data": rows}, api_version="2024-10-21")
    assert found == [ModelInfo("our-gpt", base="gpt-4o")]
    assert (asked[0].path, asked[0].params["api-version"]) == ("/openai/deployments", "2023-03-15-preview")
