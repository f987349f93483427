"""A chat request as the body of a Google ``generateContent`` call."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Image, Message, Part, Reasoning, Request, Text, ToolCall, ToolResult
from lib.providers import jsons

SIGNATURE = "google_thought_signature"
"""The type of the opaque reasoning this provider wants back: ``signature``, and ``call`` for the tool call it belongs to."""

UNSIGNED = "skip_thought_signature_validator"
"""What stands in for the signature of a tool call that another model made; newer models refuse a call without any."""

_SIGNED = re.compile(r"gemini-(?:[3-9]|\d\d)")
_THINKS_BY_BUDGET = re.compile(r"gemini-(?:2\.5|robotics)")
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_LEAST_PRO_BUDGET = 128
_LEVELS = {"none": "minimal", "xhigh": "high", "max": "high"}
_TOOL_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}


def generate_body(request: Request) -> dict[str, Any]:
    """Return the JSON body; ``request.extra`` goes in last, its generationConfig field by field."""
    config = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": list(request.stop) or None,
        "thinkingConfig": _thinking(request),
        **_response_format(request.response_format),
    }
    system = [request.system] if request.system else []
    system += ["".join(p.text for p in m.parts if isinstance(p, Text)) for m in request.messages if m.role == "system"]
    body: dict[str, Any] = {"contents": _turns(request)}
    optional = {
        "systemInstruction": {"parts": [{"text": "\n\n".join(system)}]} if system else None,
        "tools": _tools(request),
        "toolConfig": _tool_config(request.tool_choice) if request.tools else None,
        "generationConfig": {name: value for name, value in config.items() if value is not None} or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    return jsons.with_extra(body, request.extra, inside="generationConfig")


def _turns(request: Request) -> list[dict[str, Any]]:
    """Return the turns with neighbours of one role joined: all results of a round of tool calls belong in one turn."""
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in request.messages:
        if message.role == "system":
            continue
        names.update((part.id, part.name) for part in message.parts if isinstance(part, ToolCall))
        role = "model" if message.role == "assistant" else "user"
        parts = (
            list(_model_parts(message, signed=_SIGNED.search(request.model) is not None))
            if role == "model"
            else _user_parts(message, names)
        )
        if not parts:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": role, "parts": parts})
    return turns


def _user_parts(message: Message, names: Mapping[str, str]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Image):
            parts.append(_image(part))
        elif isinstance(part, ToolResult):
            parts.append({"functionResponse": _with_id(part.call_id, {"name": names.get(part.call_id, ""), "response": _response(part)})})
        elif isinstance(part, Text) and part.text:
            parts.append({"text": part.text})
    return parts


def _model_parts(message: Message, *, signed: bool) -> Iterator[dict[str, Any]]:
    """Yield an earlier answer's parts, each with the signature it came with."""
    signatures, loose = _signatures(message.parts)
    first = True
    for part in message.parts:
        if isinstance(part, Text) and part.text:
            yield {"text": part.text}
        elif isinstance(part, Image):
            yield _image(part)
        elif isinstance(part, ToolCall):
            arguments = dict(part.arguments) if isinstance(part.arguments, Mapping) else {}
            call: dict[str, Any] = {"functionCall": _with_id(part.id, {"name": part.name, "args": arguments})}
            signature = signatures.get(part.id) or (UNSIGNED if signed and first and not signatures else None)
            first = False
            yield {**call, "thoughtSignature": signature} if signature else call
    for signature in loose:
        yield {"text": "", "thoughtSignature": signature}


def _signatures(parts: Sequence[Part]) -> tuple[dict[str, str], list[str]]:
    """Return the signatures of tool calls by call id, and those of text."""
    of_calls: dict[str, str] = {}
    loose: list[str] = []
    for part in parts:
        opaque = jsons.mapping(part.opaque) if isinstance(part, Reasoning) else {}
        if opaque.get("type") != SIGNATURE or not jsons.text(opaque.get("signature")):
            continue
        if jsons.text(opaque.get("call")):
            of_calls[opaque["call"]] = opaque["signature"]
        else:
            loose.append(opaque["signature"])
    return of_calls, loose


def _with_id(identity: str, call: dict[str, Any]) -> dict[str, Any]:
    """Return a call with its id when it is the provider's own; it knows nothing of the ones we number."""
    return call if not identity or re.fullmatch(r"call_\d+", identity) else {"id": identity, **call}


def _response(result: ToolResult) -> dict[str, Any]:
    """Return a tool's answer as the JSON object the protocol wants."""
    if result.is_error:
        return {"error": result.content}
    try:
        parsed = jsons.parse(result.content.encode("utf-8", "surrogatepass"))
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"result": result.content}


def _image(image: Image) -> dict[str, Any]:
    if image.data is None:
        return {"fileData": {"mimeType": image.media_type, "fileUri": image.url}}
    return {"inlineData": {"mimeType": image.media_type, "data": base64.b64encode(image.data).decode()}}


def _tools(request: Request) -> list[dict[str, Any]] | None:
    declared = [{"name": t.name, "description": t.description, "parametersJsonSchema": dict(t.parameters)} for t in request.tools]
    return [{"functionDeclarations": declared}] if declared else None


def _tool_config(choice: str | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    mode = _TOOL_MODES.get(choice)
    return {"functionCallingConfig": {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [choice]}}


def _response_format(wanted: str | Mapping[str, Any] | None) -> dict[str, Any]:
    if not jsons.wants_json(wanted):
        return {}
    return {"responseMimeType": "application/json", "responseJsonSchema": jsons.schema(wanted)}


def _thinking(request: Request) -> dict[str, Any] | None:
    """Return the thinking setting: older models take a budget in tokens, newer ones a level."""
    effort = request.reasoning_effort
    if effort is None:
        return None
    shown = {} if effort == "none" else {"includeThoughts": True}
    if not _THINKS_BY_BUDGET.search(request.model):
        return {"thinkingLevel": _LEVELS.get(effort, effort), **shown}
    budget = _BUDGETS.get(effort, _BUDGETS["medium"])
    return {"thinkingBudget": max(budget, _LEAST_PRO_BUDGET) if "-pro" in request.model else budget, **shown}
