"""The app in Streamlit's own test bench, on a data folder of the test's own: opened, read as a person reads it, closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN
from lib.registry import Registry
from lib.services import Services
from lib.settings import Settings, load_settings
from lib.ui import shell
from lib.ui.context import Console

ROOT = Path(__file__).parents[2]
PAGES = {Path(file).stem: file for _, file, _, _ in shell.PAGES}
HOME = next(iter(PAGES))
_UNREAD = {"id", "form_id", "key", "element_id", "hash", "script", "spec", "config", "arrow_data", "vega_lite_chart", "columns", "element"}
_UNREAD |= {"html_content", "css_content", "js_content"}
"""Fields of a drawn element that the browser uses and nobody reads."""
_NOT_FOR_PEOPLE = re.compile(r"\b(None(?! needed)|nan|NaN|NaT|null|Traceback|Error\(|object at 0x)\b")


@dataclass
class Deck:
    """One Modeldeck: its data folder, the settings it was given, and the console its pages use."""

    folder: Path
    settings: dict[str, str]

    def __post_init__(self) -> None:
        self.console = Console(load=self.load)

    def load(self) -> Settings:
        """Read the settings as the process would, from nothing but what the test gave."""
        return load_settings({"MODELDECK_DATA_DIR": str(self.folder), **self.settings}, root=self.folder.parent / "no-such-root")

    @property
    def services(self) -> Services:
        """The services the pages use."""
        return self.console.services()

    @property
    def admin(self) -> Registry:
        """The registry as the local admin changes it."""
        return self.services.registry(LOCAL_ADMIN)

    def again(self, **settings: str) -> None:
        """Stop, and start anew with these settings beside the old ones, as after a restart."""
        self.console.close()
        self.settings |= settings

    def open(self, page: str = HOME, /, timezone: str = "UTC", **address: Any) -> AppTest:
        """Open a page in a new browser session, through the app's own shell."""
        at = AppTest.from_file(ROOT / "app.py", default_timeout=30)
        at.context["timezone"] = timezone
        at.query_params.update(address)
        return at.run() if page == HOME else go(at, page)


def go(at: AppTest, page: str) -> AppTest:
    """Follow the sidebar's link to a page."""
    return at.switch_page(PAGES[page]).run()


def button(at: AppTest, label: str) -> Any:
    """Return the button that says this."""
    found = [b for b in at.button if b.label.strip() == label]
    assert len(found) == 1, f"{len(found)} buttons say {label!r}; there are: {[b.label for b in at.button]}"
    return found[0]


def press(at: AppTest, label: str) -> AppTest:
    """Press the button that says this."""
    button(at, label).click()
    return at.run()


def choose(at: AppTest, table: str, *rows: int) -> AppTest:
    """Choose rows of a table by their position."""
    at.session_state[table] = {"selection": {"rows": list(rows)}}
    return at.run()


def nodes(at: AppTest) -> Iterator[Any]:
    """Yield every element and block on the page."""
    waiting = list(at._tree.children.values())
    while waiting:
        node = waiting.pop(0)
        waiting[:0] = getattr(node, "children", {}).values()
        yield node


def words(at: AppTest) -> str:
    """Return all that a person can read on the page, tooltips and table cells included, one piece a line."""
    pieces: list[str] = []
    for node in nodes(at):
        proto = getattr(node, "proto", None)
        if hasattr(proto, "ListFields"):
            pieces += _strings(proto)
    for table in [*at.dataframe, *at.table]:
        pieces += [str(name) for name in table.value.columns]
        pieces += [str(cell) for column in table.value.columns for cell in table.value[column] if not _missing(cell)]
    return "\n".join(pieces)


def clean(at: AppTest) -> str:
    """Hold the page to what every page promises, and return its words."""
    text = words(at)
    assert not at.exception, [e.value for e in at.exception]
    assert not (slip := _NOT_FOR_PEOPLE.search(text)), f"the page says {slip[0]!r}: {text[max(0, slip.start() - 80) : slip.end() + 80]}"
    for table in at.dataframe:
        empty = [name for name in table.value.columns if table.value[name].map(_missing).any()]
        assert not empty or table.proto.HasField("placeholder"), f"empty cells of {empty} would say None"
    return text


def charts(at: AppTest) -> list[str]:
    """Return the accessible names of the charts on the page."""
    return [node.proto.alt for node in nodes(at) if getattr(node, "type", "") == "plotly_chart"]


def _missing(cell: Any) -> bool:
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def _strings(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name in _UNREAD:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        for one in value if hasattr(value, "append") or hasattr(value, "add") else [value]:
            if hasattr(one, "ListFields"):
                yield from _strings(one)
            elif isinstance(one, str):
                yield one
