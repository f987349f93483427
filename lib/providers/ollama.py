"""Ollama's own ``api/chat`` protocol: a JSON document per line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Completion, Event, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.catalog import ProviderKind
from lib.providers.ollama_body import chat_body
from lib.providers.sse import JsonLines
from lib.providers.transport import MALFORMED, Transport

FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class Ollama:
    """An adapter for an Ollama server."""

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
        return adapter.stream(self._transport, path, chat_body(request, stream=True), ChatReader(self._transport.fault), JsonLines)

    def models(self) -> list[ModelInfo]:
        """Return the models that are pulled and can be asked; the list does not tell their sizes in tokens."""
        return adapter.chats(self.all_models())

    def all_models(self) -> list[ModelInfo]:
        """Return everything that is pulled."""
        document = self._transport.get("api/tags")
        try:
            named = [(jsons.text(row.get("model")) or jsons.text(row.get("name")), row) for row in document.get("models") or ()]
            return [_model_info(name, row) for name, row in named if name]
        except MALFORMED:
            raise self._transport.unreadable() from None


_CAPABILITIES = {"tools": "tools", "vision": "vision", "thinking": "reasoning"}


def _model_info(name: str, row: Any) -> ModelInfo:
    """Read one row; older servers do not say what a model can do, but name the family of one that only embeds."""
    can = row.get("capabilities")
    able = {ours: theirs in can for theirs, ours in _CAPABILITIES.items()} if isinstance(can, list) else {}
    family = jsons.text(jsons.mapping(row.get("details")).get("family"))
    embeds = "completion" not in can if isinstance(can, list) and can else "bert" in family
    return ModelInfo(id=name, capabilities=able, model_type="embedding" if embeds else adapter.CHAT)


class ChatReader:
    """Reads one answer of the protocol."""

    def __init__(self, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._fault = fault
        self._counts: Mapping[str, Any] = {}
        self._calls: list[ToolCall] = []

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one line; a tool call comes whole."""
        if document.get("error"):
            raise self._fault(document)
        self.model = jsons.text(document.get("model")) or self.model
        events: list[Event] = []
        message = document.get("message")
        if not isinstance(message, dict):  # a proxy that turned the call into one of api/generate
            message = {"content": document.get("response"), "thinking": document.get("thinking")}
        if thought := jsons.text(message.get("thinking")):
            events.append(ReasoningDelta(thought))
        if text := jsons.text(message.get("content")):
            events.append(TextDelta(text))
        for call in message.get("tool_calls") or ():
            function = jsons.mapping(call.get("function"))
            identity = jsons.text(call.get("id")) or f"call_{len(self._calls)}"
            self._calls.append(ToolCall(identity, jsons.text(function.get("name")), jsons.arguments(function.get("arguments"))))
        if document.get("done"):
            self.ended = True
            self._counts = {name: document[name] for name in ("prompt_eval_count", "eval_count") if document.get(name) is not None}
            said = jsons.text(document.get("done_reason")) or "stop"  # older servers give none
            self.reason = "tool_calls" if self._calls and said == "stop" else FINISH_REASONS.get(said, "other")
        return events

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an unstreamed answer."""
        if not isinstance(document.get("message"), dict) and not isinstance(document.get("response"), str) and not document.get("error"):
            raise ValueError("no message")
        events = [*self.read(document), *self.rest()]
        self.reason = self.reason or "other"
        return events

    def rest(self) -> Sequence[Event]:
        """Return the tool calls."""
        calls, self._calls = self._calls, []
        return calls

    def usage(self) -> Usage | None:
        """Return the tokens counted at the end; a prompt that was in the cache as a whole is not counted by older servers."""
        if not self._counts:
            return None
        return Usage(input=jsons.count(self._counts.get("prompt_eval_count")), output=jsons.count(self._counts.get("eval_count")))
