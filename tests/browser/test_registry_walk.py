"""An admin's morning in the registry: a model added, tried, switched, moved, changed with others, and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lib.access import LOCAL_ADMIN
from lib.store.base import Insert
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.replay import OPENAI_MODEL, ReplayServer
from tests.serving import Server, serve
from tests.stack.stack import PASSWORD, Stack

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
    with on.services(server.data_dir, **server.settings) as opened:
        return {m.model_key: (m.is_active, m.hidden, m.fallbacks, m.display_order) for m in opened.registry(LOCAL_ADMIN).models()}


def claudes(server: Server) -> list[str]:
    """Return Anthropic's models in their order, as another process sees it."""
    return [key for key in state(server) if key.startswith("claude")]


def menu(tab: Page, word: str) -> Locator:
    """Open one of the dialogs behind the page's menu, and return it."""
    on.settle(tab)
    tab.get_by_role("button", name="More", exact=True).click()
    tab.get_by_role("menuitem", name=word, exact=True).click()
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_be_visible()
    on.settle(tab)
    return dialog


def grip(dialog: Locator, place: int) -> Locator:
    """Return the handle of the row at a place in the list of the order."""
    return dialog.locator("li .handle").nth(place)


def listed(dialog: Locator) -> list[int]:
    """Return which rows stand in the list of the order now, by the place they had when it was first asked."""
    rows = dialog.locator("li").evaluate_all("items => items.map(item => item.dataset.id)")
    first = sorted(map(int, rows))
    return [first.index(int(row)) for row in rows]


def drag(tab: Page, source: Locator, target: Locator) -> None:
    """Drag one handle to where another is, with the mouse."""
    source.hover()  # waits until the drawer has slid in
    start, end = source.bounding_box(), target.bounding_box()
    assert start is not None and end is not None
    x = start["x"] + start["width"] / 2
    tab.mouse.move(x, start["y"] + start["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(x, end["y"] + end["height"] / 2, steps=6)
    expect(tab.get_by_role("dialog").locator(".line")).to_be_visible()
    tab.mouse.up()


def give(dialog: Locator, name: str, data: bytes) -> None:
    """Put a file into the dialog, in place of one that is there."""
    if (there := dialog.get_by_role("button", name=re.compile("^Remove"))).count():
        there.first.click()
    dialog.locator('input[type="file"]').set_input_files({"name": name, "mimeType": "text/csv", "buffer": data})


def choose(tab: Page, *rows: int) -> None:
    for row in rows:
        on.click_cell(tab, MODELS, x=on.MARKER_X, row=row, row_height=ROW)


@pytest.fixture(params=["embedded", "supabase"])
def server(request: pytest.FixtureRequest, tab: Page, tmp_path: Path) -> Iterator[Server]:
    """A server whose admin the tab is: the person at this machine, or one who signed in at a Supabase project."""
    if request.param == "embedded":
        with serve(tmp_path) as running:
            yield running
        return
    stack: Stack = request.getfixturevalue("stack")
    admin = stack.sign_up("registry-walk@example.com", role="admin")
    with serve(tmp_path, **stack.settings, ENCRYPTION_KEY="a-key-for-tests-0123456789") as running:
        tab.goto(running.url)
        tab.get_by_label("E-mail address", exact=True).fill(admin.email)
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Sign in", exact=True).click()
        expect(on.heading(tab, "Overview")).to_be_visible()
        yield running
        with on.services(tmp_path, **running.settings) as opened:  # other tests share the project
            registry = opened.registry(LOCAL_ADMIN)
            registry.delete_model(registry.get(OPENAI_MODEL).id)
            registry.delete_provider("house")


def test_from_a_template_to_a_bulk_change_and_back(tab: Page, tmp_path: Path, server: Server) -> None:
    with ReplayServer(api_key=KEY) as provider:
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
        order = claudes(server)
        dialog = menu(tab, "Change the order")
        drag(tab, grip(dialog, 0), grip(dialog, 2))
        expect(dialog.get_by_text("1 model will stand elsewhere.")).to_be_visible()
        assert listed(dialog)[:3] == [1, 2, 0], "the first row went to the third place"
        grip(dialog, 4).focus()
        for key in ("Space", "Home", "ArrowDown", "Space"):
            tab.keyboard.press(key)
        on.eventually(lambda: listed(dialog)[:4] == [1, 4, 2, 0], "the keys carried no row")
        dialog.get_by_label("Place", exact=True).fill("1")
        expect(dialog.get_by_text("2 models will stand elsewhere.")).to_be_visible()
        on.settle(tab)
        dialog.get_by_role("combobox", name=re.compile("Model")).fill("Claude 3 Haiku")
        tab.get_by_role("option", name="Claude 3 Haiku").click()
        dialog.get_by_role("button", name="Move", exact=True).click()
        expect(dialog.locator("li").first).to_contain_text("Claude 3 Haiku")
        assert claudes(server) == order, "nothing is written before it is saved"
        dialog.get_by_role("button", name="Save the order").click()
        expect(dialog).to_be_hidden()
        last = order.index("claude-3-haiku-20240307") if "claude-3-haiku-20240307" in order else len(order) - 1
        assert claudes(server)[:5] == [order[last], order[1], order[4], order[2], order[0]]

        before = state(server)
        on.settle(tab)
        choose(tab, 0, 2)
        tab.get_by_role("button", name="Change together").click()
        bulk = tab.get_by_role("dialog")
        bulk.get_by_role("radio", name="On", exact=True).click()
        bulk.get_by_role("radio", name="Hidden", exact=True).click()
        expect(bulk.locator('[role="gridcell"]').filter(has_text="Hidden")).to_have_count(2)
        assert state(server) == before, "the difference alone changes nothing"
        bulk.get_by_role("button", name="Apply to 2 models").click()
        expect(bulk).to_be_hidden()
        expect(tab.get_by_text("2 models changed.")).to_be_visible()
        changed = [after[:2] for key, after in state(server).items() if after != before[key]]
        assert changed == [(True, True), (True, True)]
        tab.get_by_role("button", name="Undo", exact=True).click()
        expect(tab.get_by_text("2 models changed.")).to_be_hidden()
        assert state(server) == before

        with tab.expect_download() as download:
            menu(tab, "Export").get_by_role("button", name="CSV for spreadsheets").click()
        table = Path(download.value.path()).read_bytes()
        assert KEY.encode() not in table
        on.visit(tab, server, "Models")
        dialog = menu(tab, "Import")
        give(dialog, "wrong.csv", table.replace(b",House model II,", b",=1+1,").replace(b",true,", b",maybe,", 1))
        expect(dialog.get_by_role("alert")).to_contain_text("1 mistake in the file")
        expect(dialog.get_by_role("listitem").first).to_contain_text("“maybe” is neither true nor false.")
        give(dialog, "right.csv", table.replace(b",House model II,", b",=1+1,"))
        expect(on.cells(tab, "What the import changes").filter(has_text="=1+1")).to_have_count(1)
        dialog.get_by_role("button", name="Import 1 model").click()
        expect(dialog).to_be_hidden()
        assert on.show_model(server, OPENAI_MODEL)["name"] == "=1+1"
        tab.get_by_role("button", name="Undo import").click()
        expect(tab.get_by_text("Imported: 1 model")).to_be_hidden()
        assert on.show_model(server, OPENAI_MODEL)["name"] == "House model II"


def within(tab: Page, width: int) -> bool:
    """Whether the drawer, once it has slid in, lies within the window."""
    box = tab.get_by_role("dialog").bounding_box()
    return box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1


def test_a_row_is_dragged_with_a_finger_on_a_phone_and_escape_puts_a_carried_one_back(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    context.set_default_timeout(TIMEOUT)
    tab = context.new_page()
    with serve(tmp_path) as server:
        on.visit(tab, server, "Models", "?provider=Demo")
        dialog = menu(tab, "Change the order")
        on.eventually(lambda: within(tab, 390), "the drawer sticks out of the window")
        start, end = grip(dialog, 0).bounding_box(), grip(dialog, 2).bounding_box()
        assert start is not None and end is not None
        x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
        finger = context.new_cdp_session(tab)
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for share in (0.3, 0.6, 1):
            finger.send(
                "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y + share * (end["y"] - start["y"])}]}
            )
        expect(dialog.locator(".line")).to_be_visible()
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(dialog.get_by_text("1 model will stand elsewhere.")).to_be_visible()
        assert listed(dialog) == [1, 2, 0, 3, 4]
        grip(dialog, 3).focus()
        for key in ("Space", "ArrowUp", "ArrowUp"):
            tab.keyboard.press(key)
        on.eventually(lambda: listed(dialog) == [1, 3, 2, 0, 4], "the arrows did not carry the row")
        tab.keyboard.press("Escape")
        on.eventually(lambda: listed(dialog) == [1, 2, 0, 3, 4], "Escape did not put it back")
        expect(dialog).to_be_visible()
        expect(dialog.get_by_role("status").first).to_contain_text("put back")
    context.close()


def test_a_cards_switch_stays_in_reach_beside_a_name_of_any_length(tab: Page, tmp_path: Path) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    with serve(tmp_path) as server:
        with on.services(server.data_dir) as opened:
            registry = opened.registry(LOCAL_ADMIN)
            registry.update_model(registry.get("demo-chat").id, display_name="A fine-tune whose name goes on " + "and on " * 20)
        on.visit(tab, server, "Models", "?view=Cards&q=fine-tune")
        switch = tab.get_by_test_id("stCheckbox")
        box = switch.bounding_box()
        assert box is not None and box["x"] + box["width"] <= 390, "the switch is pushed out of the window"
        switch.click()
        on.eventually(lambda: not state(server)["demo-chat"][0], "the card's switch did not switch")
        on.settle(tab)
        tab.get_by_role("button", name=re.compile("^A fine-tune")).click()
        expect(tab.get_by_role("dialog")).to_contain_text("Last 30 days")


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
        expect(tab.get_by_text("2,046 models · 2,005 on")).to_be_visible()
        on.visit(tab, server, "Models", "?q=m1999")
        choose(tab, 0)
        tab.get_by_role("button", name="Details").click()
        expect(tab.get_by_role("dialog")).to_contain_text("Model 1999")
        on.eventually(lambda: within(tab, width), "the drawer sticks out of the window")
