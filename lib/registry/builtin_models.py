"""The models every installation starts with, as rows; prices and most context windows come from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lib.providers import demo

CHAT = frozenset({"streaming"})
TOOLS = CHAT | {"tools", "json"}
VISION = TOOLS | {"vision"}
REASONING = VISION | {"reasoning", "caching"}
FRONTIER = REASONING | {"websearch", "files"}

Limits = Mapping[str, tuple[float, float]]
TO_TWO: Limits = {"temperature": (0, 2), "top_p": (0, 1)}
TO_ONE: Limits = {"temperature": (0, 1), "top_p": (0, 1)}
FIXED: Limits = {"temperature": (1, 1), "top_p": (1, 1)}
"""The newer reasoning models refuse any sampling but their own."""

FIRST_DEMO_ORDER = 100_000
"""Display order from which the demo models come, so that models added later stand before them."""


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """A model as it is seeded.

    ``priced_as`` is its entry in the price catalogue; None means that nobody publishes a price. ``context_window``
    stands in where the catalogue has none.
    """

    key: str
    provider: str
    upstream_id: str
    display_name: str
    vendor: str
    priced_as: str | None
    capabilities: frozenset[str]
    max_output_tokens: int | None = None
    context_window: int | None = None
    constraints: Limits = field(default_factory=dict)
    is_active: bool = False


def _same(provider: str, vendor: str, key: str, name: str, has: frozenset[str], most: int | None, limits: Limits) -> BuiltinModel:
    """A model whose key is what its provider and the catalogue call it."""
    return BuiltinModel(key, provider, key, name, vendor, f"{provider}/{key}", has, most, constraints=limits)


_OPENAI = (
    _same("openai", "OpenAI", "gpt-6.1-sol", "GPT-6.1 Sol", FRONTIER, None, FIXED),
    _same("openai", "OpenAI", "gpt-6.1-terra", "GPT-6.1 Terra", FRONTIER, None, FIXED),
    _same("openai", "OpenAI", "gpt-6-luna", "GPT-6 Luna", FRONTIER, None, FIXED),
    _same("openai", "OpenAI", "gpt-4.1", "GPT-4.1", VISION | {"caching", "files"}, 32_768, TO_TWO),
    BuiltinModel(
        "openai-gpt-4o", "openai", "gpt-4o", "GPT-4o", "OpenAI", "openai/gpt-4o", VISION | {"caching", "files"}, 16_384, constraints=TO_TWO
    ),
    _same("openai", "OpenAI", "gpt-4o-mini", "GPT-4o mini", VISION | {"caching", "files"}, 16_384, TO_TWO),
    _same("openai", "OpenAI", "gpt-4-turbo", "GPT-4 Turbo", VISION, 4_096, TO_TWO),
    _same("openai", "OpenAI", "gpt-3.5-turbo", "GPT-3.5 Turbo", TOOLS, 4_096, TO_TWO),
)
_ANTHROPIC = (
    _same("anthropic", "Anthropic", "claude-opus-5-5", "Claude Opus 5.5", FRONTIER, None, FIXED),
    _same("anthropic", "Anthropic", "claude-sonnet-5-5", "Claude Sonnet 5.5", FRONTIER, None, FIXED),
    _same("anthropic", "Anthropic", "claude-haiku-5-5", "Claude Haiku 5.5", FRONTIER, None, FIXED),
    _same("anthropic", "Anthropic", "claude-opus-4-6", "Claude Opus 4.6", FRONTIER, 128_000, TO_ONE),
    _same("anthropic", "Anthropic", "claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", FRONTIER, 64_000, TO_ONE),
    _same("anthropic", "Anthropic", "claude-haiku-4-5-20251001", "Claude Haiku 4.5", FRONTIER, 64_000, TO_ONE),
    _same("anthropic", "Anthropic", "claude-sonnet-4-20250514", "Claude Sonnet 4", FRONTIER, 64_000, TO_ONE),
    _same("anthropic", "Anthropic", "claude-3-5-sonnet-20241022", "Claude 3.5 Sonnet", VISION | {"caching"}, 8_192, TO_ONE),
    _same("anthropic", "Anthropic", "claude-3-opus-20240229", "Claude 3 Opus", VISION | {"caching"}, 4_096, TO_ONE),
    _same("anthropic", "Anthropic", "claude-3-haiku-20240307", "Claude 3 Haiku", VISION | {"caching"}, 4_096, TO_ONE),
)
_GOOGLE = (
    _same("google", "Google", "gemini-4-argon", "Gemini 4 Argon", FRONTIER, None, TO_TWO),
    _same("google", "Google", "gemini-3.8-flash", "Gemini 3.8 Flash", FRONTIER, None, TO_TWO),
    _same("google", "Google", "gemini-2.0-flash", "Gemini 2.0 Flash", VISION | {"caching", "websearch", "files"}, 8_192, TO_TWO),
)
_OTHER_CLOUDS = (
    BuiltinModel("azure-gpt-4o", "azure", "gpt-4o", "GPT-4o (Azure)", "OpenAI", "azure/gpt-4o", VISION, 16_384, constraints=TO_TWO),
    BuiltinModel(
        "gpt-35-turbo", "azure", "gpt-35-turbo", "GPT-3.5 Turbo (Azure)", "OpenAI", "azure/gpt-35-turbo", TOOLS, 4_096, constraints=TO_TWO
    ),
    BuiltinModel(
        "moonshotai/Kimi-K3:together",
        "huggingface",
        "moonshotai/Kimi-K3:together",
        "Kimi K3 (Hugging Face)",
        "Moonshot AI",
        "huggingface_together/moonshotai/Kimi-K3",
        VISION | {"reasoning"},
        constraints=TO_TWO,
    ),
    BuiltinModel(
        "meta-llama/Llama-3.1-8B-Instruct:novita",
        "huggingface",
        "meta-llama/Llama-3.1-8B-Instruct:novita",
        "Llama 3.1 8B (Hugging Face)",
        "Meta",
        "huggingface_novita/meta-llama/Llama-3.1-8B-Instruct",
        TOOLS,
        constraints=TO_TWO,
    ),
    BuiltinModel(
        "mistralai/Mistral-7B-Instruct-v0.3",
        "huggingface",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "Mistral 7B (Hugging Face)",
        "Mistral AI",
        None,
        CHAT,
        context_window=32_768,
        constraints=TO_TWO,
    ),
    BuiltinModel(
        "HuggingFaceH4/zephyr-7b-beta",
        "huggingface",
        "HuggingFaceH4/zephyr-7b-beta",
        "Zephyr 7B (Hugging Face)",
        "Hugging Face",
        None,
        CHAT,
        context_window=32_768,
        constraints=TO_TWO,
    ),
    _same("mistral", "Mistral AI", "mistral-large-4-0", "Mistral Large 4", VISION | {"caching"}, None, TO_ONE),
    _same("deepseek", "DeepSeek", "deepseek-reasoner", "DeepSeek Reasoner", TOOLS | {"reasoning", "caching"}, 65_536, {}),
    BuiltinModel(
        "llama-3.3-70b-versatile",
        "groq",
        "llama-3.3-70b-versatile",
        "Llama 3.3 70B (Groq)",
        "Meta",
        "groq/llama-3.3-70b-versatile",
        TOOLS,
        32_768,
        131_072,
        TO_TWO,
    ),
    _same("openrouter", "Moonshot AI", "moonshotai/kimi-k3", "Kimi K3 (OpenRouter)", VISION | {"reasoning", "caching"}, None, TO_TWO),
)
_MATCHAAI = (
    BuiltinModel(
        "claude-3-7-sonnet",
        "matchaai",
        "28",
        "Claude 3.7 Sonnet",
        "Anthropic",
        "anthropic/claude-3-7-sonnet",
        CHAT | {"tools"},
        constraints=TO_ONE,
    ),
    BuiltinModel(
        "claude-3-5-sonnet",
        "matchaai",
        "25",
        "Claude 3.5 Sonnet",
        "Anthropic",
        "anthropic/claude-3-5-sonnet",
        CHAT | {"tools"},
        constraints=TO_ONE,
    ),
    BuiltinModel(
        "claude-3-opus-4-1",
        "matchaai",
        "30",
        "Claude Opus 4.1",
        "Anthropic",
        "anthropic/claude-opus-4-1",
        CHAT | {"tools"},
        constraints=TO_ONE,
    ),
    BuiltinModel(
        "gemini-2-5-flash-lite",
        "matchaai",
        "35",
        "Gemini 2.5 Flash-Lite",
        "Google",
        "google/gemini-2.5-flash-lite",
        CHAT | {"tools", "vision"},
        constraints=TO_TWO,
    ),
    BuiltinModel("gpt-4o", "matchaai", "40", "GPT-4o", "OpenAI", "openai/gpt-4o", CHAT | {"tools", "vision", "files"}, constraints=TO_TWO),
)
_SELF_HOSTED = (
    BuiltinModel("llama3.1", "ollama", "llama3.1", "Llama 3.1 (Ollama)", "Meta", None, TOOLS, None, 131_072, TO_TWO),
    BuiltinModel("mistral", "ollama", "mistral", "Mistral 7B (Ollama)", "Mistral AI", None, TOOLS, None, 32_768, TO_TWO),
    BuiltinModel("phi3:mini", "ollama", "phi3:mini", "Phi-3 Mini (Ollama)", "Microsoft", None, CHAT, None, 131_072, TO_TWO),
    BuiltinModel("vllm-custom", "vllm", "default", "Your own model (vLLM)", "Self-hosted", None, CHAT, None, None, TO_TWO),
    BuiltinModel(
        "vllm-mistralai/Mistral-7B-Instruct-v0.3",
        "vllm",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "Mistral 7B (vLLM)",
        "Mistral AI",
        None,
        CHAT,
        None,
        32_768,
        TO_TWO,
    ),
)
_DEMO_CAPABILITIES = {demo.CHAT: TOOLS, demo.REASONER: TOOLS | {"reasoning"}}
_DEMO = tuple(
    BuiltinModel(
        key=model.id,
        provider="demo",
        upstream_id=model.id,
        display_name=model.display_name or model.id,
        vendor="Modeldeck",
        priced_as=None,
        capabilities=_DEMO_CAPABILITIES.get(model.id, CHAT),
        max_output_tokens=model.max_output_tokens,
        context_window=model.context_window,
        constraints=TO_TWO,
        is_active=True,
    )
    for model in demo.MODELS
)

BUILTIN_MODELS = (*_OPENAI, *_ANTHROPIC, *_GOOGLE, *_OTHER_CLOUDS, *_MATCHAAI, *_SELF_HOSTED, *_DEMO)
"""In the order they are shown at first; the demo models come last and are the only ones switched on."""


def display_orders() -> Mapping[str, int]:
    """Return the display order each built-in starts with, by key: steps of ten, the demo models far behind."""
    orders: dict[str, int] = {}
    for place, model in enumerate(BUILTIN_MODELS, start=1):
        orders[model.key] = place * 10 + (FIRST_DEMO_ORDER if model.provider == "demo" else 0)
    return orders
