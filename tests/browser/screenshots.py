"""Draws docs/screenshots again: ``python -m tests.browser.screenshots``, or ``make screenshots``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic import SecretStr

from lib.access import LOCAL_ADMIN, Accounts, People, Role
from lib.registry import DraftModel
from lib.services import open_services
from lib.services.model_desk import ModelDesk
from lib.services.price_desk import PriceDesk
from lib.services.profile import ProfileDesk
from lib.settings import load_settings
from lib.store.base import Actor
from lib.store.engine import open_engine
from lib.store.sql import utc_now
from lib.ui import shell
from tests.browser import driving as on
from tests.browser import showcase
from tests.browser.conftest import FLAGS, TIMEOUT, chromium
from tests.postgres import running_postgres
from tests.replay import ReplayServer, Reply, sse
from tests.serving import ROOT, Server, serve

FOLDER = ROOT / "docs" / "screenshots"
SIZES = {"desktop": (1440, 1000), "tablet": (768, 1024), "phone": (375, 812)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RANGE = "?range=30d"
COLORS = 255
"""In each picture: enough for flat surfaces, and a third of the bytes."""
PASSWORD = "four unrelated plain words"
TEAM = {"ada@example.com": Role.ADMIN, "grace@example.com": Role.ANALYST, "linus@example.com": Role.MEMBER, "mary@example.com": Role.MEMBER}
MODEL = "claude-sonnet-5-5"
TURNS = (
    (
        "We pay for long prompts twice a minute. What does prompt caching save us?",
        "A prefix of 6,000 tokens, sent 120 times an hour: the first write costs a little more, each read a tenth.",
        """Most of it. With a shared prefix of **6,000 tokens**, sent 120 times an hour:

| | without caching | with caching |
|---|---|---|
| prefix, per hour | 720,000 tokens at full price | 6,000 written, 714,000 read |
| relative cost | 100% | about 11% |

Keep the unchanging part first, the question last, and the cache stays warm as long as calls keep coming.""",
    ),
    (
        "And how do I see that it works?",
        "Point to the cached count under the answer and on the usage page.",
        """Look under each answer: the tokens read from the cache stand beside the input. On the **Usage** page, *Cache read* is a colour of its own.""",
    ),
)


def _reply(thought: str, text: str, input_tokens: int, cached: int) -> Reply:
    """Return the stream of an Anthropic server that thinks, then answers in pieces of a few words."""

    def delta(index: int, kind: str, name: str, piece: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}}

    usage = {"input_tokens": input_tokens, "cache_read_input_tokens": cached, "output_tokens": 1}
    message = {"id": "msg_made_up", "type": "message", "role": "assistant", "model": MODEL, "content": [], "usage": usage}
    pieces = [text[start : start + 12] for start in range(0, len(text), 12)]
    body = sse(
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        delta(0, "thinking_delta", "thinking", thought),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *(delta(1, "text_delta", "text", piece) for piece in pieces),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": len(text) // 4}},
        {"type": "message_stop"},
        named=True,
        done=False,
    )
    return Reply(body, content_type="text/event-stream")


@contextmanager
def _tab(browser: Browser, size: str, scheme: Literal["light", "dark"]) -> Iterator[Page]:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Berlin")
    context.set_default_timeout(TIMEOUT)
    yield context.new_page()
    context.close()


def _shoot(tab: Page, name: str) -> None:
    on.settle(tab)
    on.drawn(tab)
    drawn = Image.open(BytesIO(tab.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    drawn.quantize(COLORS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def _pages(browser: Browser, server: Server) -> None:
    for size in SIZES:
        for scheme in SCHEMES:
            with _tab(browser, size, scheme) as tab:
                for title in on.PAGES:
                    if title != "Playground":  # drawn while it is talked to
                        on.visit(tab, server, title, RANGE if title in shell.SHARED_FILTERS else "")
                        _shoot(tab, f"{title.lower().replace(' ', '-')}-{size}-{scheme}")
                on.visit(tab, server, "Models", "?view=Cards")
                _shoot(tab, f"models-cards-{size}-{scheme}")


def _team(browser: Browser) -> None:
    """Draw what only a team has: the sign-in, the page of its people, and a person's own."""
    with running_postgres() as postgres, tempfile.TemporaryDirectory(prefix="modeldeck-screenshots-") as folder:
        url = postgres.url(postgres.create_ready())
        engine = open_engine(SecretStr(url.replace("postgresql://", "postgresql+psycopg://")))
        people, accounts = People(engine, utc_now), Accounts(engine, utc_now)
        for email, role in TEAM.items():
            token = people.invite(email, role, Actor("Setup", None, "cli")).token
            if role is not Role.MEMBER:
                joined = accounts.join(token, PASSWORD, email.partition("@")[0].capitalize())
                if role is Role.ADMIN:
                    _own_things(url, joined)
        engine.dispose()
        with serve(Path(folder), DATABASE_URL=url, ENCRYPTION_KEY="made-up-key-for-screenshots") as server:
            for size in SIZES:
                for scheme in SCHEMES:
                    with _tab(browser, size, scheme) as tab:
                        tab.goto(f"{server.url}/people")
                        expect(on.heading(tab, "Sign in")).to_be_visible()
                        _shoot(tab, f"sign-in-{size}-{scheme}")
                        tab.get_by_label("E-mail address").fill(next(iter(TEAM)))
                        tab.get_by_label("Password").fill(PASSWORD)
                        tab.get_by_role("button", name="Sign in").click()
                        expect(on.heading(tab, "People")).to_be_visible()
                        _shoot(tab, f"people-{size}-{scheme}")
                        tab.goto(f"{server.url}/profile")
                        expect(tab.get_by_text("Mistral on my box")).to_be_visible()
                        _shoot(tab, f"profile-{size}-{scheme}")


def _own_things(url: str, token: str) -> None:
    """Give somebody keys and models of their own."""
    given = {"DATABASE_URL": url, "ENCRYPTION_KEY": "made-up-key-for-screenshots"}
    services = open_services(load_settings(given, ROOT / "no-such-folder"), origin="cli")
    try:
        person = services.principal(token)
        assert person is not None
        profile, desk = ProfileDesk(services, person), ModelDesk(services, person, own=True)
        profile.set_key(profile.registry.provider("anthropic"), "sk-ant-made-up-0123456789abcdef-4f2a", tested=True)
        box = DraftModel("box", "openai-compatible", "mistral-7b-instruct", {"display_name": "Mistral on my box", "is_active": True})
        mine = desk.add(replace(box, provider_name="My box", base_url="https://box.example.com/v1"), "sk-box-made-up-0123456789ab-77c1")
        profile.registry.set_default(mine.id)
        openai = profile.registry.provider("openai")
        desk.add(
            DraftModel(
                "", "openai", "ft:gpt-4o-mini:support::a1", {"display_name": "Support fine-tune", "is_active": True}, provider=openai
            )
        )
    finally:
        services.close()


def _setup(browser: Browser) -> None:
    """Draw what a server says before its database has tables."""
    with running_postgres() as postgres, tempfile.TemporaryDirectory(prefix="modeldeck-screenshots-") as folder:
        url = postgres.url(postgres.create())
        with serve(Path(folder), DATABASE_URL=url, ENCRYPTION_KEY="made-up-key-for-screenshots") as server:
            for size in SIZES:
                for scheme in SCHEMES:
                    with _tab(browser, size, scheme) as tab:
                        tab.goto(f"{server.url}/setup")
                        expect(on.heading(tab, "Setup")).to_be_visible()
                        _shoot(tab, f"setup-{size}-{scheme}")


def _conversations(browser: Browser, server: Server) -> None:
    replies = [_reply(thought, text, 180 + 240 * n, 6_000 + 400 * n) for n, (_, thought, text) in enumerate(TURNS)]
    with ReplayServer(*replies * (len(SIZES) * len(SCHEMES)), pace=0.015) as provider:
        on.connect(server, "anthropic", provider.base_url, showcase.KEYS["anthropic"], switch_on=[])
        for size in SIZES:
            for scheme in SCHEMES:
                with _tab(browser, size, scheme) as tab:
                    on.visit(tab, server, "Playground", f"?model={MODEL}")
                    for n, (question, _, _) in enumerate(TURNS, start=1):
                        on.send(tab, question)
                        expect(on.figures(tab)).to_have_count(n)
                    _shoot(tab, f"playground-{size}-{scheme}")


def main() -> int:
    """Fill a folder that is thrown away afterwards, and draw every page at each width in light and dark."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="modeldeck-screenshots-") as folder, serve(Path(folder)) as server:
        with on.services(server.data_dir) as services:
            showcase.change_prices(services)
            showcase.refreshed(services)
            print(f"{showcase.fill(services, days=60)} calls made up")
            PriceDesk(services, LOCAL_ADMIN).check()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            _pages(browser, server)
            _conversations(browser, server)
            _team(browser)
            _setup(browser)
            browser.close()
    drawn = sorted(FOLDER.glob("*.png"))
    print(f"{len(drawn)} pictures, {sum(path.stat().st_size for path in drawn) / 1e6:.1f} MB, in {FOLDER.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
