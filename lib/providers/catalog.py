"""The kinds of provider as rows: where each is reached, how it is authorised, and in what it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

WireFormat = Literal["openai_chat", "openai_responses", "anthropic", "google", "ollama", "cohere", "matchaai", "demo"]

CHAT, RESPONSES = "chat/completions", "responses"
_CHAT_ONLY: Mapping[str, WireFormat] = MappingProxyType({CHAT: "openai_chat"})
_CHAT_AND_RESPONSES: Mapping[str, WireFormat] = MappingProxyType({CHAT: "openai_chat", RESPONSES: "openai_responses"})
_OPENAI_SETTINGS = ("include_usage", "reasoning_summary")


@dataclass(frozen=True)
class ProviderKind:
    """One kind of provider.

    ``protocols`` are the endpoints it can be called through, each with its wire format. ``base_url_suffix`` is
    added to a base URL that lacks it, ``bare_suffix`` to one without any path. ``auth`` is "bearer", "none", or the
    name of the header that carries the key. ``key_page`` is where a person gets a key. ``settings`` are the names
    of a provider's settings that are options of its adapter.
    """

    kind: str
    label: str
    protocols: Mapping[str, WireFormat] = field(default_factory=lambda: _CHAT_ONLY)
    base_url: str | None = None
    base_url_suffix: str = ""
    bare_suffix: str = ""
    base_url_whole: str = ""
    """Pattern of a base URL that needs no suffix, besides one that ends in it."""
    base_url_cut: str = ""
    """Pattern of what people paste behind the base URL, which is cut off."""
    base_url_env: str | None = None
    key_env: str | None = None
    needs_key: bool = True
    key_page: str | None = None
    auth: str = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    default_endpoint: str = CHAT
    paths: Mapping[WireFormat, str] = field(default_factory=dict)
    """What a wire format has behind the base URL, where that has to fit several."""
    settings: tuple[str, ...] = ("include_usage",)
    asks: Mapping[str, str] = field(default_factory=dict)
    """Settings without which some calls cannot succeed, with the labels a person is asked for them under."""
    include_usage: bool = True
    """Whether a stream's usage must be, and may be, asked for with stream_options."""
    max_tokens: str = "max_tokens"
    max_tokens_reasoning: str = "max_tokens"
    """The name of the output limit, for ordinary models and for those that reason by default."""
    reasoning: tuple[str, ...] = ("reasoning_content", "reasoning")
    """Fields of a message that may hold its visible reasoning; the first one with text counts."""
    reasoning_back: str | None = None
    """The field in which an earlier turn's reasoning is handed back; None when the provider wants none."""
    effort_field: str = "reasoning_effort"
    """Where the effort goes; "reasoning" is an object with the effort in it."""
    schemas: bool = True
    """Whether answers can be held to a JSON schema; otherwise the prompt says it, and the answer is any JSON."""
    call_ids: str | None = None
    """The form of tool call ids (a regular expression) where those of other providers are refused."""
    responses_ids: bool = False
    """Whether earlier answers need an id and a status at ``responses``."""

    @property
    def endpoints(self) -> frozenset[str]:
        """What it can speak in this version."""
        return frozenset(self.protocols)

    @property
    def protocol(self) -> WireFormat:
        """The wire format of its default endpoint."""
        return self.protocols[self.default_endpoint]


_ROWS = (
    ProviderKind(
        "openai",
        "OpenAI",
        protocols=_CHAT_AND_RESPONSES,
        settings=_OPENAI_SETTINGS,
        base_url="https://api.openai.com/v1",
        key_env="OPENAI_API_KEY",
        key_page="https://platform.openai.com/api-keys",
        max_tokens_reasoning="max_completion_tokens",
    ),
    ProviderKind(
        "anthropic",
        "Anthropic",
        protocols=MappingProxyType({"messages": "anthropic"}),
        base_url="https://api.anthropic.com/v1",
        base_url_suffix="/v1",
        key_env="ANTHROPIC_API_KEY",
        key_page="https://console.anthropic.com/settings/keys",
        auth="x-api-key",
        headers=MappingProxyType({"anthropic-version": "2023-06-01"}),
        default_endpoint="messages",
        settings=(),
    ),
    ProviderKind(
        "google",
        "Google",
        protocols=MappingProxyType({"generateContent": "google"}),
        base_url="https://generativelanguage.googleapis.com/v1beta",
        base_url_suffix="/v1beta",
        base_url_whole=r"/v\d\w*(?:/|$)",
        base_url_cut=r"/(?:models|openai)(?:/.*)?$",
        key_env="GOOGLE_API_KEY",
        key_page="https://aistudio.google.com/apikey",
        auth="x-goog-api-key",
        default_endpoint="generateContent",
        settings=(),
    ),
    ProviderKind(
        "azure",
        "Azure OpenAI",
        protocols=_CHAT_AND_RESPONSES,
        settings=(*_OPENAI_SETTINGS, "api_version"),
        base_url_suffix="/openai/v1",
        base_url_cut=r"/models(?:/chat/completions)?(?:\?.*)?$",
        base_url_env="AZURE_OPENAI_ENDPOINT",
        key_env="AZURE_OPENAI_API_KEY",
        key_page="https://portal.azure.com",
        asks=MappingProxyType({"api_version": "API version (only for an address by deployment)"}),
        auth="api-key",
        max_tokens_reasoning="max_completion_tokens",
    ),
    ProviderKind(
        "huggingface",
        "Hugging Face",
        base_url="https://router.huggingface.co/v1",
        bare_suffix="/v1",  # the address of a dedicated endpoint, as its page shows it
        key_env="HF_TOKEN",
        key_page="https://huggingface.co/settings/tokens",
    ),
    ProviderKind(
        "mistral",
        "Mistral",
        base_url="https://api.mistral.ai/v1",
        key_env="MISTRAL_API_KEY",
        key_page="https://console.mistral.ai/api-keys",
        call_ids="[a-zA-Z0-9]{9}",
        include_usage=False,  # always sent in the last chunk; fields it does not know are refused
    ),
    ProviderKind(
        "deepseek",
        "DeepSeek",
        base_url="https://api.deepseek.com",
        key_env="DEEPSEEK_API_KEY",
        key_page="https://platform.deepseek.com/api_keys",
        reasoning_back="reasoning_content",
        schemas=False,
    ),
    ProviderKind(
        "groq",
        "Groq",
        base_url="https://api.groq.com/openai/v1",
        key_env="GROQ_API_KEY",
        key_page="https://console.groq.com/keys",
        max_tokens="max_completion_tokens",
        max_tokens_reasoning="max_completion_tokens",
        reasoning=("reasoning", "reasoning_content"),
    ),
    ProviderKind(
        "openrouter",
        "OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_env="OPENROUTER_API_KEY",
        key_page="https://openrouter.ai/settings/keys",
        reasoning=("reasoning", "reasoning_content"),
        reasoning_back="reasoning_details",
        protocols=_CHAT_AND_RESPONSES,
        settings=_OPENAI_SETTINGS,
        effort_field="reasoning",
        responses_ids=True,
    ),
    ProviderKind(
        "together",
        "Together AI",
        base_url="https://api.together.xyz/v1",
        key_env="TOGETHER_API_KEY",
        key_page="https://api.together.ai/settings/api-keys",
    ),
    ProviderKind(
        "fireworks",
        "Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env="FIREWORKS_API_KEY",
        key_page="https://app.fireworks.ai/settings/users/api-keys",
    ),
    ProviderKind(
        "cohere",
        "Cohere",
        protocols=MappingProxyType({"v2/chat": "cohere"}),
        base_url="https://api.cohere.com",
        base_url_cut=r"/(?:compatibility/)?v[12](?:/\w+)?$",
        key_env="COHERE_API_KEY",
        key_page="https://dashboard.cohere.com/api-keys",
        default_endpoint="v2/chat",
        settings=(),
    ),
    ProviderKind(
        "matchaai",
        "MatchaAI",
        protocols=MappingProxyType({"completions": "matchaai"}),
        base_url_cut=r"/(?:completions|llms)$",
        base_url_env="MATCHAAI_BASE_URL",
        key_env="MATCHAAI_API_KEY",
        auth="MATCHA-API-KEY",
        default_endpoint="completions",
        settings=("mission_id", "model_field"),
        asks=MappingProxyType({"mission_id": "Mission"}),
    ),
    ProviderKind(
        "ollama",
        "Ollama",
        protocols=MappingProxyType({"api/chat": "ollama", CHAT: "openai_chat"}),
        base_url="http://localhost:11434",
        base_url_cut=r"/(?:v1|api)(?:/(?:chat|generate|tags|completions))?$",
        base_url_env="OLLAMA_BASE_URL",
        needs_key=False,
        default_endpoint="api/chat",
        paths=MappingProxyType({"openai_chat": "/v1"}),
    ),
    ProviderKind("vllm", "vLLM", base_url="http://localhost:8000/v1", base_url_suffix="/v1", needs_key=False),
    ProviderKind("openai-compatible", "OpenAI-compatible", protocols=_CHAT_AND_RESPONSES, settings=_OPENAI_SETTINGS, needs_key=False),
    ProviderKind("demo", "Demo", protocols=MappingProxyType({CHAT: "demo"}), needs_key=False, auth="none", settings=("pace",)),
)

KINDS: Mapping[str, ProviderKind] = MappingProxyType({row.kind: row for row in _ROWS})
"""Every kind of provider by name, in the order people see them."""


def default_endpoint(kind: str) -> str:
    """Return the endpoint a kind's calls go to unless something was learned, such as "chat/completions"."""
    return KINDS[kind].default_endpoint
