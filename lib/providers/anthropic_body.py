"""A chat request as the body of an Anthropic ``messages`` call."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Image, Message, Part, Reasoning, Request, Text, ToolCall, ToolResult
from lib.providers import jsons

DEFAULT_MAX_TOKENS = 4096
"""The protocol demands an output limit; this one fits every model of the house."""

_LEAST_ANSWER = 1024
"""Tokens to leave for the answer when thinking is paid from the same limit."""

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 16384, "max": 16384}
_THINKS_BY_BUDGET = re.compile(r"claude-3-7|claude-\w+-4(?:-[015])?(?:-\d{8}|-latest|@|$)")
_TOOL_CHOICES = {"auto": {"type": "auto"}, "required": {"type": "any"}, "any": {"type": "any"}, "none": {"type": "none"}}
_THINKING = ("thinking", "redacted_thinking")
_JSON_ONLY = "Answer with one JSON object and nothing else."


def messages_body(request: Request, *, stream: bool, default_max_tokens: int) -> dict[str, Any]:
    """Return the JSON body; ``request.extra`` goes in as it is, and last."""
    system = [request.system] if request.system else []
    system += ["".join(p.text for p in m.parts if isinstance(p, Text)) for m in request.messages if m.role == "system"]
    schema = jsons.schema(request.response_format)
    if schema is None and jsons.wants_json(request.response_format):
        system.append(_JSON_ONLY)
    thinking, effort, budget = _thinking(request)
    output_config = {
        name: value
        for name, value in (("effort", effort), ("format", schema and {"type": "json_schema", "schema": schema}))
        if value is not None
    }
    limit = default_max_tokens if default_max_tokens > budget + _LEAST_ANSWER else default_max_tokens + budget
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": limit if request.max_tokens is None else request.max_tokens,
        "messages": _turns(request.messages),
    }
    optional = {
        "system": "\n\n".join(system) or None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": list(request.stop) or None,
        "tools": [{"name": t.name, "description": t.description, "input_schema": dict(t.parameters)} for t in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "thinking": thinking,
        "output_config": output_config or None,
        "stream": stream or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    body.update(request.extra)
    return body


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the turns with neighbours of one role joined: all results of a round of tool calls belong in one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [block for part in message.parts for block in _blocks(part)]
        if not blocks:
            continue  # an empty block is refused
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(part: Part) -> Iterator[dict[str, Any]]:
    match part:
        case Text(text):
            if text.strip():
                yield {"type": "text", "text": text}
        case Image(media_type, data, url):
            if data is None:
                yield {"type": "image", "source": {"type": "url", "url": url}}
            else:
                yield {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}}
        case Reasoning(_, opaque):
            if isinstance(opaque, Mapping) and opaque.get("type") in _THINKING:
                yield dict(opaque)  # signed by the provider; unsigned reasoning, or another provider's, would be refused
        case ToolCall(identity, name, arguments):
            yield {"type": "tool_use", "id": identity, "name": name, "input": dict(arguments) if isinstance(arguments, Mapping) else {}}
        case ToolResult(call_id, content, is_error):
            block = {"type": "tool_result", "tool_use_id": call_id, "content": content}
            yield {**block, "is_error": True} if is_error else block


def _thinking(request: Request) -> tuple[dict[str, Any] | None, str | None, int]:
    """Return the thinking setting, the effort, and the tokens that thinking may take from the output limit."""
    effort = request.reasoning_effort
    if effort is None or "thinking" in request.extra:
        return None, None, 0
    if effort == "none":
        return {"type": "disabled"}, None, 0
    if not _THINKS_BY_BUDGET.search(request.model):
        return {"type": "adaptive"}, "low" if effort == "minimal" else effort, 0
    budget = _BUDGETS.get(effort, _BUDGETS["medium"])
    if request.max_tokens is not None:
        budget = max(1024, min(budget, request.max_tokens // 2))
    return {"type": "enabled", "budget_tokens": budget}, None, budget


def _tool_choice(choice: str | None) -> dict[str, str] | None:
    return None if choice is None else _TOOL_CHOICES.get(choice, {"type": "tool", "name": choice})
