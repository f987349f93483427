"""A chat request as the body of an Ollama ``api/chat`` call."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lib.chat import Image, Message, Reasoning, Request, Text, ToolCall, ToolResult
from lib.errors import ProviderError
from lib.providers import jsons

_LEVELS = re.compile(r"gpt-oss")
_EFFORTS = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}


def chat_body(request: Request, *, stream: bool) -> dict[str, Any]:
    """Return the JSON body; ``request.extra`` goes in last, its options one by one."""
    tools = () if request.tool_choice == "none" else request.tools
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "num_predict": request.max_tokens,
        "stop": list(request.stop) or None,
    }
    optional = {
        "tools": [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)}}
            for t in tools
        ],
        "format": _format(request.response_format),
        "think": _think(request),
        "options": {name: value for name, value in options.items() if value is not None},
    }
    body: dict[str, Any] = {"model": request.model, "messages": list(_messages(request)), "stream": stream}
    body.update((name, value) for name, value in optional.items() if value is not None and value not in ([], {}))
    return jsons.with_extra(body, request.extra, inside="options")


def _messages(request: Request) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    names: dict[str, str] = {}
    for message in request.messages:
        names.update((part.id, part.name) for part in message.parts if isinstance(part, ToolCall))
        yield from _message(message, names)


def _message(message: Message, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    text: list[str] = []
    images: list[str] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[str] = []
    results = 0
    for part in message.parts:
        match part:
            case Text(content):
                text.append(content)
            case Image():
                images.append(_image(part))
            case ToolCall(identity, name, arguments):
                calls.append({"id": identity, "function": {"name": name, "arguments": _object(arguments)}})
            case ToolResult(identity, content, _):
                results += 1
                yield {"role": "tool", "content": content, "tool_name": names.get(identity, ""), "tool_call_id": identity}
            case Reasoning(content, _):
                thoughts.append(content)
    if results and not (text or images):
        return
    role = "user" if message.role == "tool" else message.role
    turn: dict[str, Any] = {"role": role, "content": "".join(text)}
    if images:
        turn["images"] = images
    if calls:
        turn["tool_calls"] = calls
        if thought := "".join(thoughts):  # asked for within a round of tool calls only
            turn["thinking"] = thought
    yield turn


def _image(image: Image) -> str:
    if image.data is None:
        raise ProviderError(
            "Ollama does not fetch images from the web. Attach the image itself instead of its address.",
            kind="bad-request",
            provider="ollama",
        )
    return base64.b64encode(image.data).decode()


def _object(arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    return dict(arguments) if isinstance(arguments, Mapping) else {}


def _format(wanted: str | Mapping[str, Any] | None) -> str | dict[str, Any] | None:
    if not jsons.wants_json(wanted):
        return None
    schema = jsons.schema(wanted)
    return "json" if schema is None else schema


def _think(request: Request) -> bool | str | None:
    """Return whether to think; one family of models takes how much instead, and cannot go without."""
    effort = request.reasoning_effort
    if effort is None:
        return None
    return _EFFORTS.get(effort, effort) if _LEVELS.search(request.model) else effort != "none"
