"""What the replay server says for Google, Cohere, Ollama and MatchaAI, each in its own wire format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

WORDS = ("Water", " is", " wet", " because", " it", " sticks", " to", " you", ".")
TEXT = "".join(WORDS)
GOOGLE_MODEL, COHERE_MODEL, OLLAMA_MODEL, MATCHA_MODEL = "gemini-replay", "command-replay", "llama-replay:1b", 87

GOOGLE_USAGE = {"promptTokenCount": 1200, "candidatesTokenCount": 14, "thoughtsTokenCount": 20, "cachedContentTokenCount": 1000}
COHERE_USAGE = {
    "billed_units": {"input_tokens": 12, "output_tokens": 34},
    "tokens": {"input_tokens": 1200, "output_tokens": 34},
    "cached_tokens": 1000,
}
OLLAMA_COUNTS = {"prompt_eval_count": 1200, "eval_count": 34}
MATCHA_USAGE = {
    "reranker": {"input_tokens": 200, "output_tokens": 4, "llm_id": 60},
    "response": {
        "input_tokens": 1000,
        "output_tokens": 30,
        "input_token_details": {"cache_read": 1000},
        "output_token_details": {"reasoning": 20},
        "llm_id": MATCHA_MODEL,
    },
}


def reply(path: str, body: Any) -> tuple[bytes, str] | None:
    """Return the body and content type of one of these providers' answers; None for a path of nobody here."""
    streamed = isinstance(body, dict) and bool(body.get("stream"))
    if path.endswith(":streamGenerateContent"):
        return google_stream(), "text/event-stream"
    if path.endswith(":generateContent"):
        return written(google_chunk(TEXT, finishReason="STOP")), "application/json"
    if path.endswith("/v2/chat"):
        return (cohere_stream(), "text/event-stream") if streamed else (cohere_whole(), "application/json")
    if path.endswith("/api/chat"):
        return (ollama_stream(), "application/x-ndjson") if streamed else (written(ollama_line(TEXT, done=True)), "application/json")
    if path.endswith("/completions") and not path.endswith("/chat/completions"):
        return (matcha_stream(), "text/event-stream") if streamed else (written(matcha_event(TEXT, usage=True)), "application/json")
    lists = {"/api/tags": {"models": [{"name": OLLAMA_MODEL, "model": OLLAMA_MODEL}]}, "/llms": [{"id": MATCHA_MODEL, "name": "Replay"}]}
    return next(((written(document), "application/json") for ending, document in lists.items() if path.endswith(ending)), None)


def model_rows(google: bool) -> list[dict[str, Any]]:
    """Return the ``models`` of a list of models, which Google and Cohere have at the path that others use too."""
    return [{"name": f"models/{GOOGLE_MODEL}"}] if google else [{"name": COHERE_MODEL, "endpoints": ["chat"], "context_length": 1000}]


def google_chunk(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
    return {"candidates": [candidate], "usageMetadata": GOOGLE_USAGE, "modelVersion": GOOGLE_MODEL}


def google_stream() -> bytes:
    *words, last = WORDS
    return events([*(google_chunk(word) for word in words), google_chunk(last, finishReason="STOP")])


def cohere_whole() -> bytes:
    message = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
    return written({"id": "replay", "message": message, "finish_reason": "COMPLETE", "usage": COHERE_USAGE})


def cohere_stream() -> bytes:
    deltas = [{"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}} for word in WORDS]
    return events(
        [
            {"type": "message-start", "id": "replay", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": ""}}},
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
            *deltas,
            {"type": "content-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COHERE_USAGE}},
        ],
        end=b"data: [DONE]\n\n",
    )


def ollama_line(text: str, *, done: bool = False, **message: Any) -> dict[str, Any]:
    line = {"model": OLLAMA_MODEL, "message": {"role": "assistant", "content": text, **message}, "done": done}
    return {**line, "done_reason": "stop", **OLLAMA_COUNTS} if done else line


def ollama_stream() -> bytes:
    return b"".join(written(line) + b"\n" for line in [*map(ollama_line, WORDS), ollama_line("", done=True)])


def matcha_event(text: str, *, usage: bool = False) -> dict[str, Any]:
    event = {"status": "success", "error": "", "output": [{"role": "assistant", "content": [{"type": "output_text", "text": text}]}]}
    return {**event, "usage_metadata": MATCHA_USAGE} if usage else event


def matcha_stream() -> bytes:
    said = [*map(matcha_event, WORDS), matcha_event("", usage=True), matcha_event("done")]
    return b"".join(b"data: " + written(event) + b"\n" for event in said)


def events(documents: Sequence[Any], end: bytes = b"") -> bytes:
    return b"".join(b"data: " + written(document) + b"\n\n" for document in documents) + end


def written(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
