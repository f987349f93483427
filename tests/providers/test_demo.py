"""The demo model is the first thing a newcomer sees: it must stream, count, be honest about itself and fail on request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lib.chat import Finish, Image, Message, ReasoningDelta, Request, Text, TextDelta, Tool, ToolCall, ToolResult, Usage, fold
from lib.errors import ProviderError, StreamTruncated
from lib.providers import ProviderAdapter, open_adapter

CHAT = "chat/completions"


@pytest.fixture
def demo() -> ProviderAdapter:
    return open_adapter("demo", pace=0)


def ask(text: str = "What is water?", model: str = "demo-chat", **fields: Any) -> Request:
    return Request(model, (Message("user", text),), **fields)


def test_the_answer_says_that_it_is_a_demo_and_is_always_the_same(demo: ProviderAdapter) -> None:
    first = demo.complete(ask(), CHAT)

    assert first.text.startswith("[Demo answer")
    assert "What is water?" in first.text
    assert first == demo.complete(ask(), CHAT)
    assert first.text != demo.complete(ask("What is fire?"), CHAT).text
    assert (first.finish_reason, first.model) == ("stop", "demo-chat")


def test_it_streams_word_by_word_at_the_pace_of_a_model() -> None:
    waits: list[float] = []
    events = list(open_adapter("demo", sleep=waits.append).stream(ask(), CHAT))
    words = [event for event in events if isinstance(event, TextDelta)]

    assert len(words) > 20
    assert len(waits) == len(words)
    assert waits[0] > 0.2 > waits[1] > 0.01
    assert isinstance(events[-2], Usage) and isinstance(events[-1], Finish)


def test_later_turns_read_the_earlier_ones_from_the_cache(demo: ProviderAdapter) -> None:
    first = demo.complete(ask(system="Be brief."), CHAT).usage
    turns = (Message("user", "What is water?"), Message("assistant", "Wet."), Message("user", "Why?"))
    second = demo.complete(Request("demo-chat", turns, system="Be brief."), CHAT).usage

    assert first is not None and second is not None
    assert (first.cache_read, first.cache_write > 0) == (0, True)
    assert 0 < second.cache_read < second.input
    assert second.output > 0


def test_an_image_counts(demo: ProviderAdapter) -> None:
    with_image = demo.complete(Request("demo-chat", (Message("user", (Text("Hi"), Image(data=b"x"))),)), CHAT).usage
    without = demo.complete(ask("Hi"), CHAT).usage

    assert with_image is not None and without is not None
    assert with_image.input > without.input


def test_the_reasoner_thinks_first_and_counts_it_inside_the_output(demo: ProviderAdapter) -> None:
    events = list(demo.stream(ask(model="demo-reasoner"), CHAT))
    answer = fold(events)

    assert isinstance(events[0], ReasoningDelta)
    assert answer.reasoning and answer.text
    assert answer.usage is not None
    assert 0 < answer.usage.reasoning < answer.usage.output


def test_the_output_limit_and_stop_words_are_kept(demo: ProviderAdapter) -> None:
    short = demo.complete(ask(max_tokens=4), CHAT)

    assert (short.finish_reason, len(short.text.split(" "))) == ("length", 4)
    assert "without" not in demo.complete(ask(stop=("without",)), CHAT).text


def test_json_is_json(demo: ProviderAdapter) -> None:
    assert json.loads(demo.complete(ask(response_format="json"), CHAT).text)["demo"] is True


def test_a_tool_that_is_named_is_called_once(demo: ProviderAdapter) -> None:
    tools = (Tool("weather", "", {}), Tool("clock", "", {}))
    asked = demo.complete(ask("Use weather, please.", tools=tools), CHAT)
    results = Message("tool", (ToolResult("demo_call_0", "sunny"),))
    answered = demo.complete(Request("demo-chat", (Message("user", "Use weather, please."), results), tools=tools), CHAT)

    assert asked.tool_calls == (ToolCall("demo_call_0", "weather", {}),)
    assert asked.finish_reason == "tool_calls"
    assert answered.text and not answered.tool_calls


@pytest.mark.parametrize(
    ("model", "extra", "kind"),
    [
        ("demo-rate-limit", {}, "rate-limit"),
        ("demo-timeout", {}, "timeout"),
        ("demo-chat", {"demo": "rate-limit"}, "rate-limit"),
        ("demo-chat", {"demo": "timeout"}, "timeout"),
        ("demo-nonesuch", {}, "model-incompatible"),
    ],
)
def test_it_fails_when_told_to_with_the_error_a_provider_would_cause(
    demo: ProviderAdapter, model: str, extra: dict[str, str], kind: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        list(demo.stream(ask(model=model, extra=extra), CHAT))

    assert (caught.value.kind, caught.value.provider) == (kind, "demo")
    assert caught.value.retry_after == (20 if kind == "rate-limit" else None)


@pytest.mark.parametrize(("model", "extra"), [("demo-truncated", {}), ("demo-chat", {"demo": "truncated"})])
def test_it_breaks_off_in_the_middle_when_told_to(demo: ProviderAdapter, model: str, extra: dict[str, str]) -> None:
    seen: list[Any] = []
    with pytest.raises(StreamTruncated):
        for event in demo.stream(ask(model=model, extra=extra), CHAT):
            seen.append(event)

    assert len(seen) > 3
    assert all(isinstance(event, TextDelta) for event in seen)


def test_its_models_can_be_listed(demo: ProviderAdapter) -> None:
    assert [model.id for model in demo.models()] == ["demo-chat", "demo-reasoner", "demo-rate-limit", "demo-timeout", "demo-truncated"]
    assert all(model.display_name for model in demo.models())


def test_where_nothing_is_recorded_it_does_not_speak_of_the_ledger() -> None:
    for recorded in (True, False):
        demo = open_adapter("demo", pace=0, recorded=recorded)
        said = " ".join(demo.complete(ask(f"Question {n}"), CHAT).text for n in range(20))
        assert ("ledger" in said, "usage page" in said) == (recorded, recorded)
