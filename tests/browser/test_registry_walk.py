"""An admin's morning in the registry: a model added, tried, switched, moved, changed with others, and taken back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from lib.access import LOCAL_ADMIN
from lib.store.base import Insert
from tests.browser import driving as on
from tests.replay import OPENAI_MODEL, ReplayServer
from tests.serving import Server, serve

KEY = "sk-right-2b7d0e915c3f4a68b1d94e7f60a2c8d3"
MODELS = "Models with"
ROW = 38
NAME_X, SWITCH_X = 80, 270


def add(tab: Page, server: ReplayServer, upstream: str, *, key: str) -> Locator:
    """Open the dialog, fill it from the template of one's own server, and return it."""
    tab.get_by_role("button", name="Add model").click()
    dialog = tab.get_by_role("dialog")
    for label, text in (("Provider name", "House"), ("Slug", "house"), ("Base URL", server.base_url), ("Upstream id", upstream)):
        dialog.get_by_label(label, exact=True).fill(text)
    dialog.get_by_label("Display name", exact=True).fill("House model")
    dialog.get_by_label(re.compile("^API key")).fill(key)
    return dialog


def state(server: Server) -> dict[str, Any]:
    """Return what a bulk change touches, as another process sees it."""
    with on.services(server.data_dir) as opened:
        return {m.model_key: (m.is_active, m.hidden, m.fallbacks, m.display_order) for m in opened.registry(LOCAL_ADMIN).models()}


def choose(tab: Page, *rows: int) -> None:
    for row in rows:
        on.click_cell(tab, MODELS, x=on.MARKER_X, row=row, row_height=ROW)


def test_from_a_template_to_a_bulk_change_and_back(tab: Page, tmp_path: Path) -> None:
    with ReplayServer(api_key=KEY) as provider, serve(tmp_path) as server:
        on.visit(tab, server, "Models")
        dialog = add(tab, provider, OPENAI_MODEL, key="sk-wrong-00000000000000000000")
        dialog.get_by_role("button", name="Test connection").click()
        expect(dialog.get_by_role("alert")).to_contain_text("did not accept the key")
        dialog.get_by_label(re.compile("^API key")).fill(KEY)
        dialog.get_by_role("button", name="Test connection").click()
        expect(dialog.get_by_role("status")).to_contain_text("It works")
        expect(dialog).to_contain_text("Water is wet")
        dialog.get_by_role("button", name="Save", exact=True).click()
        expect(dialog).to_be_hidden()
        assert state(server)[OPENAI_MODEL][0], "it is on at once"
        assert not on.holds(tmp_path, KEY)
        assert KEY not in tab.content() + server.log

        on.visit(tab, server, "Models", "?q=House")
        expect(on.cells(tab, MODELS).filter(has_text="Usable")).to_have_count(1)
        on.click_cell(tab, MODELS, x=SWITCH_X, row_height=ROW)
        on.eventually(lambda: not state(server)[OPENAI_MODEL][0], "the row's switch did not switch")
        on.click_cell(tab, MODELS, x=NAME_X, row_height=ROW)
        drawer = tab.get_by_role("dialog")
        expect(drawer).to_contain_text("Last 30 days")
        expect(drawer).to_contain_text(OPENAI_MODEL)
        drawer.get_by_role("button", name="Edit", exact=True).click()
        drawer.get_by_label("Display name", exact=True).fill("")
        drawer.get_by_role("button", name="Save", exact=True).click()
        expect(drawer.get_by_role("alert")).to_contain_text("Display name must not be empty.")
        drawer.get_by_label("Display name", exact=True).fill("House model II")
        drawer.get_by_role("button", name="Save", exact=True).click()
        expect(drawer).to_be_hidden()
        expect(on.cells(tab, MODELS).filter(has_text="House model II")).to_have_count(1)

        on.visit(tab, server, "Models", "?provider=Anthropic")
        order = [key for key in state(server) if key.startswith("claude")]
        choose(tab, 0)
        tab.get_by_role("button", name="Move down").click()
        on.eventually(lambda: [k for k in state(server) if k.startswith("claude")] == [order[1], order[0], *order[2:]], "it did not move")

        before = state(server)
        on.settle(tab)
        choose(tab, 2)
        tab.get_by_role("button", name="Change together").click()
        bulk = tab.get_by_role("dialog")
        bulk.get_by_role("radio", name="On", exact=True).click()
        bulk.get_by_role("radio", name="Hidden", exact=True).click()
        expect(bulk.locator('[role="gridcell"]').filter(has_text="Hidden")).to_have_count(2)
        assert state(server) == before, "the difference alone changes nothing"
        bulk.get_by_role("button", name="Apply to 2 models").click()
        expect(bulk).to_be_hidden()
        expect(tab.get_by_text("2 models changed.")).to_be_visible()
        assert sum(on_ and hidden for on_, hidden, _, _ in state(server).values()) == 2
        tab.get_by_role("button", name="Undo", exact=True).click()
        expect(tab.get_by_text("2 models changed.")).to_be_hidden()
        assert state(server) == before


def within(tab: Page, width: int) -> bool:
    """Whether the drawer, once it has slid in, lies within the window."""
    box = tab.get_by_role("dialog").bounding_box()
    return box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1


@pytest.mark.parametrize("width", [1440, 375])
def test_two_thousand_models_are_found_and_opened_at_any_width(tab: Page, tmp_path: Path, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    with serve(tmp_path) as server:
        with on.services(server.data_dir) as opened:
            owner = opened.registry(LOCAL_ADMIN).provider("openai").id
            row = {"provider_id": owner, "is_active": True}
            opened.store(LOCAL_ADMIN).apply(
                [
                    Insert(
                        "llm_models",
                        [{**row, "model_key": f"m{n}", "upstream_id": f"m{n}", "display_name": f"Model {n}"} for n in range(2_000)],
                    )
                ]
            )
        on.visit(tab, server, "Models")
        expect(tab.get_by_text("2046 of 2046 models shown")).to_be_visible()
        on.visit(tab, server, "Models", "?q=m1999")
        choose(tab, 0)
        tab.get_by_role("button", name="Details").click()
        expect(tab.get_by_role("dialog")).to_contain_text("Model 1999")
        on.eventually(lambda: within(tab, width), "the drawer sticks out of the window")
