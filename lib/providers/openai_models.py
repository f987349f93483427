"""The list of models as OpenAI-compatible providers write it, each with its own names for the same things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.providers import jsons
from lib.providers.adapter import CHAT, ModelInfo
from lib.providers.transport import MALFORMED, Transport

_WINDOWS = ("context_window", "context_length", "max_model_len", "max_context_length")
_LIMITS = ("max_completion_tokens", "max_output_tokens")
_NO_CHAT: Mapping[str, str] = {
    **{name: name for name in ("image", "embedding", "moderation", "rerank", "audio", "video")},
    **{"embeddings": "embedding", "transcribe": "audio", "transcription": "audio", "speech": "audio", "tts": "audio"},
}
_PARAMETERS = {"tools": "tools", "response_format": "json", "reasoning": "reasoning"}
_FLAGS = {"function_calling": "tools", "supports_tools": "tools", "vision": "vision", "supports_image_input": "vision"}
_INPUTS = {"image": "vision", "file": "files"}


def list_models(transport: Transport, path: str = "models") -> list[ModelInfo]:
    """Return everything that is listed and not retired; what the provider itself says cannot chat is typed as such."""
    document = transport.get(path)
    try:
        rows = document if isinstance(document, list) else document["data"]
        return [_model_info(row) for row in rows if jsons.text(row.get("id")) and _stands(row)]
    except MALFORMED:
        raise transport.unreadable() from None


def _stands(row: Any) -> bool:
    """Whether a row is in service: neither retired nor a deployment that failed or is being made."""
    return row.get("active") is not False and (row.get("object") != "deployment" or row.get("status", "succeeded") == "succeeded")


def _type(row: Any) -> str:
    """Return what a row is, "chat" unless it says otherwise: Together, Mistral, Fireworks, Azure, Groq and OpenRouter do."""
    kind, can = row.get("type"), jsons.mapping(row.get("capabilities"))
    if isinstance(kind, str) and kind in _NO_CHAT:
        return _NO_CHAT[kind]
    if can.get("embeddings") is True:
        return "embedding"
    if can.get("completion_chat") is False or can.get("inference") is False or row.get("supports_chat") is False:
        return "other"
    made = jsons.items(jsons.mapping(row.get("architecture")).get("output_modalities"))
    return CHAT if not made or "text" in made else _NO_CHAT.get(jsons.text(made[0]), "other")


def _model_info(row: Any) -> ModelInfo:
    """Read one row under any of the names its sizes go by; of several hosts behind one model the smallest counts."""
    top = jsons.mapping(row.get("top_provider"))
    hosts = [jsons.mapping(host) for host in jsons.items(row.get("providers"))]
    live = [host for host in hosts if host.get("status", "live") == "live"]
    sizes = [jsons.count(host.get("context_length")) for host in live]
    windows = (*(row.get(name) for name in _WINDOWS), min((window for window in sizes if window), default=None))
    limits = (*(row.get(name) for name in _LIMITS), top.get("max_completion_tokens"))
    name = jsons.text(row.get("display_name")) or jsons.text(row.get("name"))
    return ModelInfo(
        id=row["id"],
        display_name=name if name and name != row["id"] else None,
        context_window=next((jsons.count(w) for w in windows if jsons.count(w)), None),
        max_output_tokens=next((jsons.count(limit) for limit in limits if jsons.count(limit)), None),
        capabilities=_capabilities(row, live),
        model_type=_type(row),
        base=jsons.text(row.get("model")) or None if row.get("object") == "deployment" else None,
    )


def _capabilities(row: Any, hosts: list[Mapping[str, Any]]) -> dict[str, bool]:
    """Return what a row says of what the model can do, under the names of OpenRouter, Mistral, Fireworks and Hugging Face."""
    able: dict[str, bool] = {}
    if inputs := jsons.items(jsons.mapping(row.get("architecture")).get("input_modalities")):
        able |= {ours: theirs in inputs for theirs, ours in _INPUTS.items()}
    if parameters := jsons.items(row.get("supported_parameters")):
        able |= {ours: theirs in parameters for theirs, ours in _PARAMETERS.items()}
    said = {**jsons.mapping(row.get("capabilities")), **row}
    able |= {ours: said[theirs] for theirs, ours in _FLAGS.items() if isinstance(said.get(theirs), bool)}
    for theirs, ours in (("supports_tools", "tools"), ("supports_structured_output", "json")):
        if told := [host[theirs] for host in hosts if isinstance(host.get(theirs), bool)]:
            able[ours] = any(told)
    return able
