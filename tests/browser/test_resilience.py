"""An admin brings a blacklisted model back, and takes one out of use, on the page and without a reload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from lib.access import LOCAL_ADMIN
from lib.chat import Message
from lib.routing.hints import REASON
from lib.services import ChatCall
from lib.store.engine import writing
from lib.store.schema import model_compatibility_hints
from tests.browser import driving as on
from tests.serving import Server, serve

MATRIX = "Models by endpoint and parameter"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose one called model is blacklisted by the router, though it answers again by now."""
    with serve(tmp_path_factory.mktemp("resilience")) as running:
        with on.services(running.data_dir) as services:
            services.complete(LOCAL_ADMIN, ChatCall([Message("user", "Hello")], model="demo-chat"))
            listed = sa.update(model_compatibility_hints).values(
                is_blacklisted=True, blacklist_reason=REASON, error_count=5, success_count=0
            )
            with writing(services.engine).begin() as connection:
                assert connection.execute(listed).rowcount == 1
        yield running


def test_a_probe_recovers_a_model_and_an_admins_word_takes_it_out_of_use_and_back(tab: Page, server: Server) -> None:
    on.visit(tab, server, "Resilience", "?show=Compatibility")
    on.drawn(tab)
    warning = tab.get_by_text("1 model is blacklisted.")
    expect(warning).to_be_visible()
    expect(on.cells(tab, MATRIX).filter(has_text="Blacklisted").first).to_be_attached()
    on.click_cell(tab, MATRIX, x=on.MARKER_X)
    drawer = tab.get_by_role("dialog")
    expect(drawer.get_by_text(REASON).first).to_be_visible()
    drawer.get_by_role("button", name="Probe now").click()
    expect(drawer.get_by_text("In use")).to_be_visible()
    expect(drawer.get_by_role("button", name="Take off the blacklist")).to_have_count(0)

    drawer.get_by_label("Why should it not be used?").fill("Too dear for what it says")
    drawer.get_by_role("button", name="Blacklist", exact=True).click()
    expect(drawer.get_by_text("The router avoids it until somebody takes it back.")).to_be_visible()
    drawer.get_by_role("button", name="Take off the blacklist").click()
    expect(drawer.get_by_text("It is used again from the next call on.")).to_be_visible()
    expect(drawer.get_by_text("An admin lets it be used.")).to_be_visible()
    drawer.get_by_role("button", name="Close").click()
    expect(warning).to_have_count(0)
    expect(on.cells(tab, MATRIX).filter(has_text="In use")).to_have_count(1)
    on.click_cell(tab, MATRIX, x=on.MARKER_X)
    expect(drawer.get_by_role("button", name="Probe now")).to_be_visible()
