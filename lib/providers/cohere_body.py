"""A chat request as the body of a Cohere ``v2/chat`` call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Image, Message, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from lib.providers import jsons
from lib.providers.openai_body import data_url

PLAN = "cohere_plan"
"""The type of the opaque reasoning this provider wants back within a round of tool calls: ``thinking`` and ``tool_plan``."""

_BUDGETS = {"minimal": 512, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 16384, "max": 16384}


def chat_body(request: Request, *, stream: bool) -> dict[str, Any]:
    """Return the JSON body; ``request.extra`` goes in as it is, and last, and None there takes a field out."""
    body: dict[str, Any] = {"model": request.model, "messages": list(_messages(request)), "stream": stream}
    tools, choice = _tools(request.tools, request.tool_choice)
    optional = {
        "temperature": request.temperature,
        "p": request.top_p,
        "max_tokens": request.max_tokens,
        "stop_sequences": list(request.stop) or None,
        "tools": tools or None,
        "tool_choice": choice,
        "response_format": _response_format(request.response_format),
        "thinking": _thinking(request.reasoning_effort),
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    return jsons.with_extra(body, request.extra)


def _messages(request: Request) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                yield {"role": "tool", "tool_call_id": part.call_id, "content": part.content}
        if message.role == "assistant":
            yield _assistant(message)
        elif content := _content(message):
            yield {"role": "user" if message.role == "tool" else message.role, "content": content}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return "" if message.role == "tool" else message.content
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text) and part.text:
            parts.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            url = part.url if part.data is None else data_url(part.media_type, part.data)
            parts.append({"type": "image_url", "image_url": {"url": url}})
    if message.role == "system":  # takes no parts
        return "".join(part["text"] for part in parts if part["type"] == "text")
    return parts


def _assistant(message: Message) -> dict[str, Any]:
    text = "".join(part.text for part in message.parts if isinstance(part, Text))
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if not calls:
        return {"role": "assistant", "content": text}
    kept = [part.opaque for part in message.parts if isinstance(part, Reasoning)]
    plan = next((jsons.mapping(opaque) for opaque in kept if jsons.mapping(opaque).get("type") == PLAN), {})
    turn: dict[str, Any] = {"role": "assistant", "tool_calls": [_call(call) for call in calls]}
    if plan.get("tool_plan"):
        turn["tool_plan"] = plan["tool_plan"]
    content = [{"type": "thinking", "thinking": plan["thinking"]}] if plan.get("thinking") else []
    content += [{"type": "text", "text": text}] if text else []
    return {**turn, "content": content} if content else turn


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments), ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _tools(tools: Sequence[Tool], choice: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """Return the tools and whether one must be called; a single one is demanded by offering no other."""
    if choice not in (None, "auto", "none", "required", "any"):
        tools, choice = [tool for tool in tools if tool.name == choice], "required"
    offered = [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)}} for t in tools
    ]
    demanded = {"none": "NONE", "required": "REQUIRED", "any": "REQUIRED"}.get(choice or "")
    return offered, demanded if offered else None


def _response_format(wanted: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not jsons.wants_json(wanted):
        return None
    schema = jsons.schema(wanted)
    return {"type": "json_object"} if schema is None else {"type": "json_object", "json_schema": schema}


def _thinking(effort: str | None) -> dict[str, Any] | None:
    if effort is None:
        return None
    if effort == "none":
        return {"type": "disabled"}
    return {"type": "enabled", "token_budget": _BUDGETS.get(effort, _BUDGETS["medium"])}
