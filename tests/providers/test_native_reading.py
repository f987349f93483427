"""What comes back from Google, Cohere, Ollama and MatchaAI, in the ways it has been seen to come back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.chat import Event, Finish, ReasoningDelta, TextDelta, ToolCall, Usage, fold
from lib.errors import ProviderError, StreamTruncated
from lib.net import new_client
from lib.providers import ModelInfo, open_adapter
from tests import replay_native as native
from tests.wire import ASK, JSON, LINES, STREAM, read, whole

KINDS = ("google", "cohere", "ollama", "matchaai")
STREAMS = {
    "google": (native.google_stream(), STREAM),
    "cohere": (native.cohere_stream(), STREAM),
    "ollama": (native.ollama_stream(), LINES),
    "matchaai": (native.matcha_stream(), STREAM),
}


def sse(*documents: Any) -> bytes:
    return native.events(documents)


def lines(*documents: Any) -> bytes:
    return b"".join(native.written(document) + b"\n" for document in documents)


def data_lines(*documents: Any) -> bytes:
    return b"".join(b"data: " + native.written(document) + b"\n" for document in documents)


def texts(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def google(*parts: Any, finish: Any = None, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "modelVersion": "gemini-1", **more}


# Google


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("STOP", "stop"),
        (1, "stop"),
        ("MAX_TOKENS", "length"),
        (2, "length"),
        ("SAFETY", "filtered"),
        (3, "filtered"),
        ("RECITATION", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("BLOCKLIST", "filtered"),
        ("SPII", "filtered"),
        ("IMAGE_SAFETY", "filtered"),
        ("MALFORMED_FUNCTION_CALL", "other"),
        ("LANGUAGE", "other"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_google_finish_reasons(said: Any, reason: str) -> None:
    assert read("google", sse(google({"text": "a"}, finish=said)))[0][-1] == Finish(reason, "gemini-1")  # type: ignore[arg-type]  # the table's strings


def test_a_prompt_google_blocks_is_filtered_and_its_tokens_count() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 8},
        "modelVersion": "gemini-1",
    }

    assert read("google", sse(blocked)) == ([Usage(8), Finish("filtered", "gemini-1")], None)
    assert whole("google", blocked).finish_reason == "filtered"


def test_google_thoughts_signatures_and_calls_keep_their_order_and_belong_together() -> None:
    events, error = read(
        "google",
        sse(
            google({"text": "Hm.", "thought": True}),
            google(
                {"functionCall": {"name": "a", "args": {"x": 1}}, "thoughtSignature": "s1"},
                {"functionCall": {"name": "b"}},
                {"functionCall": {"id": "own", "name": "c", "args": {}}, "thoughtSignature": "s3"},
            ),
            google({"text": "", "thoughtSignature": "s4"}, finish="STOP"),
        ),
    )

    assert error is None
    assert events == [
        ReasoningDelta("Hm."),
        ReasoningDelta(opaque={"type": "google_thought_signature", "signature": "s1", "call": "call_0"}),
        ToolCall("call_0", "a", {"x": 1}),
        ToolCall("call_1", "b", {}),
        ReasoningDelta(opaque={"type": "google_thought_signature", "signature": "s3", "call": "own"}),
        ToolCall("own", "c", {}),
        ReasoningDelta(opaque={"type": "google_thought_signature", "signature": "s4"}),
        Finish("tool_calls", "gemini-1"),
    ]


@pytest.mark.parametrize(
    ("reports", "usage"),
    [
        ([{"promptTokenCount": 5, "candidatesTokenCount": 2}], Usage(5, 2)),
        ([{"promptTokenCount": 5, "thoughtsTokenCount": 7}], Usage(5, 7, reasoning=7)),
        ([{"promptTokenCount": 5, "candidatesTokenCount": 2, "cachedContentTokenCount": 4}], Usage(5, 2, cache_read=4)),
        ([{"promptTokenCount": 5, "candidatesTokenCount": 2, "toolUsePromptTokenCount": 3}], Usage(8, 2)),
        ([{"promptTokenCount": 5, "thoughtsTokenCount": 7}, {"candidatesTokenCount": 2}], Usage(5, 9, reasoning=7)),
        ([{"promptTokenCount": 5, "candidatesTokenCount": 1}, {"promptTokenCount": 5, "candidatesTokenCount": 4}], Usage(5, 4)),
    ],
)
def test_google_counts_thoughts_beside_the_answer_and_the_cache_inside_the_prompt(reports: list[Any], usage: Usage) -> None:
    chunks = [google({"text": "a"}, finish="STOP", usageMetadata=report) for report in reports]

    assert [event for event in read("google", sse(*chunks))[0] if isinstance(event, Usage)] == [usage]


def test_what_google_says_after_the_finish_is_still_read() -> None:
    events, error = read(
        "google", sse(google({"text": "a"}, finish="STOP"), {"usageMetadata": {"promptTokenCount": 3}, "modelVersion": "gemini-1"})
    )

    assert (events, error) == ([TextDelta("a"), Usage(3), Finish("stop", "gemini-1")], None)


def test_grounded_searches_are_counted() -> None:
    grounded = google({"text": "a"}, finish="STOP", usageMetadata={"promptTokenCount": 3})
    grounded["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["x", "y"]}
    usage = whole("google", grounded).usage

    assert usage is not None and usage.extra == {"web_searches": 2}


def test_an_answer_of_google_without_a_candidate_is_no_answer() -> None:
    with pytest.raises(StreamTruncated):
        whole("google", {"usageMetadata": {"promptTokenCount": 3}, "modelVersion": "gemini-1"})


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]], ids=["bare", "in an array"])
@pytest.mark.parametrize("content_type", [STREAM, JSON])
def test_an_error_of_google_inside_a_stream_is_told(wrap: Any, content_type: str) -> None:
    error = wrap({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
    body = native.written(error) if content_type == JSON else sse(google({"text": "a"}), error)
    events, failure = read("google", body, content_type)

    assert failure is not None and (failure.kind, failure.retryable) == ("network", True)
    assert "The model is overloaded." in str(failure)
    assert texts(events) == ("" if content_type == JSON else "a")


def test_an_error_after_half_an_array_of_google_is_told() -> None:
    body = native.written([google({"text": "a"}), {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow down."}}])

    assert read("google", body, JSON)[1].kind == "rate-limit"  # type: ignore[union-attr]  # there is an error


# Cohere


def delta(name: str, index: int | None = None, **message: Any) -> dict[str, Any]:
    return {"type": name, "index": index, "delta": {"message": message}}


END = {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 9, "output_tokens": 4}}}}


def piece(name: str, index: int, arguments: str, id: str | None = None, called: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": called} if called else {})}
    return delta(name, index, tool_calls={**({"id": id, "type": "function"} if id else {}), "function": function})


def test_coheres_plan_and_thoughts_come_back_with_the_calls_they_led_to() -> None:
    events, error = read(
        "cohere",
        sse(
            delta("content-start", 0, content={"type": "thinking", "thinking": ""}),
            delta("content-delta", 0, content={"thinking": "Hm."}),
            {"type": "content-end", "index": 0},
            delta("tool-plan-delta", None, tool_plan="I will "),
            delta("tool-plan-delta", None, tool_plan="look."),
            piece("tool-call-start", 0, "", "a1", "weather"),
            piece("tool-call-delta", 0, '{"city": "Zür'),
            piece("tool-call-delta", 0, 'ich"}'),
            {"type": "tool-call-end", "index": 0},
            piece("tool-call-start", 1, "{}", "b2", "clock"),
            {"type": "tool-call-end", "index": 1},
            {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"start": 0}}}},
            END,
        ),
    )

    assert error is None
    assert events == [
        ReasoningDelta("Hm."),
        ReasoningDelta(opaque={"type": "cohere_plan", "tool_plan": "I will look.", "thinking": "Hm."}),
        ToolCall("a1", "weather", {"city": "Zürich"}),
        ToolCall("b2", "clock", {}),
        Usage(9, 4),
        Finish("tool_calls"),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("ERROR_TOXIC", "filtered"), ("USER_CANCEL", "other")],
)
def test_cohere_finish_reasons(said: str, reason: str) -> None:
    assert whole("cohere", {"message": {"content": []}, "finish_reason": said}).finish_reason == reason


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ({"finish_reason": "ERROR", "error": "internal server error"}, "network"),
        ({"finish_reason": "ERROR"}, "network"),
        ({"finish_reason": "TIMEOUT"}, "timeout"),
    ],
)
def test_a_failure_at_coheres_end_is_an_error_after_the_words_it_came_with(end: dict[str, Any], kind: str) -> None:
    body = sse(delta("content-delta", 0, content={"text": "a"}), {"type": "message-end", "delta": end})
    events, error = read("cohere", body)

    assert error is not None and error.kind == kind
    assert texts(events) == "a"


def test_cohere_tokens_are_those_of_the_model_and_not_only_the_billed_ones() -> None:
    usage = {
        "billed_units": {"input_tokens": 12, "output_tokens": 36},
        "tokens": {"input_tokens": 212, "output_tokens": 40},
        "cached_tokens": 208,
    }
    answer = whole("cohere", {"message": {"content": [{"type": "text", "text": "a"}]}, "finish_reason": "COMPLETE", "usage": usage})

    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output, answer.usage.cache_read) == (212, 40, 208)
    assert answer.usage.extra == {"billed_input_tokens": 12, "billed_output_tokens": 36}


# Ollama


def line(done: bool = False, **message: Any) -> dict[str, Any]:
    return {"model": "llama", "message": {"role": "assistant", "content": "", **message}, "done": done}


DONE = {**line(done=True), "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 3}


def test_ollama_thinks_calls_and_counts() -> None:
    call = {"function": {"index": 0, "name": "weather", "arguments": {"city": "Zürich"}}}
    events, error = read(
        "ollama", lines(line(thinking="Hm."), line(content="Wait."), line(tool_calls=[call, {"id": "own", **call}]), DONE), LINES
    )

    assert error is None
    assert events == [
        ReasoningDelta("Hm."),
        TextDelta("Wait."),
        ToolCall("call_0", "weather", {"city": "Zürich"}),
        ToolCall("own", "weather", {"city": "Zürich"}),
        Usage(5, 3),
        Finish("tool_calls", "llama"),
    ]


@pytest.mark.parametrize("content_type", [LINES, "application/json; charset=utf-8", "text/plain", ""])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n"])
def test_lines_are_read_whatever_they_call_themselves(content_type: str, newline: bytes) -> None:
    body = native.ollama_stream().replace(b"\n", newline).rstrip()

    assert texts(read("ollama", body, content_type, seed=1)[0]) == native.TEXT


def test_an_answer_of_ollamas_other_endpoint_is_read_too() -> None:
    assert whole("ollama", {"model": "llama", "response": "a", "thinking": "Hm.", "done": True}).text == "a"


@pytest.mark.parametrize(
    ("end", "reason"),
    [({"done_reason": "length"}, "length"), ({}, "stop"), ({"done_reason": "load"}, "other"), ({"done_reason": "unload"}, "other")],
)
def test_ollama_finish_reasons(end: dict[str, Any], reason: str) -> None:
    assert read("ollama", lines({**line(done=True), **end}), LINES)[0] == [Finish(reason, "llama")]  # type: ignore[arg-type]  # the table's strings


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("model 'llama9' not found, try pulling it first", "model-incompatible"),
        ("an error was encountered while running the model: unexpected EOF", "network"),
        ("registry.ollama.ai/library/gemma:2b does not support tools", "model-incompatible"),
    ],
)
def test_an_error_line_in_the_middle_is_an_error_after_the_words_before_it(message: str, kind: str) -> None:
    events, error = read("ollama", lines(line(content="a"), {"error": message}), LINES)

    assert texts(events) == "a"
    assert error is not None and error.kind == kind
    assert message in str(error)


# MatchaAI


def said(text: str, **more: Any) -> dict[str, Any]:
    return {**native.matcha_event(text), **more}


COUNTED = said("", usage_metadata=native.MATCHA_USAGE)


def test_the_tokens_of_the_reranker_count_too() -> None:
    assert whole("matchaai", said("a", usage_metadata=native.MATCHA_USAGE)).usage == Usage(1200, 34, cache_read=1000, reasoning=20)


@pytest.mark.parametrize("end", [said("done"), "done"], ids=["as an event", "as a word"])
@pytest.mark.parametrize("blank", [b"\n", b"\n\n", b"\r\n"], ids=["lines", "events", "crlf"])
def test_done_ends_an_answer_and_is_no_part_of_it(end: Any, blank: bytes) -> None:
    body = data_lines(said("All is "), said("done"), said("."), COUNTED, end).replace(b"\n", blank)
    events, error = read("matchaai", body, seed=3)

    assert error is None
    assert texts(events) == "All is done."
    assert events[-1] == Finish("stop", "87")


def test_a_word_done_without_the_end_after_it_is_told_from_the_end() -> None:
    assert read("matchaai", data_lines(said("a"), said("done")))[0] == [TextDelta("a"), Finish("stop")]
    assert isinstance(read("matchaai", data_lines(said("a"), said("done"), said(" b")))[1], StreamTruncated)


def test_a_gateway_that_answers_a_stream_request_in_one_piece_is_read() -> None:
    events, error = read("matchaai", native.written(said("a", usage_metadata=native.MATCHA_USAGE)), JSON)

    assert error is None
    assert (texts(events), events[-1]) == ("a", Finish("stop", "87"))


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"status": "error", "error": "Invalid API key"}, "auth"),
        ({"status": "error", "error": "LLM 99 not found: the model does not exist"}, "model-incompatible"),
        ({"status": "error", "error": {"message": "Rate limit exceeded"}}, "rate-limit"),
        ({"status": "error", "error": "", "output": None}, "unknown"),
    ],
)
def test_an_error_of_the_gateway_is_told_in_a_stream_and_out_of_one(document: dict[str, Any], kind: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=document)

    assert read("matchaai", data_lines(said("a"), document))[1] is not None
    with new_client(httpx.MockTransport(answer)) as client:
        adapter = open_adapter("matchaai", base_url="http://provider.test", client=client, mission_id=1)
        with pytest.raises(ProviderError) as caught:
            adapter.complete(ASK, "completions")
    assert caught.value.kind == kind


def test_a_refusal_without_a_mission_says_what_to_set_and_blames_no_model() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={"status": "error", "error": "Not found"})

    cases: tuple[tuple[dict[str, Any], str], ...] = (({}, "bad-request"), ({"mission_id": 7}, "model-incompatible"))
    for settings, kind in cases:
        with new_client(httpx.MockTransport(answer)) as client:
            adapter = open_adapter("matchaai", base_url="http://provider.test", client=client, **settings)
            for call in (adapter.complete, lambda request, endpoint, to=adapter: list(to.stream(request, endpoint))):
                with pytest.raises(ProviderError) as caught:
                    call(ASK, "completions")
                assert caught.value.kind == kind
                assert ("mission_id" in str(caught.value)) == (not settings)


# All of them


@pytest.mark.parametrize("kind", KINDS)
def test_every_stream_reads_the_same_however_it_is_cut(kind: str) -> None:
    body, content_type = STREAMS[kind]
    uncut = read(kind, body, content_type)

    assert uncut[1] is None and texts(uncut[0]) == native.TEXT
    for seed in range(30):
        assert read(kind, body, content_type, seed) == uncut


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"<html><title>Sign in</title></html>", b'{"error": "x"', b"\xff\xfe", b""])
def test_what_is_no_answer_is_an_error(kind: str, body: bytes) -> None:
    for content_type in (STREAMS[kind][1], JSON, "text/html"):
        assert isinstance(read(kind, body, content_type)[1], ProviderError)


def listed(kind: str, *pages: Any) -> tuple[list[ModelInfo], list[httpx.URL]]:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json=pages[len(asked) - 1])

    with new_client(httpx.MockTransport(answer)) as client:
        return open_adapter(kind, base_url="https://provider.test", api_key="k", client=client).models(), asked


def test_google_lists_what_generates_from_every_page() -> None:
    first = {
        "models": [
            {
                "name": "models/gemini-2.5-pro",
                "displayName": "Gemini 2.5 Pro",
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "two",
    }
    found, asked = listed("google", first, {"models": [{"name": "tunedModels/mine"}]})

    assert found == [ModelInfo("gemini-2.5-pro", "Gemini 2.5 Pro", 1048576, 65536), ModelInfo("tunedModels/mine")]
    assert [(url.path, url.params.get("pageToken")) for url in asked] == [("/v1beta/models", None), ("/v1beta/models", "two")]


def test_cohere_lists_what_chats_from_every_page() -> None:
    first = {
        "models": [
            {"name": "command-a-03-2025", "endpoints": ["generate", "chat"], "context_length": 256000},
            {"name": "embed-v4", "endpoints": ["embed"]},
            {"name": "command-old", "endpoints": ["chat"], "is_deprecated": True},
        ],
        "next_page_token": "two",
    }
    found, asked = listed("cohere", first, {"models": [{"name": "command-r", "endpoints": ["chat"]}]})

    assert found == [ModelInfo("command-a-03-2025", context_window=256000), ModelInfo("command-r")]
    assert [url.path for url in asked] == ["/v1/models"] * 2
    assert [url.params.get("page_token") for url in asked] == [None, "two"]


def test_ollama_lists_what_is_pulled() -> None:
    found, asked = listed("ollama", {"models": [{"name": "llama3:8b", "model": "llama3:8b"}, {"name": "gemma3:1b"}, {}]})

    assert [info.id for info in found] == ["llama3:8b", "gemma3:1b"]
    assert asked[0].path == "/api/tags"
    assert listed("ollama", {"models": None})[0] == []


def test_matchaai_lists_a_bare_array_of_numbers() -> None:
    found, asked = listed(
        "matchaai",
        [
            {"id": 35, "name": "Gemini 2.5 Flash-Lite", "context_window": 1000000},
            {"matcha_llm_id": 28, "model_name": "Claude 3.7 Sonnet", "capabilities": {"context_window": 200000}},
            {"id": True, "name": "no number"},
        ],
    )

    assert found == [ModelInfo("35", "Gemini 2.5 Flash-Lite", 1000000), ModelInfo("28", "Claude 3.7 Sonnet", 200000)]
    assert asked[0].path == "/llms"


@pytest.mark.parametrize(
    ("kind", "page"),
    [("google", []), ("google", {"models": [3]}), ("cohere", {}), ("ollama", [3]), ("matchaai", {}), ("matchaai", [3])],
)
def test_a_list_of_another_shape_is_an_error(kind: str, page: Any) -> None:
    with pytest.raises(ProviderError):
        listed(kind, page)


_FIELDS = st.sampled_from(
    "candidates content parts text thought functionCall args thoughtSignature finishReason usageMetadata promptTokenCount promptFeedback"
    " blockReason modelVersion groundingMetadata webSearchQueries type index delta message thinking tool_plan tool_calls function name"
    " arguments id finish_reason usage tokens billed_units input_tokens error status done done_reason model eval_count output"
    " usage_metadata response llm_id".split()
)
_WORDS = st.sampled_from(
    "STOP done success error TOOL_CALL ERROR message-end content-delta tool-call-start tool-call-delta output_text stop".split()
)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=5),
    max_leaves=20,
)


@given(st.sampled_from(KINDS), st.sampled_from([STREAM, LINES, JSON, "text/html", ""]), st.binary(max_size=300), st.integers(0, 99))
def test_any_bytes_end_in_a_finish_or_a_provider_error(kind: str, content_type: str, body: bytes, seed: int) -> None:
    events, error = read(kind, body, content_type, seed)

    assert error is not None or isinstance(events[-1], Finish)


@given(st.sampled_from(KINDS), st.lists(_VALUE, max_size=4))
def test_any_json_ends_in_a_finish_or_a_provider_error(kind: str, documents: list[Any]) -> None:
    body = lines(*documents) if kind == "ollama" else sse(*documents)
    events, error = read(kind, body, STREAMS[kind][1])

    if error is None:
        assert isinstance(events[-1], Finish)
        assert sum(isinstance(event, Usage) for event in events) <= 1
        fold(events)


@given(st.sampled_from(KINDS), _VALUE)
def test_any_whole_answer_is_read_or_refused(kind: str, document: Any) -> None:
    try:
        answer = whole(kind, document)
    except ProviderError:
        return
    assert answer.finish_reason in ("stop", "length", "tool_calls", "filtered", "other")


@given(st.sampled_from(KINDS), st.data())
def test_a_damaged_stream_never_passes_for_more_than_was_said(kind: str, data: st.DataObject) -> None:
    body, content_type = STREAMS[kind]
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 200)))
    events, error = read(kind, body[:start] + data.draw(st.binary(max_size=3)) + body[end:], content_type, seed=start)

    assert error is not None or isinstance(events[-1], Finish)
    assert sum(isinstance(event, Usage) for event in events) <= 1


@given(st.sampled_from(KINDS), st.integers(0, 10_000))
def test_a_stream_cut_anywhere_is_a_prefix_and_says_so(kind: str, cut: int) -> None:
    body, content_type = STREAMS[kind]
    events, error = read(kind, body[: cut % len(body)], content_type, seed=cut)
    text = texts(events)

    assert native.TEXT.startswith(text)
    assert isinstance(error, StreamTruncated) or text == native.TEXT
