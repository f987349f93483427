"""Recorded traffic of real providers, arriving in pieces cut at random, reads as what was said.

Recordings whose expectation is not ours:

- anthropic/anthropic-c1c2674056.json: the stream starts a second message after showing reasoning of the first. It
  expects only the second's reasoning; what a reader has seen cannot be taken back, so ours holds both.
- openai_chat/openai_chat-9b9c206e6a.json: no chunk has a finish reason, so the answer counts as truncated. Its tool
  call and usage, complete by then, are still handed out.
- azure/azure-f3f74c4cb4.json: an error document with status 200. It expects an empty answer; ours is the error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from lib.chat import Completion, Event, Finish, Message, Request, fold
from lib.errors import ProviderError, StreamTruncated
from lib.net import new_client
from lib.providers import KINDS, anthropic, cohere, google, ollama, open_adapter, openai_chat, openai_responses
from tests.replay import ReplayServer, recorded, split_at_random

_DIR = os.environ.get("CONFORMANCE_DIR")
if not _DIR:
    pytest.skip("CONFORMANCE_DIR is not set: no recorded traffic to read", allow_module_level=True)

ENDPOINTS = {
    "openai_chat": "chat/completions",
    "responses": "responses",
    "anthropic": "messages",
    "google": "generateContent",
    "cohere2": "v2/chat",
    "ollama": "api/chat",
}
REASONS: dict[str, Mapping[Any, str]] = {
    "openai_chat": openai_chat.FINISH_REASONS,
    "responses": openai_responses.FINISH_REASONS,
    "anthropic": anthropic.FINISH_REASONS,
    "google": google.FINISH_REASONS,
    "cohere2": cohere.FINISH_REASONS,
    "ollama": ollama.FINISH_REASONS,
}
ASK = Request("m", (Message("user", "Hello"),))
SEEDS = range(8)
REASONING = {"anthropic-c1c2674056.json": "I will call the tool.Let me call the tool."}
NO_FINISH = {"openai_chat-9b9c206e6a.json"}
REFUSED = {"azure-f3f74c4cb4.json": "content-filter"}


def _recordings() -> list[Path]:
    paths = sorted(Path(_DIR or "").glob("traffic/*/*.json"))
    return [path for path in paths if json.loads(path.read_text(encoding="utf-8"))["api"] in ENDPOINTS]


RECORDINGS = _recordings()


class Pieces(httpx.SyncByteStream):
    """A body that arrives in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def kind_of(recording: dict[str, Any]) -> str:
    """Return the recording's provider, or OpenAI when this one is not called through that API here."""
    provider = recording["provider"]
    return provider if provider in KINDS and ENDPOINTS[recording["api"]] in KINDS[provider].endpoints else "openai"


def read(recording: dict[str, Any], seed: int) -> tuple[Completion, ProviderError | None]:
    """Return what the adapter makes of a recording, and the error it ended in."""
    response, kind = recording["response"], kind_of(recording)
    pieces = split_at_random(response["body"].encode(), seed)
    answer = httpx.Response(response["status"], stream=Pieces(pieces), headers={"content-type": response["content_type"]})
    events: list[Event] = []
    with new_client(httpx.MockTransport(lambda _: answer)) as client:
        adapter = open_adapter(kind, base_url="http://provider.test", api_key="k", client=client)
        try:
            if not recording["stream"]:
                return adapter.complete(ASK, ENDPOINTS[recording["api"]]), None
            for event in adapter.stream(ASK, ENDPOINTS[recording["api"]]):
                events.append(event)
        except ProviderError as error:
            return fold([*events, Finish("other")]), error
    return fold(events), None


def comparable(calls: Any) -> list[tuple[str, str, Any]]:
    """Return tool calls with their arguments parsed where they are JSON."""

    def parsed(arguments: Any) -> Any:
        try:
            return json.loads(arguments) if isinstance(arguments, str) else dict(arguments)
        except ValueError:
            return arguments

    return [(call["id"], call["name"], parsed(call["arguments"])) for call in calls]


def reason_of(recording: dict[str, Any]) -> str:
    """Return our word for how a recording ended; only some protocols have a reason of their own for tool calls."""
    expected = recording["expected"]
    reason = REASONS[recording["api"]].get(expected["finish_reason"], "other")
    return "tool_calls" if expected["tool_calls"] and reason == "stop" and recording["api"] in ("google", "ollama", "responses") else reason


def with_ids(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return expected tool calls, numbered where the protocol gives them no id."""
    return [{**call, "id": call["id"] or f"call_{n}"} for n, call in enumerate(calls)]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_reads_as_what_was_said(path: Path) -> None:
    recording = json.loads(path.read_text(encoding="utf-8"))
    expected = recording["expected"]
    for seed in SEEDS:
        answer, error = read(recording, seed)
        if path.name in REFUSED:
            assert error is not None and error.kind == REFUSED[path.name]
            return
        assert (isinstance(error, StreamTruncated), error is None) == ((True, False) if path.name in NO_FINISH else (False, True))
        assert answer.text == expected["text"]
        assert answer.reasoning == REASONING.get(path.name, expected["thinking"])
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
        assert comparable(calls) == comparable(with_ids(expected["tool_calls"]))
        if path.name not in NO_FINISH:
            assert (answer.finish_reason, answer.model) == (reason_of(recording), expected["model"])
        check_usage(answer, expected["usage"])


def check_usage(answer: Completion, expected: dict[str, Any] | None) -> None:
    if expected is None:
        assert answer.usage is None
        return
    assert answer.usage is not None
    ours = (answer.usage.input, answer.usage.output, answer.usage.cache_read, answer.usage.cache_write, answer.usage.reasoning)
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    assert ours == tuple(expected[name] for name in names)
    assert answer.usage.cache_write_1h == (expected.get("cache_write_1h") or 0)


@pytest.mark.parametrize("api", ["openai_chat", "responses", "anthropic", "google", "cohere2"])
def test_a_recording_over_a_real_socket_reads_the_same(api: str) -> None:
    """The replay server stands in for the provider, one connection for all of its recordings."""
    found = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in RECORDINGS]
    chosen = [(path, r) for path, r in found if r["api"] == api and r["stream"] and path.name not in NO_FINISH]
    assert chosen
    with ReplayServer(*(recorded(path, split=7) for path, _ in chosen)) as server, new_client() as client:
        for _, recording in chosen:
            kind = kind_of(recording)
            adapter = open_adapter(kind, base_url=server.base_url, api_key="k", client=client)
            assert fold(adapter.stream(ASK, ENDPOINTS[api])).text == recording["expected"]["text"]
        assert server.connections == 1


def _asked(api: str) -> list[Path]:
    found = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in RECORDINGS]
    return [path for path, r in found if r["api"] == api and r["request"] and r["request"]["json"] and r["request"]["url"]]


@pytest.mark.parametrize("path", [*_asked("openai_chat"), *_asked("responses")], ids=lambda path: path.stem)
def test_a_recorded_request_goes_to_the_address_it_went_to(path: Path) -> None:
    """A base URL as it is typed, and Azure's dated version as a setting, lead back to the recorded address."""
    recording = json.loads(path.read_text(encoding="utf-8"))
    asked, endpoint = recording["request"], ENDPOINTS[recording["api"]]
    url = httpx.URL(asked["url"].partition("#")[0])
    version = url.params.get("api-version")
    base_url = str(url.copy_with(query=None)).removesuffix(endpoint)
    seen: list[httpx.URL] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(418)

    with new_client(httpx.MockTransport(refuse)) as client:
        options = {"api_version": version} if version else {}
        adapter = open_adapter(kind_of(recording), base_url=base_url, api_key="k", client=client, **options)
        with pytest.raises(ProviderError):
            adapter.complete(Request(asked["json"]["model"], ASK.messages), endpoint)
    assert seen == [url]


STREAMED_RESPONSES = [p for p in RECORDINGS if (r := json.loads(p.read_text(encoding="utf-8")))["api"] == "responses" and r["stream"]]


@pytest.mark.parametrize("path", STREAMED_RESPONSES, ids=lambda path: path.stem)
def test_a_streamed_response_is_the_whole_one_that_its_last_event_holds(path: Path) -> None:
    recording = json.loads(path.read_text(encoding="utf-8"))
    lines = [line[5:] for line in recording["response"]["body"].splitlines() if line.startswith("data:") and "[DONE]" not in line]
    last = json.loads(lines[-1])["response"]
    response = {"status": 200, "content_type": "application/json", "body": json.dumps(last)}

    assert read({**recording, "stream": False, "response": response}, 0) == read(recording, 0)
