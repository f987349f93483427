"""The OpenAI-compatible ``chat/completions`` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lib.chat import Completion, Event, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.catalog import ProviderKind
from lib.providers.openai_body import chat_body
from lib.providers.openai_models import list_models
from lib.providers.transport import Transport

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filtered",
    "safety": "filtered",
    "refusal": "filtered",
}


class OpenAIChat:
    """An adapter for every provider that speaks ``chat/completions``, told apart by its row.

    ``include_usage`` overrides the row on whether streams ask for their usage.
    """

    def __init__(self, kind: ProviderKind, transport: Transport, *, include_usage: bool | None = None) -> None:
        self._kind = kind
        self._transport = transport
        self._include_usage = kind.include_usage if include_usage is None else include_usage
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = chat_body(request, self._kind, stream=False, include_usage=False)
        return adapter.complete(self._transport, path, body, ChatReader(self._kind, self._transport.fault))

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = chat_body(request, self._kind, stream=True, include_usage=self._include_usage)
        return adapter.stream(self._transport, path, body, ChatReader(self._kind, self._transport.fault))

    def models(self) -> list[ModelInfo]:
        """Return the models this key may see, as the provider lists them."""
        return adapter.chats(list_models(self._transport))

    def all_models(self) -> list[ModelInfo]:
        """Return everything that is listed, with its type where the provider tells it; of Azure what is deployed."""
        return list_models(self._transport, self._transport.listing)


class ChatReader:
    """Reads one answer of the protocol."""

    def __init__(self, kind: ProviderKind, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._kind = kind
        self._fault = fault
        self._usage: Any = None
        self._calls: list[_Call] = []
        self._details: list[dict[str, Any]] = []
        self._refused = False

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one chunk."""
        if document.get("error") or document.get("object") == "error":
            if self.reason is None:
                raise self._fault(document)
            # some gateways report hitting the output limit a second time, as an error after the finish
        if self.model is None:
            self.model = jsons.text(document.get("model")) or None
        if document.get("usage"):
            self._usage = document["usage"]
        choices = document.get("choices")
        if not choices:
            self._broken_off(document)
            return ()
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._finish(reason, choice, document)
        delta = choice.get("delta")
        if delta is None:
            delta = choice.get("message")  # a server that answers a stream request in one piece
        if delta is None:
            return ()
        content = delta.get("content")
        if content and type(content) is str and len(delta) == 1:  # nearly every chunk
            return (TextDelta(content),)
        return self._delta(delta, content)

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an unstreamed answer, whose finish reason some servers leave out."""
        if not document["choices"]:
            raise ValueError("no choice")
        events = [*self.read(document), *self.rest()]
        self.reason = self.reason or "other"
        return events

    def rest(self) -> Sequence[Event]:
        """Return the tool calls, whose arguments came in pieces, and the reasoning to hand back."""
        calls = [ToolCall(call.id or f"call_{n}", call.name, jsons.arguments(call.arguments())) for n, call in enumerate(self._calls)]
        opaque = [ReasoningDelta(opaque=self._details)] if self._details else []
        self._calls, self._details = [], []
        if self._refused:
            self.reason = "filtered"
        return [*opaque, *calls]

    def usage(self) -> Usage | None:
        """Return the tokens as the last report counted them."""
        return None if self._usage is None else normalise_usage(jsons.mapping(self._usage))

    def _broken_off(self, document: Any) -> None:
        """Raise why Groq stopped an answer early, which it says in a place of its own."""
        why = jsons.text(jsons.mapping(document.get("x_groq")).get("error"))
        if why and self.reason is None:
            raise self._fault({"error": {"message": why}})

    def _finish(self, reason: Any, choice: Any, document: Any) -> None:
        if reason == "error":  # a gateway whose upstream failed in the middle
            raise self._fault(
                {"error": choice.get("error") or {"code": "server_error", "message": "The provider broke off with an error."}}
            )
        self.reason = FINISH_REASONS.get(reason, "other")
        if self._usage is None:  # Groq's older place for it
            self._usage = jsons.mapping(document.get("x_groq")).get("usage")

    def _delta(self, delta: Any, content: Any) -> Sequence[Event]:
        events: list[Event] = []
        for name in self._kind.reasoning:
            if thought := jsons.text(delta.get(name)):
                events.append(ReasoningDelta(thought))
                break
        if self._kind.reasoning_back == "reasoning_details":
            self._keep_details(delta.get("reasoning_details"))
        if isinstance(content, str):
            if content:
                events.append(TextDelta(content))
        elif content:
            events.extend(_parts(content))
        if refusal := jsons.text(delta.get("refusal")):
            self._refused = True
            events.append(TextDelta(refusal))
        for call in delta.get("tool_calls") or ():
            self._tool_call(call)
        return events

    def _tool_call(self, delta: Any) -> None:
        """Take a piece of a tool call; a new id under a known index is a new call, as some servers count from 0 each time."""
        function = jsons.mapping(delta.get("function"))
        index, identity, name = delta.get("index"), jsons.text(delta.get("id")), jsons.text(function.get("name"))
        call = next((c for c in reversed(self._calls) if c.index == index), None)
        if call is None or (name and identity and call.id and identity != call.id) or (index is None and name):
            call = _Call(index, identity)
            self._calls.append(call)
        call.id = call.id or identity
        call.name = call.name or name
        call.pieces.append(function.get("arguments"))

    def _keep_details(self, details: Any) -> None:
        """Join the pieces of each reasoning block, so that it can be handed back as it was."""
        for piece in details or ():
            known = next((d for d in self._details if (d.get("index"), d.get("type")) == (piece.get("index"), piece.get("type"))), None)
            if known is None or piece.get("index") is None:
                self._details.append(dict(piece))
                continue
            for name, value in piece.items():
                joined = name in ("text", "summary", "data") and isinstance(known.get(name), str) and isinstance(value, str)
                if joined:
                    known[name] += value
                elif value is not None:
                    known[name] = value


class _Call:
    """A tool call whose arguments are still arriving."""

    def __init__(self, index: Any, identity: str) -> None:
        self.index = index
        self.id = identity
        self.name = ""
        self.pieces: list[Any] = []

    def arguments(self) -> Any:
        if len(self.pieces) == 1 and isinstance(self.pieces[0], dict):
            return self.pieces[0]
        return "".join(jsons.text(piece) for piece in self.pieces)


def normalise_usage(usage: Any) -> Usage | None:
    """Return the tokens of a ``usage`` object; prompt tokens already include cached ones.

    The cached part comes in ``prompt_tokens_details``, in DeepSeek's own field, or beside the totals. A count of
    the server's internal cache (``num_cached_tokens``) is not billed apart and is not read.
    """
    if not usage:
        return None
    prompt = jsons.mapping(usage.get("prompt_tokens_details"))
    output = jsons.mapping(usage.get("completion_tokens_details"))
    searches = jsons.count(jsons.mapping(usage.get("server_tool_use")).get("web_search_requests"))
    return Usage(
        input=jsons.count(usage.get("prompt_tokens")),
        output=jsons.count(usage.get("completion_tokens")),
        cache_read=jsons.count(prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens")),
        cache_write=jsons.count(prompt.get("cache_write_tokens")),
        reasoning=jsons.count(output.get("reasoning_tokens") or usage.get("reasoning_tokens")),
        extra={"web_searches": searches} if searches else {},
    )


def _parts(content: Any) -> Iterator[Event]:
    """Yield the events of content that comes as typed parts, thinking among them."""
    for part in content:
        if part.get("type") == "thinking":
            thinking = part.get("thinking")
            pieces = [thinking] if isinstance(thinking, str) else [jsons.text(p.get("text")) for p in jsons.items(thinking)]
            if thought := "".join(pieces):
                yield ReasoningDelta(thought)
        elif text := jsons.text(part.get("text")):
            yield TextDelta(text)
