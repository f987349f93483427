"""Lists of models as each provider writes them: what cannot chat would fail at its first call, and sizes go by many names."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lib.errors import ProviderError
from lib.net import new_client
from lib.providers import ModelInfo, open_adapter


def listed(kind: str, document: Any) -> list[ModelInfo]:
    with new_client(httpx.MockTransport(lambda _: httpx.Response(200, json=document))) as client:
        return open_adapter(kind, base_url="http://provider.test", api_key="k", client=client).models()


CASES: dict[str, tuple[Any, list[ModelInfo]]] = {
    "openai": ({"object": "list", "data": [{"id": "gpt-5", "object": "model", "owned_by": "openai"}]}, [ModelInfo("gpt-5")]),
    "deepseek": ({"object": "list", "data": [{"id": "deepseek-chat", "object": "model"}]}, [ModelInfo("deepseek-chat")]),
    "vllm": (
        {"data": [{"id": "Qwen/Qwen3-8B", "object": "model", "max_model_len": 40960, "root": "Qwen/Qwen3-8B", "permission": []}]},
        [ModelInfo("Qwen/Qwen3-8B", None, 40960)],
    ),
    "groq": (
        {
            "data": [
                {"id": "openai/gpt-oss-20b", "active": True, "context_window": 131072, "max_completion_tokens": 65536},
                {"id": "gone", "active": False, "context_window": 8192},
            ]
        },
        [ModelInfo("openai/gpt-oss-20b", None, 131072, 65536)],
    ),
    "mistral": (
        {
            "data": [
                {"id": "mistral-large", "name": "mistral-large", "capabilities": {"completion_chat": True}, "max_context_length": 131072},
                {"id": "mistral-embed", "capabilities": {"completion_chat": False}, "max_context_length": 8192},
            ]
        },
        [ModelInfo("mistral-large", None, 131072)],
    ),
    "together": (
        [
            {"id": "black-forest/flux", "type": "image", "display_name": "Flux"},
            {"id": "meta/llama", "type": "chat", "display_name": "Llama", "context_length": 131072},
            {"id": "untyped", "context_length": 0},
            {"id": "of a new type", "type": "omni"},
        ],
        [ModelInfo("meta/llama", "Llama", 131072), ModelInfo("untyped"), ModelInfo("of a new type")],
    ),
    "fireworks": (
        {
            "data": [
                {"id": "accounts/fireworks/models/kimi", "supports_chat": True, "context_length": 262144, "kind": "HF_BASE_MODEL"},
                {"id": "accounts/fireworks/models/embed", "supports_chat": False, "context_length": 8192},
            ]
        },
        [ModelInfo("accounts/fireworks/models/kimi", None, 262144)],
    ),
    "openrouter": (
        {
            "data": [
                {
                    "id": "openai/gpt-5",
                    "name": "OpenAI: GPT-5",
                    "context_length": 400000,
                    "architecture": {"output_modalities": ["text"]},
                    "top_provider": {"context_length": 400000, "max_completion_tokens": 128000},
                },
                {"id": "some/painter", "name": "Painter", "architecture": {"output_modalities": ["image"]}},
            ]
        },
        [ModelInfo("openai/gpt-5", "OpenAI: GPT-5", 400000, 128000)],
    ),
    "huggingface": (
        {
            "data": [
                {
                    "id": "Qwen/Qwen3-32B",
                    "owned_by": "Qwen",
                    "providers": [
                        {"provider": "a", "status": "live", "context_length": 131072},
                        {"provider": "b", "status": "live", "context_length": 40960},
                        {"provider": "c", "status": "error", "context_length": 8192},
                        {"provider": "d", "status": "live"},
                    ],
                }
            ]
        },
        [ModelInfo("Qwen/Qwen3-32B", None, 40960)],  # whichever of them answers, this fits
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_providers_own_list_is_read(kind: str) -> None:
    document, expected = CASES[kind]

    assert listed(kind, document) == expected


@pytest.mark.parametrize("document", [{"data": None}, {"models": []}, "no list", {"data": [3]}])
def test_a_list_of_another_shape_is_said_to_be_unreadable(document: Any) -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        listed("openai", document)
