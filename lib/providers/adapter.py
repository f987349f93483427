"""What every adapter offers, and the reading of an answer that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from lib.chat import Completion, Event, Finish, FinishReason, Request, Usage, fold
from lib.errors import ProviderError, StreamTruncated
from lib.providers.catalog import ProviderKind
from lib.providers.sse import Decoder, Framing
from lib.providers.transport import MALFORMED, Transport

CHAT = "chat"
"""The type of a model that can be asked."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model as its provider lists it; sizes in tokens, None when the provider does not say.

    ``capabilities`` holds what the provider says it can (True) and cannot (False) do; what it is silent on is left out.
    ``model_type`` is "chat" unless the provider says that it is something else, such as "embedding". ``base`` is the model
    behind a deployment, whose id is a name of one's own.
    """

    id: str
    display_name: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: Mapping[str, bool] = field(default_factory=dict)
    vendor: str | None = None
    model_type: str = CHAT
    base: str | None = None


class ProviderAdapter(Protocol):
    """One provider that can be called; every failure is a ProviderError.

    ``endpoints`` are what it can speak in this version. ``stream`` yields events as they arrive, Usage at most
    once, Finish last, and raises StreamTruncated when the answer ends without one; closing it cancels the call.
    """

    @property
    def endpoints(self) -> frozenset[str]: ...
    def complete(self, request: Request, endpoint: str) -> Completion: ...
    def stream(self, request: Request, endpoint: str) -> Iterator[Event]: ...
    def models(self) -> list[ModelInfo]: ...


@runtime_checkable
class ListsAll(Protocol):
    """An adapter whose provider's list also holds what cannot be asked, and says so."""

    def all_models(self) -> list[ModelInfo]: ...


def all_models(lister: ProviderAdapter) -> list[ModelInfo]:
    """Return everything a provider lists; ``models()`` leaves out what the provider says is no model for chats."""
    return lister.all_models() if isinstance(lister, ListsAll) else lister.models()


def chats(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """Return the models that can be asked, as far as their provider says."""
    return [model for model in models if model.model_type == CHAT]


class Reader(Protocol):
    """Turns one answer's JSON documents into events, keeping what is only known at its end."""

    ended: bool
    """Whether the protocol's own last event has been read."""
    reason: FinishReason | None
    model: str | None

    def read(self, document: Any) -> Sequence[Event]:
        """Return the events of one streamed document; raise the error that it describes."""
        ...

    def read_whole(self, document: Any) -> Sequence[Event]:
        """Return the events of an answer that came in one piece."""
        ...

    def rest(self) -> Sequence[Event]:
        """Return what is complete only now that the stream has ended as it should."""
        ...

    def usage(self) -> Usage | None:
        """Return the tokens reported so far, None when there was no report."""
        ...


class ByEndpoint:
    """One provider that speaks several wire formats, each at its own endpoint; the default one lists the models."""

    def __init__(self, kind: ProviderKind, speakers: Mapping[str, ProviderAdapter]) -> None:
        self._kind = kind
        self._speakers = speakers
        self.endpoints = frozenset(speakers)

    def complete(self, request: Request, endpoint: str) -> Completion:
        """Return the whole answer."""
        return self._speakers[check_endpoint(self._kind, endpoint)].complete(request, endpoint)

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        """Yield the answer's events as they arrive."""
        return self._speakers[check_endpoint(self._kind, endpoint)].stream(request, endpoint)

    def models(self) -> list[ModelInfo]:
        """Return the models this key may see."""
        return self._speakers[self._kind.default_endpoint].models()

    def all_models(self) -> list[ModelInfo]:
        """Return everything that is listed."""
        return all_models(self._speakers[self._kind.default_endpoint])


def check_endpoint(kind: ProviderKind, endpoint: str) -> str:
    """Return the endpoint's name without ``v1/``; raise when this kind does not speak it."""
    name = endpoint.strip("/").removeprefix("v1/")
    if name not in kind.endpoints:
        spoken = " or ".join(sorted(kind.endpoints))
        raise ProviderError(
            f"{kind.label} is called through {spoken} in this version, not through {name}.",
            kind="model-incompatible",
            provider=kind.kind,
        )
    return name


def complete(transport: Transport, path: str, body: Mapping[str, Any], reader: Reader) -> Completion:
    """Ask for a whole answer and return it."""
    document = transport.post(path, body)
    try:
        return fold([*reader.read_whole(document), *_end(reader, transport)])
    except MALFORMED:
        raise transport.unreadable() from None


def stream(
    transport: Transport, path: str, body: Mapping[str, Any], reader: Reader, framing: Callable[[], Framing] = Decoder
) -> Iterator[Event]:
    """Ask for a streamed answer and yield its events."""
    answer = transport.stream(path, body, framing)
    read = reader.read
    try:
        with closing(answer.documents()) as documents:
            for document in documents:
                yield from read(document)
                if reader.ended:
                    answer.ended = True
    except ProviderError:
        if reader.reason is None:
            yield from _usage(reader)  # what was used until then is billed all the same
            raise
    except MALFORMED:
        raise transport.unreadable() from None
    if answer.ended or reader.reason is not None:
        yield from reader.rest()
    yield from _end(reader, transport)


def _end(reader: Reader, transport: Transport) -> Iterator[Event]:
    yield from _usage(reader)
    if reader.reason is None:
        raise StreamTruncated(provider=transport.provider)
    yield Finish(reader.reason, reader.model)


def _usage(reader: Reader) -> Iterator[Event]:
    if (usage := reader.usage()) is not None:
        yield usage
