"""The OpenAI ``responses`` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lib.chat import Completion, Event, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.catalog import ProviderKind
from lib.providers.openai_models import list_models
from lib.providers.openai_responses_body import OPAQUE_ITEMS, responses_body
from lib.providers.transport import Transport

FINISH_REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "complete": "stop",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "filtered",
}
"""Why an answer ended, by its status, or by its details when it is incomplete; tool calls are told by themselves."""

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"})
_REASONING = frozenset(
    {
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary.delta",
        "response.reasoning.delta",
    }
)
_CALLS = frozenset({"function_call", "custom_tool_call"})
_BREAK = "\n\n"
"""Between two parts of reasoning, which are paragraphs of their own."""


class OpenAIResponses:
    """An adapter for every provider that speaks ``responses``, told apart by its row.

    ``reasoning_summary`` asks models that reason for a visible summary ("auto", "concise", "detailed"); some
    accounts must be verified first, so that nothing is asked by default.
    """

    def __init__(self, kind: ProviderKind, transport: Transport, *, reasoning_summary: str | None = None) -> None:
        self._kind = kind
        self._transport = transport
        self._reasoning_summary = reasoning_summary
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = responses_body(request, self._kind, stream=False, reasoning_summary=self._reasoning_summary)
        return adapter.complete(self._transport, path, body, ResponsesReader(self._transport.fault))

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = responses_body(request, self._kind, stream=True, reasoning_summary=self._reasoning_summary)
        return adapter.stream(self._transport, path, body, ResponsesReader(self._transport.fault))

    def models(self) -> list[ModelInfo]:
        """Return the models this key may see, as the provider lists them."""
        return adapter.chats(list_models(self._transport))

    def all_models(self) -> list[ModelInfo]:
        """Return everything that is listed, with its type where the provider tells it; of Azure what is deployed."""
        return list_models(self._transport, self._transport.listing)


class ResponsesReader:
    """Reads one answer of the protocol.

    Text and reasoning are taken from their deltas, tool calls from their finished items; whatever the last
    document says that no event has said is added then, since some servers send little before it.
    """

    def __init__(self, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._fault = fault
        self._usage: Any = None
        self._searches = 0
        self._calls: dict[Any, dict[str, Any]] = {}
        self._told: set[str] = set()
        self._held: list[Event] = []
        self._said = self._thought = self._refused = self._called = False
        self._part: Any = None

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one streamed event."""
        name = document.get("type")
        if name == "response.output_text.delta":  # nearly every event
            return self._text(document["delta"])
        if self.ended:
            return ()
        if name in _REASONING:
            return self._reasoning(document["delta"], (document.get("output_index"), document.get("summary_index")))
        if name == "response.refusal.delta":
            self._refused = True
            return self._text(document["delta"])
        if name == "response.output_item.done":
            return self._item_done(jsons.mapping(document.get("item")), self._key(document))
        if name in _LAST:
            return self._last(document["response"])
        if name == "error" or document.get("error"):
            raise self._fault({"error": document.get("error") or {n: v for n, v in document.items() if n != "type"}})
        if name is None and "output" in document:  # a server that answers a stream request in one piece
            return self.read_whole(document)
        self._note(name, document)
        return ()

    def _note(self, name: Any, document: Any) -> None:
        """Keep what only a later event completes."""
        if name == "response.output_item.added":
            item = jsons.mapping(document.get("item"))
            if item.get("type") in _CALLS:
                self._call(document).update(item)
        elif name in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            self._call(document).setdefault("pieces", []).append(jsons.text(document.get("delta")))
        elif name == "response.function_call_arguments.done":
            self._call(document)["arguments"] = document.get("arguments")
        elif name in ("response.created", "response.in_progress"):
            self.model = jsons.text(jsons.mapping(document.get("response")).get("model")) or self.model

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an answer that came in one piece."""
        if not isinstance(document["output"], list):
            raise ValueError("no output")
        return self._last(document)

    def rest(self) -> Sequence[Event]:
        """Return the tool calls whose end was not told apart from the answer's."""
        calls, self._calls = self._calls, {}
        events = [event for call in calls.values() for event in self._tool_call(call)]
        if events and self.reason == "stop":
            self.reason = "tool_calls"
        return events

    def usage(self) -> Usage | None:
        """Return the tokens as the last document counted them."""
        return normalise_usage(jsons.mapping(self._usage), self._searches)

    def _key(self, document: Any) -> Any:
        index = document.get("output_index")
        return document.get("item_id") or jsons.mapping(document.get("item")).get("id") if index is None else index

    def _call(self, document: Any) -> dict[str, Any]:
        return self._calls.setdefault(self._key(document), {})

    def _item_done(self, item: Any, key: Any) -> Sequence[Event]:
        """Return what is complete with an item and has not been told; keep what the provider wants back unread."""
        kind = item.get("type")
        if kind in _CALLS:
            return self._tool_call({**self._calls.pop(key, {}), **{n: v for n, v in item.items() if v not in (None, "")}})
        events: Sequence[Event] = ()
        if kind == "message" and not self._said:
            events = list(self._message(item))
        elif kind == "reasoning" and not self._thought:
            events = list(self._thoughts(item, key))
        self._hold(item)
        return events

    def _last(self, response: Any) -> Sequence[Event]:
        """Return what only the whole answer says, and take its end."""
        self.model = jsons.text(response.get("model")) or self.model
        self._usage = response.get("usage")
        status, output = response.get("status"), jsons.items(response.get("output"))
        self._searches = sum(_is_search(jsons.mapping(item)) for item in output)
        if status == "failed" or response.get("error"):
            error = response.get("error") or {"code": "server_error", "message": "The provider could not finish the answer."}
            raise self._fault({"error": error})
        events = [*self._unsaid(output), *self.rest(), *self._release()]
        self.ended = True
        details = jsons.mapping(response.get("incomplete_details")).get("reason")
        self.reason = FINISH_REASONS.get(jsons.text(details or status), "other")
        if self._refused:
            self.reason = "filtered"
        elif self._called and self.reason == "stop":
            self.reason = "tool_calls"
        return events

    def _unsaid(self, output: list[Any]) -> Iterator[Event]:
        """Yield what no event has said; text and reasoning as soon as one of them has are taken to be told in full."""
        said, thought = self._said, self._thought
        for index, item in enumerate(map(jsons.mapping, output)):
            kind = item.get("type")
            if kind == "message" and not said:
                yield from self._message(item)
            elif kind == "reasoning" and not thought:
                yield from self._thoughts(item, index)
            if kind in _CALLS:
                yield from self._item_done(item, index)
            else:
                self._hold(item)

    def _thoughts(self, item: Any, key: Any) -> Iterator[Event]:
        for number, part in enumerate([*jsons.items(item.get("summary")), *jsons.items(item.get("content"))]):
            yield from self._reasoning(jsons.text(jsons.mapping(part).get("text")), (key, number))

    def _message(self, item: Any) -> Iterator[Event]:
        content = item.get("content")
        for part in [{"text": content}] if isinstance(content, str) else jsons.items(content):
            if refusal := jsons.text(part.get("refusal")):
                self._refused = True
                yield from self._text(refusal)
            else:
                yield from self._text(part.get("text"))

    def _text(self, text: Any) -> Sequence[Event]:
        if type(text) is not str or not text:
            return ()
        self._said = True
        return (*self._release(), TextDelta(text)) if self._held else (TextDelta(text),)

    def _reasoning(self, text: str, part: Any) -> Sequence[Event]:
        if not text:
            return ()
        lead = _BREAK if self._thought and part != self._part else ""
        self._thought, self._part = True, part
        return (ReasoningDelta(lead + text),)

    def _hold(self, item: Any) -> None:
        """Keep an opaque item for the next event that shows something: alone it is no content of an answer yet."""
        if item.get("type") in OPAQUE_ITEMS and self._first(item.get("id")):
            self._held.append(ReasoningDelta(opaque=dict(item)))

    def _release(self) -> list[Event]:
        held, self._held = self._held, []
        return held

    def _tool_call(self, item: Any) -> Sequence[Event]:
        identity = jsons.text(item.get("call_id")) or jsons.text(item.get("id"))
        name = jsons.text(item.get("name"))
        if not name or not self._first(identity):
            return ()
        self._called = True
        raw = item.get("arguments") or item.get("input") or "".join(item.get("pieces", ()))
        return (*self._release(), ToolCall(identity or f"call_{len(self._told)}", name, jsons.arguments(raw)))

    def _first(self, identity: Any) -> bool:
        """Whether an item has not been told yet; one without an id cannot be known again."""
        if not isinstance(identity, str) or not identity:
            return True
        new = identity not in self._told
        self._told.add(identity)
        return new


def _is_search(item: Any) -> bool:
    """Whether an item is a web search that is billed: opening or reading a page of its results is not."""
    return bool(item.get("type") == "web_search_call") and jsons.mapping(item.get("action")).get("type", "search") == "search"


def normalise_usage(usage: Any, searches: int = 0) -> Usage | None:
    """Return the tokens of a ``usage`` object; input tokens already include cached ones."""
    if not usage:
        return None
    read = jsons.mapping(usage.get("input_tokens_details"))
    made = jsons.mapping(usage.get("output_tokens_details"))
    return Usage(
        input=jsons.count(usage.get("input_tokens")),
        output=jsons.count(usage.get("output_tokens")),
        cache_read=jsons.count(read.get("cached_tokens")),
        cache_write=jsons.count(read.get("cache_write_tokens")),
        reasoning=jsons.count(made.get("reasoning_tokens")),
        extra={"web_searches": searches} if searches else {},
    )
