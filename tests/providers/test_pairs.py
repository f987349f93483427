"""Whatever an answer holds, streamed it reads as it does whole: what a page shows and what a program gets are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from lib.chat import Completion, Message, Request, fold
from lib.net import new_client
from lib.providers import open_adapter
from tests.replay import split_at_random, sse
from tests.replay_responses import MODEL, USAGE, call_events, call_item, ended, events, response, started

ASK = Request("m", (Message("user", "Hello"),))
CHAT_USAGE = {"prompt_tokens": 1200, "completion_tokens": 34, "prompt_tokens_details": {"cached_tokens": 1000}}


@dataclass(frozen=True)
class Answer:
    """What a model said, in the pieces in which it said it."""

    reasoning: list[str]
    text: list[str]
    calls: list[list[str]]
    cut_off: bool


_PIECES = st.lists(st.text(min_size=1, max_size=8), max_size=4)
_ARGUMENTS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3).map(json.dumps)
ANSWERS = st.builds(
    Answer, _PIECES, _PIECES, st.lists(st.tuples(_ARGUMENTS, st.integers(1, 9)).map(lambda a: _cut(*a)), max_size=3), st.booleans()
)


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


class Pieces(httpx.SyncByteStream):
    """A body that arrives in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def both(kind: str, endpoint: str, stream: bytes, whole: Any, seed: int) -> tuple[Completion, Completion]:
    """Return what an adapter makes of an answer that is streamed in pieces cut at random, and of the same one whole."""

    def answer(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content).get("stream"):
            return httpx.Response(200, stream=Pieces(split_at_random(stream, seed)), headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=whole)

    with new_client(httpx.MockTransport(answer)) as client:
        adapter = open_adapter(kind, base_url="http://provider.test", client=client)
        return fold(adapter.stream(ASK, endpoint)), adapter.complete(ASK, endpoint)


def as_chat(answer: Answer, field: str) -> tuple[bytes, Any]:
    """Write an answer in chat/completions, its reasoning in the given field."""
    reason = "length" if answer.cut_off else "tool_calls" if answer.calls else "stop"
    deltas: list[dict[str, Any]] = [{"role": "assistant"}, *({field: piece} for piece in answer.reasoning)]
    deltas += [{"content": piece} for piece in answer.text]
    for n, pieces in enumerate(answer.calls):
        deltas.append({"tool_calls": [{"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": n, "function": {"arguments": piece}}]} for piece in pieces]
    chunks = [{"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": CHAT_USAGE}
    calls = [{"id": f"c{n}", "function": {"name": "f", "arguments": "".join(pieces)}} for n, pieces in enumerate(answer.calls)]
    message = {"role": "assistant", "content": "".join(answer.text) or None, field: "".join(answer.reasoning) or None, "tool_calls": calls}
    return sse(*chunks, last), {"model": MODEL, "choices": [{"message": message, "finish_reason": reason}], "usage": CHAT_USAGE}


def as_response(answer: Answer) -> tuple[bytes, Any]:
    """Write an answer in responses: reasoning, a message and calls as items of their own."""
    output: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    if answer.reasoning:
        place = {"output_index": 0, "summary_index": 0}
        said += [{"type": "response.reasoning_summary_text.delta", **place, "delta": piece} for piece in answer.reasoning]
        output.append({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "".join(answer.reasoning)}]})
        said.append({"type": "response.output_item.done", "output_index": 0, "item": output[-1]})
    if answer.text:
        said += [{"type": "response.output_text.delta", "output_index": len(output), "delta": piece} for piece in answer.text]
        output.append({"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "".join(answer.text)}]})
        said.append({"type": "response.output_item.done", "output_index": len(output) - 1, "item": output[-1]})
    for n, pieces in enumerate(answer.calls):
        said += call_events(n, len(output), *pieces)
        output.append(call_item(n, "".join(pieces)))
    name, details = ("incomplete", {"reason": "max_output_tokens"}) if answer.cut_off else ("completed", None)
    last = ended(*output, name=name, incomplete_details=details)
    return events(started(), *said, last), response(*output, status=name, incomplete_details=details)


@given(ANSWERS, st.sampled_from([("openai", "reasoning_content"), ("openrouter", "reasoning"), ("groq", "reasoning")]), st.integers(0, 99))
def test_a_chat_is_the_same_streamed_and_whole(answer: Answer, way: tuple[str, str], seed: int) -> None:
    kind, field = way
    streamed, whole = both(kind, "chat/completions", *as_chat(answer, field), seed)

    assert streamed == whole
    assert (streamed.text, streamed.reasoning) == ("".join(answer.text), "".join(answer.reasoning))
    assert len(streamed.tool_calls) == len(answer.calls)
    assert streamed.usage is not None and streamed.usage.cache_read == 1000


@given(ANSWERS, st.sampled_from(["openai", "azure", "openrouter"]), st.integers(0, 99))
def test_a_response_is_the_same_streamed_and_whole(answer: Answer, kind: str, seed: int) -> None:
    streamed, whole = both(kind, "responses", *as_response(answer), seed)

    assert streamed == whole
    assert (streamed.text, streamed.reasoning) == ("".join(answer.text), "".join(answer.reasoning))
    assert len(streamed.tool_calls) == len(answer.calls)
    assert streamed.usage is not None and streamed.usage.input == USAGE["input_tokens"]
    assert streamed.finish_reason == ("length" if answer.cut_off else "tool_calls" if answer.calls else "stop")
