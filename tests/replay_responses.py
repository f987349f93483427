"""One answer through ``responses`` as OpenAI's servers write it: as a stream of named events, and whole."""

from __future__ import annotations

import json
from typing import Any

MODEL = "gpt-replay-2025-08-07"
WORDS = ("Water", " is", " wet", " because", " it", " sticks", " to", " you", ".")
USAGE = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1000},
    "output_tokens": 34,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1234,
}
REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Ask why."}, {"type": "summary_text", "text": "Then say it."}],
    "encrypted_content": "gAAAA-sealed",
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "".join(WORDS), "annotations": []}],
}


def call_item(number: int, arguments: str, name: str = "weather") -> dict[str, Any]:
    """Return a finished tool call."""
    fields = {"id": f"fc_{number}", "type": "function_call", "status": "completed"}
    return {**fields, "call_id": f"call_{number}", "name": name, "arguments": arguments}


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    """Return a whole answer."""
    document = {"id": "resp_1", "object": "response", "status": status, "error": None, "incomplete_details": None, "model": MODEL}
    return {**document, "output": list(output), "usage": USAGE, **more}


def events(*documents: dict[str, Any], done: bool = False) -> bytes:
    """Write documents as the event stream they come in, each named by its type and numbered."""
    lines = []
    for number, document in enumerate(documents):
        name = f"event: {document['type']}\n" if "type" in document else ""
        lines.append(f"{name}data: {json.dumps({**document, 'sequence_number': number}, ensure_ascii=False)}\n\n")
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


def started() -> dict[str, Any]:
    """Return the event that opens a stream."""
    return {"type": "response.created", "response": response(status="in_progress", usage=None)}


def ended(*output: dict[str, Any], name: str = "completed", **more: Any) -> dict[str, Any]:
    """Return the event that ends a stream with the whole answer in it."""
    return {"type": f"response.{name}", "response": response(*output, status=name, **more)}


def text_events(index: int = 1) -> list[dict[str, Any]]:
    """Return the events of the answer's text."""
    place = {"item_id": "msg_1", "output_index": index, "content_index": 0}
    deltas = [{"type": "response.output_text.delta", **place, "delta": word} for word in WORDS]
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {**MESSAGE, "content": [], "status": "in_progress"}},
        *deltas,
        {"type": "response.output_text.done", **place, "text": "".join(WORDS)},
        {"type": "response.output_item.done", "output_index": index, "item": MESSAGE},
    ]


def reasoning_events(index: int = 0) -> list[dict[str, Any]]:
    """Return the events of two paragraphs of summarised reasoning, with its sealed form at the end."""
    place = {"item_id": "rs_1", "output_index": index}
    said = [(0, "Ask "), (0, "why."), (1, "Then say it.")]
    deltas = [{"type": "response.reasoning_summary_text.delta", **place, "summary_index": part, "delta": text} for part, text in said]
    return [*deltas, {"type": "response.output_item.done", "output_index": index, "item": REASONING}]


def call_events(number: int, index: int, *pieces: str) -> list[dict[str, Any]]:
    """Return the events of a tool call whose arguments come in pieces."""
    item = call_item(number, "".join(pieces))
    place = {"item_id": item["id"], "output_index": index}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {**item, "arguments": "", "status": "in_progress"}},
        *({"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in pieces),
        {"type": "response.function_call_arguments.done", **place, "arguments": "".join(pieces)},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def responses_stream() -> bytes:
    """Return a streamed answer: reasoning, then text."""
    return events(started(), *reasoning_events(), *text_events(), ended(REASONING, MESSAGE))


def responses_whole() -> bytes:
    """Return the same answer in one piece."""
    return json.dumps(response(REASONING, MESSAGE)).encode()
