"""Google's ``generateContent`` protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lib.chat import Completion, Event, FinishReason, ReasoningDelta, Request, TextDelta, ToolCall, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.catalog import ProviderKind
from lib.providers.google_body import SIGNATURE, generate_body
from lib.providers.paging import every_page
from lib.providers.transport import Transport

FINISH_REASONS: dict[str | int, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "MODEL_ARMOR": "filtered",
    "IMAGE_SAFETY": "filtered",
    "IMAGE_RECITATION": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered",
    1: "stop",
    2: "length",
    3: "filtered",
    4: "filtered",
    7: "filtered",
    8: "filtered",
}
"""By name, and by the number some clients of Vertex AI ask for; the numbers left out differ between the two services."""


class Google:
    """An adapter for the Gemini API, and for Vertex AI under a key."""

    def __init__(self, kind: ProviderKind, transport: Transport) -> None:
        self._kind = kind
        self._transport = transport
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        adapter.check_endpoint(self._kind, endpoint)
        path = f"{_path(request.model)}:generateContent"
        return adapter.complete(self._transport, path, generate_body(request), GenerateReader(self._transport.fault))

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        adapter.check_endpoint(self._kind, endpoint)
        path = f"{_path(request.model)}:streamGenerateContent?alt=sse"
        return adapter.stream(self._transport, path, generate_body(request), GenerateReader(self._transport.fault))

    def models(self) -> list[ModelInfo]:
        """Return the models that can generate, from all pages of the list."""
        return adapter.chats(self.all_models())

    def all_models(self) -> list[ModelInfo]:
        """Return everything that is listed, from all pages."""

        def read(page: Any) -> tuple[list[ModelInfo], str]:
            return [_model_info(row) for row in page.get("models") or () if jsons.text(row.get("name"))], page.get("nextPageToken")

        return every_page(self._transport, "models", {"pageSize": "1000"}, "pageToken", read)


class GenerateReader:
    """Reads one answer of the protocol, whose stream has no last event of its own."""

    def __init__(self, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._fault = fault
        self._usage: dict[str, Any] = {}
        self._calls = 0
        self._searches = 0

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one chunk, or of an array of them: what a gateway sends that does not stream."""
        if isinstance(document, list):
            return [event for chunk in document for event in self.read(chunk)]
        if document.get("error"):
            if self.reason is None:
                raise self._fault(document)
            return ()
        self.model = jsons.text(document.get("modelVersion")) or self.model
        self._usage.update((name, value) for name, value in jsons.mapping(document.get("usageMetadata")).items() if value is not None)
        candidates = document.get("candidates")
        if not candidates:
            if jsons.mapping(document.get("promptFeedback")).get("blockReason"):
                self.reason = "filtered"
            return ()
        return self._candidate(candidates[0])

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an unstreamed answer."""
        events = self.read(document)
        if self.reason is None and isinstance(document, dict) and document.get("candidates"):
            self.reason = "other"
        return events

    def rest(self) -> Sequence[Event]:
        """Return nothing: every part comes whole."""
        return ()

    def usage(self) -> Usage | None:
        """Return the tokens as the last report counted them, each report replacing what it names."""
        return normalise_usage(self._usage, self._searches) if self._usage else None

    def _candidate(self, candidate: Any) -> Sequence[Event]:
        events: list[Event] = []
        for part in jsons.mapping(candidate.get("content")).get("parts") or ():
            events += self._part(part)
        self._searches += len(jsons.items(jsons.mapping(candidate.get("groundingMetadata")).get("webSearchQueries")))
        if reason := candidate.get("finishReason"):
            self.reason = FINISH_REASONS.get(reason, "other")
        if self.reason == "stop" and self._calls:  # the protocol has no reason of its own for tool calls
            self.reason = "tool_calls"
        return events

    def _part(self, part: Any) -> Iterator[Event]:
        signature, call = jsons.text(part.get("thoughtSignature")), part.get("functionCall")
        if isinstance(call, dict):
            identity = jsons.text(call.get("id")) or f"call_{self._calls}"
            self._calls += 1
            if signature:
                yield ReasoningDelta(opaque={"type": SIGNATURE, "signature": signature, "call": identity})
            yield ToolCall(identity, jsons.text(call.get("name")), jsons.arguments(call.get("args")))
            return
        if text := jsons.text(part.get("text")):
            yield ReasoningDelta(text) if part.get("thought") else TextDelta(text)
        if signature:
            yield ReasoningDelta(opaque={"type": SIGNATURE, "signature": signature})


def normalise_usage(usage: Mapping[str, Any], searches: int = 0) -> Usage:
    """Return the tokens of ``usageMetadata``: thoughts are counted beside the answer, cached tokens inside the prompt."""
    thoughts = jsons.count(usage.get("thoughtsTokenCount"))
    return Usage(
        input=jsons.count(usage.get("promptTokenCount")) + jsons.count(usage.get("toolUsePromptTokenCount")),
        output=jsons.count(usage.get("candidatesTokenCount")) + thoughts,
        cache_read=jsons.count(usage.get("cachedContentTokenCount")),
        reasoning=thoughts,
        extra={"web_searches": searches} if searches else {},
    )


def _path(model: str) -> str:
    """Return a model's resource name; one with a slash, such as a tuned model, is given in full."""
    return quote(model if "/" in model else f"models/{model}", safe="/-._~@")


_TYPES = {"embedContent": "embedding", "predict": "image", "predictLongRunning": "video", "bidiGenerateContent": "realtime"}


def _model_info(row: Any) -> ModelInfo:
    methods = row.get("supportedGenerationMethods")
    able: dict[str, bool] = {"reasoning": row["thinking"]} if isinstance(row.get("thinking"), bool) else {}
    if methods is not None and "createCachedContent" in methods:  # silence says nothing: newer models cache by themselves
        able["caching"] = True
    return ModelInfo(
        capabilities=able,
        model_type=adapter.CHAT
        if methods is None or "generateContent" in methods
        else next((_TYPES[method] for method in methods if method in _TYPES), "other"),
        id=row["name"].removeprefix("models/"),
        display_name=jsons.text(row.get("displayName")) or None,
        context_window=jsons.count(row.get("inputTokenLimit")) or None,
        max_output_tokens=jsons.count(row.get("outputTokenLimit")) or None,
    )
