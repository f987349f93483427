"""Cohere's ``v2/chat`` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Completion, Event, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.catalog import ProviderKind
from lib.providers.cohere_body import PLAN, chat_body
from lib.providers.paging import every_page
from lib.providers.transport import Transport

FINISH_REASONS: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "filtered",
}
_FAILURES = {"ERROR": "server_error", "TIMEOUT": "timeout"}
_COUNTS = ("input_tokens", "output_tokens")


class Cohere:
    """An adapter for Cohere."""

    def __init__(self, kind: ProviderKind, transport: Transport) -> None:
        self._kind = kind
        self._transport = transport
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        path = adapter.check_endpoint(self._kind, endpoint)
        return adapter.complete(self._transport, path, chat_body(request, stream=False), ChatReader(self._transport.fault))

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        path = adapter.check_endpoint(self._kind, endpoint)
        return adapter.stream(self._transport, path, chat_body(request, stream=True), ChatReader(self._transport.fault))

    def models(self) -> list[ModelInfo]:
        """Return the models that chat, from all pages of the list."""

        def read(page: Any) -> tuple[list[ModelInfo], str]:
            return [_model_info(row) for row in page["models"] if _chats(row)], page.get("next_page_token")

        return every_page(self._transport, "v1/models", {"endpoint": "chat", "page_size": "1000"}, "page_token", read)


class ChatReader:
    """Reads one answer of the protocol; it names no model."""

    def __init__(self, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._fault = fault
        self._usage: Mapping[str, Any] = {}
        self._calls: list[tuple[Any, dict[str, str]]] = []
        self._thinking = ""
        self._plan = ""

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one streamed event."""
        if self.ended:
            return ()
        delta = jsons.mapping(document.get("delta"))
        message = jsons.mapping(delta.get("message"))
        match document.get("type"):
            case "content-start" | "content-delta":
                return self._content(message.get("content"))
            case "tool-plan-delta":
                self._plan += jsons.text(message.get("tool_plan"))
            case "tool-call-start":
                self._calls.append((document.get("index"), _call(message.get("tool_calls"))))
            case "tool-call-delta":
                piece = _call(message.get("tool_calls"))["arguments"]
                known = [call for index, call in self._calls if index == document.get("index")] or [call for _, call in self._calls[-1:]]
                if known:
                    known[-1]["arguments"] += piece
            case "message-end":
                self.ended = True
                self._finish(delta)
            case None if "message" in document and "finish_reason" in document:  # a server that answers in one piece
                return self.read_whole(document)
            case None if document.get("error") or jsons.text(document.get("message")):
                raise self._fault({"error": document})
        return ()

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an unstreamed answer."""
        message = document["message"]
        if not isinstance(message, dict):
            raise self._fault({"error": document})
        self.model = jsons.text(document.get("model")) or None
        events: list[Event] = []
        content = message.get("content")
        for block in [{"text": content}] if isinstance(content, str) else content or ():
            events += self._content(block)
        self._plan = jsons.text(message.get("tool_plan"))
        self._calls = [(index, _call(call)) for index, call in enumerate(message.get("tool_calls") or ())]
        self._finish(document)
        self.ended = True
        return [*events, *self.rest()]

    def rest(self) -> Sequence[Event]:
        """Return the tool calls, whose arguments came in pieces, with what the next round wants to hear of them."""
        calls = [
            ToolCall(call["id"] or f"call_{n}", call["name"], jsons.arguments(call["arguments"])) for n, (_, call) in enumerate(self._calls)
        ]
        self._calls = []
        if not calls or not (self._plan or self._thinking):
            return calls
        return [ReasoningDelta(opaque={"type": PLAN, "tool_plan": self._plan, "thinking": self._thinking}), *calls]

    def usage(self) -> Usage | None:
        """Return the tokens of the one report there is."""
        return normalise_usage(self._usage) if self._usage else None

    def _content(self, content: Any) -> Sequence[Event]:
        content = jsons.mapping(content)
        if thought := jsons.text(content.get("thinking")):
            self._thinking += thought
            return (ReasoningDelta(thought),)
        text = jsons.text(content.get("text"))
        return (TextDelta(text),) if text else ()

    def _finish(self, end: Mapping[str, Any]) -> None:
        """Take what an answer ends with, at the end of a stream or beside a whole message."""
        self._usage = jsons.mapping(end.get("usage"))
        reason = jsons.text(end.get("finish_reason"))
        if reason in _FAILURES or (end.get("error") and reason not in FINISH_REASONS):
            message = jsons.text(end.get("error")) or "The provider broke off with an error."
            raise self._fault({"error": {"code": _FAILURES.get(reason, "server_error"), "message": message}})
        self.reason = FINISH_REASONS.get(reason, "other")


def normalise_usage(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens of a ``usage`` object.

    Its ``tokens`` are what the model read and wrote, with what came from the cache inside: of recordings with
    cached_tokens, 208 of 212 and 576 of 577 were cached while only 12 and 377 were billed, so the cached part fits
    into ``tokens`` and not into ``billed_units``, which leave out the provider's own prompt around a request. What is
    paid are the latter: where they differ they come along in ``extra``, and the cost is theirs.
    """
    billed = jsons.mapping(usage.get("billed_units"))
    tokens = jsons.mapping(usage.get("tokens")) or billed
    extra = {"search_units": jsons.count(billed.get("search_units"))}
    if any(jsons.count(billed.get(name)) != jsons.count(tokens.get(name)) for name in _COUNTS) and any(name in billed for name in _COUNTS):
        extra |= {f"billed_{name}": jsons.count(billed.get(name)) for name in _COUNTS}
    return Usage(
        input=jsons.count(tokens.get("input_tokens")),
        output=jsons.count(tokens.get("output_tokens")),
        cache_read=jsons.count(usage.get("cached_tokens")),
        extra={unit: count for unit, count in extra.items() if count or unit.startswith("billed_")},
    )


def _call(call: Any) -> dict[str, str]:
    """Return a tool call, or a piece of one, as its id, name and arguments."""
    call = jsons.mapping(call[0] if isinstance(call, list) and call else call)
    function = jsons.mapping(call.get("function"))
    return {
        "id": jsons.text(call.get("id")),
        "name": jsons.text(function.get("name")),
        "arguments": jsons.text(function.get("arguments")),
    }


_FEATURES = {"tools": "tools", "json_mode": "json", "vision": "vision", "reasoning": "reasoning"}


def _chats(row: Any) -> bool:
    return bool(jsons.text(row.get("name"))) and "chat" in row.get("endpoints", ("chat",)) and not row.get("is_deprecated")


def _model_info(row: Any) -> ModelInfo:
    features = row.get("features")
    able = {ours: theirs in features for theirs, ours in _FEATURES.items()} if isinstance(features, list) else {}
    return ModelInfo(id=row["name"], context_window=jsons.count(row.get("context_length")) or None, capabilities=able)
