"""A chat request as the body of an OpenAI-compatible ``chat/completions`` call."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lib.chat import Image, Message, Part, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from lib.providers.catalog import ProviderKind

_REASONS_BY_DEFAULT = re.compile(r"(?:^|/)(?:o[1-9](?:-|$)|gpt-(?:[5-9]|\d\d)|codex)", re.IGNORECASE)
_TOOL_CHOICES = frozenset({"auto", "none", "required"})


def chat_body(request: Request, kind: ProviderKind, *, stream: bool, include_usage: bool) -> dict[str, Any]:
    """Return the JSON body; ``request.extra`` goes in as it is, and last."""
    limit = kind.max_tokens_reasoning if _REASONS_BY_DEFAULT.search(request.model) else kind.max_tokens
    body: dict[str, Any] = {"model": request.model, "messages": list(_messages(request, kind))}
    optional = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        limit: request.max_tokens,
        "reasoning_effort": request.reasoning_effort,
        "stop": list(request.stop) or None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "response_format": _response_format(request.response_format),
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if stream:
        body["stream"] = True
        if include_usage:
            body["stream_options"] = {"include_usage": True}
    body.update(request.extra)
    return body


def _messages(request: Request, kind: ProviderKind) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        yield from _message(message, kind)


def _message(message: Message, kind: ProviderKind) -> Iterator[dict[str, Any]]:
    if isinstance(message.content, str) and message.role != "tool":
        yield {"role": message.role, "content": message.content}
        return
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"role": "tool", "tool_call_id": part.call_id, "content": part.content}
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
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call.arguments)}} for call in calls
        ]
    reasoning = [part for part in message.parts if isinstance(part, Reasoning)]
    if kind.reasoning_back == "reasoning_details":
        details = [item for part in reasoning if isinstance(part.opaque, list | tuple) for item in part.opaque]
        if details:
            turn["reasoning_details"] = details
    elif kind.reasoning_back and calls and reasoning:  # asked for within a round of tool calls only
        turn[kind.reasoning_back] = "".join(part.text for part in reasoning)
    return turn


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": part.url if part.data is None else data_url(part.media_type, part.data)}}
    assert isinstance(part, Text)
    return {"type": "text", "text": part.text}


def data_url(media_type: str, data: bytes) -> str:
    """Return bytes as a data: URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _arguments(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(dict(arguments), ensure_ascii=False)


def _tool(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}}


def _tool_choice(choice: str | None) -> Any:
    if choice is None or choice in _TOOL_CHOICES:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _response_format(wanted: str | Mapping[str, Any] | None) -> Any:
    if wanted is None or wanted == "text":
        return None
    if isinstance(wanted, str):
        return {"type": "json_object"}
    if wanted.get("type") in ("json_schema", "json_object", "text"):
        return dict(wanted)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(wanted)}}
