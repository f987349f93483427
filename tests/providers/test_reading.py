"""What comes back, in the ways it has been seen to come back: lost words, doubled costs and invented tool calls start here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.chat import Completion, Event, Finish, Message, ReasoningDelta, Request, TextDelta, ToolCall, Usage, fold
from lib.errors import ProviderError, StreamTruncated
from lib.net import new_client
from lib.providers import ModelInfo, default_endpoint, open_adapter
from tests.replay import TEXT, anthropic_stream, openai_stream, split_at_random, sse

ASK = Request("m", (Message("user", "Hello"),))
STREAM, JSON = "text/event-stream", "application/json"


class Pieces(httpx.SyncByteStream):
    """A body that arrives in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


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
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=document))
    with new_client(transport) as client:
        return open_adapter(kind, base_url="http://provider.test", client=client).complete(ASK, default_endpoint(kind))


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int | None, arguments: str | None, id: str | None = None, name: str | None = None) -> dict[str, Any]:
    return chunk(tool_calls=[{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}])


STOP = chunk("stop")
USED = {"prompt_tokens": 10, "completion_tokens": 5}


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        pytest.param([{**STOP, "usage": USED}], Usage(10, 5), id="beside the finish"),
        pytest.param([STOP, {"model": "m-1", "choices": [], "usage": USED}], Usage(10, 5), id="beside empty choices"),
        pytest.param([STOP, {"model": "m-1", "usage": USED}], Usage(10, 5), id="without choices"),
        pytest.param([STOP], None, id="absent"),
        pytest.param([{**STOP, "usage": None}], None, id="null"),
        pytest.param([{**STOP, "x_groq": {"usage": USED}}], Usage(10, 5), id="in groq's older place"),
        pytest.param(
            [{**chunk(content="a"), "usage": {"prompt_tokens": 10, "completion_tokens": 1}}, {**STOP, "usage": USED}],
            Usage(10, 5),
            id="growing",
        ),
        pytest.param([{**STOP, "usage": {**USED, "prompt_tokens_details": {"cached_tokens": 8}}}], Usage(10, 5, cache_read=8), id="cached"),
        pytest.param([{**STOP, "usage": {**USED, "prompt_cache_hit_tokens": 7}}], Usage(10, 5, cache_read=7), id="cached, deepseek"),
        pytest.param([{**STOP, "usage": {**USED, "cached_tokens": 6}}], Usage(10, 5, cache_read=6), id="cached, beside the totals"),
        pytest.param(
            [{**STOP, "usage": {**USED, "prompt_tokens_details": {"cache_write_tokens": 4}}}],
            Usage(10, 5, cache_write=4),
            id="written, openrouter",
        ),
        pytest.param(
            [{**STOP, "usage": {**USED, "completion_tokens_details": {"reasoning_tokens": 3}}}], Usage(10, 5, reasoning=3), id="reasoning"
        ),
        pytest.param([{**STOP, "usage": {**USED, "prompt_tokens_details": None}}], Usage(10, 5), id="null details"),
        pytest.param([{**STOP, "usage": {"prompt_tokens": -1, "completion_tokens": 1e300}}], Usage(0, 0), id="nonsense"),
    ],
)
def test_usage_is_found_wherever_it_is_and_told_once(chunks: list[Any], usage: Usage | None) -> None:
    events, error = read("groq", sse(*chunks))

    assert error is None
    assert [e for e in events if isinstance(e, Usage)] == ([] if usage is None else [usage])
    assert events[-1] == Finish("stop", "m-1")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "filtered"),
        ("insufficient_system_resource", "other"),
    ],
)
def test_openai_finish_reasons(said: str, reason: str) -> None:
    assert read("openai", sse(chunk(said)))[0] == [Finish(reason, "m-1")]  # type: ignore[arg-type]  # the table's strings


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "filtered"),
        ("pause_turn", "other"),
    ],
)
def test_anthropic_finish_reasons(said: str, reason: str) -> None:
    assert whole("anthropic", {"type": "message", "model": "c", "content": [], "stop_reason": said}).finish_reason == reason


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        pytest.param([call(0, "", "a", "f"), call(0, '{"x"'), call(0, ": 1}")], [ToolCall("a", "f", {"x": 1})], id="in pieces"),
        pytest.param([call(0, "{}", "a", "f"), call(1, "{}", "b", "g")], [ToolCall("a", "f", {}), ToolCall("b", "g", {})], id="two"),
        pytest.param(
            [call(0, '{"x":', "a", "f"), call(1, '{"y":', "b", "g"), call(0, "1}"), call(1, "2}")],
            [ToolCall("a", "f", {"x": 1}), ToolCall("b", "g", {"y": 2})],
            id="interleaved",
        ),
        pytest.param(
            [call(0, "{}", "a", "f"), call(0, "{}", "b", "g")], [ToolCall("a", "f", {}), ToolCall("b", "g", {})], id="both counted 0"
        ),
        pytest.param(
            [call(None, "{}", "a", "f"), call(None, "{}", "b", "g")], [ToolCall("a", "f", {}), ToolCall("b", "g", {})], id="not counted"
        ),
        pytest.param([call(0, '{"x":', "a", "f"), call(0, "1}", "a", "f")], [ToolCall("a", "f", {"x": 1})], id="id and name repeated"),
        pytest.param([call(0, None, "a", "f")], [ToolCall("a", "f", {})], id="no arguments"),
        pytest.param([call(0, '{"x": ', "a", "f")], [ToolCall("a", "f", '{"x": ')], id="cut off"),
        pytest.param([call(0, "[1]", "a", "f")], [ToolCall("a", "f", "[1]")], id="not an object"),
        pytest.param([call(0, "{}", None, "f")], [ToolCall("call_0", "f", {})], id="without an id"),
    ],
)
def test_tool_calls_are_put_together(chunks: list[Any], calls: list[ToolCall]) -> None:
    events, error = read("openai", sse(*chunks, chunk("tool_calls")))

    assert error is None
    assert events == [*calls, Finish("tool_calls", "m-1")]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
def test_reasoning_is_told_apart_from_the_answer(delta: dict[str, Any]) -> None:
    events, _ = read("openai-compatible", sse(chunk(**delta), chunk(content="yes"), STOP))

    assert events == [ReasoningDelta("hm"), TextDelta("yes"), Finish("stop", "m-1")]


def test_openrouters_signed_reasoning_is_kept_whole_for_the_next_turn() -> None:
    pieces = [{"type": "reasoning.text", "index": 0, "text": "h"}, {"type": "reasoning.text", "index": 0, "text": "m", "signature": "s"}]
    events, _ = read("openrouter", sse(*(chunk(reasoning=p["text"], reasoning_details=[p]) for p in pieces), STOP))

    assert events[-2] == ReasoningDelta(opaque=[{"type": "reasoning.text", "index": 0, "text": "hm", "signature": "s"}])


def test_a_refusal_is_shown_and_counts_as_filtered() -> None:
    assert read("openai", sse(chunk(refusal="I cannot."), STOP))[0] == [TextDelta("I cannot."), Finish("filtered", "m-1")]


def test_groqs_word_on_why_it_stopped_early_is_passed_on() -> None:
    events, error = read("groq", sse(chunk(content="Hi"), {"choices": [], "x_groq": {"error": "over capacity, try again in 3s"}}))

    assert events == [TextDelta("Hi")]
    assert error is not None and (error.kind, error.retry_after) == ("network", 3)
    assert "over capacity" in str(error)


def test_an_error_after_the_finish_does_not_undo_the_answer() -> None:
    late = {"error": {"code": 400, "message": "Token limit reached"}, "choices": [], "usage": USED}
    events, error = read("openrouter", sse(chunk(content="Hi"), chunk("length"), late))

    assert error is None
    assert events == [TextDelta("Hi"), Usage(10, 5), Finish("length", "m-1")]


@pytest.mark.parametrize(
    "body",
    [sse(chunk(content="Hi")), sse(chunk(content="Hi"), done=False), sse(chunk(content="Hi"), done=False)[:-20], b": hello\n\n", b""],
)
def test_an_answer_without_a_finish_is_truncated(body: bytes) -> None:
    events, error = read("openai", body)

    assert isinstance(error, StreamTruncated)
    assert not any(isinstance(event, Finish) for event in events)


def test_half_a_tool_call_of_a_broken_stream_is_not_handed_out() -> None:
    events, error = read("openai", sse(call(0, '{"path": "/', "a", "delete"), done=False))

    assert isinstance(error, StreamTruncated)
    assert events == []


def test_tokens_of_a_broken_anthropic_stream_are_still_told() -> None:
    start = {"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}}}
    events, error = read("anthropic", sse(start, done=False))

    assert isinstance(error, StreamTruncated)
    assert events == [Usage(9, 1)]


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (sse(chunk(content="Hi"), {"error": {"message": "Overloaded", "code": 503}}), STREAM, "network"),
        (
            sse(chunk(content="Hi"), {"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "gone"}}]}),
            STREAM,
            "network",
        ),
        (sse(chunk("error")), STREAM, "network"),
        (b'event: error\ndata: {"message": "Rate limit reached"}\n\n', STREAM, "rate-limit"),
        (b'{"error": {"message": "no", "code": "invalid_api_key"}}', JSON, "auth"),
        (b'{"error": {"message": "no", "code": "invalid_api_key"}}', STREAM, "auth"),
        (b"<!doctype html><title>Sign in</title>", "text/html", "network"),
        (b"<!doctype html><title>Sign in</title>", STREAM, "network"),
        (b"data: {not json}\n\n", STREAM, "network"),
        (b"data: [1, 2]\n\n", STREAM, "network"),
        (b'data: {"choices": 5}\n\n', STREAM, "network"),
        (b"hello", JSON, "network"),
    ],
)
def test_an_error_inside_an_accepted_stream_is_classified(body: bytes, content_type: str, kind: str) -> None:
    _, error = read("openai", body, content_type)

    assert error is not None
    assert error.kind == kind


def test_a_server_that_does_not_stream_is_read_all_the_same() -> None:
    document = {"model": "m-1", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": USED}

    assert read("openai", json.dumps(document).encode(), JSON)[0] == [TextDelta("Hi"), Usage(10, 5), Finish("stop", "m-1")]


@pytest.mark.parametrize("document", [{}, [], 5, {"choices": []}, {"choices": [7]}, {"choices": [{"message": {"content": 5}}]}, None])
def test_a_whole_answer_of_another_shape_is_an_error_or_empty(document: Any) -> None:
    try:
        assert whole("openai", document).text == ""
    except ProviderError as error:
        assert error.kind == "network"


def test_anthropic_cache_writes_keep_their_two_classes_and_input_includes_them() -> None:
    usage = {
        "input_tokens": 4,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 7,
        "server_tool_use": {"web_search_requests": 2},
    }
    answer = whole("anthropic", {"type": "message", "model": "c", "content": [], "stop_reason": "end_turn", "usage": usage})

    assert answer.usage == Usage(input=134, output=7, cache_read=100, cache_write=30, cache_write_1h=20, extra={"web_searches": 2})


def test_anthropic_thinking_is_shown_and_its_signed_form_kept() -> None:
    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    events, error = read(
        "anthropic",
        sse(
            {"type": "message_start", "message": {"model": "c"}},
            *block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "h"},
                {"type": "thinking_delta", "thinking": "m"},
                {"type": "signature_delta", "signature": "sig"},
            ),
            *block(1, {"type": "redacted_thinking", "data": "xyz"}),
            *block(
                2,
                {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "input_json_delta", "partial_json": '{"a"'},
                {"type": "input_json_delta", "partial_json": ": 1}"},
            ),
            *block(
                3,
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "input_json_delta", "partial_json": "{}"},
            ),
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
            named=True,
        ),
    )

    assert error is None
    assert events == [
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        ReasoningDelta(opaque={"type": "thinking", "thinking": "hm", "signature": "sig"}),
        ReasoningDelta(opaque={"type": "redacted_thinking", "data": "xyz"}),
        ToolCall("t", "f", {"a": 1}),
        Finish("tool_calls", "c"),
    ]


def test_an_emoji_cut_in_two_escapes_can_still_be_stored() -> None:
    body = b'data: {"choices": [{"delta": {"content": "a\\ud83d"}, "finish_reason": "stop"}]}\n\n'
    text = fold(read("openai", body)[0]).text

    assert text.encode("utf-8") == "a\ufffd".encode()


@pytest.mark.parametrize(
    ("kind", "document", "models"),
    [
        ("openai", {"object": "list", "data": [{"id": "a"}, {"id": "b", "owned_by": "x"}]}, [ModelInfo("a"), ModelInfo("b")]),
        ("together", [{"id": "a", "display_name": "A", "context_length": 8192}], [ModelInfo("a", "A", 8192)]),
        (
            "openrouter",
            {"data": [{"id": "x/a", "name": "X: A", "context_length": 9, "top_provider": {"max_completion_tokens": 4}}]},
            [ModelInfo("x/a", "X: A", 9, 4)],
        ),
        ("vllm", {"data": [{"id": "a", "max_model_len": 4096}]}, [ModelInfo("a", None, 4096)]),
        (
            "anthropic",
            {"data": [{"id": "c", "display_name": "Claude", "max_input_tokens": 200, "max_tokens": 64}], "has_more": False},
            [ModelInfo("c", "Claude", 200, 64)],
        ),
    ],
)
def test_models_are_listed(kind: str, document: Any, models: list[ModelInfo]) -> None:
    with new_client(httpx.MockTransport(lambda _: httpx.Response(200, json=document))) as client:
        assert open_adapter(kind, client=client).models() == models


def test_all_pages_of_anthropics_models_are_read() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        second = request.url.params.get("after_id") == "c1"
        return httpx.Response(
            200, json={"data": [{"id": "c2" if second else "c1"}], "has_more": not second, "last_id": "c2" if second else "c1"}
        )

    with new_client(httpx.MockTransport(answer)) as client:
        assert [model.id for model in open_adapter("anthropic", client=client).models()] == ["c1", "c2"]


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "content",
                    "tool_calls",
                    "function",
                    "index",
                    "finish_reason",
                    "usage",
                    "prompt_tokens_details",
                    "reasoning_details",
                    "type",
                    "message",
                    "content_block",
                    "text",
                    "model",
                    "error",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
_TYPES = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
        "message",
    ]
)


@given(
    st.sampled_from(["openai", "anthropic", "openrouter"]),
    st.sampled_from([STREAM, JSON, "text/html", ""]),
    st.binary(max_size=300),
    st.integers(0, 99),
)
def test_any_bytes_end_in_a_finish_or_a_provider_error(kind: str, content_type: str, body: bytes, seed: int) -> None:
    events, error = read(kind, body, content_type, seed)

    assert error is not None or isinstance(events[-1], Finish)


@given(st.sampled_from(["openai", "anthropic", "openrouter"]), st.lists(st.tuples(_TYPES, _VALUE), max_size=4))
def test_any_json_ends_in_a_finish_or_a_provider_error(kind: str, documents: list[tuple[str, Any]]) -> None:
    shaped = [{**value, "type": name} if kind == "anthropic" and isinstance(value, dict) else value for name, value in documents]
    events, error = read(kind, sse(*shaped))

    if error is None:
        assert isinstance(events[-1], Finish)
        assert sum(isinstance(event, Usage) for event in events) <= 1
        fold(events)


@given(st.sampled_from([("openai", openai_stream()), ("anthropic", anthropic_stream())]), st.data())
def test_a_damaged_stream_never_passes_for_more_than_was_said(stream: tuple[str, bytes], data: st.DataObject) -> None:
    kind, body = stream
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 200)))
    events, error = read(kind, body[:start] + data.draw(st.binary(max_size=3)) + body[end:], seed=start)

    assert error is not None or isinstance(events[-1], Finish)
    assert sum(isinstance(event, Usage) for event in events) <= 1


@given(st.sampled_from([("openai", openai_stream()), ("anthropic", anthropic_stream())]), st.integers(0, 10_000))
def test_a_stream_cut_anywhere_is_a_prefix_and_says_so(stream: tuple[str, bytes], cut: int) -> None:
    kind, body = stream
    events, error = read(kind, body[: cut % len(body)], seed=cut)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))

    assert TEXT.startswith(text)
    assert isinstance(error, StreamTruncated) or text == TEXT
