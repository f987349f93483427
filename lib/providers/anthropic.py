"""The Anthropic ``messages`` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Completion, Event, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.anthropic_body import DEFAULT_MAX_TOKENS, messages_body
from lib.providers.catalog import ProviderKind
from lib.providers.paging import every_page
from lib.providers.transport import Transport

FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "filtered",
}


class Anthropic:
    """An adapter for Anthropic and whatever else speaks ``messages``.

    ``default_max_tokens`` is the output limit of a request that sets none.
    """

    def __init__(self, kind: ProviderKind, transport: Transport, *, default_max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        self._kind = kind
        self._transport = transport
        self._default_max_tokens = default_max_tokens
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = messages_body(request, stream=False, default_max_tokens=self._default_max_tokens)
        return adapter.complete(self._transport, path, body, MessagesReader(self._transport.fault))

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = messages_body(request, stream=True, default_max_tokens=self._default_max_tokens)
        return adapter.stream(self._transport, path, body, MessagesReader(self._transport.fault))

    def models(self) -> list[ModelInfo]:
        """Return the models this key may see, from all pages of the list."""

        def read(page: Any) -> tuple[list[ModelInfo], str]:
            return [_model_info(row) for row in page["data"]], page.get("last_id") if page.get("has_more") else ""

        return every_page(self._transport, "models", {"limit": "1000"}, "after_id", read)


class MessagesReader:
    """Reads one answer of the protocol."""

    def __init__(self, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._fault = fault
        self._usage: dict[str, Any] = {}
        self._blocks: dict[Any, _Block] = {}

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one streamed event."""
        if self.ended:
            return ()
        match document.get("type"):
            case "content_block_delta":
                return self._delta(document["delta"], document.get("index"))
            case "content_block_start":
                return self._start(document["content_block"], document.get("index"))
            case "content_block_stop":
                block = self._blocks.pop(document.get("index"), None)
                return () if block is None else block.events()
            case "message_start":
                self._begin(document["message"])
            case "message_delta":
                self._take_usage(document.get("usage"))
                if reason := jsons.mapping(document.get("delta")).get("stop_reason"):
                    self.reason = FINISH_REASONS.get(reason, "other")
            case "message_stop":
                self.ended = True
            case "message":  # a server that answers a stream request in one piece
                return self.read_whole(document)
            case _ if document.get("error") or document.get("type") == "error":
                if self.reason is None:
                    raise self._fault(document)
        return ()

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an unstreamed answer."""
        events: list[Event] = []
        for index, content in enumerate(document["content"]):
            events += self._start(content, index)
            block = self._blocks.pop(index, None)
            events += block.events() if block else ()
        self._begin(document)
        self.reason = FINISH_REASONS.get(document.get("stop_reason"), "other")
        self.ended = True
        return events

    def rest(self) -> Sequence[Event]:
        """Return the blocks the provider cut off, such as a tool call at the output limit."""
        blocks, self._blocks = self._blocks, {}
        return [event for block in blocks.values() for event in block.events()]

    def usage(self) -> Usage | None:
        """Return the tokens as the last report counted them, each report replacing what it names."""
        return normalise_usage(self._usage) if self._usage else None

    def _begin(self, message: Any) -> None:
        self.model = jsons.text(message.get("model")) or self.model
        self._blocks.clear()  # a second start is a retry behind the provider's own gateway: half a tool call goes with the first
        self._usage = {}
        self._take_usage(message.get("usage"))

    def _take_usage(self, usage: Any) -> None:
        self._usage.update((name, value) for name, value in jsons.mapping(usage).items() if value is not None)

    def _start(self, content: Any, index: Any) -> Sequence[Event]:
        match content.get("type"):
            case "text":
                text = jsons.text(content.get("text"))
                return (TextDelta(text),) if text else ()
            case "thinking":
                self._blocks[index] = block = _Thinking(jsons.text(content.get("signature")))
                return block.add(jsons.text(content.get("thinking")))
            case "redacted_thinking":
                return (ReasoningDelta(opaque=dict(content)),)
            case "tool_use":
                self._blocks[index] = _ToolUse(content)
        return ()  # what the provider's own tools did is not part of the answer

    def _delta(self, delta: Any, index: Any) -> Sequence[Event]:
        match delta.get("type"):
            case "text_delta":
                text = jsons.text(delta.get("text"))
                return (TextDelta(text),) if text else ()
            case "thinking_delta":
                block = self._blocks.get(index)
                return block.add(jsons.text(delta.get("thinking"))) if isinstance(block, _Thinking) else ()
            case "signature_delta":
                block = self._blocks.get(index)
                if isinstance(block, _Thinking):
                    block.signature += jsons.text(delta.get("signature"))
            case "input_json_delta":
                block = self._blocks.get(index)
                if isinstance(block, _ToolUse):
                    block.pieces.append(jsons.text(delta.get("partial_json")))
        return ()


class _Thinking:
    """A thinking block: its text is shown as it comes, the signed whole is kept for the next turn."""

    def __init__(self, signature: str) -> None:
        self.signature = signature
        self._text = ""

    def add(self, text: str) -> Sequence[Event]:
        self._text += text
        return (ReasoningDelta(text),) if text else ()

    def events(self) -> Sequence[Event]:
        if not self.signature:
            return ()
        return (ReasoningDelta(opaque={"type": "thinking", "thinking": self._text, "signature": self.signature}),)


class _ToolUse:
    """A tool call whose arguments come in pieces, or whole at its start."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.pieces: list[str] = []
        self._id, self._name = jsons.text(content.get("id")), jsons.text(content.get("name"))
        self._input = content.get("input")

    def events(self) -> Sequence[Event]:
        written = "".join(self.pieces)
        return (ToolCall(self._id, self._name, jsons.arguments(written or self._input)),)


_Block = _Thinking | _ToolUse


def normalise_usage(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens of a ``usage`` object, whose input_tokens leave out what the cache read and wrote."""
    read = jsons.count(usage.get("cache_read_input_tokens"))
    classes = jsons.mapping(usage.get("cache_creation"))
    hour = jsons.count(classes.get("ephemeral_1h_input_tokens"))
    written = max(jsons.count(usage.get("cache_creation_input_tokens")), hour + jsons.count(classes.get("ephemeral_5m_input_tokens")))
    searches = jsons.count(jsons.mapping(usage.get("server_tool_use")).get("web_search_requests"))
    return Usage(
        input=jsons.count(usage.get("input_tokens")) + read + written,
        output=jsons.count(usage.get("output_tokens")),
        cache_read=read,
        cache_write=written,
        cache_write_1h=hour,
        reasoning=jsons.count(jsons.mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
        extra={"web_searches": searches} if searches else {},
    )


_CAPABILITIES = {"image_input": "vision", "pdf_input": "files", "structured_outputs": "json", "thinking": "reasoning"}


def _model_info(row: Any) -> ModelInfo:
    said = jsons.mapping(row.get("capabilities"))
    able = {ours: jsons.mapping(said.get(theirs)).get("supported") for theirs, ours in _CAPABILITIES.items()}
    return ModelInfo(
        capabilities={name: has for name, has in able.items() if isinstance(has, bool)},
        id=row["id"],
        display_name=jsons.text(row.get("display_name")) or None,
        context_window=jsons.count(row.get("max_input_tokens")) or None,
        max_output_tokens=jsons.count(row.get("max_tokens")) or None,
    )
