"""Learning parameters: from what a provider says of one, how to send the same request without it or under its new name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from lib.chat import Request
from lib.errors import ErrorKind, ProviderError
from lib.routing.values import Change

_KINDS: frozenset[ErrorKind] = frozenset({"bad-request", "model-incompatible", "unknown"})
LIMITS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})
"""The names that the limit of the answer's length goes by."""

_FIELDS = frozenset({"temperature", "top_p", "reasoning_effort"})
"""Fields of a request that may be left out: the answer differs in style, not in what was asked for."""

_EXTRAS = frozenset(
    "top_k min_p seed frequency_penalty presence_penalty repetition_penalty logit_bias logprobs top_logprobs user store metadata"
    " service_tier verbosity parallel_tool_calls prompt_cache_key safety_identifier".split()
)
"""Fields beside them that may be left out. Tools, formats and stop sequences are not among them: without those it is another request."""

_ADDED = frozenset({"stream_options"})
"""What an adapter adds by itself; None in ``Request.extra`` takes it out."""

_OTHER_NAMES: Mapping[str, str] = {
    "reasoning.effort": "reasoning_effort",
    "reasoning": "reasoning_effort",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "include_usage": "stream_options",
    "stream_options.include_usage": "stream_options",
}
_NAME = r"[`'\"]?(?P<name>[A-Za-z_][\w.]*)[`'\"]?"
_PARAMETER = r"(?:parameter|argument|field|key|property|option|name)s?"
_NOT = r"(?:not (?:currently |yet )?(?:supported|allowed|permitted|accepted|available)|unsupported|no longer supported|deprecated)\b"
_STRANGE = "unsupported|unknown|unrecogni[sz]ed|unexpected|invalid|extra"
_START = r"(?:^|[\s;:(])"
_UNSUPPORTED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:{_STRANGE}) (?:\w+ ){{0,2}}?{_PARAMETER}(?: supplied| provided| given| received)?\s*:?\s*{_NAME}",
        rf"\b{_PARAMETER}\s*:?\s*{_NAME} (?:is|are|was) {_NOT}",
        rf"{_START}{_NAME} (?:is|are) (?:currently |also )?{_NOT}",
        rf"{_START}{_NAME}(?: in body)?: (?:extra (?:inputs|fields) (?:are )?not permitted|unknown field|unexpected)",
        rf"\b(?:does not|doesn'?t|do not|cannot) (?:support|accept|allow|take) (?:(?:the|a|any|use of|custom|{_PARAMETER}) )*{_NAME}",
        rf"\b{_PARAMETER} not supported (?:on|by|with|for) this model: {_NAME}",
        rf"\bunsupported value: {_NAME} does not support\b.{{0,80}}\bonly the default\b",
    )
)
"""How providers say that a parameter is not theirs. A value out of bounds is no such thing: the caller has to choose another."""

_INSTEAD = re.compile(r"\b(?:use|try|replaced by|renamed to|in favou?r of)\s+(?:the\s+)?[`'\"]?(?P<to>[A-Za-z_]\w*)", re.IGNORECASE)
_SAMPLING = r"\b(?:temperature|top_p)\b"
_NOT_BOTH = re.compile(rf"{_SAMPLING}.{{0,40}}{_SAMPLING}.{{0,60}}\b(?:cannot|can't|may not) both\b", re.IGNORECASE)
_STRAIGHT = str.maketrans({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'})
_CODES = frozenset({"unsupported_parameter", "unknown_parameter"})
_EVIDENCE = 300


def change_for(error: ProviderError, request: Request, endpoint: str, closed: Collection[str] = ()) -> Change | None:
    """Return how to send the request so that this refusal does not come again; None when nothing of it would help.

    ``closed`` names parameters that may not be changed: an admin's rejections, and what this call has changed already.
    """
    if error.kind not in _KINDS:
        return None
    words = " ".join(str(error).translate(_STRAIGHT).split())
    for name in _named(error, words):
        if name in closed or not _sent(name, request):
            continue
        if name not in LIMITS:
            return Change(name, "drop", None, endpoint, words[:_EVIDENCE])
        to = _new_name(name, words)
        if to is not None and to not in closed:
            return Change(name, "rename", to, endpoint, words[:_EVIDENCE])
    return None


def apply(change: Change, request: Request, endpoint: str) -> Request:
    """Return the request with one change made; a new name holds only on the endpoint that asked for it."""
    name, extra = change.name, dict(request.extra)
    if change.action == "rename":
        if change.endpoint not in (None, endpoint) or change.to is None or not _sent(name, request):
            return request
        value = extra.pop(name, request.max_tokens)
        return replace(request, max_tokens=None, extra={**extra, change.to: value})
    if name in _FIELDS:
        extra.pop(name, None)
        cleared: dict[str, Any] = {name: None}
        return replace(request, extra=extra, **cleared)
    if name in _ADDED:
        return replace(request, extra={**extra, name: None}) if endpoint == "chat/completions" else request
    if name in extra:
        del extra[name]
        return replace(request, extra=extra)
    return request


def _named(error: ProviderError, words: str) -> list[str]:
    """Return the parameters that the refusal is about, as a request names them."""
    found = []
    if error.param is not None and (error.code or "").lower() in _CODES:
        found.append(error.param)
    for pattern in _UNSUPPORTED:
        found += [match["name"] for match in pattern.finditer(words)]
    if _NOT_BOTH.search(words):
        found.append("top_p")
    plain = [name.rstrip(".").removeprefix("body.") for name in found]
    return list(dict.fromkeys(_OTHER_NAMES.get(name, name) for name in plain))


def _sent(name: str, request: Request) -> bool:
    """Whether the request has the parameter, and may do without it or under another name."""
    if name in LIMITS:
        return request.max_tokens is not None or isinstance(request.extra.get(name), int)
    if name in _FIELDS:
        return getattr(request, name) is not None or name in request.extra
    if name in _ADDED:
        return request.extra.get(name, "sent") is not None
    return name in _EXTRAS and name in request.extra


def _new_name(name: str, words: str) -> str | None:
    """Return the name the provider wants, its word or the one of the two common ones that it did not refuse."""
    for match in _INSTEAD.finditer(words):
        if match["to"] in LIMITS and match["to"] != name:
            return match["to"]
    return {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}.get(name)
