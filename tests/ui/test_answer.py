"""An answer on its way to the page: drawn now and then, stopped without loss, and summed up in a strip."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from lib.chat import ReasoningDelta, TextDelta, Usage
from lib.errors import KeyRequired, ProviderError, StoreUnavailable, StreamTruncated
from lib.routing import Item, Notice
from lib.ui import answer as answers
from lib.ui.answer import FLUSH_SECONDS, Answer, ask, detail, strip, waiting_words
from tests.ui.drawing import drawn
from tests.ui.made import attempt

LONG = 30.0
Stream = Iterator[Item]


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Every drawing of the answer: its text so far, and whether more was to come."""
    seen: list[tuple[str, bool]] = []
    draw = answers._draw

    def noted(*slots: Any, running: bool) -> None:
        seen.append((slots[-1].text, running))
        draw(*slots, running=running)

    monkeypatch.setattr(answers, "_draw", noted)
    return seen


def ticking(step: float) -> Callable[[], float]:
    """Return a clock that goes on by ``step`` seconds each time somebody looks."""
    moments = itertools.count(0.0, step)
    return lambda: next(moments)


def test_an_answer_is_drawn_now_and_then_and_whole_at_the_end(drawings: list[tuple[str, bool]]) -> None:
    answer = Answer("Claude")
    ask(answer, lambda: iter([*(TextDelta("x") for _ in range(600)), attempt()]), clock=ticking(FLUSH_SECONDS / 10))
    assert answer.text == "x" * 600
    assert (answer.done, answer.stopped, answer.problem, answer.last) == (True, False, None, attempt())
    assert 2 < len(drawings) < 100, "each drawing sends the whole text: one a word is too many"
    assert drawings[-1] == ("x" * 600, False)
    assert all(running for _, running in drawings[:-1])
    assert [len(text) for text, _ in drawings] == sorted(len(text) for text, _ in drawings)


def test_reasoning_is_kept_apart_from_the_answer() -> None:
    answer = Answer("Claude")
    ask(answer, lambda: iter([ReasoningDelta("Hm. "), ReasoningDelta("Yes."), TextDelta("So it is.")]), clock=ticking(1))
    assert (answer.reasoning, answer.text) == ("Hm. Yes.", "So it is.")


def test_a_stop_keeps_what_came_and_closes_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, closed = threading.Event(), threading.Event()

    def stream() -> Stream:
        try:
            yield TextDelta("Half an")
            assert go_on.wait(LONG)
            yield TextDelta(" answer")
        finally:
            closed.set()

    def stopped(*_: Any, running: bool) -> None:
        raise StopException  # as any call of Streamlit's does once the reader pressed stop

    monkeypatch.setattr(answers, "_draw", stopped)
    answer = Answer("Claude")
    with pytest.raises(StopException):
        ask(answer, stream, clock=ticking(1))
    assert (answer.text, answer.stopped, answer.done, answer.problem) == ("Half an", True, False, None)
    go_on.set()
    assert closed.wait(LONG)


@pytest.mark.parametrize("failure", [ProviderError("The provider is overloaded.", kind="rate-limit"), StreamTruncated()])
def test_a_failure_keeps_what_came_and_its_sentence(failure: ProviderError) -> None:
    def stream() -> Stream:
        yield TextDelta("Half an")
        yield attempt(status="error", error=failure)
        raise failure

    answer = Answer("Claude")
    ask(answer, stream, clock=ticking(1))
    assert (answer.text, answer.problem, answer.stopped, answer.done) == ("Half an", str(failure), False, False)
    assert answer.last is not None
    assert answer.last.error is failure


@pytest.mark.parametrize(
    "refusal", [KeyRequired("Anthropic needs a key.", provider="anthropic"), StoreUnavailable("The disk is full.", reason="disk-full")]
)
def test_a_call_refused_before_it_began_is_its_sentence(refusal: Exception) -> None:
    def refused() -> Stream:
        raise refusal

    answer = Answer("Claude")
    ask(answer, refused)
    assert (answer.problem, answer.text, answer.attempts) == (str(refusal), "", [])


def test_a_defect_is_not_passed_off_as_an_answer() -> None:
    def broken() -> Stream:
        yield TextDelta("Half an")
        raise ZeroDivisionError

    answer = Answer("Claude")
    with pytest.raises(ZeroDivisionError):
        ask(answer, broken, clock=ticking(1))
    assert (answer.text, answer.done, answer.stopped) == ("Half an", False, False)
    assert "unexpected" in str(answer.problem)


# The strip


def test_the_strip_holds_the_figures_of_a_priced_answer() -> None:
    assert strip(attempt()) == (
        ":material/timer: first token 400 ms · 60 tokens/s · 1,200 in · 120 out · **&#36;0.0000278** · catalogue price"
    )


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        ({"usage": None, "usage_source": "none", "cost_nano_usd": None, "price_source": None}, "tokens not reported · **unpriced**", "out"),
        ({"cost_nano_usd": None, "price_source": None}, "120 out · **unpriced**", "&#36;"),
        ({"cost_nano_usd": 0}, "**&#36;0.00**", "unpriced"),
        ({"usage": Usage(input=1_200, output=120, cache_read=1_000)}, "1,200 in (1,000 cached) · 120 out", "unpriced"),
        ({"ttft_ms": None, "latency_ms": None}, "first token – · – · 1,200 in", "tokens/s"),
        ({"ttft_ms": 2_400}, "50 tokens/s", "–"),
        ({"price_source": "manual"}, "price set by hand", "manual"),
        (
            {"status": "error", "usage": None, "cost_nano_usd": None, "price_source": None, "ttft_ms": None},
            "no token came · tokens not reported",
            "unpriced",
        ),
        (
            {"status": "error", "usage": None, "cost_nano_usd": None, "price_source": None},
            "first token 400 ms · tokens not reported · **unpriced**",
            "out",
        ),
        ({"status": "cancelled", "usage": None, "cost_nano_usd": None, "price_source": None}, "**unpriced**", "out"),
    ],
)
def test_the_strip_says_what_is_known_and_no_more(values: dict[str, Any], said: str, unsaid: str) -> None:
    text = strip(attempt(**values))
    assert said in text
    assert unsaid not in text


def test_the_tooltip_holds_the_exact_cost_and_the_request() -> None:
    text = detail(attempt(usage=Usage(input=5, output=50, reasoning=40)))
    assert "Claude at Anthropic" in text
    assert "Cost: &#36;0.00002775" in text
    assert "Reasoning tokens: 40" in text
    assert "Request: 00000000-0000-4000-8000-0000000000aa" in text
    assert "Status: error (timeout)" in detail(attempt(status="error", error=ProviderError("Too slow.", kind="timeout")))


# The footer, drawn for real


def draw(answer: Answer) -> AppTest:
    def whole() -> None:
        answers.finished(answer)
        answers.footer(answer)

    return drawn(whole)


def test_earlier_attempts_are_named_above_the_strip() -> None:
    first = attempt(status="error", error=ProviderError("Used $5 of $20 today.", kind="quota"), usage=None)
    at = draw(Answer("Claude", text="At last.", attempts=[first, attempt(attempt=2)], done=True))
    assert [m.value for m in at.markdown] == ["At last."]
    assert [c.value for c in at.caption] == [r":material/replay: Attempt 1 failed: Used \$5 of \$20 today.", strip(attempt())]


def test_the_way_an_answer_took_is_told_above_the_strip() -> None:
    first = attempt(status="error", error=ProviderError("Slow down.", kind="rate-limit"), usage=None)
    told = [
        Notice("waiting", "Claude: rate limited; trying again in 4 s.", "claude", "Claude", "rate limited", 4.0),
        Notice("fell-back", "Fell back from Claude: rate limited, retry in 34 s.", "claude", "Claude", "rate limited", 34.0),
    ]
    last = attempt(attempt=2, model_key="other", model_name="Other", provider_name="Acme")
    answer = Answer("Claude")
    ask(answer, lambda: iter([first, *told, TextDelta("At last."), last]), clock=ticking(1))
    at = draw(answer)
    assert [c.value for c in at.caption] == [
        ":material/replay: Attempt 1 failed: Slow down.",
        ":material/alt_route: Fell back from Claude: rate limited, retry in 34 s.",
        ":material/alt_route: Answered by Other at Acme.",
        strip(last),
    ]


def test_while_nothing_has_come_the_page_says_for_how_long_and_what_for() -> None:
    told = Notice("waiting", "Claude: rate limited; trying again in 4 s.", "claude", "Claude", "rate limited", 4.0)
    words = ":material/hourglass_top: Waiting for the first token… 3 s"
    assert waiting_words(Answer("Claude"), 3.2) == words
    assert waiting_words(Answer("Claude", notices=[told]), 3.2) == f"{words} · Claude: rate limited; trying again in 4 s."


def test_a_stopped_answer_says_so() -> None:
    answer = Answer("Claude", text="Half an", reasoning="Hm.")
    at = draw(answer)
    assert at.caption[0].value.endswith("Stopped. What arrived is kept; the provider may still charge for it.")
    assert at.expander[0].label == "Reasoning"


def test_a_failed_answer_shows_the_providers_words_as_they_are() -> None:
    at = draw(Answer("Claude", problem="You used $5 of $20. See [limits](https://example.com)"))
    assert [e.value for e in at.error] == [r"You used \$5 of \$20. See \[limits\](https://example.com)"]
