"""MatchaAI's gateway protocol: ``completions`` of a mission, with the model chosen by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lib.chat import Completion, Event, FinishReason, Image, Message, Request, Text, TextDelta, ToolCall, ToolResult, Usage
from lib.errors import ProviderError
from lib.providers import adapter, jsons
from lib.providers.adapter import ModelInfo
from lib.providers.catalog import ProviderKind
from lib.providers.sse import DataLines
from lib.providers.transport import MALFORMED, Transport

_SENTINEL = "done"
_JSON_ONLY = "Answer with one JSON object and nothing else."
_DIGITS = 19
_IDS = ("id", "llm_id", "matcha_llm_id")
_NAMES = ("name", "model_name", "display_name", "title", "model")
_WINDOWS = ("context_window", "context_length", "max_input_tokens")


class MatchaAI:
    """An adapter for one deployment of the gateway.

    ``mission_id`` is the mission calls belong to. ``model_field`` is where the model's number goes:
    "responseLLM" (documented, inside options) or "llm_id" (beside them, as some deployments want it).
    """

    def __init__(
        self, kind: ProviderKind, transport: Transport, *, mission_id: int | str | None = None, model_field: str = "responseLLM"
    ) -> None:
        self._kind = kind
        self._transport = transport
        self._mission_id = _number(mission_id) if mission_id not in (None, "") else None
        self._model_field = model_field
        self.endpoints = kind.endpoints

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        path = adapter.check_endpoint(self._kind, endpoint)
        try:
            return adapter.complete(self._transport, path, self._body(request, stream=False), CompletionReader(self._transport.fault))
        except ProviderError as error:
            raise self._explained(error) from None

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        path = adapter.check_endpoint(self._kind, endpoint)
        body = self._body(request, stream=True)
        return self._stream(path, body)

    def models(self) -> list[ModelInfo]:
        """Return the models of the deployment, each known by its number."""
        document = self._transport.get("llms")
        try:
            rows = document if isinstance(document, list) else document.get("llms") or document.get("models") or document["data"]
            return [info for row in rows if (info := _model_info(row)) is not None]
        except MALFORMED:
            raise self._transport.unreadable() from None

    def _stream(self, path: str, body: Mapping[str, Any]) -> Iterator[Event]:
        try:
            yield from adapter.stream(self._transport, path, body, CompletionReader(self._transport.fault), DataLines)
        except ProviderError as error:
            raise self._explained(error) from None

    def _body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body; ``request.extra`` goes in last, its options one by one."""
        options: dict[str, Any] = {"includeUsageMetadata": True}
        body: dict[str, Any] = {} if self._mission_id is None else {"mission_id": self._mission_id}
        body.update(_input(request))
        if request.model:  # without one, the mission's own model answers
            (body if self._model_field == "llm_id" else options)[self._model_field] = _number(request.model)
        body["options"] = options
        optional = {"temperature": request.temperature, "max_tokens": request.max_tokens, "stream": stream or None}
        body.update((name, value) for name, value in optional.items() if value is not None)
        return jsons.with_extra(body, request.extra, inside="options")

    def _explained(self, error: ProviderError) -> ProviderError:
        """Return a refusal that the missing mission may have caused as one that says so, and that blames no model."""
        if self._mission_id is not None or error.kind not in ("bad-request", "model-incompatible", "unknown"):
            return error
        return ProviderError(
            f"{error} No mission is set: add mission_id to the settings of the MatchaAI provider.",
            kind="bad-request",
            provider=error.provider,
            status=error.status,
            code=error.code,
        )


class CompletionReader:
    """Reads one answer of the protocol, which has no finish reasons: its end is an event whose text is "done"."""

    def __init__(self, fault: Callable[[Any], ProviderError]) -> None:
        self.ended = False
        self.reason: FinishReason | None = None
        self.model: str | None = None
        self._fault = fault
        self._usage: Mapping[str, Any] = {}

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one event; "done" is the end only when nothing is said after it."""
        self._refused(document)
        text = "".join(self._texts(document))
        if not text:
            return ()
        if self.reason is not None:
            text, self.reason = _SENTINEL + text, None
        if text == _SENTINEL:
            self.reason = "stop"
            self.ended = bool(self._usage)  # which comes last but for the sentinel
            return ()
        return (TextDelta(text),)

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an unstreamed answer; several texts are paragraphs of one."""
        self._refused(document)
        if not isinstance(document["output"], list):
            raise ValueError("no output")
        text = "\n\n".join(self._texts(document))
        self.reason = "stop"
        return (TextDelta(text),) if text else ()

    def rest(self) -> Sequence[Event]:
        """Return nothing; a stream that was ended without its sentinel, as by a gateway that does not stream, is whole."""
        self.reason = self.reason or "stop"
        return ()

    def usage(self) -> Usage | None:
        """Return the tokens of all models that worked on the answer."""
        return normalise_usage(self._usage) if self._usage else None

    def _refused(self, document: Any) -> None:
        if document.get("status") == "error" or document.get("error"):
            said = document.get("error") or document.get("message") or "The gateway named no reason."
            raise self._fault({**document, "error": said})

    def _texts(self, document: Any) -> Iterator[str]:
        if document.get("usage_metadata"):
            self._usage = jsons.mapping(document["usage_metadata"])
            number = jsons.mapping(self._usage.get("response")).get("llm_id")
            self.model = self.model if number is None else str(number)
        for message in jsons.items(document.get("output")):
            content = message.get("content")
            for part in [{"type": "output_text", "text": content}] if isinstance(content, str) else jsons.items(content):
                if part.get("type") == "output_text" and jsons.text(part.get("text")):
                    yield part["text"]


def normalise_usage(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens of ``usage_metadata``: the answer's, and those of a reranker that ran before it."""
    total = Usage()
    for part in map(jsons.mapping, usage.values()):
        read, written = jsons.mapping(part.get("input_token_details")), jsons.mapping(part.get("output_token_details"))
        total = Usage(
            input=total.input + jsons.count(part.get("input_tokens")),
            output=total.output + jsons.count(part.get("output_tokens")),
            cache_read=total.cache_read + jsons.count(read.get("cache_read")),
            cache_write=total.cache_write + jsons.count(read.get("cache_creation")),
            reasoning=total.reasoning + jsons.count(written.get("reasoning")),
        )
    return total


def _input(request: Request) -> dict[str, Any]:
    """Return a single question as ``input``, and a conversation as ``messages``."""
    if request.tools:
        raise _unfit("MatchaAI runs no tools for a caller. Leave them out, or choose another model.")
    turns = [{"role": message.role, "content": _text(message)} for message in request.messages]
    system = [request.system] if request.system else []
    if jsons.wants_json(request.response_format):
        schema = jsons.schema(request.response_format)
        system.append(_JSON_ONLY if schema is None else f"{_JSON_ONLY} It must fit this JSON schema: {jsons.written(schema)}")
    if system:
        turns.insert(0, {"role": "system", "content": "\n\n".join(system)})
    return {"input": turns[0]["content"]} if [turn["role"] for turn in turns] == ["user"] else {"messages": turns}


def _text(message: Message) -> str:
    if any(isinstance(part, Image) for part in message.parts):
        raise _unfit("MatchaAI takes text only. Leave the image out, or choose another model.")
    if any(isinstance(part, ToolCall | ToolResult) for part in message.parts):
        raise _unfit("MatchaAI cannot go on with a conversation that called tools. Choose another model.")
    return "".join(part.text for part in message.parts if isinstance(part, Text))


def _unfit(sentence: str) -> ProviderError:
    return ProviderError(sentence, kind="bad-request", provider="matchaai")


def _number(value: int | str) -> int | str:
    """Return a number the gateway wants as one; what is none goes as it is, for the gateway to refuse."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else text


def _model_info(row: Any) -> ModelInfo | None:
    number = next((row[name] for name in _IDS if isinstance(row.get(name), int | str) and not isinstance(row[name], bool)), None)
    if number is None:
        return None
    said = jsons.mapping(row.get("capabilities"))
    sizes = (jsons.count({**said, **row}.get(name)) for name in _WINDOWS)
    able = {name.removeprefix("supports_"): has for name, has in said.items() if isinstance(has, bool)}
    return ModelInfo(
        capabilities={name: able[name] for name in ("tools", "vision", "websearch") if name in able},
        vendor=jsons.text(row.get("provider")) or None,
        id=str(number),
        display_name=next((row[name] for name in _NAMES if jsons.text(row.get(name))), None),
        context_window=next((size for size in sizes if size), None),
    )
