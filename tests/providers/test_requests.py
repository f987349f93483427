"""What goes out, byte for byte: a wrong field is a refused call, or worse, a call that means something else."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lib.chat import Image, Message, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from lib.net import new_client
from lib.providers import default_endpoint, open_adapter
from tests.replay import anthropic_whole, openai_whole

WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = ToolCall("call_1", "weather", {"city": "Zürich"})
PIXEL = Image("image/png", b"\x89PNG")
HELLO = (Message("user", "Hello"),)
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}


def sent(kind: str, request: Request, *, stream: bool = False, **options: Any) -> httpx.Request:
    """Send a request into a transport that answers as any provider would, and return what it was given."""
    seen: list[httpx.Request] = []

    def answer(http: httpx.Request) -> httpx.Response:
        seen.append(http)
        return httpx.Response(
            200,
            content=anthropic_whole() if http.url.path.endswith("/messages") else openai_whole(),
            headers={"content-type": "application/json"},
        )

    with new_client(httpx.MockTransport(answer)) as client:
        adapter = open_adapter(kind, client=client, **{"api_key": "the-key", **options})
        if stream:
            list(adapter.stream(request, default_endpoint(kind)))
        else:
            adapter.complete(request, default_endpoint(kind))
    return seen[0]


def body_of(kind: str, request: Request, *, stream: bool = False, **options: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sent(kind, request, stream=stream, **options).content)
    return body


@pytest.mark.parametrize(
    ("kind", "base_url", "url", "header", "value"),
    [
        ("openai", None, "https://api.openai.com/v1/chat/completions", "authorization", "Bearer the-key"),
        (
            "openai-compatible",
            "http://10.0.0.5:9000/v1/#top",
            "http://10.0.0.5:9000/v1/chat/completions",
            "authorization",
            "Bearer the-key",
        ),
        (
            "openai-compatible",
            "https://x.test/v1/chat/completions",
            "https://x.test/v1/chat/completions",
            "authorization",
            "Bearer the-key",
        ),
        ("anthropic", None, "https://api.anthropic.com/v1/messages", "x-api-key", "the-key"),
        ("anthropic", "https://gateway.test/anthropic", "https://gateway.test/anthropic/v1/messages", "x-api-key", "the-key"),
        ("azure", "https://team.openai.azure.com/", "https://team.openai.azure.com/openai/v1/chat/completions", "api-key", "the-key"),
        (
            "azure",
            "https://team.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
            "https://team.openai.azure.com/openai/v1/chat/completions",
            "api-key",
            "the-key",
        ),
        (
            "azure",
            "https://team.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            "https://team.services.ai.azure.com/openai/v1/chat/completions",
            "api-key",
            "the-key",
        ),
        ("huggingface", None, "https://router.huggingface.co/v1/chat/completions", "authorization", "Bearer the-key"),
        (
            "huggingface",
            "https://abc.eu-west-1.aws.endpoints.huggingface.cloud",
            "https://abc.eu-west-1.aws.endpoints.huggingface.cloud/v1/chat/completions",
            "authorization",
            "Bearer the-key",
        ),
        (
            "huggingface",
            "https://router.huggingface.co/novita/v3/openai",
            "https://router.huggingface.co/novita/v3/openai/chat/completions",
            "authorization",
            "Bearer the-key",
        ),
        ("openrouter", None, "https://openrouter.ai/api/v1/chat/completions", "authorization", "Bearer the-key"),
        ("groq", None, "https://api.groq.com/openai/v1/chat/completions", "authorization", "Bearer the-key"),
        ("mistral", None, "https://api.mistral.ai/v1/chat/completions", "authorization", "Bearer the-key"),
        ("deepseek", None, "https://api.deepseek.com/chat/completions", "authorization", "Bearer the-key"),
        ("together", None, "https://api.together.xyz/v1/chat/completions", "authorization", "Bearer the-key"),
        ("fireworks", None, "https://api.fireworks.ai/inference/v1/chat/completions", "authorization", "Bearer the-key"),
        ("vllm", "http://gpu:8000", "http://gpu:8000/v1/chat/completions", "authorization", "Bearer the-key"),
    ],
)
def test_each_kind_is_called_at_its_address_with_its_key(kind: str, base_url: str | None, url: str, header: str, value: str) -> None:
    request = sent(kind, Request("m", HELLO), base_url=base_url, api_key=SecretStr(" the-key\n"))

    assert (request.method, str(request.url), request.headers[header]) == ("POST", url, value)
    assert request.headers["content-type"] == "application/json"
    others = {"authorization", "x-api-key", "api-key"} - {header}
    assert not others & set(request.headers)


def test_anthropic_is_told_the_version_of_the_protocol() -> None:
    assert sent("anthropic", Request("m", HELLO)).headers["anthropic-version"] == "2023-06-01"


def test_no_key_sends_no_header() -> None:
    assert "authorization" not in sent("vllm", Request("m", HELLO), api_key=None).headers


OPENAI_CASES: dict[str, tuple[Request, dict[str, Any]]] = {
    "the least": (Request("m", HELLO), {"messages": [{"role": "user", "content": "Hello"}]}),
    "everything simple": (
        Request(
            "m",
            HELLO,
            system="Be brief.",
            temperature=0.0,
            top_p=0.9,
            max_tokens=50,
            stop=("END",),
            reasoning_effort="low",
            extra={"seed": 7},
        ),
        {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
            "temperature": 0.0,
            "top_p": 0.9,
            "max_tokens": 50,
            "stop": ["END"],
            "reasoning_effort": "low",
            "seed": 7,
        },
    ),
    "images": (
        Request("m", (Message("user", (Text("Look:"), PIXEL, Image(url="https://x.test/a.png"))),)),
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look:"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                    ],
                }
            ]
        },
    ),
    "tools": (
        Request("m", HELLO, tools=(WEATHER,), tool_choice="required"),
        {
            "messages": [{"role": "user", "content": "Hello"}],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "weather", "description": "Tells the weather.", "parameters": dict(WEATHER.parameters)},
                }
            ],
            "tool_choice": "required",
        },
    ),
    "one named tool": (
        Request("m", HELLO, tool_choice="weather"),
        {"messages": [{"role": "user", "content": "Hello"}], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
    ),
    "a round of tool calls": (
        Request(
            "m",
            (Message("assistant", (Reasoning("hm"), CALL)), Message("tool", (ToolResult("call_1", "sunny"), ToolResult("call_2", "rain")))),
        ),
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
                {"role": "tool", "tool_call_id": "call_2", "content": "rain"},
            ]
        },
    ),
    "json": (
        Request("m", (Message("user", "Hello, as JSON"),), response_format="json"),
        {"messages": [{"role": "user", "content": "Hello, as JSON"}], "response_format": {"type": "json_object"}},
    ),
    "json, unsaid": (
        Request("m", HELLO, system="Be brief.", response_format={"type": "json_object"}),
        {
            "messages": [
                {"role": "system", "content": "Be brief.\n\nAnswer with one JSON object and nothing else."},
                {"role": "user", "content": "Hello"},
            ],
            "response_format": {"type": "json_object"},
        },
    ),
    "plain text": (
        Request("m", HELLO, response_format={"type": "text"}),
        {"messages": [{"role": "user", "content": "Hello"}], "response_format": {"type": "text"}},
    ),
    "a schema": (
        Request("m", HELLO, response_format=SCHEMA),
        {
            "messages": [{"role": "user", "content": "Hello"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
        },
    ),
}


OTHER_NAMES: dict[str, dict[str, tuple[str, Any]]] = {
    "groq": {"max_tokens": ("max_completion_tokens", 50)},
    "openrouter": {"reasoning_effort": ("reasoning", {"effort": "low"})},
}
"""What a kind calls a field of the cases above, and what it has there."""


@pytest.mark.parametrize(
    "kind", ["openai", "azure", "huggingface", "vllm", "together", "fireworks", "groq", "openrouter", "openai-compatible"]
)
@pytest.mark.parametrize("case", OPENAI_CASES)
def test_openai_bodies(kind: str, case: str) -> None:
    request, expected = OPENAI_CASES[case]

    named = dict(OTHER_NAMES.get(kind, {}).get(name, (name, value)) for name, value in expected.items())

    assert body_of(kind, request, base_url="https://x.test/v1") == {"model": "m", **named}


@pytest.mark.parametrize("kind", ["openai", "openrouter", "mistral", "deepseek"])
@pytest.mark.parametrize("case", OPENAI_CASES)
def test_a_stream_asks_for_the_same_as_a_whole_answer(kind: str, case: str) -> None:
    request, _ = OPENAI_CASES[case]
    streamed = body_of(kind, request, stream=True)

    assert streamed.pop("stream") is True
    streamed.pop("stream_options", None)
    assert streamed == body_of(kind, request)


@pytest.mark.parametrize(
    ("kind", "model", "field"),
    [
        ("openai", "gpt-4o", "max_tokens"),
        ("openai", "o3-mini", "max_completion_tokens"),
        ("openai", "gpt-5-mini", "max_completion_tokens"),
        ("azure", "gpt-5", "max_completion_tokens"),
        ("openrouter", "openai/gpt-5", "max_tokens"),
        ("openai", "chatgpt-4o-latest", "max_tokens"),
        ("groq", "llama-3.3-70b-versatile", "max_completion_tokens"),
    ],
)
def test_the_output_limit_has_the_name_the_model_wants(kind: str, model: str, field: str) -> None:
    body = body_of(kind, Request(model, HELLO, max_tokens=9), base_url="https://x.test")

    assert {name: body[name] for name in body if "tokens" in name} == {field: 9}


@pytest.mark.parametrize(
    ("kind", "options", "asked"),
    [("openai", {}, True), ("mistral", {}, False), ("openai", {"include_usage": False}, False), ("mistral", {"include_usage": True}, True)],
)
def test_a_stream_asks_for_its_usage_where_that_is_understood(kind: str, options: dict[str, Any], asked: bool) -> None:
    body = body_of(kind, Request("m", HELLO), stream=True, **options)

    assert body["stream"] is True
    assert body.get("stream_options") == ({"include_usage": True} if asked else None)


def test_a_stream_is_not_compressed_since_that_holds_words_back() -> None:
    headers = sent("openai", Request("m", HELLO), stream=True).headers

    assert (headers["accept"], headers["accept-encoding"]) == ("text/event-stream", "identity")


@pytest.mark.parametrize(
    ("kind", "reasoning", "expected"),
    [
        ("openai", Reasoning("hm"), {}),
        ("deepseek", Reasoning("hm"), {"reasoning_content": "hm"}),
        ("deepseek", Reasoning("", {"type": "reasoning", "encrypted_content": "x"}), {"reasoning_content": ""}),
        ("openrouter", Reasoning("hm", ["not a block"]), {}),
        (
            "openrouter",
            Reasoning("", [{"type": "reasoning.text", "text": "hm", "signature": "s"}]),
            {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]},
        ),
    ],
)
def test_reasoning_goes_back_only_to_those_who_ask_for_it(kind: str, reasoning: Reasoning, expected: dict[str, Any]) -> None:
    turn = body_of(kind, Request("m", (Message("assistant", (reasoning, CALL)),)))["messages"][0]

    assert {name: turn[name] for name in turn if "reasoning" in name} == expected


def test_deepseek_wants_the_field_of_reasoning_in_each_round_of_tool_calls_even_an_empty_one() -> None:
    turns = body_of("deepseek", Request("m", (Message("assistant", (CALL,)), Message("assistant", (Reasoning("hm"), Text("Yes."))))))[
        "messages"
    ]

    assert turns[0]["reasoning_content"] == ""
    assert "reasoning_content" not in turns[1]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("openai", {"reasoning_effort": "low"}),
        ("groq", {"reasoning_effort": "low"}),
        ("deepseek", {"reasoning_effort": "low"}),
        ("openrouter", {"reasoning": {"effort": "low"}}),
    ],
)
def test_effort_goes_where_the_provider_looks_for_it(kind: str, expected: dict[str, Any]) -> None:
    body = body_of(kind, Request("m", HELLO, reasoning_effort="low"))

    assert {name: body[name] for name in body if "reasoning" in name} == expected
    assert not any("reasoning" in name for name in body_of(kind, Request("m", HELLO)))


@pytest.mark.parametrize("wanted", [SCHEMA, {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}])
def test_a_provider_without_schemas_is_told_the_schema_in_words(wanted: dict[str, Any]) -> None:
    body = body_of("deepseek", Request("m", HELLO, system="Be brief.", response_format=wanted))

    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["content"].startswith("Be brief.\n\n")
    assert json.dumps(SCHEMA) in body["messages"][0]["content"]


def test_tool_call_ids_of_other_providers_get_the_form_mistral_accepts_and_still_belong_together() -> None:
    own, others = ToolCall("Ab3dE6gH9", "weather", {}), ToolCall("toolu_01QXVk", "weather", {})
    round_ = (Message("assistant", (own, others)), Message("tool", (ToolResult("Ab3dE6gH9", "sun"), ToolResult("toolu_01QXVk", "rain"))))
    asked, *answered = body_of("mistral", Request("m", round_))["messages"]
    ids = [call["id"] for call in asked["tool_calls"]]

    assert ids[0] == "Ab3dE6gH9"
    assert len(ids[1]) == 9 and ids[1].isalnum()
    assert [turn["tool_call_id"] for turn in answered] == ids


def test_none_among_the_extra_fields_takes_a_field_out() -> None:
    assert "stream_options" not in body_of("openai", Request("m", HELLO, extra={"stream_options": None}), stream=True)


THINKING = {"type": "thinking", "thinking": "hm", "signature": "sig"}
ANTHROPIC_CASES: dict[str, tuple[Request, dict[str, Any]]] = {
    "the least": (Request("m", HELLO), {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]}),
    "everything simple": (
        Request("m", HELLO, system="Be brief.", temperature=0.5, top_p=0.9, max_tokens=50, stop=("END",), extra={"top_k": 5}),
        {
            "max_tokens": 50,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "system": "Be brief.",
            "temperature": 0.5,
            "top_p": 0.9,
            "stop_sequences": ["END"],
            "top_k": 5,
        },
    ),
    "a system turn": (
        Request("m", (Message("system", "Rules."), *HELLO), system="Be brief."),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], "system": "Be brief.\n\nRules."},
    ),
    "images": (
        Request("m", (Message("user", (PIXEL, Image(url="https://x.test/a.png"), Text(" "))),)),
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
                        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                    ],
                }
            ]
        },
    ),
    "tools": (
        Request("m", HELLO, tools=(WEATHER,), tool_choice="required"),
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "tools": [{"name": "weather", "description": "Tells the weather.", "input_schema": dict(WEATHER.parameters)}],
            "tool_choice": {"type": "any"},
        },
    ),
    "one named tool": (
        Request("m", HELLO, tool_choice="weather"),
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "tool_choice": {"type": "tool", "name": "weather"},
        },
    ),
    "a round of tool calls": (
        Request(
            "m",
            (
                *HELLO,
                Message("assistant", (Reasoning("hm", THINKING), Reasoning("unsigned"), Text("Let me look."), CALL)),
                Message("tool", (ToolResult("call_1", "sunny"),)),
                Message("tool", (ToolResult("call_2", "no such city", is_error=True),)),
                Message("user", "Well?"),
            ),
        ),
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
                {
                    "role": "assistant",
                    "content": [
                        THINKING,
                        {"type": "text", "text": "Let me look."},
                        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Zürich"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
                        {"type": "tool_result", "tool_use_id": "call_2", "content": "no such city", "is_error": True},
                        {"type": "text", "text": "Well?"},
                    ],
                },
            ]
        },
    ),
    "json": (
        Request("m", HELLO, response_format="json"),
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "system": "Answer with one JSON object and nothing else.",
        },
    ),
    "a schema": (
        Request("m", HELLO, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}),
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        },
    ),
    "effort of a model that adapts": (
        Request("claude-opus-4-6", HELLO, reasoning_effort="high"),
        {
            "model": "claude-opus-4-6",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "high"},
        },
    ),
    "effort of a model with budgets": (
        Request("claude-sonnet-4-5-20250929", HELLO, reasoning_effort="medium"),
        {
            "model": "claude-sonnet-4-5-20250929",
            "max_tokens": 8192,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
            "thinking": {"type": "enabled", "budget_tokens": 4096},
        },
    ),
}


@pytest.mark.parametrize("case", ANTHROPIC_CASES)
def test_anthropic_bodies(case: str) -> None:
    request, expected = ANTHROPIC_CASES[case]

    assert body_of("anthropic", request) == {"model": "m", "max_tokens": 4096, **expected}


def test_anthropic_gets_the_models_own_output_limit_when_it_is_known() -> None:
    assert body_of("anthropic", Request("m", HELLO), default_max_tokens=64_000)["max_tokens"] == 64_000
    assert body_of("anthropic", Request("m", HELLO), stream=True)["stream"] is True


@pytest.mark.parametrize(("own_limit", "sent_limit"), [(4096, 4096 + 16384), (32_000, 32_000)])
def test_thinking_never_pushes_the_limit_over_the_models_own(own_limit: int, sent_limit: int) -> None:
    body = body_of("anthropic", Request("claude-opus-4-1", HELLO, reasoning_effort="high"), default_max_tokens=own_limit)

    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (16384, sent_limit)


def test_half_a_surrogate_pair_in_a_prompt_is_sent_as_json_allows() -> None:
    request = sent("openai", Request("m", (Message("user", "oops \ud83d"),)))

    assert request.content.isascii()
