"""An admin asks what providers offer, takes a part of it over, and finds the new models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from lib.access import LOCAL_ADMIN
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.browser.test_accessibility import axe, found, ours
from tests.replay import ReplayServer, Reply
from tests.serving import serve

KEY = "gsk_walk_0123456789abcdefghij"
TABLE = "What changes at Groq"


def says(*ids: str) -> Reply:
    return Reply(json.dumps({"data": [{"id": name, "context_window": 8_000} for name in ids]}).encode())


def test_from_asking_to_the_new_models(tab: Page, tmp_path: Path) -> None:
    listed = says("llama-3.3-70b-versatile", "alpha", "beta", "whisper-large-v3")
    with ReplayServer(listed, api_key=KEY) as groq, ReplayServer(api_key="another") as refusing, serve(tmp_path) as server:
        with on.services(tmp_path) as services:
            for slug, at in (("groq", groq), ("mistral", refusing)):
                provider = services.registry(LOCAL_ADMIN).set_provider(slug, base_url=at.base_url)
                services.set_key(LOCAL_ADMIN, provider, KEY)
        on.visit(tab, server, "Providers")
        tab.get_by_role("button", name="Refresh models").click()
        dialog = tab.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Apply 3 changes")).to_be_visible()
        expect(dialog.get_by_role("alert")).to_contain_text("Mistral")
        expect(dialog).to_contain_text("2 new, 1 changed of 4 listed")
        expect(dialog).to_contain_text("Left out as no models for chats: 1 audio.")
        on.drawn(tab)
        on.click_cell(tab, TABLE, x=on.MARKER_X, row=1)
        dialog.get_by_role("button", name="Apply 2 changes").click()
        expect(dialog).to_contain_text("1 new, 1 changed.")
        expect(dialog.get_by_role("button", name="Apply")).to_have_count(0)
        expect(dialog.get_by_role("region", name=re.compile(TABLE))).to_have_count(0)
        with on.services(tmp_path) as services:
            models = {m.model_key: m for m in services.registry(LOCAL_ADMIN).models(provider="groq")}
        assert set(models) == {"llama-3.3-70b-versatile", "alpha"}
        assert (models["alpha"].is_active, models["llama-3.3-70b-versatile"].context_window) == (False, 8_000)
        dialog.get_by_role("link", name="See the new models").click()
        expect(on.heading(tab, "Models")).to_be_visible()
        on.settle(tab)
        assert "provider=Groq" in tab.url
        expect(on.cells(tab, "Models with").filter(has_text="alpha").first).to_be_attached()

        on.visit(tab, server, "Providers")
        expect(on.card(tab, "groq")).to_contain_text("1 new, 1 changed.")
        on.card(tab, "groq").get_by_role("button", name="Refresh").click()
        expect(dialog.get_by_role("button", name="Apply 1 change")).to_be_visible()
        tab.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(on.card(tab, "groq")).to_contain_text("Found 1 new; not applied yet.")
        assert KEY not in tab.content() + server.log


@pytest.mark.parametrize(("size", "scheme"), [((1440, 1000), "light"), ((390, 844), "dark")])
def test_the_drawer_can_be_read_by_everybody_and_fits(
    browser: Browser, tmp_path: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    axe()
    with ReplayServer(says(*(f"model-{n}" for n in range(20)), "whisper-1")) as groq, serve(tmp_path) as server:
        with on.services(tmp_path) as services:
            provider = services.registry(LOCAL_ADMIN).set_provider("groq", base_url=groq.base_url)
            services.set_key(LOCAL_ADMIN, provider, KEY)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        context.set_default_timeout(TIMEOUT)
        tab = context.new_page()
        on.visit(tab, server, "Providers")
        tab.get_by_role("button", name="Refresh models").click()
        dialog = tab.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Apply 21 changes")).to_be_visible()
        assert not ours("Refresh models", found(tab))
        assert tab.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        dialog.get_by_role("button", name="Apply 21 changes").click()
        expect(dialog.get_by_role("link", name="See the new models")).to_be_visible()
        assert not ours("Refreshed", found(tab))
        context.close()
