"""Templates for adding a model: what is usual at each kind of provider, as rows to start from."""

from __future__ import annotations

from dataclasses import dataclass

from lib.registry.builtin_models import CHAT, FRONTIER, REASONING, TOOLS, VISION


@dataclass(frozen=True, slots=True)
class Template:
    """A model to start from; everything in it can be typed over.

    ``upstream_id`` is an example of what the provider calls a model. With ``own`` it is usually a provider of one's own, at ``base_url``.
    """

    name: str
    kind: str
    upstream_id: str
    display_name: str
    capabilities: frozenset[str] = TOOLS
    context_window: int | None = None
    max_output_tokens: int | None = None
    own: bool = False
    base_url: str = ""
    slug: str = ""
    note: str = ""


TEMPLATES: tuple[Template, ...] = (
    Template("OpenAI: fast and cheap", "openai", "gpt-4o-mini", "GPT-4o mini", VISION, 128_000, 16_384),
    Template("OpenAI: reasoning", "openai", "gpt-6.1-terra", "GPT-6.1 Terra", FRONTIER),
    Template("OpenAI: a fine-tuned model", "openai", "ft:gpt-4o-mini:team::id", "Our fine-tune", TOOLS, 128_000, 16_384),
    Template("Anthropic: Claude Sonnet", "anthropic", "claude-sonnet-5-5", "Claude Sonnet 5.5", FRONTIER),
    Template("Anthropic: Claude Haiku", "anthropic", "claude-haiku-5-5", "Claude Haiku 5.5", FRONTIER),
    Template("Anthropic: Claude Opus", "anthropic", "claude-opus-5-5", "Claude Opus 5.5", FRONTIER),
    Template("Google: Gemini Flash", "google", "gemini-3.8-flash", "Gemini 3.8 Flash", FRONTIER),
    Template("Google: Gemini, strongest", "google", "gemini-4-argon", "Gemini 4 Argon", FRONTIER),
    Template(
        "Hugging Face: routed model",
        "huggingface",
        "meta-llama/Llama-3.3-70B-Instruct",
        "Llama 3.3 70B",
        note="Add :together or another company's name to say who serves it; its price is then known.",
    ),
    Template(
        "Hugging Face: dedicated endpoint",
        "huggingface",
        "tgi",
        "Our endpoint",
        own=True,
        slug="hf-endpoint",
        note="Paste the address from the endpoint's page. One that sleeps counts as reachable while it starts.",
    ),
    Template(
        "Azure: a deployment",
        "azure",
        "gpt-4o",
        "GPT-4o (Azure)",
        VISION,
        128_000,
        16_384,
        note="The upstream id is the deployment's name.",
    ),
    Template(
        "Azure: another resource",
        "azure",
        "gpt-4o",
        "GPT-4o (Azure)",
        VISION,
        128_000,
        16_384,
        own=True,
        slug="azure-2",
        note="Set an API version only for an address by deployment; newer resources need none.",
    ),
    Template(
        "MatchaAI: a model by its number",
        "matchaai",
        "28",
        "Claude 3.7 Sonnet",
        TOOLS,
        note="The upstream id is MatchaAI's number of the model.",
    ),
    Template("OpenRouter: any model", "openrouter", "openrouter/auto", "OpenRouter Auto", TOOLS),
    Template("Groq: Llama", "groq", "llama-3.3-70b-versatile", "Llama 3.3 70B (Groq)", TOOLS, 131_072, 32_768),
    Template("Mistral: large", "mistral", "mistral-large-latest", "Mistral Large", VISION),
    Template("Mistral: small", "mistral", "mistral-small-latest", "Mistral Small", VISION),
    Template("DeepSeek: chat", "deepseek", "deepseek-chat", "DeepSeek Chat", TOOLS),
    Template("DeepSeek: reasoner", "deepseek", "deepseek-reasoner", "DeepSeek Reasoner", CHAT | {"reasoning"}),
    Template("Together AI: open model", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "Llama 3.3 70B (Together)"),
    Template("Fireworks AI: open model", "fireworks", "accounts/fireworks/models/llama-v3p3-70b-instruct", "Llama 3.3 70B (Fireworks)"),
    Template("Cohere: Command", "cohere", "command-a-03-2025", "Command A", TOOLS, 256_000, 8_000),
    Template("Ollama: on this machine", "ollama", "llama3.1", "Llama 3.1", TOOLS, note="Any name that ollama list shows."),
    Template(
        "Ollama: on another machine", "ollama", "llama3.1", "Llama 3.1", TOOLS, own=True, base_url="http://gpu-box:11434", slug="ollama-2"
    ),
    Template("vLLM: on this machine", "vllm", "mistralai/Mistral-7B-Instruct-v0.3", "Mistral 7B", TOOLS, 32_768),
    Template(
        "vLLM: on another machine", "vllm", "mistralai/Mistral-7B-Instruct-v0.3", "Mistral 7B", TOOLS, 32_768, own=True, slug="vllm-2"
    ),
    Template(
        "LM Studio", "openai-compatible", "local-model", "LM Studio", TOOLS, own=True, base_url="http://localhost:1234/v1", slug="lm-studio"
    ),
    Template(
        "llama.cpp server",
        "openai-compatible",
        "default",
        "llama.cpp",
        CHAT,
        own=True,
        base_url="http://localhost:8080/v1",
        slug="llama-cpp",
    ),
    Template(
        "LiteLLM proxy",
        "openai-compatible",
        "gpt-4o",
        "GPT-4o (LiteLLM)",
        REASONING,
        own=True,
        base_url="http://localhost:4000/v1",
        slug="litellm",
    ),
    Template("Any OpenAI-compatible server", "openai-compatible", "", "", CHAT, own=True, slug="custom"),
)
