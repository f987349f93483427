"""Several people, several tabs: what one changes reaches the other, and nobody's answer ends up with somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lib.store.usage_tables import llm_usage_log
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.replay import ReplayServer, Reply, sse
from tests.serving import Server, serve

KEY = "sk-right-0f8b1c94d7a6e43219b5c0d2e8f7a6b5"
MODELS = "Models with"
SWITCH_X = 264
"""Where a row of the models table has its switch."""
LEAVES_SECONDS, STOPS_SECONDS = 5.0, 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the module; each test has browser profiles of its own."""
    with serve(tmp_path_factory.mktemp("sessions")) as running:
        yield running


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Make fresh browser profiles, closed at the end."""
    made: list[BrowserContext] = []

    def make() -> BrowserContext:
        made.append(browser.new_context(viewport={"width": 1440, "height": 1000}))
        made[-1].set_default_timeout(TIMEOUT)
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def log(server: Server) -> Iterator[sa.Engine]:
    """The server's database, read from outside."""
    engine = sa.create_engine(f"sqlite:///{server.data_dir / 'modeldeck.db'}")
    yield engine
    engine.dispose()


def _playground(context: BrowserContext, server: Server, model: str) -> Page:
    tab = context.new_page()
    on.visit(tab, server, "Playground")
    if not on.picker(tab).filter(has_text=f"Demo · {model}").count():
        on.pick(tab, "Demo", model)
    return tab


def _status_of_last_call(engine: sa.Engine, asked_of: str) -> str | None:
    table = llm_usage_log
    with engine.connect() as connection:
        found: str | None = connection.scalar(
            sa.select(table.c.status).where(table.c.model_key == asked_of).order_by(table.c.id.desc()).limit(1)
        )
    return found


def _switch(tab: Page, server: Server, key: str, *, to: str) -> None:
    """Press the switch in a model's row and wait until the table says so."""
    on.visit(tab, server, "Models", f"?q={key}")
    expect(on.cells(tab, MODELS).filter(has_text="toggle")).to_have_count(1)
    on.click_cell(tab, MODELS, x=SWITCH_X, row_height=38)
    expect(on.cells(tab, MODELS).filter(has_text="toggle")).to_contain_text(to)


def test_a_model_switched_off_leaves_the_pickers_of_other_people(
    server: Server, contexts: Callable[[], BrowserContext], record_property: Callable[[str, object], None]
) -> None:
    before = on.show_model(server, "demo-reasoner")
    user, chosen, admin = (contexts() for _ in range(3))
    choosing = _playground(user, server, "Demo chat")
    on.picker(choosing).click()
    offered = choosing.get_by_test_id("stPopoverBody").get_by_role("button", name="Demo reasoner")
    expect(offered).to_be_visible()
    using = _playground(chosen, server, "Demo reasoner")

    table = admin.new_page()
    on.visit(table, server, "Models", "?q=demo-reasoner")
    on.click_cell(table, MODELS, x=SWITCH_X, row_height=38)
    with on.Stopwatch() as gone:
        expect(offered).to_be_hidden()
        expect(on.picker(using)).not_to_contain_text("Demo reasoner")
    record_property("leaves_open_pickers_after_seconds", round(gone.seconds, 2))
    assert gone.seconds < LEAVES_SECONDS
    expect(using.get_by_text("Demo reasoner cannot be used here any more")).to_be_visible()
    expect(on.picker(choosing)).to_contain_text("Demo · Demo chat")
    assert on.show_model(server, "demo-reasoner")["active"] is False

    _switch(table, server, "demo-reasoner", to="On")
    assert on.show_model(server, "demo-reasoner") == before
    on.picker(using).click()
    expect(using.get_by_test_id("stPopoverBody").get_by_role("button", name="Demo reasoner")).to_be_visible()


def test_several_models_are_switched_at_once(server: Server, tab: Page) -> None:
    on.visit(tab, server, "Models", "?q=gpt-4o")
    switches = on.cells(tab, MODELS).filter(has_text="toggle")
    expect(switches.filter(has_text="Off")).to_have_count(4)
    for row in (0, 1):
        on.click_cell(tab, MODELS, x=on.MARKER_X, row=row, row_height=38)
        expect(tab.get_by_text(f"{row + 1} chosen")).to_be_visible()
    tab.get_by_role("button", name="Switch on", exact=True).click()
    expect(switches.filter(has_text="On")).to_have_count(2)
    expect(on.cells(tab, MODELS).filter(has_text="Needs attention")).to_have_count(2)
    tab.get_by_role("button", name="Switch off", exact=True).click()
    expect(switches.filter(has_text="Off")).to_have_count(4)


def test_the_choice_of_model_is_remembered_in_a_new_browser(server: Server, contexts: Callable[[], BrowserContext]) -> None:
    _playground(contexts(), server, "Demo reasoner")
    later = contexts().new_page()
    on.visit(later, server, "Playground")
    expect(on.picker(later)).to_contain_text("Demo · Demo reasoner")


def test_stop_works_at_once_while_the_provider_is_silent(tab: Page, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    begun = sse(
        {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Half a "}, "finish_reason": None}]},
        done=False,
    )
    silent = Reply(begun, content_type="text/event-stream", endless=True)
    with ReplayServer(silent, pace=2.0) as provider, serve(tmp_path) as server:
        on.connect(server, "openai", provider.base_url, KEY, switch_on=["gpt-4o-mini"])
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'modeldeck.db'}")
        on.visit(tab, server, "Playground", "?model=gpt-4o-mini")
        on.send(tab, "Tell me everything")
        expect(on.answer(tab)).to_contain_text("Half a")
        assert _status_of_last_call(engine, "gpt-4o-mini") == "open"
        with on.Stopwatch() as stopping:
            on.stop(tab)
            expect(on.answer(tab)).to_contain_text("Stopped.")
        record_property("stops_after_seconds", round(stopping.seconds, 2))
        assert stopping.seconds < STOPS_SECONDS
        expect(on.stop_button(tab)).to_be_hidden()
        expect(on.answer(tab)).to_contain_text("Half a")
        on.eventually(lambda: _status_of_last_call(engine, "gpt-4o-mini") == "cancelled")
        engine.dispose()
        assert provider.hung_up.wait(TIMEOUT / 1000), "the provider still sends"
        on.visit(tab, server, "Usage")
        expect(on.cells(tab, "The latest calls").filter(has_text="Stopped")).to_have_count(1)


def test_the_next_question_can_follow_each_answer(server: Server, tab: Page) -> None:
    on.visit(tab, server, "Playground", "?model=demo-chat")
    tab.get_by_role("button", name="Settings").click()
    tab.get_by_label("Max tokens").fill("4")
    tab.get_by_label("Max tokens").press("Enter")
    tab.keyboard.press("Escape")
    for number in range(1, 7):
        on.send(tab, f"Question {number}")
        expect(on.figures(tab)).to_have_count(number)
        expect(on.stop_button(tab)).to_be_hidden()


def test_a_question_asked_in_the_middle_of_an_answer_stops_it(server: Server, tab: Page) -> None:
    on.visit(tab, server, "Playground", "?model=demo-chat")
    on.send(tab, "First")
    expect(on.answer(tab)).to_contain_text("You wrote: “First”")
    on.send(tab, "Second")
    expect(on.answer(tab)).to_contain_text("You wrote: “Second”")
    expect(tab.get_by_text("Stopped.")).to_have_count(1)
    expect(on.figures(tab)).to_have_count(1)


def test_closing_the_tab_stops_the_call(server: Server, contexts: Callable[[], BrowserContext], log: sa.Engine) -> None:
    tab = _playground(contexts(), server, "Demo chat")
    on.send(tab, "I am about to leave")
    expect(on.answer(tab)).to_contain_text("You wrote")
    assert _status_of_last_call(log, "demo-chat") == "open"
    tab.close()
    on.eventually(lambda: _status_of_last_call(log, "demo-chat") == "cancelled")


def test_two_answers_at_once_do_not_mix(server: Server, contexts: Callable[[], BrowserContext]) -> None:
    shared = contexts()
    tabs = {"apples": _playground(shared, server, "Demo chat"), "pears": _playground(shared, server, "Demo chat")}
    for fruit, tab in tabs.items():
        on.send(tab, f"Tell me about {fruit}")
    for fruit, tab in tabs.items():
        expect(on.answer(tab)).to_contain_text(f"You wrote: “Tell me about {fruit}”")
    for tab in tabs.values():
        expect(on.stop_button(tab)).to_be_visible()
    for fruit, tab in tabs.items():
        expect(on.figures(tab)).to_be_visible()
        (other,) = set(tabs) - {fruit}
        expect(tab.get_by_role("main")).not_to_contain_text(other)
