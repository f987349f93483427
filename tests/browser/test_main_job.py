"""The main job as a person does it: paste a key, switch a model on, talk to it, and see what it cost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocket, expect

from lib.money import format_usd
from tests.browser import driving as on
from tests.replay import TEXT, ReplayServer, recorded
from tests.serving import Server, serve

WRONG_KEY = "sk-wrong-0000000000000000000000000000"
KEY = "sk-right-f8b1c94d7a6e43219b5c0d2e8f7a6b5c"
CALLS = "The latest calls"
MODELS = "Models with"
PACE = 0.12
FRESH_SECONDS = 5.0
"""Most that a loaded machine may take to draw the usage page with a call that has just ended."""


@dataclass(frozen=True)
class Case:
    """A provider's card, one of its models, and what tests.replay's answer is made of, by the rate it is charged at."""

    slug: str
    provider: str
    model_key: str
    model: str
    units: Mapping[str, int]
    strip: str


OPENAI = Case(
    "openai", "OpenAI", "gpt-4o-mini", "GPT-4o mini", {"input": 200, "cache_read": 1000, "output": 34}, "1,200 in (1,000 cached) · 34 out"
)
ANTHROPIC = Case(
    "anthropic",
    "Anthropic",
    "claude-haiku-4-5-20251001",
    "Claude Haiku 4.5",
    {"input": 150, "cache_read": 1000, "cache_write_5m": 30, "cache_write_1h": 20, "output": 34},
    "1,200 in (1,000 cached) · 34 out",
)
WATCH = """() => {
    window.seen = new Set();
    const look = () => {
        const last = [...document.querySelectorAll('[data-testid="stChatMessage"]')].at(-1);
        const text = [...(last?.querySelectorAll('p') ?? [])].map(p => p.textContent).find(t => t.startsWith('Water'));
        if (text?.endsWith('▌')) window.seen.add(text.length);
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@pytest.mark.parametrize("case", [OPENAI, ANTHROPIC], ids=lambda case: case.slug)
def test_from_a_pasted_key_to_the_exact_cost(tab: Page, tmp_path: Path, case: Case, record_property: Callable[[str, object], None]) -> None:
    received: list[bytes] = []
    tab.on("websocket", lambda socket: _listen(socket, received))
    with ReplayServer(api_key=KEY, pace=PACE) as provider:
        with serve(tmp_path) as server:
            _a_refused_key_is_not_stored(tab, server, provider, case)
            _a_good_key_is_stored_and_a_model_switched_on(tab, provider, case)
            on.visit(tab, server, "Models", f"?q={case.model_key}")
            expect(on.cells(tab, MODELS).filter(has_text="Usable")).to_have_count(1)
            cost = on.dollars(on.show_model(server, case.model_key)["price"], case.units)
            _the_answer_streams_in_and_says_what_it_cost(tab, server, case, cost)
            with on.Stopwatch() as fresh:
                tab.goto(f"{server.url}/usage?by-source=Playground")
                expect(on.cells(tab, CALLS).filter(has_text=case.model)).to_have_count(1)
            record_property("usage_shows_the_call_after_seconds", round(fresh.seconds, 2))
            assert fresh.seconds < FRESH_SECONDS
            _usage_shows_the_call(tab, case, cost)
            assert KEY not in tab.content()
            log = server.log
        with serve(tmp_path) as again:
            _a_restart_keeps_key_model_and_call(tab, again, case, cost)
            log += again.log
    for secret in (KEY, WRONG_KEY):
        assert secret not in log
        assert not on.holds(tmp_path, secret)
        assert received and not any(secret.encode() in frame for frame in received)


def _listen(socket: WebSocket, received: list[bytes]) -> None:
    socket.on("framereceived", lambda frame: received.append(frame if isinstance(frame, bytes) else frame.encode()))


def _a_refused_key_is_not_stored(tab: Page, server: Server, provider: ReplayServer, case: Case) -> None:
    on.visit(tab, server, "Providers")
    dialog = on.enter_key(tab, case.slug, provider.base_url, WRONG_KEY)
    expect(dialog.get_by_role("alert")).to_contain_text(f"The key was not saved. {case.provider} did not accept the key")
    dialog.get_by_role("button", name="Close").click()
    on.visit(tab, server, "Providers")
    expect(on.card(tab, case.slug)).to_contain_text("No key")
    expect(on.card(tab, case.slug)).not_to_contain_text(provider.base_url)


def _a_good_key_is_stored_and_a_model_switched_on(tab: Page, provider: ReplayServer, case: Case) -> None:
    dialog = on.enter_key(tab, case.slug, provider.base_url, KEY)
    expect(dialog).to_contain_text("The key works")
    on.switch_on_in(dialog, case.model)
    expect(on.card(tab, case.slug)).to_contain_text("Key stored")
    expect(on.card(tab, case.slug)).to_contain_text(provider.base_url)
    assert KEY not in tab.content()


def _the_answer_streams_in_and_says_what_it_cost(tab: Page, server: Server, case: Case, cost: str) -> None:
    on.visit(tab, server, "Playground")
    if not on.picker(tab).filter(has_text=case.model).count():
        on.pick(tab, case.provider, case.model)
    tab.evaluate(WATCH)
    on.send(tab, "Why is water wet?")
    expect(on.answer(tab)).to_contain_text(f"{TEXT}")
    figures = on.figures(tab)
    expect(figures).to_contain_text(case.strip)
    expect(figures).to_contain_text(_rounded(cost))
    expect(figures).to_contain_text("first token")
    lengths: list[int] = sorted(tab.evaluate("[...window.seen]"))
    assert len([n for n in lengths if n < len(TEXT)]) >= 2, f"the answer was drawn at these lengths only: {lengths}"
    on.answer(tab).get_by_role("button", name="Help").hover()
    expect(tab.get_by_role("tooltip")).to_contain_text(f"Cost: {cost}")


def _usage_shows_the_call(tab: Page, case: Case, cost: str) -> None:
    on.settle(tab)
    row = on.cells(tab, CALLS)
    expect(row.filter(has_text="OK")).to_have_count(1)
    expect(row.filter(has_text=_rounded(cost))).to_have_count(1)
    on.click_cell(tab, CALLS, x=on.MARKER_X)
    receipt = tab.get_by_role("dialog")
    expect(receipt).to_contain_text(f"Cost: {cost}")
    expect(receipt).to_contain_text("Built-in price")
    expect(receipt).to_contain_text("System key")
    amounts = receipt.locator('[role="gridcell"]')
    expect(amounts).to_have_count(4 * len(case.units))
    lines = [text for text in amounts.all_text_contents() if text.startswith("$")]
    assert f"${sum((Decimal(line[1:]) for line in lines), Decimal(0)).normalize():f}" == cost
    receipt.get_by_role("button", name="Close").click()


def _a_restart_keeps_key_model_and_call(tab: Page, server: Server, case: Case, cost: str) -> None:
    on.visit(tab, server, "Providers")
    expect(on.card(tab, case.slug)).to_contain_text("Key stored")
    on.visit(tab, server, "Models", f"?q={case.model_key}")
    expect(on.cells(tab, MODELS).filter(has_text="Usable")).to_have_count(1)
    on.visit(tab, server, "Usage", "?by-source=Playground")
    expect(on.cells(tab, CALLS).filter(has_text=_rounded(cost))).to_have_count(1)


def test_without_any_key_the_demo_answers_at_first_load(tab: Page, tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        on.visit(tab, server, "Playground")
        expect(on.picker(tab)).to_contain_text("Demo · Demo chat")
        expect(tab.get_by_text("nothing is sent anywhere and nothing is charged")).to_be_visible()
        on.send(tab, "Is anybody there?")
        expect(on.answer(tab)).to_contain_text("You wrote: “Is anybody there?”")
        expect(on.figures(tab)).to_contain_text("$0.00")
        on.visit(tab, server, "Usage")
        expect(on.cells(tab, CALLS).filter(has_text="Demo chat")).to_have_count(1)


GROQ = Case("groq", "Groq", "llama-3.3-70b-versatile", "Llama 3.3 70B (Groq)", {}, "339 in · 58 out")
CLAUDE = Case("anthropic", "Anthropic", ANTHROPIC.model_key, ANTHROPIC.model, {}, "92 in · 189 out")


@pytest.mark.skipif("CONFORMANCE_DIR" not in os.environ, reason="CONFORMANCE_DIR is not set: no recorded traffic to play")
@pytest.mark.parametrize(
    ("case", "recording"),
    [(GROQ, "groq/groq-ff60d106e0.json"), (CLAUDE, "anthropic/anthropic-5d46c541c8.json")],
    ids=["openai-wire", "anthropic"],
)
def test_a_recorded_stream_reads_in_the_playground_as_it_was_said(tab: Page, tmp_path: Path, case: Case, recording: str) -> None:
    path = Path(os.environ["CONFORMANCE_DIR"]) / "traffic" / recording
    said: str = json.loads(path.read_text(encoding="utf-8"))["expected"]["text"]
    with ReplayServer(recorded(path, split=7), api_key=KEY) as provider, serve(tmp_path) as server:
        on.visit(tab, server, "Providers")
        dialog = on.enter_key(tab, case.slug, provider.base_url, KEY)
        expect(dialog).to_contain_text("The key works")
        on.switch_on_in(dialog, case.model)
        on.visit(tab, server, "Playground")
        on.send(tab, "Hello")
        for paragraph in said.split("\n\n"):
            expect(on.answer(tab)).to_contain_text(paragraph)
        expect(on.figures(tab)).to_contain_text(case.strip)


def _rounded(cost: str) -> str:
    return format_usd(int(Decimal(cost[1:]) * 1_000_000_000))
