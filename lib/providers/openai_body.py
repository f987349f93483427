"""A chat request as the body of an OpenAI-compatible ``chat/completions`` call."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lib.chat import Image, Message, Part, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from lib.providers import jsons
from lib.providers.catalog import ProviderKind

_REASONS_BY_DEFAULT = re.compile(r"(?:^|/)(?:o[1-9](?:-|$)|gpt-(?:[5-9]|\d\d)|codex)", re.IGNORECASE)
TOOL_CHOICES = frozenset({"auto", "none", "required"})
JSON_ONLY = "Answer with one JSON object and nothing else."
_BY_SCHEMA = "Answer with one JSON object that fits this JSON schema, and nothing else: "


def chat_body(request: Request, kind: ProviderKind, *, stream: bool, include_usage: bool) -> dict[str, Any]:
    """Return the JSON body; ``request.extra`` goes in as it is, and last, and None there takes a field out."""
    limit = kind.max_tokens_reasoning if reasons_by_default(request.model) else kind.max_tokens
    wanted = response_format(request.response_format)
    body: dict[str, Any] = {"model": request.model, "messages": list(_messages(request, kind, _asked_in_words(wanted, request, kind)))}
    optional = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        limit: request.max_tokens,
        **_effort(request.reasoning_effort, kind),
        "stop": list(request.stop) or None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "response_format": wanted if kind.schemas or jsons.schema(wanted) is None else {"type": "json_object"},
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if stream:
        body["stream"] = True
        if include_usage:
            body["stream_options"] = {"include_usage": True}
    body.update(request.extra)
    for name in [name for name, value in request.extra.items() if value is None]:
        del body[name]
    return body


def reasons_by_default(model: str) -> bool:
    """Whether a model's name is one of OpenAI's that reason without being asked to."""
    return _REASONS_BY_DEFAULT.search(model) is not None


def _effort(effort: str | None, kind: ProviderKind) -> dict[str, Any]:
    if kind.effort_field == "reasoning":
        return {"reasoning": None if effort is None else {"effort": effort}}
    return {kind.effort_field: effort}


def _asked_in_words(wanted: Mapping[str, Any] | None, request: Request, kind: ProviderKind) -> str | None:
    """Return what the prompt has to say about JSON: the word itself, or the schema where the provider takes none."""
    schema = jsons.schema(wanted)
    if schema is not None:
        return None if kind.schemas else _BY_SCHEMA + json.dumps(schema, ensure_ascii=False)
    return JSON_ONLY if lacks_word_json(wanted, request) else None


def lacks_word_json(wanted: Mapping[str, Any] | None, request: Request) -> bool:
    """Whether an answer in JSON without a schema is wanted by a prompt that does not say so, which is refused."""
    if wanted is None or wanted.get("type") != "json_object":
        return False
    texts = (part.text for message in request.messages for part in message.parts if isinstance(part, Text))
    return not any("json" in text.lower() for text in (request.system or "", *texts))


def _messages(request: Request, kind: ProviderKind, also: str | None) -> Iterator[dict[str, Any]]:
    if system := "\n\n".join(part for part in (request.system, also) if part):
        yield {"role": "system", "content": system}
    for message in request.messages:
        yield from _message(message, kind)


def _message(message: Message, kind: ProviderKind) -> Iterator[dict[str, Any]]:
    if isinstance(message.content, str) and message.role != "tool":
        yield {"role": message.role, "content": message.content}
        return
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"role": "tool", "tool_call_id": _call_id(part.call_id, kind), "content": part.content}
    if message.role == "assistant":
        yield _assistant(message, kind)
        return
    content = [_content(part) for part in message.parts if isinstance(part, Text | Image)]
    if content:
        yield {"role": "user" if message.role == "tool" else message.role, "content": content}


def _assistant(message: Message, kind: ProviderKind) -> dict[str, Any]:
    text = "".join(part.text for part in message.parts if isinstance(part, Text))
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    turn: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text}
    if calls:
        turn["tool_calls"] = [
            {
                "id": _call_id(call.id, kind),
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_text(call.arguments)},
            }
            for call in calls
        ]
    reasoning = [part for part in message.parts if isinstance(part, Reasoning)]
    if kind.reasoning_back == "reasoning_details":
        details = [item for part in reasoning if isinstance(part.opaque, list | tuple) for item in part.opaque if isinstance(item, Mapping)]
        if details:
            turn["reasoning_details"] = details
    elif kind.reasoning_back and calls:  # asked for within a round of tool calls only, and there even when it is empty
        turn[kind.reasoning_back] = "".join(part.text for part in reasoning)
    return turn


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": image_url(part)}}
    assert isinstance(part, Text)
    return {"type": "text", "text": part.text}


def image_url(image: Image) -> str | None:
    """Return an image's own address, or its bytes as one."""
    return image.url if image.data is None else data_url(image.media_type, image.data)


def data_url(media_type: str, data: bytes) -> str:
    """Return bytes as a data: URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _call_id(identity: str, kind: ProviderKind) -> str:
    """Return a tool call's id, in the form that this provider asks for when another one made it."""
    if kind.call_ids is None or re.fullmatch(kind.call_ids, identity):
        return identity
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:9]


def arguments_text(arguments: Mapping[str, Any] | str) -> str:
    """Return a tool call's arguments as the JSON text they are sent as."""
    return arguments if isinstance(arguments, str) else json.dumps(dict(arguments), ensure_ascii=False)


def _tool(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}}


def _tool_choice(choice: str | None) -> Any:
    if choice is None or choice in TOOL_CHOICES:
        return choice
    return {"type": "function", "function": {"name": choice}}


def response_format(wanted: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the wanted form of an answer as ``response_format`` says it, None for text."""
    if wanted is None or wanted == "text":
        return None
    if isinstance(wanted, str):
        return {"type": "json_object"}
    if wanted.get("type") in ("json_schema", "json_object", "text"):
        return dict(wanted)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(wanted)}}
