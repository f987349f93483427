"""Sending a request into a transport that notes it, and reading bytes that arrive in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from lib.chat import Completion, Event, Message, Request
from lib.errors import ProviderError
from lib.net import new_client
from lib.providers import default_endpoint, open_adapter
from tests import replay_native
from tests.replay import openai_whole, split_at_random

ASK = Request("m", (Message("user", "Hello"),))
STREAM, LINES, JSON = "text/event-stream", "application/x-ndjson", "application/json"


class Pieces(httpx.SyncByteStream):
    """A body that arrives in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def sent(kind: str, request: Request, *, stream: bool = False, endpoint: str | None = None, **options: Any) -> httpx.Request:
    """Send a request into a transport that answers in the kind's own protocol, and return what it was given."""
    seen: list[httpx.Request] = []

    def answer(http: httpx.Request) -> httpx.Response:
        seen.append(http)
        native = replay_native.reply(http.url.path, json.loads(http.content)) or (openai_whole(), JSON)
        return httpx.Response(200, content=native[0], headers={"content-type": native[1]})

    with new_client(httpx.MockTransport(answer)) as client:
        adapter = open_adapter(kind, client=client, **{"api_key": "the-key", **options})
        if stream:
            list(adapter.stream(request, endpoint or default_endpoint(kind)))
        else:
            adapter.complete(request, endpoint or default_endpoint(kind))
    return seen[0]


def body_of(kind: str, request: Request, *, stream: bool = False, **options: Any) -> dict[str, Any]:
    """Return the JSON body that a request is sent as."""
    body: dict[str, Any] = json.loads(sent(kind, request, stream=stream, **options).content)
    return body


def read(kind: str, body: bytes, content_type: str = STREAM, seed: int | None = None) -> tuple[list[Event], ProviderError | None]:
    """Stream an answer and return its events with the error it ended in."""
    pieces = [body] if seed is None else split_at_random(body, seed)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Pieces(pieces), headers={"content-type": content_type}))
    events: list[Event] = []
    with new_client(transport) as client:
        try:
            for event in open_adapter(kind, base_url="http://provider.test", client=client).stream(ASK, default_endpoint(kind)):
                events.append(event)
        except ProviderError as error:
            return events, error
    return events, None


def whole(kind: str, document: Any) -> Completion:
    """Return an answer that came in one piece."""
    with new_client(httpx.MockTransport(lambda _: httpx.Response(200, json=document))) as client:
        return open_adapter(kind, base_url="http://provider.test", client=client).complete(ASK, default_endpoint(kind))
