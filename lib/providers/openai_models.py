"""The list of models as OpenAI-compatible providers write it, each with its own names for the same things."""

from __future__ import annotations

from typing import Any

from lib.providers import jsons
from lib.providers.adapter import ModelInfo
from lib.providers.transport import MALFORMED, Transport

_WINDOWS = ("context_window", "context_length", "max_model_len", "max_context_length")
_LIMITS = ("max_completion_tokens", "max_output_tokens")
_NO_CHAT = frozenset(
    {"image", "embedding", "embeddings", "moderation", "rerank", "audio", "video", "transcribe", "transcription", "speech", "tts"}
)


def list_models(transport: Transport) -> list[ModelInfo]:
    """Return the models that can be asked, leaving out those that the provider itself says cannot."""
    document = transport.get("models")
    try:
        rows = document if isinstance(document, list) else document["data"]
        return [_model_info(row) for row in rows if jsons.text(row.get("id")) and _can_chat(row)]
    except MALFORMED:
        raise transport.unreadable() from None


def _can_chat(row: Any) -> bool:
    """Whether a row may be a model for chats: Together, Mistral, Fireworks, Azure, Groq and OpenRouter say when it is none."""
    kind, can = row.get("type"), jsons.mapping(row.get("capabilities"))
    if isinstance(kind, str) and kind in _NO_CHAT:
        return False
    if can.get("completion_chat") is False or can.get("embeddings") is True or can.get("inference") is False:
        return False
    if row.get("supports_chat") is False or row.get("active") is False:
        return False
    made = jsons.items(jsons.mapping(row.get("architecture")).get("output_modalities"))
    return not made or "text" in made


def _model_info(row: Any) -> ModelInfo:
    """Read one row under any of the names its sizes go by; of several hosts behind one model the smallest counts."""
    top = jsons.mapping(row.get("top_provider"))
    hosts = [jsons.mapping(host) for host in jsons.items(row.get("providers"))]
    live = [jsons.count(host.get("context_length")) for host in hosts if host.get("status", "live") == "live"]
    windows = (*(row.get(name) for name in _WINDOWS), min((window for window in live if window), default=None))
    limits = (*(row.get(name) for name in _LIMITS), top.get("max_completion_tokens"))
    name = jsons.text(row.get("display_name")) or jsons.text(row.get("name"))
    return ModelInfo(
        id=row["id"],
        display_name=name if name and name != row["id"] else None,
        context_window=next((jsons.count(w) for w in windows if jsons.count(w)), None),
        max_output_tokens=next((jsons.count(limit) for limit in limits if jsons.count(limit)), None),
    )
