"""A model that uses tools gets its results, its mistakes in words, and an end; each round is accounted for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from lib.access import LOCAL_ADMIN
from lib.chat import Message, Reasoning, Text, TextDelta, Tool, ToolCall, ToolResult
from lib.errors import InvalidValue, ProviderError
from lib.net import new_client
from lib.routing import Function, RoundStarted, ToolAnswered, Toolbox, ToolError, ToolsDone, toolbox, tools
from lib.services import ChatCall, open_services
from lib.settings import load_settings
from lib.ui.pump import pump
from lib.usage import Attempt
from tests.replay import ReplayServer, Reply, sse
from tests.routing.live import Live

BOTH = pytest.mark.parametrize("kind", ["openai", "anthropic"])
CITY = {"type": "object", "properties": {"city": {"type": "string", "minLength": 2}}, "required": ["city"], "additionalProperties": False}
ASKED = ToolCall("call_1", "weather", {"city": "Oslo"})


def calls(kind: str, *asked: ToolCall, words: str = "", finish: str | None = None) -> Reply:
    """Return a streamed turn that makes these calls, or only says words, using 10 tokens for input and 2 for output."""
    reason = finish or ("tool_calls" if asked else "stop")
    return (_anthropic if kind == "anthropic" else _openai)(asked, words, reason)


def _openai(asked: tuple[ToolCall, ...], words: str, reason: str) -> Reply:
    deltas: list[dict[str, Any]] = [{"content": words}] if words else []
    for index, call in enumerate(asked):
        written = _written(call)
        deltas.append({"tool_calls": [{"index": index, "id": call.id, "function": {"name": call.name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in (written[:5], written[5:])]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": {"prompt_tokens": 10, "completion_tokens": 2}}
    return Reply(sse(*chunks, end), content_type="text/event-stream")


def _anthropic(asked: tuple[ToolCall, ...], words: str, reason: str) -> Reply:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}}]
    if asked:
        events += _block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            ("thinking_delta", "thinking", "Hm."),
            ("signature_delta", "signature", "signed"),
        )
    if words:
        events += _block(1, {"type": "text", "text": ""}, ("text_delta", "text", words))
    for index, call in enumerate(asked, start=2):
        written = _written(call)
        pieces = [("input_json_delta", "partial_json", piece) for piece in (written[:5], written[5:])]
        events += _block(index, {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, *pieces)
    stop = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}[reason]
    events += [{"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 2}}, {"type": "message_stop"}]
    return Reply(sse(*events, named=True, done=False), content_type="text/event-stream")


def _block(index: int, start: dict[str, Any], *deltas: tuple[str, str, str]) -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for kind, name, value in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: value}}
    yield {"type": "content_block_stop", "index": index}


def _written(call: ToolCall) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments))


def box(**functions: Any) -> Toolbox:
    return Toolbox(Function(name, f"Tells the {name}.", CITY, call) for name, call in functions.items())


def weather(city: str) -> Mapping[str, Any]:
    return {"city": city, "sky": "Ø grey"}


class Talk:
    """What a run brought, by type."""

    def __init__(self, live: Live, server: ReplayServer, kind: str, functions: Toolbox, rounds: int = 8) -> None:
        call = live.call((kind, server.base_url))
        self.items = list(tools.run(live.router, call, functions, rounds=rounds))
        self.results = [item.result for item in self.items if isinstance(item, ToolAnswered)]
        self.text = "".join(item.text for item in self.items if isinstance(item, TextDelta))
        self.first_id = call.request_id
        last = self.items[-1]
        assert isinstance(last, ToolsDone)
        self.done = last


def handed_back(server: ReplayServer, kind: str) -> list[Any]:
    """Return what the last request said of the tools' results, as (id, content, is_error)."""
    messages = server.requests[-1].body["messages"]
    if kind == "openai":
        return [(m["tool_call_id"], m["content"], m["content"].startswith("Error: ")) for m in messages if m["role"] == "tool"]
    blocks = [block for m in messages if isinstance(m["content"], list) for block in m["content"]]
    return [(b["tool_use_id"], b["content"], b.get("is_error", False)) for b in blocks if b["type"] == "tool_result"]


@BOTH
def test_the_model_gets_its_result_and_answers(kind: str, sqlite_engine: Engine) -> None:
    with ReplayServer(calls(kind, ASKED, words="Let me see. "), calls(kind, words="Grey.")) as server, new_client() as client:
        talk = Talk(Live(sqlite_engine, client), server, kind, box(weather=weather))

    assert [
        type(item).__name__ for item in talk.items if isinstance(item, RoundStarted | ToolCall | ToolAnswered | Attempt | ToolsDone)
    ] == [
        *("RoundStarted", "ToolCall", "Attempt", "ToolAnswered"),
        *("RoundStarted", "Attempt", "ToolsDone"),
    ]
    assert talk.text == "Let me see. Grey."
    assert handed_back(server, kind) == [("call_1", '{"city": "Oslo", "sky": "Ø grey"}', False)]
    assert (talk.done.outcome, talk.done.rounds, talk.done.sentence) == ("answered", 2, None)
    offered = server.requests[0].body["tools"][0]
    assert (offered.get("function") or offered)["name"] == "weather"


@BOTH
def test_each_round_is_a_request_of_its_own_in_the_same_conversation(kind: str, sqlite_engine: Engine) -> None:
    with ReplayServer(calls(kind, ASKED), calls(kind, ASKED), calls(kind, words="Grey.")) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        talk = Talk(live, server, kind, box(weather=weather))

    rows = live.rows()
    assert [row["request_id"] for row in rows] == [item.request_id for item in talk.items if isinstance(item, RoundStarted)]
    assert len({row["request_id"] for row in rows}) == 3
    assert rows[0]["request_id"] == talk.first_id
    for row in rows:
        assert (row["status"], row["attempt"], row["is_final"], row["conversation_id"]) == ("ok", 1, True, "conversation-1")
        assert (row["input_tokens"], row["output_tokens"], row["cost_nano_usd"]) == (10, 2, 14_000)


@BOTH
def test_several_calls_of_one_round_run_in_order_and_go_back_together(kind: str, sqlite_engine: Engine) -> None:
    order: list[str] = []
    asked = [ToolCall(f"call_{city}", "weather", {"city": city}) for city in ("Oslo", "Rome", "Lima")]

    def noted(city: str) -> str:
        order.append(city)
        return f"fine in {city}"

    with ReplayServer(calls(kind, *asked), calls(kind, words="Fine.")) as server, new_client() as client:
        talk = Talk(Live(sqlite_engine, client), server, kind, box(weather=noted))

    assert order == ["Oslo", "Rome", "Lima"]
    assert handed_back(server, kind) == [(f"call_{city}", f"fine in {city}", False) for city in order]
    roles = [message["role"] for message in server.requests[-1].body["messages"]]
    assert roles == (["user", "assistant", "tool", "tool", "tool"] if kind == "openai" else ["user", "assistant", "user"])
    assert talk.done.outcome == "answered"


def broken(city: str) -> str:
    raise RuntimeError(f"connection to postgres://admin:hunter2@db failed for {city}")


def picky(city: str) -> str:
    raise ToolError(f"{city} is not a city we know; try one in Europe")


def product(city: str) -> str:
    raise InvalidValue("The city is too long.", field="city")


MISTAKES: dict[str, tuple[ToolCall, str]] = {
    "a tool there is none of": (
        ToolCall("1", "teleport", {}),
        "Error: there is no tool 'teleport'; the tools are: weather, broken, picky, product, odd.",
    ),
    "an argument missing": (ToolCall("1", "weather", {}), "'city' is a required property"),
    "an argument of another type": (ToolCall("1", "weather", {"city": 7}), "city: 7 is not of type 'string'"),
    "an argument too many": (ToolCall("1", "weather", {"city": "Oslo", "when": "now"}), "'when' was unexpected"),
    "several mistakes": (ToolCall("1", "weather", {"city": "O", "x": 1}), "the arguments do not fit: city: 'O' is too short; "),
    "arguments that are no object": (ToolCall("1", "weather", '["Oslo"]'), "Error: the arguments are not a JSON object."),
    "arguments that are not JSON": (ToolCall("1", "weather", '{"city": Oslo'), "Error: the arguments are not a JSON object."),
    "a tool that breaks": (ToolCall("1", "broken", {"city": "Oslo"}), "Error: the tool failed (RuntimeError)."),
    "a tool that objects": (ToolCall("1", "picky", {"city": "Lima"}), "Error: Lima is not a city we know; try one in Europe."),
    "a tool refused by the product": (ToolCall("1", "product", {"city": "Oslo"}), "Error: The city is too long."),
    "a result nobody can write down": (ToolCall("1", "odd", {"city": "Oslo"}), "Error: the tool failed (TypeError)."),
}


@BOTH
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_to_the_model_which_may_do_better(kind: str, mistake: str, sqlite_engine: Engine) -> None:
    asked, said = MISTAKES[mistake]
    functions = box(weather=weather, broken=broken, picky=picky, product=product, odd=lambda city: {city})
    with ReplayServer(calls(kind, asked, ASKED), calls(kind, words="Grey.")) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        talk = Talk(live, server, kind, functions)

    wrong, right = handed_back(server, kind)
    assert said in wrong[1]
    assert (wrong[2], right[2]) == (True, False)
    assert [result.is_error for result in talk.results] == [True, False]
    assert "Traceback" not in wrong[1]
    assert "hunter2" not in json.dumps(server.requests[-1].body)
    assert talk.text == "Grey."
    assert [row["status"] for row in live.rows()] == ["ok", "ok"], "a tool's failure is not the model's"


@BOTH
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_model_that_asks_forever_is_stopped_at_the_limit_with_a_sentence(kind: str, rounds: int, sqlite_engine: Engine) -> None:
    ran: list[str] = []

    def noted(city: str) -> str:
        ran.append(city)
        return "?"

    with ReplayServer(calls(kind, ASKED, words="Once more. ")) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        talk = Talk(live, server, kind, box(weather=noted), rounds)

    assert (talk.done.outcome, talk.done.rounds) == ("limit", rounds)
    assert talk.done.sentence is not None
    assert f"after {rounds} round" in talk.done.sentence
    assert len(ran) == rounds - 1, "what nobody will read is not run"
    assert len(live.rows()) == len(server.requests) == rounds
    given = [part for turn in talk.done.turns for part in turn.parts]
    assert len([p for p in given if isinstance(p, ToolCall)]) == len([p for p in given if isinstance(p, ToolResult)]) == rounds - 1


@BOTH
def test_calls_of_an_answer_cut_off_are_not_run(kind: str, sqlite_engine: Engine) -> None:
    asked = ToolCall("call_1", "weather", {"city": "Osl"})
    with ReplayServer(calls(kind, asked, words="Hm.", finish="length")) as server, new_client() as client:
        talk = Talk(Live(sqlite_engine, client), server, kind, box(weather=broken))

    assert (talk.done.outcome, talk.results) == ("cut", [])
    assert talk.done.turns == (Message("assistant", (Text("Hm."),)),)


def test_signed_reasoning_goes_back_where_it_came_from(sqlite_engine: Engine) -> None:
    with ReplayServer(calls("anthropic", ASKED, words="Let me see."), calls("anthropic", words="Grey.")) as server, new_client() as client:
        talk = Talk(Live(sqlite_engine, client), server, "anthropic", box(weather=weather))

    turn = server.requests[-1].body["messages"][1]
    assert turn["role"] == "assistant"
    assert turn["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "signed"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
    ]
    assert isinstance(talk.done.turns[0].parts[0], Reasoning)


def test_reasoning_that_a_compatible_provider_wants_back_is_handed_back(sqlite_engine: Engine) -> None:
    thinking = {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm, the sky."}}]}
    first = Reply(sse(thinking, done=False) + calls("openai", ASKED).body, content_type="text/event-stream")
    with ReplayServer(first, calls("openai", words="Grey.")) as server, new_client() as client:
        Talk(Live(sqlite_engine, client), server, "deepseek", box(weather=weather))

    assert server.requests[-1].body["messages"][1]["reasoning_content"] == "Hm, the sky."


def test_the_turns_can_be_handed_on_as_they_are(sqlite_engine: Engine) -> None:
    with ReplayServer(calls("openai", ASKED), calls("openai", words="Grey.")) as server, new_client() as client:
        talk = Talk(Live(sqlite_engine, client), server, "openai", box(weather=weather))

    assert talk.done.turns == (
        Message("assistant", (ASKED,)),
        Message("tool", [ToolResult("call_1", '{"city": "Oslo", "sky": "Ø grey"}')]),
        Message("assistant", (Text("Grey."),)),
    )


def test_a_forced_tool_is_forced_once(sqlite_engine: Engine) -> None:
    with ReplayServer(calls("openai", ASKED), calls("openai", words="Grey.")) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        call = live.call(("openai", server.base_url), choice="required", tools=(Tool("other", "", {"type": "object"}),))
        list(tools.run(live.router, call, box(weather=weather)))

    assert [request.body.get("tool_choice") for request in server.requests] == ["required", None]
    assert [len(request.body["tools"]) for request in server.requests] == [1, 1]


@BOTH
def test_after_a_fallback_the_model_that_answered_goes_on(kind: str, sqlite_engine: Engine) -> None:
    down = Reply(b'{"error": {"message": "no quota", "code": "insufficient_quota"}}', status=429)
    with ReplayServer(down) as first, ReplayServer(calls(kind, ASKED), calls(kind, words="Grey.")) as second, new_client() as client:
        live = Live(sqlite_engine, client)
        call = live.call((kind, first.base_url), (kind, second.base_url))
        *_, done = tools.run(live.router, call, box(weather=weather))

    assert isinstance(done, ToolsDone)
    assert (len(first.requests), len(second.requests)) == (1, 2)
    assert [(row["model_key"], row["status"], row["attempt"]) for row in live.rows()] == [
        ("m0", "error", 1),
        ("m1", "ok", 2),
        ("m1", "ok", 1),
    ]


@BOTH
def test_a_failure_in_a_later_round_is_raised_with_its_row(kind: str, sqlite_engine: Engine) -> None:
    refused = Reply(b'{"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}', status=400)
    with ReplayServer(calls(kind, ASKED), refused) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        with pytest.raises(ProviderError, match=r"No\."):
            list(tools.run(live.router, live.call((kind, server.base_url)), box(weather=weather)))

    assert [row["status"] for row in live.rows()] == ["ok", "error"]


@BOTH
def test_leaving_between_two_rounds_asks_no_more(kind: str, sqlite_engine: Engine) -> None:
    with ReplayServer(calls(kind, ASKED)) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        run = tools.run(live.router, live.call((kind, server.base_url)), box(weather=weather))
        next(item for item in run if isinstance(item, ToolAnswered))
        run.close()

    assert len(server.requests) == 1
    assert [row["status"] for row in live.rows()] == ["ok"]


@BOTH
def test_a_stop_while_a_tool_runs_lets_no_other_one_begin(kind: str, sqlite_engine: Engine) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    ran: list[str] = []

    def slow(city: str) -> str:
        ran.append(city)
        begun.set()
        assert go_on.wait(30)
        return "fine"

    def run() -> Iterator[Any]:
        try:
            yield from tools.run(live.router, live.call((kind, server.base_url)), box(weather=slow))
        finally:
            ended.set()

    two = (ASKED, ToolCall("call_2", "weather", {"city": "Rome"}))
    with ReplayServer(calls(kind, *two)) as server, new_client() as client:
        live = Live(sqlite_engine, client)
        arriving = pump(run(), 0.01)
        while not begun.is_set():
            next(arriving)
        arriving.close()
        go_on.set()
        assert ended.wait(30)

    assert (ran, len(server.requests)) == (["Oslo"], 1)


def test_a_long_result_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "LONGEST_RESULT", 10)
    result = box(weather=lambda city: "x" * 11).execute(ASKED)

    assert result.content == "x" * 10 + "\n(cut: the result has 11 characters)"


def test_a_schema_that_points_elsewhere_is_not_fetched() -> None:
    with ReplayServer() as server:
        schema = {"type": "object", "properties": {"city": {"$ref": f"{server.base_url}/models"}}}
        result = Toolbox([Function("weather", "", schema, weather)]).execute(ASKED)

    assert server.requests == []
    assert result.is_error


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ([Function("the weather", "", CITY, weather)], "letters, digits"),
        ([Function("weather", "", CITY, weather)] * 2, "two tools"),
        ([Function("weather", "", {"type": "string"}, weather)], "schema of an object"),
        ([Function("weather", "", {"type": "object", "properties": 7}, weather)], "no JSON schema"),
    ],
)
def test_a_tool_no_provider_would_take_is_refused_when_it_is_registered(functions: list[Function], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Toolbox(functions)


def test_no_rounds_at_all_are_refused(sqlite_engine: Engine) -> None:
    with new_client() as client:
        live = Live(sqlite_engine, client)
        with pytest.raises(ValueError, match="at least one"):
            next(tools.run(live.router, live.call(("openai", "http://127.0.0.1:1")), box(weather=weather), rounds=0))


def test_the_services_run_tools_for_a_model_of_the_registry(tmp_path: Path) -> None:
    with ReplayServer(calls("openai", ASKED), calls("openai", words="Grey.")) as server:
        services = open_services(load_settings({"MODELDECK_DATA_DIR": str(tmp_path)}, tmp_path))
        try:
            provider = services.registry(LOCAL_ADMIN).set_provider("openai", base_url=server.base_url)
            services.set_key(LOCAL_ADMIN, provider, "sk-proj-0123456789abcdefghij", tested=True)
            model = services.registry(LOCAL_ADMIN).models(provider="openai")[0]
            services.registry(LOCAL_ADMIN).set_active([model.id], True)
            call = ChatCall([Message("user", "The sky?")], model=model.id, source="api")
            *_, done = services.chat_with_tools(LOCAL_ADMIN, call, box(weather=weather))
        finally:
            services.close()

    assert isinstance(done, ToolsDone)
    assert (done.outcome, done.rounds) == ("answered", 2)
