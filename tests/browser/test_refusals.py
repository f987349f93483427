"""What a browser must not be talked into: by another site's page, by a rebound name, or by what a model writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import driving as on
from tests.browser.conftest import REBOUND_HOST
from tests.replay import ReplayServer, Reply, sse
from tests.serving import Server, serve

KEY = "sk-right-0f8b1c94d7a6e43219b5c0d2e8f7a6b5"
OPEN_SOCKET = """address => new Promise(resolve => {
    const socket = new WebSocket(address, ["streamlit"]);
    socket.onopen = () => resolve("opened");
    socket.onerror = () => resolve("refused");
})"""
POST = """address => fetch(address, {method: "POST", mode: "no-cors", body: "{}"}).then(() => "sent", () => "failed")"""
READ = """address => fetch(address).then(answer => answer.text(), () => "failed")"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the module."""
    with serve(tmp_path_factory.mktemp("refusals")) as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[ReplayServer]:
    """Another site on this machine; it serves one empty page and notes every request."""
    with ReplayServer(Reply(b"<!doctype html><title>Elsewhere</title>", content_type="text/html")) as site:
        yield site


def test_a_name_that_was_rebound_to_this_machine_shows_nothing(server: Server, tab: Page) -> None:
    port = server.url.rpartition(":")[2]
    answer = tab.goto(f"http://{REBOUND_HOST}:{port}/playground")
    assert answer is not None and answer.status == 403
    expect(tab.get_by_text("Modeldeck does not answer to this host name")).to_be_visible()
    expect(tab.get_by_text("Playground")).to_have_count(0)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", REBOUND_HOST])
def test_a_page_of_another_origin_can_neither_connect_nor_post_nor_read(
    server: Server, tab: Page, stranger: ReplayServer, host: str
) -> None:
    tab.goto(stranger.base_url.replace("127.0.0.1", host))
    expect(tab).to_have_title("Elsewhere")
    refused_before = server.log.count('"reason": "foreign_origin"')
    assert tab.evaluate(OPEN_SOCKET, server.url.replace("http", "ws") + "/_stcore/stream") == "refused"
    on.eventually(lambda: server.log.count('"reason": "foreign_origin"') > refused_before)  # the websocket, by the guard
    refused_before = server.log.count('"reason": "foreign_origin"')
    tab.evaluate(POST, server.url + "/api/health")
    on.eventually(lambda: server.log.count('"reason": "foreign_origin"') > refused_before)
    assert tab.evaluate(READ, server.url + "/api/health") == "failed"


def test_an_own_page_can_connect(server: Server, tab: Page) -> None:
    on.visit(tab, server, "Playground")
    assert tab.evaluate(OPEN_SOCKET, server.url.replace("http", "ws") + "/_stcore/stream") == "opened"


def test_an_image_in_an_answer_fetches_nothing_from_elsewhere(tab: Page, tmp_path: Path, stranger: ReplayServer) -> None:
    leak = stranger.base_url.removesuffix("/v1") + "/leak"
    texts = ("Look: ", f"![a picture]({leak}.png?said=secret)", f" and [a link]({leak}/link)", " Done.")
    deltas: list[tuple[dict[str, str], str | None]] = [*(({"content": text}, None) for text in texts), ({}, "stop")]
    chunks = [
        {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": why}]}
        for delta, why in deltas
    ]
    blocked: list[str] = []
    tab.on("console", lambda message: blocked.append(message.text) if "Content Security Policy" in message.text else None)
    with ReplayServer(Reply(sse(*chunks), content_type="text/event-stream"), api_key=KEY) as provider, serve(tmp_path) as server:
        on.connect(server, "openai", provider.base_url, KEY, switch_on=["gpt-4o-mini"])
        on.visit(tab, server, "Playground", "?model=gpt-4o-mini")
        on.send(tab, "Show me a picture")
        expect(on.answer(tab)).to_contain_text("Done.")
        expect(on.figures(tab)).to_be_visible()
        expect(on.answer(tab).get_by_role("link", name="a link")).to_be_visible()
        picture = on.answer(tab).get_by_role("img", name="a picture")
        on.eventually(lambda: bool(blocked) or not picture.count())
    assert stranger.requests == []


@pytest.mark.parametrize(("path", "title"), [("/models", "Models"), ("/admin", "Overview")])
def test_the_first_request_after_a_start_runs_no_page_outside_the_shell(tab: Page, tmp_path: Path, path: str, title: str) -> None:
    with serve(tmp_path) as server:
        tab.goto(server.url + path)
        expect(tab.get_by_role("navigation", name="App pages").get_by_role("link")).to_have_count(len(on.PAGES))
        on.settle(tab)
        expect(tab.get_by_role("heading", level=1)).to_have_text([title])


def test_the_path_of_a_pages_file_shows_nothing(tab: Page, tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        for path in ("/pages/admin/models", "/pages/admin/models.py", "/admin/models"):
            tab.goto(server.url + path, wait_until="load")
            expect(tab.locator("#root")).to_be_empty()
            assert "Switch on" not in tab.content()
