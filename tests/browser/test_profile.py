"""Models and keys of one's own on a Supabase project, in the browser: added, called, and nobody else's to see anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocket, expect

from lib.store.supabase_policies import EXPOSED
from lib.ui import shell
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.replay import OPENAI_MODEL, TEXT, ReplayServer
from tests.serving import Server, serve
from tests.stack.stack import PASSWORD, Person, Stack

KEY = "a-key-for-tests-0123456789"
MODEL_KEY, USER_KEY = "sk-canary-model-7f3a9d2b81c4e5a6", "sk-canary-person-91c4e5a67f3a9d2b"
SYSTEM_KEY, ENV_KEY = "sk-canary-system-2b81c47f3a9d5577", "sk-canary-environment-e5a62b81c47f6688"
CANARIES = (MODEL_KEY, USER_KEY, SYSTEM_KEY, ENV_KEY)
NAME, CELLAR = "Ada's cellar model", "Adas-cellar"
ADDRESSES = [f"/{Path(file).stem}" for _, file, _, _ in (*shell.PAGES, *shell.TEAM_PAGES)]


class Heard:
    """All that the server said to the browsers of this test: pages, answers and websocket frames."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def listen(self, tab: Page) -> None:
        """Note everything that comes in from now on."""
        tab.on("websocket", self._listen_to)

    def _listen_to(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.texts.append(frame if isinstance(frame, str) else frame.decode("utf-8", "replace")))

    def holds(self, *words: str) -> list[str]:
        """Return which words were said."""
        return [word for word in words if any(word in text for text in self.texts)]


@pytest.fixture(scope="module")
def provider() -> Iterator[ReplayServer]:
    """A provider on this machine that takes only the key of Ada's model."""
    with ReplayServer(api_key=MODEL_KEY) as running:
        yield running


@pytest.fixture(scope="module")
def server(stack: Stack, provider: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may call that provider, and nothing else of this machine, for people."""
    allowed = provider.base_url.split("/")[2]
    folder = tmp_path_factory.mktemp("profile")
    with serve(folder, **stack.settings, ENCRYPTION_KEY=KEY, OUTBOUND_ALLOW=allowed, OPENAI_API_KEY=ENV_KEY) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Callable[[Person, str], Page]]:
    """Signs people in, each in a browser of their own, at an address."""
    made: list[BrowserContext] = []

    def make(person: Person, address: str) -> Page:
        made.append(browser.new_context(viewport={"width": 1440, "height": 1000}))
        made[-1].set_default_timeout(TIMEOUT)
        tab = made[-1].new_page()
        tab.goto(server.url + address)
        tab.get_by_label("E-mail address", exact=True).fill(person.email)
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Sign in", exact=True).click()
        return tab

    yield make
    for context in made:
        context.close()


def fill(dialog: Locator, **values: str) -> None:
    for label, value in values.items():
        dialog.get_by_label(label.replace("_", " "), exact=True).fill(value)


def add_own(tab: Page, provider: ReplayServer) -> None:
    """Add a model on one's own server: refused inside the network, then with the wrong key, then right, then saved."""
    tab.get_by_role("button", name="Add model").click()
    dialog = tab.get_by_role("dialog")
    key = dialog.get_by_label(re.compile("^API key"))
    with ReplayServer() as inside:
        fill(dialog, Provider_name=CELLAR, Base_URL=inside.base_url, Upstream_id=OPENAI_MODEL, Display_name=NAME)
        key.fill(MODEL_KEY)
        dialog.get_by_role("button", name="Test connection").click()
        expect(dialog.get_by_role("alert")).to_contain_text("OUTBOUND_ALLOW")
        assert not inside.requests
    fill(dialog, Base_URL=provider.base_url)
    key.fill("sk-wrong-0000000000000000")
    dialog.get_by_role("button", name="Test connection").click()
    expect(dialog.get_by_role("alert")).to_contain_text("did not accept the key")
    key.fill(MODEL_KEY)
    dialog.get_by_role("button", name="Test connection").click()
    expect(dialog.get_by_role("status")).to_contain_text("It works")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_be_hidden()


def test_a_model_of_ones_own_is_added_and_called_and_nobody_else_sees_it_or_any_key(
    stack: Stack, server: Server, provider: ReplayServer, visitor: Callable[[Person, str], Page]
) -> None:
    ada = stack.sign_up("profile-ada@example.com", name="Ada")
    others = {role: stack.sign_up(f"profile-{role}@example.com", role=role) for role in ("member", "analyst", "admin")}
    heard = Heard()
    hers = visitor(ada, "/profile")
    heard.listen(hers)
    expect(on.heading(hers, "Profile")).to_be_visible()
    expect(hers.get_by_text("A model only you see and use")).to_be_visible()
    hers.reload()
    add_own(hers, provider)
    card = hers.locator('[class*="st-key-own-model-"]').filter(has_text=NAME).first
    expect(card).to_contain_text("Usable")
    expect(card).to_contain_text("sk-cana...e5a6")
    hers.get_by_role("button", name="Add key").click()
    dialog = hers.get_by_role("dialog")
    fill(dialog, API_key=USER_KEY)
    dialog.get_by_role("button", name="Save without a test").click()
    expect(dialog).to_be_hidden()
    expect(hers.get_by_text("sk-cana...9d2b")).to_be_visible()

    card.get_by_role("link", name="Try").click()
    expect(on.picker(hers)).to_contain_text(f"{CELLAR} · {NAME}")
    on.send(hers, "Hello")
    expect(on.answer(hers)).to_contain_text(TEXT)
    assert provider.requests[-1].headers["authorization"] == f"Bearer {MODEL_KEY}"

    hers.goto(f"{server.url}/requests?range=24h")
    expect(on.cells(hers, "Calls, newest first").filter(has_text=NAME).first).to_be_attached()

    tabs = {role: visitor(person, "/playground") for role, person in others.items()}
    admin = tabs["admin"]
    admin.goto(f"{server.url}/providers")
    on.card(admin, "mistral").get_by_role("button", name="Add key").click()
    fill(admin.get_by_role("dialog"), API_key=SYSTEM_KEY)
    admin.get_by_role("dialog").get_by_role("button", name="Save without a test").click()
    expect(admin.get_by_role("dialog").get_by_text("Saved, untested.")).to_be_visible()

    strangers = Heard()
    for tab in tabs.values():
        strangers.listen(tab)
        heard.listen(tab)
        for address in ADDRESSES:
            tab.goto(f"{server.url}{address}")
            on.settle(tab)
            strangers.texts.append(tab.content())
        tab.goto(f"{server.url}/playground")
        on.picker(tab).click()
        expect(tab.get_by_test_id("stPopoverBody").get_by_role("button", name="Demo chat")).to_be_visible()
        strangers.texts.append(tab.content())
    for address in ADDRESSES:
        hers.goto(f"{server.url}{address}")
        on.settle(hers)
        heard.texts.append(hers.content())
    assert strangers.holds(NAME, CELLAR, provider.base_url, OPENAI_MODEL, "sk-cana...e5a6", "sk-cana...9d2b") == []
    assert heard.holds(*CANARIES) == []
    assert heard.holds(NAME), "what was listened to is what the pages say"

    hers.goto(f"{server.url}/requests?range=24h")
    on.settle(hers)
    with hers.expect_download() as saved:
        hers.get_by_role("button", name=re.compile("CSV")).first.click()
    export = Path(saved.value.path()).read_text(encoding="utf-8-sig")
    assert NAME in export
    told = [server.log, export, *(httpx.get(server.url + path, trust_env=False).text for path in ("/api/health", "/openapi.json"))]
    told += [repr(stack.sql(f"SELECT * FROM {name}")) for name in ("audit_log", "llm_usage_log", "hint_events", "private.credentials")]
    with (
        stack.rest(others["member"].token) as as_member,
        stack.rest(others["analyst"].token) as as_analyst,
        stack.rest(others["admin"].token) as as_admin,
    ):
        for client in (as_member, as_analyst):
            seen = {name: client.get(f"/{name}").text for name in EXPOSED}
            assert [name for name, text in seen.items() if NAME in text or CELLAR in text or provider.base_url in text] == []
            told += seen.values()
        told += [as_admin.get(f"/{name}").text for name in EXPOSED]
    assert [canary for canary in CANARIES for text in told if canary in text] == []
    assert not any(word in server.log for word in (NAME, CELLAR, OPENAI_MODEL)) and "~own" in server.log
    assert [path for canary in CANARIES for path in on.holds(server.data_dir, canary)] == []

    hers.goto(f"{server.url}/profile")
    hers.get_by_role("button", name="Sign out on every device").click()
    expect(on.heading(hers, "Sign in")).to_be_visible()
    assert stack.sql("SELECT count(*) FROM auth.sessions WHERE user_id = %s", ada.id) == [(0,)]
