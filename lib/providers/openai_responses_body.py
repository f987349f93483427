"""A chat request as the body of an OpenAI ``responses`` call, with the whole conversation in it and none kept there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from lib.chat import Image, Message, Part, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from lib.providers import jsons
from lib.providers.catalog import ProviderKind
from lib.providers.openai_body import (
    JSON_ONLY,
    TOOL_CHOICES,
    arguments_text,
    image_url,
    lacks_word_json,
    reasons_by_default,
    response_format,
)

OPAQUE_ITEMS = frozenset({"reasoning", "compaction"})
"""Items of an answer that only the provider can read, and wants back as they were."""

_ENCRYPTED = "reasoning.encrypted_content"
_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_UNKNOWN_HERE = frozenset(
    "n seed stop stream_options logit_bias logprobs presence_penalty frequency_penalty modalities audio prediction"
    " web_search_options".split()
)
"""Fields of ``chat/completions`` that this endpoint refuses."""


def responses_body(request: Request, kind: ProviderKind, *, stream: bool, reasoning_summary: str | None = None) -> dict[str, Any]:
    """Return the JSON body.

    ``request.extra`` goes in last, as it is, and None there takes a field out. Fields of chat/completions are the
    exception, since a call may come here from there: the output limit and the verbosity take this endpoint's names,
    and what it does not know is left out.
    """
    extra = {
        _RENAMED.get(name, name): value
        for name, value in request.extra.items()
        if name not in _UNKNOWN_HERE and not (value is None and name in _RENAMED)
    }
    if (verbosity := extra.pop("verbosity", None)) is not None:
        extra["text"] = {"verbosity": verbosity, **jsons.mapping(extra.get("text"))}
    stored = extra.get("store", False) is True
    body: dict[str, Any] = {"model": request.model, "input": list(_items(request, kind, stored)), "store": False}
    reasons = request.reasoning_effort is not None or (reasons_by_default(request.model) and "-chat" not in request.model)
    reasoning = {"effort": request.reasoning_effort, "summary": reasoning_summary if reasons else None}
    optional = {
        "instructions": request.system or None,
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": {name: value for name, value in reasoning.items() if value is not None} or None,
        "include": [_ENCRYPTED] if reasons and not stored else None,  # a model that does not reason refuses to be asked
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _text(request.response_format),
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if stream:
        body["stream"] = True
    for name, value in extra.items():
        merged = name in ("reasoning", "text") and isinstance(value, Mapping)
        body[name] = {**body.get(name, {}), **value} if merged else value
    for name in [name for name, value in extra.items() if value is None]:
        del body[name]
    return body


def _items(request: Request, kind: ProviderKind, stored: bool) -> Iterator[dict[str, Any]]:
    if lacks_word_json(response_format(request.response_format), request):
        yield {"role": "system", "content": JSON_ONLY}  # the instructions do not count as having said it
    for message in request.messages:
        if message.role == "assistant":
            for number, item in enumerate(_assistant(message, stored)):
                yield _with_identity(item, number) if kind.responses_ids else item
        elif isinstance(message.content, str) and message.role != "tool":
            yield {"role": message.role, "content": message.content}
        else:
            yield from _turn(message)


def _turn(message: Message) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"type": "function_call_output", "call_id": part.call_id, "output": part.content}
    content = [_content(part) for part in message.parts if isinstance(part, Text | Image)]
    if content:
        yield {"role": "user" if message.role == "tool" else message.role, "content": content}


def _assistant(message: Message, stored: bool) -> Iterator[dict[str, Any]]:
    """Yield an earlier answer's items; reasoning goes back only before what followed it, since alone it is refused."""
    waiting: list[dict[str, Any]] = []
    text = ""
    for part in message.parts:
        if isinstance(part, Text):
            text += part.text
            continue
        if text:
            yield from (*waiting, {"role": "assistant", "content": text})
            waiting, text = [], ""
        if isinstance(part, Reasoning):
            if (item := _opaque(part.opaque, stored)) is not None:
                waiting.append(item)
        elif isinstance(part, ToolCall):
            yield from waiting
            waiting = []
            yield {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments_text(part.arguments)}
    if text:
        yield from (*waiting, {"role": "assistant", "content": text})


def _opaque(item: Any, stored: bool) -> dict[str, Any] | None:
    """Return an item to hand back, None for another protocol's or one that only the provider's own store could read."""
    item = jsons.mapping(item)
    if item.get("type") not in OPAQUE_ITEMS or not (item.get("encrypted_content") or item.get("content") or stored):
        return None
    return {name: value for name, value in item.items() if value is not None and name != "status"}


def _with_identity(item: dict[str, Any], number: int) -> dict[str, Any]:
    """Return an item under the id and status that some gateways ask of each earlier answer."""
    if item.get("type") in OPAQUE_ITEMS:
        return item
    seed = f"{number}:{item.get('call_id') or item.get('content')}"
    identity = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]
    if item.get("type") == "function_call":
        return {**item, "id": f"fc_{identity}", "status": "completed"}
    content = [{"type": "output_text", "text": item["content"], "annotations": []}]
    return {"type": "message", "role": "assistant", "id": f"msg_{identity}", "status": "completed", "content": content}


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": image_url(part)}
    assert isinstance(part, Text)
    return {"type": "input_text", "text": part.text}


def _tool(tool: Tool) -> dict[str, Any]:
    """Return a tool; strict is the default here, and would refuse schemas that are right elsewhere."""
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": dict(tool.parameters), "strict": False}


def _tool_choice(choice: str | None) -> Any:
    return choice if choice is None or choice in TOOL_CHOICES else {"type": "function", "name": choice}


def _text(wanted: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    chosen = response_format(wanted)
    if chosen is None:
        return None
    inner = chosen.get("json_schema")
    return {"format": {"type": "json_schema", **inner} if isinstance(inner, Mapping) else dict(chosen)}
