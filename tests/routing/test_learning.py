"""What a provider says of a parameter is understood in its own words, and nothing is left out that was the question itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.chat import Message, Request
from lib.errors import ErrorKind, ProviderError
from lib.providers import classify
from lib.routing.learning import LIMITS, apply, change_for
from lib.routing.values import Change

CHAT = "chat/completions"
ASKED = Request(
    "m",
    [Message("user", "hi")],
    temperature=0.3,
    top_p=0.9,
    max_tokens=100,
    reasoning_effort="low",
    stop=("END",),
    response_format="json",
    extra={"presence_penalty": 1, "top_k": 40},
)


def refused(message: str, status: int = 400, provider: str = "openai", **fields: Any) -> ProviderError:
    """Classify an error as the provider sends it."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}
    return classify(status, {}, json.dumps(body).encode(), provider=provider)


@pytest.mark.parametrize(
    ("error", "name", "to"),
    [
        (
            refused("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
            *("max_tokens", "max_completion_tokens"),
        ),
        (refused("max_tokens is not supported, please use max_completion_tokens"), "max_tokens", "max_completion_tokens"),
        (refused("Unknown parameter: 'max_completion_tokens'.", code="unknown_parameter"), "max_completion_tokens", "max_tokens"),
        (refused("Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported."), "temperature", None),
        (refused("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"), "temperature", None),
        (refused("no", param="top_p", code="unsupported_parameter"), "top_p", None),
        (refused("`reasoning_effort` is not supported with this model", provider="groq", param="reasoning_effort"), "reasoning_effort", None),
        (refused("Unsupported parameter: 'reasoning.effort' is not supported with this model."), "reasoning_effort", None),
        (refused("Unrecognized request argument supplied: reasoning_effort"), "reasoning_effort", None),
        (refused("`temperature` is deprecated for this model.", provider="anthropic"), "temperature", None),
        (refused("`temperature` and `top_p` cannot both be specified for this model. Please use only one."), "top_p", None),
        (refused("top_k: Extra inputs are not permitted", provider="anthropic"), "top_k", None),
        (refused("Argument not supported on this model: presencePenalty"), "presence_penalty", None),
        (refused("This model does not support the temperature parameter."), "temperature", None),
        (refused("property 'top_p' is unsupported", provider="groq"), "top_p", None),
        (refused("Unknown field: stream_options", status=422), "stream_options", None),
        (refused("stream_options: extra fields not permitted", status=422), "stream_options", None),
    ],
)  # fmt: skip
def test_a_refused_parameter_is_understood(error: ProviderError, name: str, to: str | None) -> None:
    change = change_for(error, ASKED, CHAT)
    assert change is not None
    assert (change.name, change.action, change.to, change.endpoint) == (name, "rename" if to else "drop", to, CHAT)
    assert change.evidence
    assert apply(change, ASKED, CHAT) != ASKED


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be between 0 and 1",
        "Unable to submit request because it has a temperature value of 1000 but the supported range is from 0 to 2.",
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
        "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values are: 'low' and 'high'.",
        "Unsupported parameter: 'stop' is not supported with this model.",
        "Unsupported parameter: 'response_format' is not supported with this model.",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Unsupported parameter: 'tools' is not supported with this model.",
        "Unknown parameter: 'quality'.",
        "max_tokens is too large: 100. This model supports at most 50 completion tokens.",
        "The model `gpt-9` does not exist or you do not have access to it.",
        "registry.ollama.ai/library/gemma3:4b does not support tools",
        "Country, region, or territory not supported",
    ],
)
def test_what_the_caller_has_to_decide_is_left_to_the_caller(message: str) -> None:
    assert change_for(refused(message), ASKED, CHAT) is None


@pytest.mark.parametrize("kind", ["auth", "quota", "rate-limit", "network", "timeout", "content-filter", "context-length"])
def test_other_faults_that_name_a_parameter_teach_nothing(kind: ErrorKind) -> None:
    error = ProviderError("Unsupported parameter: 'temperature' is not supported with this model.", kind=kind)
    assert change_for(error, ASKED, CHAT) is None


def test_a_parameter_that_was_not_sent_is_not_to_blame() -> None:
    error = refused("Unsupported parameter: 'temperature' is not supported with this model.")
    assert change_for(error, Request("m", ASKED.messages), CHAT) is None


def test_what_is_pinned_or_was_changed_already_stays() -> None:
    error = refused("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
    assert change_for(error, ASKED, CHAT, {"max_tokens"}) is None
    assert change_for(error, ASKED, CHAT, {"max_completion_tokens"}) is None  # it came from there


def test_a_new_name_carries_the_value_and_holds_where_it_was_asked_for() -> None:
    change = Change("max_tokens", "rename", "max_completion_tokens", CHAT)
    sent = apply(change, ASKED, CHAT)
    assert (sent.max_tokens, sent.extra["max_completion_tokens"]) == (None, 100)
    assert apply(change, ASKED, "responses") == ASKED


def test_what_the_adapter_adds_is_taken_out_where_it_adds_it() -> None:
    change = Change("stream_options", "drop", None, CHAT)
    assert apply(change, ASKED, CHAT).extra["stream_options"] is None
    assert apply(change, ASKED, "messages") == ASKED


NAMES = st.sampled_from(
    [*sorted(LIMITS), "temperature", "top_p", "top_k", "stop", "tools", "stream_options", "reasoning", "model", "nonsense"]
)
WORDS = st.sampled_from(
    ["Unsupported parameter: '{}'", "{} is not supported", "Use {} instead", "does not support {}", "{}: extra inputs are not permitted"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, NAMES), max_size=4), st.text(max_size=60), st.sets(NAMES))
def test_whatever_is_said_only_what_may_be_changed_changes(said: list[tuple[str, str]], noise: str, closed: set[str]) -> None:
    error = ProviderError(". ".join([noise, *(words.format(name) for words, name in said)]), kind="bad-request")
    change = change_for(error, ASKED, CHAT, closed)
    if change is None:
        return
    assert change.name not in closed
    sent = apply(change, ASKED, CHAT)
    untouched = ("model", "messages", "system", "tools", "response_format", "tool_choice", "stop")
    assert all(getattr(sent, name) == getattr(ASKED, name) for name in untouched)
    if change.action == "rename":
        assert change.to in LIMITS
        assert sent.extra[change.to] == 100
