"""What goes out to Google, Cohere, Ollama and MatchaAI: address, key and body for every feature of a request."""

from __future__ import annotations

from typing import Any

import pytest

from lib.chat import Image, Message, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from lib.errors import ProviderError
from lib.providers import default_endpoint, open_adapter
from lib.providers.anthropic_body import messages_body
from tests.wire import body_of, sent

HELLO = (Message("user", "Hello"),)
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = Tool("clock", "Tells the time.", {"type": "object", "properties": {}})
PIXEL = Image("image/png", b"\x89PNG")
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
WRAPPED = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
GEMINI = "https://generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    ("kind", "base_url", "url", "header"),
    [
        ("google", None, f"{GEMINI}/v1beta/models/m:generateContent", "x-goog-api-key"),
        ("google", GEMINI, f"{GEMINI}/v1beta/models/m:generateContent", "x-goog-api-key"),
        ("google", f"{GEMINI}/v1/", f"{GEMINI}/v1/models/m:generateContent", "x-goog-api-key"),
        ("google", f"{GEMINI}/v1beta/openai/", f"{GEMINI}/v1beta/models/m:generateContent", "x-goog-api-key"),
        ("google", f"{GEMINI}/v1beta/models/x:generateContent", f"{GEMINI}/v1beta/models/m:generateContent", "x-goog-api-key"),
        (
            "google",
            "https://aiplatform.googleapis.com/v1/publishers/google",
            "https://aiplatform.googleapis.com/v1/publishers/google/models/m:generateContent",
            "x-goog-api-key",
        ),
        ("cohere", None, "https://api.cohere.com/v2/chat", "authorization"),
        ("cohere", "https://api.cohere.com/v2", "https://api.cohere.com/v2/chat", "authorization"),
        ("cohere", "https://api.cohere.com/v1/", "https://api.cohere.com/v2/chat", "authorization"),
        ("cohere", "https://api.cohere.ai/v2/chat", "https://api.cohere.ai/v2/chat", "authorization"),
        ("cohere", "https://api.cohere.ai/compatibility/v1", "https://api.cohere.ai/v2/chat", "authorization"),
        ("ollama", None, "http://localhost:11434/api/chat", "authorization"),
        ("ollama", "http://gpu:11434/", "http://gpu:11434/api/chat", "authorization"),
        ("ollama", "http://gpu:11434/v1", "http://gpu:11434/api/chat", "authorization"),
        ("ollama", "http://gpu:11434/api", "http://gpu:11434/api/chat", "authorization"),
        ("ollama", "http://gpu:11434/api/tags", "http://gpu:11434/api/chat", "authorization"),
        ("ollama", "http://gpu:11434/v1/chat/completions", "http://gpu:11434/api/chat", "authorization"),
        ("ollama", "https://gate.test/ollama/api/chat", "https://gate.test/ollama/api/chat", "authorization"),
        ("matchaai", "https://m.test/rest/api/v1", "https://m.test/rest/api/v1/completions", "matcha-api-key"),
        ("matchaai", "https://m.test/rest/api/v1/completions", "https://m.test/rest/api/v1/completions", "matcha-api-key"),
        ("matchaai", "https://m.test/rest/api/v1/llms/", "https://m.test/rest/api/v1/completions", "matcha-api-key"),
    ],
)
def test_each_kind_is_called_at_its_address_with_its_key(kind: str, base_url: str | None, url: str, header: str) -> None:
    request = sent(kind, Request("m", HELLO), base_url=base_url)

    assert (request.method, str(request.url)) == ("POST", url)
    assert request.headers[header] == ("Bearer the-key" if header == "authorization" else "the-key")
    assert request.headers["content-type"] == "application/json"
    assert {"authorization", "x-goog-api-key", "matcha-api-key", "x-api-key"} & set(request.headers) == {header}


@pytest.mark.parametrize("base_url", [None, "http://localhost:11434/v1", "http://localhost:11434/api"])
def test_ollamas_compatible_endpoint_has_its_own_path(base_url: str | None) -> None:
    request = sent("ollama", Request("m", HELLO), base_url=base_url, endpoint="v1/chat/completions")

    assert str(request.url) == "http://localhost:11434/v1/chat/completions"


@pytest.mark.parametrize(
    ("kind", "streamed", "accept"),
    [
        ("google", "/v1beta/models/m:streamGenerateContent?alt=sse", "text/event-stream"),
        ("cohere", "/v2/chat", "text/event-stream"),
        ("ollama", "/api/chat", "application/x-ndjson"),
        ("matchaai", "/completions", "text/event-stream"),
    ],
)
def test_a_stream_is_asked_for_as_each_protocol_wants_it(kind: str, streamed: str, accept: str) -> None:
    request = sent(kind, Request("m", HELLO), stream=True, base_url="https://provider.test")

    assert request.url.raw_path.decode() == streamed
    assert request.headers["accept"] == accept
    assert kind == "google" or body_of(kind, Request("m", HELLO), stream=True, base_url="https://provider.test")["stream"] is True


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro:generateContent"),
        ("models/gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro:generateContent"),
        ("tunedModels/mine-1", "/v1beta/tunedModels/mine-1:generateContent"),
        ("a?b#c", "/v1beta/models/a%3Fb%23c:generateContent"),
    ],
)
def test_a_google_model_is_part_of_the_path(model: str, path: str) -> None:
    assert sent("google", Request(model, HELLO)).url.raw_path.decode() == path


USER = {"role": "user", "parts": [{"text": "Hello"}]}
GOOGLE: dict[str, tuple[Request, dict[str, Any]]] = {
    "the least": (Request("m", HELLO), {"contents": [USER]}),
    "everything simple": (
        Request("m", HELLO, system="Be brief.", temperature=0.0, top_p=0.9, max_tokens=50, stop=("END",)),
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [USER],
            "generationConfig": {"temperature": 0.0, "topP": 0.9, "maxOutputTokens": 50, "stopSequences": ["END"]},
        },
    ),
    "system among the messages": (
        Request("m", (Message("system", "Be kind."), *HELLO), system="Be brief."),
        {"systemInstruction": {"parts": [{"text": "Be brief.\n\nBe kind."}]}, "contents": [USER]},
    ),
    "images": (
        Request("m", (Message("user", (Text("Look:"), PIXEL, Image("image/jpeg", url="https://x.test/files/1"))),)),
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "Look:"},
                        {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
                        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/files/1"}},
                    ],
                }
            ]
        },
    ),
    "tools": (
        Request("m", HELLO, tools=(WEATHER,), tool_choice="required"),
        {
            "contents": [USER],
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "weather", "description": "Tells the weather.", "parametersJsonSchema": dict(WEATHER.parameters)}
                    ]
                }
            ],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        },
    ),
    "one tool demanded": (
        Request("m", HELLO, tools=(CLOCK,), tool_choice="clock"),
        {
            "contents": [USER],
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "clock", "description": "Tells the time.", "parametersJsonSchema": dict(CLOCK.parameters)}
                    ]
                }
            ],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["clock"]}},
        },
    ),
    "a round of tool calls": (
        Request(
            "m",
            (
                *HELLO,
                Message(
                    "assistant",
                    (
                        Reasoning("Let me look."),
                        Reasoning(opaque={"type": "google_thought_signature", "signature": "sig", "call": "fc-1"}),
                        Reasoning(opaque={"type": "thinking", "thinking": "Another provider's.", "signature": "x"}),
                        Text("Wait."),
                        ToolCall("fc-1", "weather", {"city": "Zürich"}),
                        ToolCall("call_1", "clock", "not json"),
                    ),
                ),
                Message("tool", (ToolResult("fc-1", '{"sky": "clear"}'), ToolResult("call_1", "broken", is_error=True))),
                Message("tool", (ToolResult("unknown", "[1]"),)),
            ),
        ),
        {
            "contents": [
                USER,
                {
                    "role": "model",
                    "parts": [
                        {"text": "Wait."},
                        {"functionCall": {"id": "fc-1", "name": "weather", "args": {"city": "Zürich"}}, "thoughtSignature": "sig"},
                        {"functionCall": {"name": "clock", "args": {}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"id": "fc-1", "name": "weather", "response": {"sky": "clear"}}},
                        {"functionResponse": {"name": "clock", "response": {"error": "broken"}}},
                        {"functionResponse": {"id": "unknown", "name": "", "response": {"result": "[1]"}}},
                    ],
                },
            ]
        },
    ),
    "a signed answer goes on": (
        Request(
            "m",
            (
                *HELLO,
                Message("assistant", (Text("Hi."), Reasoning(opaque={"type": "google_thought_signature", "signature": "s"}))),
                Message("user", "Hello"),
            ),
        ),
        {"contents": [USER, {"role": "model", "parts": [{"text": "Hi."}, {"text": "", "thoughtSignature": "s"}]}, USER]},
    ),
    "another model's tool call, for one that demands signatures": (
        Request("gemini-3-pro-preview", (*HELLO, Message("assistant", (ToolCall("c1", "clock", {}), ToolCall("c2", "clock", {}))))),
        {
            "contents": [
                USER,
                {
                    "role": "model",
                    "parts": [
                        {"functionCall": {"id": "c1", "name": "clock", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"},
                        {"functionCall": {"id": "c2", "name": "clock", "args": {}}},
                    ],
                },
            ]
        },
    ),
    "json": (
        Request("m", HELLO, response_format="json"),
        {"contents": [USER], "generationConfig": {"responseMimeType": "application/json"}},
    ),
    "a schema": (
        Request("m", HELLO, response_format=SCHEMA),
        {"contents": [USER], "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
    ),
    "a schema as openai wraps it": (
        Request("m", HELLO, response_format=WRAPPED),
        {"contents": [USER], "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
    ),
    "text": (Request("m", HELLO, response_format={"type": "text"}), {"contents": [USER]}),
    "extra, field by field": (
        Request(
            "m", HELLO, temperature=1.0, max_tokens=9, extra={"generationConfig": {"topK": 3, "temperature": None}, "cachedContent": "c/1"}
        ),
        {"contents": [USER], "generationConfig": {"maxOutputTokens": 9, "topK": 3}, "cachedContent": "c/1"},
    ),
}


@pytest.mark.parametrize("name", GOOGLE)
def test_google_bodies(name: str) -> None:
    request, expected = GOOGLE[name]
    assert body_of("google", request) == expected


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3-pro-preview", "max", {"thinkingLevel": "high", "includeThoughts": True}),
    ],
)
def test_google_thinks_by_budget_or_by_level(model: str, effort: str, thinking: dict[str, Any]) -> None:
    assert body_of("google", Request(model, HELLO, reasoning_effort=effort))["generationConfig"] == {"thinkingConfig": thinking}


ASKED = [{"role": "user", "content": "Hello"}]


def function(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}}


TOOL_ROUND = (
    *HELLO,
    Message("assistant", (Text("Wait."), ToolCall("c1", "weather", {"city": "Zürich"}))),
    Message("tool", (ToolResult("c1", "clear"),)),
)
COHERE: dict[str, tuple[Request, dict[str, Any]]] = {
    "the least": (Request("m", HELLO), {"messages": ASKED}),
    "everything simple": (
        Request("m", HELLO, system="Be brief.", temperature=0.0, top_p=0.9, max_tokens=50, stop=("END",), extra={"seed": 7, "p": None}),
        {
            "messages": [{"role": "system", "content": "Be brief."}, *ASKED],
            "temperature": 0.0,
            "max_tokens": 50,
            "stop_sequences": ["END"],
            "seed": 7,
        },
    ),
    "top_p is called p": (Request("m", HELLO, top_p=0.9), {"messages": ASKED, "p": 0.9}),
    "images": (
        Request("m", (Message("user", (Text("Look:"), PIXEL)),)),
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look:"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                    ],
                }
            ]
        },
    ),
    "tools": (
        Request("m", HELLO, tools=(WEATHER, CLOCK), tool_choice="required"),
        {"messages": ASKED, "tools": [function(WEATHER), function(CLOCK)], "tool_choice": "REQUIRED"},
    ),
    "tools as it likes": (Request("m", HELLO, tools=(CLOCK,), tool_choice="auto"), {"messages": ASKED, "tools": [function(CLOCK)]}),
    "one tool demanded": (
        Request("m", HELLO, tools=(WEATHER, CLOCK), tool_choice="clock"),
        {"messages": ASKED, "tools": [function(CLOCK)], "tool_choice": "REQUIRED"},
    ),
    "a round of tool calls": (
        Request("m", TOOL_ROUND),
        {
            "messages": [
                *ASKED,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}],
                    "content": [{"type": "text", "text": "Wait."}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "clear"},
            ]
        },
    ),
    "a planned round of tool calls": (
        Request(
            "m",
            (
                *HELLO,
                Message(
                    "assistant",
                    (
                        Reasoning(opaque={"type": "cohere_plan", "tool_plan": "I will look.", "thinking": "Hm."}),
                        Reasoning(opaque=[{"type": "another provider's"}]),
                        ToolCall("c1", "clock", "{}"),
                    ),
                ),
            ),
        ),
        {
            "messages": [
                *ASKED,
                {
                    "role": "assistant",
                    "tool_plan": "I will look.",
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
                    "content": [{"type": "thinking", "thinking": "Hm."}],
                },
            ]
        },
    ),
    "json": (Request("m", HELLO, response_format="json"), {"messages": ASKED, "response_format": {"type": "json_object"}}),
    "a schema": (
        Request("m", HELLO, response_format=WRAPPED),
        {"messages": ASKED, "response_format": {"type": "json_object", "json_schema": SCHEMA}},
    ),
    "thinking": (
        Request("m", HELLO, reasoning_effort="low"),
        {"messages": ASKED, "thinking": {"type": "enabled", "token_budget": 1024}},
    ),
    "no thinking": (Request("m", HELLO, reasoning_effort="none"), {"messages": ASKED, "thinking": {"type": "disabled"}}),
}


@pytest.mark.parametrize("name", COHERE)
def test_cohere_bodies(name: str) -> None:
    request, expected = COHERE[name]
    assert body_of("cohere", request) == {"model": "m", "stream": False, **expected}


OLLAMA: dict[str, tuple[Request, dict[str, Any]]] = {
    "the least": (Request("m", HELLO), {"messages": ASKED}),
    "everything simple": (
        Request(
            "m",
            HELLO,
            system="Be brief.",
            temperature=0.0,
            top_p=0.9,
            max_tokens=50,
            stop=("END",),
            extra={"keep_alive": "5m", "options": {"num_ctx": 8192}},
        ),
        {
            "messages": [{"role": "system", "content": "Be brief."}, *ASKED],
            "options": {"temperature": 0.0, "top_p": 0.9, "num_predict": 50, "stop": ["END"], "num_ctx": 8192},
            "keep_alive": "5m",
        },
    ),
    "images": (
        Request("m", (Message("user", (Text("Look:"), PIXEL)),)),
        {"messages": [{"role": "user", "content": "Look:", "images": ["iVBORw=="]}]},
    ),
    "tools": (Request("m", HELLO, tools=(WEATHER,)), {"messages": ASKED, "tools": [function(WEATHER)]}),
    "tools it may not call": (Request("m", HELLO, tools=(WEATHER,), tool_choice="none"), {"messages": ASKED}),
    "a round of tool calls": (
        Request("m", (*TOOL_ROUND[:1], Message("assistant", (Reasoning("Hm."), *TOOL_ROUND[1].parts)), TOOL_ROUND[2])),
        {
            "messages": [
                *ASKED,
                {
                    "role": "assistant",
                    "content": "Wait.",
                    "thinking": "Hm.",
                    "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Zürich"}}}],
                },
                {"role": "tool", "content": "clear", "tool_name": "weather", "tool_call_id": "c1"},
            ]
        },
    ),
    "json": (Request("m", HELLO, response_format="json"), {"messages": ASKED, "format": "json"}),
    "a schema": (Request("m", HELLO, response_format=SCHEMA), {"messages": ASKED, "format": SCHEMA}),
    "thinking": (Request("m", HELLO, reasoning_effort="high"), {"messages": ASKED, "think": True}),
    "no thinking": (Request("m", HELLO, reasoning_effort="none"), {"messages": ASKED, "think": False}),
}


@pytest.mark.parametrize("name", OLLAMA)
def test_ollama_bodies(name: str) -> None:
    request, expected = OLLAMA[name]
    assert body_of("ollama", request) == {"model": "m", "stream": False, **expected}


def test_one_ollama_family_takes_how_much_to_think() -> None:
    assert body_of("ollama", Request("gpt-oss:20b", HELLO, reasoning_effort="none"))["think"] == "low"
    assert body_of("ollama", Request("gpt-oss:20b", HELLO, reasoning_effort="medium"))["think"] == "medium"


USED = {"includeUsageMetadata": True}
MATCHA: dict[str, tuple[Request, dict[str, Any], dict[str, Any]]] = {
    "a question": (Request("24", HELLO), {"mission_id": 424}, {"input": "Hello", "options": {**USED, "responseLLM": 24}}),
    "the mission as text": (Request("24", HELLO), {"mission_id": "424"}, {"input": "Hello", "options": {**USED, "responseLLM": 24}}),
    "the number beside the options": (
        Request("24", HELLO),
        {"mission_id": 424, "model_field": "llm_id"},
        {"input": "Hello", "llm_id": 24, "options": USED},
    ),
    "the mission's own model": (Request("", HELLO), {"mission_id": 424}, {"input": "Hello", "options": USED}),
    "a model that is no number": (
        Request("gpt", HELLO),
        {"mission_id": 424},
        {"input": "Hello", "options": {**USED, "responseLLM": "gpt"}},
    ),
    "a conversation": (
        Request("24", (*HELLO, Message("assistant", "Hi."), Message("user", "Go on.")), system="Be brief.", temperature=0.5, max_tokens=9),
        {"mission_id": 424},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hi."},
                {"role": "user", "content": "Go on."},
            ],
            "options": {**USED, "responseLLM": 24},
            "temperature": 0.5,
            "max_tokens": 9,
        },
    ),
    "extra": (
        Request("24", HELLO, extra={"options": {"includeSources": True}, "folder_id": -1}),
        {"mission_id": 424},
        {"input": "Hello", "options": {**USED, "responseLLM": 24, "includeSources": True}, "folder_id": -1},
    ),
    "json": (
        Request("24", HELLO, response_format="json"),
        {"mission_id": 424},
        {
            "messages": [{"role": "system", "content": "Answer with one JSON object and nothing else."}, *ASKED],
            "options": {**USED, "responseLLM": 24},
        },
    ),
}


@pytest.mark.parametrize("name", MATCHA)
def test_matchaai_bodies(name: str) -> None:
    request, settings, expected = MATCHA[name]
    assert body_of("matchaai", request, base_url="https://matcha.test", **settings) == {"mission_id": 424, **expected}


@pytest.mark.parametrize(
    ("kind", "request_", "sentence"),
    [
        ("ollama", Request("m", (Message("user", (Image(url="https://x.test/a.png"),)),)), "Attach the image itself"),
        ("matchaai", Request("24", (Message("user", (PIXEL,)),)), "MatchaAI takes text only"),
        ("matchaai", Request("24", HELLO, tools=(CLOCK,)), "MatchaAI runs no tools"),
        ("matchaai", Request("24", TOOL_ROUND), "called tools"),
    ],
)
def test_what_a_protocol_cannot_carry_is_said_before_anything_is_sent(kind: str, request_: Request, sentence: str) -> None:
    adapter = open_adapter(kind, base_url="http://nowhere.invalid")
    for call in (adapter.complete, adapter.stream):
        with pytest.raises(ProviderError, match=sentence) as caught:
            call(request_, default_endpoint(kind))
        assert caught.value.kind == "bad-request"


@pytest.mark.parametrize("kind", ["google_thought_signature", "cohere_plan"])
def test_reasoning_of_these_providers_is_not_handed_to_anthropic(kind: str) -> None:
    turn = Message("assistant", (Reasoning(opaque={"type": kind, "signature": "s"}), Text("Hi.")))
    body = messages_body(Request("m", (*HELLO, turn)), stream=False, default_max_tokens=9)

    assert body["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]}
