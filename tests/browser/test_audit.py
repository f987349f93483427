"""The Audit log in a browser: a change chosen from the list, looked at, taken back, and a model's own changes from its drawer."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from lib.access import LOCAL_ADMIN
from tests.browser import driving as on
from tests.browser.test_registry_walk import MODELS, NAME_X, ROW
from tests.serving import serve

LIST = "Changes, newest first"


def test_a_deletion_is_found_looked_at_and_taken_back(tab: Page, tmp_path: Path) -> None:
    with on.services(tmp_path) as services:
        registry = services.registry(LOCAL_ADMIN)
        registry.update_model(registry.get("gpt-4o").id, fallbacks=["gpt-4o-mini"])
        registry.delete_model(registry.get("gpt-4o-mini").id)
        model_id = registry.get("gpt-4o").id
    with serve(tmp_path) as server:
        on.visit(tab, server, "Audit log", "?audit-change=Deleted")
        on.drawn(tab)
        on.click_cell(tab, LIST, x=on.MARKER_X)
        dialog = tab.get_by_role("dialog")
        expect(dialog.get_by_role("heading", name="Local admin deleted GPT-4o mini")).to_be_visible()
        dialog.get_by_role("button", name="Undo", exact=True).click()
        expect(dialog.get_by_text("Taking it back would change this:")).to_be_visible()
        dialog.get_by_role("button", name="Undo this change").click()
        expect(dialog).not_to_be_visible()
        on.settle(tab)
        expect(tab).to_have_url(re.compile("audit-change=Deleted"))
        on.visit(tab, server, "Audit log", f"?model={model_id}")
        on.drawn(tab)
        expect(tab.get_by_role("button", name="Only GPT-4o")).to_be_visible()
        expect(on.cells(tab, LIST).filter(has_text="Added GPT-4o mini and changed the fallbacks of GPT-4o")).not_to_have_count(0)
    with on.services(tmp_path) as services:
        registry = services.registry(LOCAL_ADMIN)
        assert registry.get("gpt-4o").fallbacks == ("gpt-4o-mini",)
        assert registry.get("gpt-4o-mini").price is not None


def test_the_drawer_of_a_model_leads_to_its_changes(tab: Page, tmp_path: Path) -> None:
    with on.services(tmp_path) as services:
        registry = services.registry(LOCAL_ADMIN)
        registry.update_model(registry.get("gpt-4o").id, display_name="Quokka")
        model_id = registry.get("gpt-4o").id
    with serve(tmp_path) as server:
        on.visit(tab, server, "Models", "?q=Quokka")
        on.drawn(tab)
        on.click_cell(tab, MODELS, x=NAME_X, row_height=ROW)
        dialog = tab.get_by_role("dialog")
        dialog.get_by_role("button", name="All changes of this model").click()
        expect(on.heading(tab, "Audit log")).to_be_visible()
        on.settle(tab)
        expect(tab).to_have_url(re.compile(f"/audit\\?model={model_id}"))
        expect(dialog).not_to_be_visible()
