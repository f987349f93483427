"""OpenAI's responses endpoint: what goes out to it and what comes back, so that models served only there work like all others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.chat import (
    Completion,
    Event,
    Finish,
    Image,
    Message,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    fold,
)
from lib.errors import ProviderError, StreamTruncated
from lib.net import new_client
from lib.providers import KINDS, open_adapter
from tests.replay import split_at_random
from tests.replay_responses import (
    MESSAGE,
    MODEL,
    REASONING,
    WORDS,
    call_events,
    call_item,
    ended,
    events,
    reasoning_events,
    response,
    responses_stream,
    responses_whole,
    started,
    text_events,
)

ASK = Request("m", (Message("user", "Hello"),))
HELLO = (Message("user", "Hello"),)
STREAM, JSON = "text/event-stream", "application/json"
SPEAKERS = [kind for kind, row in KINDS.items() if "responses" in row.endpoints]
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = ToolCall("call_1", "weather", {"city": "Zürich"})
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
USED = Usage(1200, 34, cache_read=1000, reasoning=20)
TEXT = "".join(WORDS)


class Pieces(httpx.SyncByteStream):
    """A body that arrives in the given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def read(body: bytes, content_type: str = STREAM, seed: int | None = None) -> tuple[list[Event], ProviderError | None]:
    """Stream an answer and return its events with the error it ended in."""
    pieces = [body] if seed is None else split_at_random(body, seed)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Pieces(pieces), headers={"content-type": content_type}))
    found: list[Event] = []
    with new_client(transport) as client:
        try:
            for event in open_adapter("openai", base_url="http://provider.test", client=client).stream(ASK, "responses"):
                found.append(event)
        except ProviderError as error:
            return found, error
    return found, None


def whole(document: Any) -> Completion:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=document))
    with new_client(transport) as client:
        return open_adapter("openai", base_url="http://provider.test", client=client).complete(ASK, "responses")


def sent(kind: str, request: Request, *, stream: bool = False, **options: Any) -> httpx.Request:
    """Send a request into a transport that answers as any provider would, and return what it was given."""
    seen: list[httpx.Request] = []

    def answer(http: httpx.Request) -> httpx.Response:
        seen.append(http)
        return httpx.Response(200, content=responses_whole(), headers={"content-type": JSON})

    with new_client(httpx.MockTransport(answer)) as client:
        adapter = open_adapter(kind, client=client, **{"api_key": "the-key", **options})
        list(adapter.stream(request, "responses")) if stream else adapter.complete(request, "v1/responses")
    return seen[0]


def body_of(kind: str, request: Request, **options: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sent(kind, request, **options).content)
    return body


@pytest.mark.parametrize(
    ("kind", "base_url", "url", "header", "value"),
    [
        ("openai", None, "https://api.openai.com/v1/responses", "authorization", "Bearer the-key"),
        ("openai", "https://api.openai.com/v1/responses", "https://api.openai.com/v1/responses", "authorization", "Bearer the-key"),
        ("azure", "https://team.openai.azure.com", "https://team.openai.azure.com/openai/v1/responses", "api-key", "the-key"),
        ("openrouter", None, "https://openrouter.ai/api/v1/responses", "authorization", "Bearer the-key"),
        ("openai-compatible", "http://10.0.0.5:9000/v1", "http://10.0.0.5:9000/v1/responses", "authorization", "Bearer the-key"),
    ],
)
def test_each_kind_is_called_at_its_address_with_its_key(kind: str, base_url: str | None, url: str, header: str, value: str) -> None:
    request = sent(kind, ASK, base_url=base_url)

    assert (request.method, str(request.url), request.headers[header]) == ("POST", url, value)
    assert not {"authorization", "api-key"} - {header} & set(request.headers)


def test_the_kinds_of_the_product_that_speak_responses_do() -> None:
    assert {"openai", "azure", "openrouter"} <= set(SPEAKERS)
    assert all(KINDS[kind].default_endpoint == "chat/completions" for kind in SPEAKERS)


ROUND = (
    *HELLO,
    Message("assistant", (Reasoning("hm", REASONING), Text("Let me look."), CALL)),
    Message("tool", (ToolResult("call_1", "sunny"), ToolResult("call_2", "rain"))),
    Message("user", "Well?"),
)
USER = {"role": "user", "content": "Hello"}
SENT_CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Zürich"}'}
CASES: dict[str, tuple[Request, dict[str, Any]]] = {
    "the least": (Request("m", HELLO), {"input": [USER]}),
    "everything simple": (
        Request("m", HELLO, system="Be brief.", temperature=0.0, top_p=0.9, max_tokens=50, extra={"metadata": {"a": "b"}}),
        {
            "input": [USER],
            "instructions": "Be brief.",
            "temperature": 0.0,
            "top_p": 0.9,
            "max_output_tokens": 50,
            "metadata": {"a": "b"},
        },
    ),
    "a system turn": (
        Request("m", (Message("system", "Rules."), *HELLO)),
        {"input": [{"role": "system", "content": "Rules."}, USER]},
    ),
    "images": (
        Request("m", (Message("user", (Text("Look:"), Image("image/png", b"\x89PNG"), Image(url="https://x.test/a.png"))),)),
        {
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "Look:"},
                        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="},
                        {"type": "input_image", "image_url": "https://x.test/a.png"},
                    ],
                }
            ]
        },
    ),
    "tools": (
        Request("m", HELLO, tools=(WEATHER,), tool_choice="required"),
        {
            "input": [USER],
            "tools": [
                {
                    "type": "function",
                    "name": "weather",
                    "description": "Tells the weather.",
                    "parameters": dict(WEATHER.parameters),
                    "strict": False,
                }
            ],
            "tool_choice": "required",
        },
    ),
    "one named tool": (
        Request("m", HELLO, tool_choice="weather"),
        {"input": [USER], "tool_choice": {"type": "function", "name": "weather"}},
    ),
    "a round of tool calls": (
        Request("m", ROUND),
        {
            "input": [
                USER,
                REASONING,
                {"role": "assistant", "content": "Let me look."},
                SENT_CALL,
                {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
                {"type": "function_call_output", "call_id": "call_2", "output": "rain"},
                {"role": "user", "content": "Well?"},
            ]
        },
    ),
    "json": (
        Request("m", (Message("user", "Hello, as json"),), response_format="json"),
        {"input": [{"role": "user", "content": "Hello, as json"}], "text": {"format": {"type": "json_object"}}},
    ),
    "json, unsaid": (
        Request("m", HELLO, response_format="json"),
        {
            "input": [{"role": "system", "content": "Answer with one JSON object and nothing else."}, USER],
            "text": {"format": {"type": "json_object"}},
        },
    ),
    "a schema": (
        Request("m", HELLO, response_format=SCHEMA),
        {"input": [USER], "text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}}},
    ),
    "a named schema": (
        Request("m", HELLO, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}),
        {"input": [USER], "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}}},
    ),
    "effort": (
        Request("m", HELLO, reasoning_effort="low"),
        {"input": [USER], "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]},
    ),
    "a model that reasons by default": (
        Request("gpt-5-mini", HELLO),
        {"model": "gpt-5-mini", "input": [USER], "include": ["reasoning.encrypted_content"]},
    ),
    "a chat model of the same family": (Request("gpt-5-chat-latest", HELLO), {"model": "gpt-5-chat-latest", "input": [USER]}),
    "fields of the other endpoint": (
        Request("m", HELLO, stop=("END",), extra={"seed": 7, "max_tokens": None, "max_completion_tokens": 9, "verbosity": "low"}),
        {"input": [USER], "max_output_tokens": 9, "text": {"verbosity": "low"}},
    ),
    "fields of its own": (
        Request("m", HELLO, reasoning_effort="low", extra={"reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}}),
        {
            "input": [USER],
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"verbosity": "low"},
            "include": ["reasoning.encrypted_content"],
        },
    ),
}


@pytest.mark.parametrize("kind", ["openai", "azure", "openai-compatible"])
@pytest.mark.parametrize("case", CASES)
def test_responses_bodies(kind: str, case: str) -> None:
    request, expected = CASES[case]

    assert body_of(kind, request, base_url="https://x.test/v1") == {"model": "m", "store": False, **expected}


@pytest.mark.parametrize("kind", ["openai", "openrouter"])
@pytest.mark.parametrize("case", CASES)
def test_a_stream_asks_for_the_same_as_a_whole_answer(kind: str, case: str) -> None:
    request, _ = CASES[case]

    assert body_of(kind, request, stream=True) == {**body_of(kind, request), "stream": True}


def test_nothing_is_kept_at_the_provider_unless_the_request_says_so() -> None:
    turn = Message("assistant", (Reasoning("", {"type": "reasoning", "id": "rs_1", "summary": []}), Text("Yes.")))
    kept = body_of("openai", Request("gpt-5", (turn,), extra={"store": True}))
    unkept = body_of("openai", Request("gpt-5", (turn,)))

    assert (kept["store"], "include" in kept) == (True, False)
    assert kept["input"][0] == {"type": "reasoning", "id": "rs_1", "summary": []}
    assert unkept["input"] == [{"role": "assistant", "content": "Yes."}]  # its id alone would not be found there


@pytest.mark.parametrize(
    "parts",
    [
        (Text("Yes."), Reasoning("", REASONING)),  # an answer that was cut off while thinking on
        (Reasoning("", {"type": "thinking", "thinking": "hm", "signature": "s"}), Text("Yes.")),
        (Reasoning("", [{"type": "reasoning.text", "text": "hm"}]), Text("Yes.")),
        (Reasoning("only visible"), Text("Yes.")),
    ],
)
def test_reasoning_that_would_be_refused_is_not_handed_back(parts: tuple[Any, ...]) -> None:
    assert body_of("openai", Request("gpt-5", (Message("assistant", parts),)))["input"] == [{"role": "assistant", "content": "Yes."}]


def test_openrouter_gets_the_ids_it_asks_of_earlier_answers_the_same_ones_each_time() -> None:
    first, again = (body_of("openrouter", Request("m", ROUND))["input"] for _ in range(2))

    assert first == again
    assert first[1] == REASONING
    assert (first[2]["id"][:4], first[2]["status"], first[2]["content"][0]["text"]) == ("msg_", "completed", "Let me look.")
    assert (first[3]["id"][:3], first[3]["call_id"]) == ("fc_", "call_1")


@pytest.mark.parametrize(
    ("model", "asked"), [("gpt-5", {"summary": "auto"}), ("gpt-4o", None)]
)  # a model that does not reason refuses to be asked
def test_a_summary_of_reasoning_is_asked_for_where_the_provider_is_set_to(model: str, asked: Any) -> None:
    assert body_of("openai", Request(model, HELLO), reasoning_summary="auto").get("reasoning") == asked


def test_a_streamed_answer_is_the_whole_one() -> None:
    found, error = read(responses_stream())

    assert error is None
    assert fold(found) == whole(json.loads(responses_whole()))
    assert fold(found) == Completion(TEXT, "Ask why.\n\nThen say it.", (), USED, "stop", MODEL)
    assert [type(event) for event in found[-2:]] == [Usage, Finish]


def test_sealed_reasoning_comes_before_what_it_led_to() -> None:
    found, _ = read(responses_stream())
    at = found.index(ReasoningDelta(opaque=REASONING))

    assert found[at - 1] == ReasoningDelta("\n\nThen say it.")
    assert found[at + 1] == TextDelta("Water")


@pytest.mark.parametrize("seed", range(20))
def test_where_the_bytes_are_cut_changes_nothing(seed: int) -> None:
    body = responses_stream().replace(b"Water", "Wässer".encode())

    assert read(body, seed=seed) == read(body)


TWO = [call_item(1, '{"x": 1}'), call_item(2, "{}")]
TOLD = [ToolCall("call_1", "weather", {"x": 1}), ToolCall("call_2", "weather", {})]


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param([*call_events(1, 0, '{"x"', ": ", "1}"), *call_events(2, 1, "{}"), ended(*TWO)], id="one after the other"),
        pytest.param(
            [x for pair in zip(call_events(1, 0, '{"x": ', "1}"), call_events(2, 1, "{", "}"), strict=True) for x in pair] + [ended(*TWO)],
            id="interleaved",
        ),
        pytest.param([ended(*TWO)], id="only at the end"),
        pytest.param([*call_events(1, 0, '{"x": 1}')[:-1], *call_events(2, 1, "{}")[:-1], ended()], id="never finished by themselves"),
        pytest.param([*call_events(1, 0, '{"x": ', "1}")[:-2], *call_events(2, 1, "{}")[:-2], ended()], id="only in pieces"),
        pytest.param(
            [{k: v for k, v in d.items() if k != "output_index"} for d in [*call_events(1, 0, '{"x": 1}'), *call_events(2, 1, "{}")]]
            + [ended(*TWO)],
            id="not counted",
        ),
    ],
)
def test_tool_calls_are_put_together_and_told_once(documents: list[Any]) -> None:
    found, error = read(events(started(), *documents))

    assert error is None
    assert found == [*TOLD, USED, Finish("tool_calls", MODEL)]


@pytest.mark.parametrize(("arguments", "expected"), [("", {}), ('{"x": ', '{"x": '), ("[1]", "[1]"), ('{"a": "é"}', {"a": "é"})])
def test_arguments_are_a_mapping_or_what_was_said(arguments: str, expected: Any) -> None:
    assert whole(response(call_item(1, arguments))).tool_calls == (ToolCall("call_1", "weather", expected),)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (response(MESSAGE), "stop"),
        (response(MESSAGE, status="complete"), "stop"),
        (response(call_item(1, "{}")), "tool_calls"),
        (response(MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (response(MESSAGE, status="incomplete", incomplete_details={"reason": "content_filter"}), "filtered"),
        (response(call_item(1, '{"x'), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (response(MESSAGE, status="incomplete", incomplete_details=None), "other"),
        (response(status="queued", usage=None), "other"),
        (response(status="cancelled"), "other"),
    ],
)
def test_why_an_answer_ended(document: dict[str, Any], reason: str) -> None:
    name = document["status"] if document["status"] != "complete" else "completed"

    assert whole(document).finish_reason == reason
    if name in ("completed", "incomplete", "cancelled"):
        assert read(events({"type": f"response.{name}", "response": document}))[0][-1] == Finish(reason, MODEL)


def test_a_refusal_is_shown_and_counts_as_filtered() -> None:
    message = {**MESSAGE, "content": [{"type": "refusal", "refusal": "I cannot."}]}
    delta = {"type": "response.refusal.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "I cannot."}

    assert read(events(delta, ended(message)))[0] == [TextDelta("I cannot."), USED, Finish("filtered", MODEL)]
    assert whole(response(message)).finish_reason == "filtered"


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param([ended(REASONING, MESSAGE)], id="all at the end"),
        pytest.param([response(REASONING, MESSAGE)], id="the answer itself"),
        pytest.param([*reasoning_events(), *text_events(), ended()], id="an end without output"),
        pytest.param([reasoning_events()[-1], text_events()[-1], ended()], id="items without deltas"),
        pytest.param([reasoning_events()[-1], text_events()[-1], ended(REASONING, MESSAGE)], id="items without deltas, again at the end"),
        pytest.param([*reasoning_events(), *text_events(), ended(REASONING, MESSAGE), started()], id="more after the end"),
    ],
)
def test_nothing_is_lost_or_told_twice_however_little_the_events_say(documents: list[Any]) -> None:
    found, error = read(events(*documents))

    assert error is None
    assert fold(found) == Completion(TEXT, "Ask why.\n\nThen say it.", (), USED, "stop", MODEL)
    assert [e for e in found if isinstance(e, ReasoningDelta) and e.opaque is not None] == [ReasoningDelta(opaque=REASONING)]


def test_a_server_that_does_not_stream_is_understood() -> None:
    found, error = read(responses_whole(), JSON)

    assert error is None
    assert fold(found).text == TEXT


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5, "input_tokens_details": None, "output_tokens_details": None}, Usage(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cache_write_tokens": 4}}, Usage(10, 5, cache_write=4)),
        (None, None),
        ({"input_tokens": -1, "output_tokens": "many"}, Usage(0, 0)),
    ],
)
def test_usage_is_read_with_its_parts(usage: Any, expected: Usage | None) -> None:
    assert whole(response(MESSAGE, usage=usage)).usage == expected


def test_web_searches_are_counted_since_each_is_billed() -> None:
    searches = [
        {"type": "web_search_call", "id": f"ws_{n}", "action": {"type": kind}} for n, kind in enumerate(("search", "open_page", "search"))
    ]
    usage = whole(response(*searches, MESSAGE)).usage

    assert usage is not None and usage.extra == {"web_searches": 2}


FAILED = {"code": "server_error", "message": "The server had an error."}


@pytest.mark.parametrize(
    ("last", "kind", "words"),
    [
        ({"type": "response.failed", "response": response(status="failed", error=FAILED)}, "network", "The server had an error"),
        ({"type": "response.failed", "response": response(status="failed", error=None)}, "network", "could not finish"),
        (
            {
                "type": "response.failed",
                "response": response(status="failed", error={"code": "rate_limit_exceeded", "message": "Try again in 3s."}),
            },
            "rate-limit",
            "Try again in 3s",
        ),
        ({"type": "error", "code": "insufficient_quota", "message": "No credit.", "param": None}, "quota", "No credit"),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "code": "model_not_found", "message": "No m."}},
            "model-incompatible",
            "No m",
        ),
        ({"error": {"code": 502, "message": "Provider returned error"}}, "network", "Provider returned error"),
    ],
)
def test_an_error_inside_a_stream_keeps_what_was_said_before_it(last: dict[str, Any], kind: str, words: str) -> None:
    found, error = read(events(started(), *text_events(0)[:2], last))

    assert error is not None and error.kind == kind
    assert words in str(error)
    assert found[0] == TextDelta("Water")
    assert not any(isinstance(event, Finish) for event in found)


def test_a_failed_answer_in_one_piece_is_its_error_and_its_usage_is_not_lost() -> None:
    with pytest.raises(ProviderError, match="The server had an error") as caught:
        whole(response(status="failed", error=FAILED))
    found, _ = read(events({"type": "response.failed", "response": response(status="failed", error=FAILED)}))

    assert caught.value.retryable
    assert found == [USED]


@pytest.mark.parametrize("cut", [0, 40, 400, 1500, len(responses_stream()) - 60])
def test_a_stream_that_breaks_off_is_truncated(cut: int) -> None:
    found, error = read(responses_stream()[:cut])

    assert isinstance(error, StreamTruncated)
    assert TEXT.startswith("".join(event.text for event in found if isinstance(event, TextDelta)))


def test_half_a_tool_call_of_a_broken_stream_is_not_handed_out() -> None:
    found, error = read(events(started(), *call_events(1, 0, '{"path": "/')[:2]))

    assert isinstance(error, StreamTruncated)
    assert found == []


@pytest.mark.parametrize("document", [{}, {"output": None, "status": "completed"}, {"output": "text", "status": "completed"}, []])
def test_an_answer_of_another_shape_is_said_to_be_unreadable(document: Any) -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        whole(document)


_NAMES = (
    "response output item type delta output_index summary content text usage status error arguments call_id name id model"
    " incomplete_details input_tokens_details encrypted_content"
).split()
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=15,
)
_LINES = responses_stream().decode().splitlines()
_OTHERS = {"error", "response.failed", "response.refusal.delta", "response.function_call_arguments.delta"}
_TYPES = st.sampled_from(sorted({json.loads(line[6:])["type"] for line in _LINES if line.startswith("data:")} | _OTHERS))


@given(st.lists(st.tuples(_TYPES, _VALUE), max_size=5))
def test_any_json_ends_in_a_finish_or_a_provider_error(documents: list[tuple[str, Any]]) -> None:
    shaped = [{**value, "type": name} if isinstance(value, dict) else value for name, value in documents]
    body = "".join(f"data: {json.dumps(value)}\n\n" for value in shaped).encode()
    found, error = read(body)

    if error is None:
        assert isinstance(found[-1], Finish)
        assert sum(isinstance(event, Usage) for event in found) <= 1
        fold(found)


@given(st.data())
def test_a_damaged_stream_never_passes_for_more_than_was_said(data: st.DataObject) -> None:
    body = responses_stream()
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 200)))
    found, error = read(body[:start] + data.draw(st.binary(max_size=3)) + body[end:], seed=start)

    assert error is not None or isinstance(found[-1], Finish)
    assert sum(isinstance(event, Usage) for event in found) <= 1
