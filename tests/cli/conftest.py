"""Commands run on a data folder of their own, with no other setting given."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lib.access import LOCAL_ADMIN
from lib.cli import cli
from lib.pricing import Price
from lib.services import open_services
from lib.settings import SETTINGS, load_settings


@dataclass(frozen=True)
class Ran:
    """What one command line printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def seeded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the built-in models, whose demo provider hardly pauses between words and charges for one of them."""
    folder = tmp_path_factory.mktemp("seeded")
    services = open_services(load_settings({"MODELDECK_DATA_DIR": str(folder)}, folder))
    registry = services.registry(LOCAL_ADMIN)
    registry.set_provider("demo", settings={"pace": 0.01})
    price = Price(input=Decimal("0.5"), output=Decimal("1.5"), cache_read=Decimal("0.05"), cache_write_5m=Decimal("0.625"), source="manual")
    registry.set_price(registry.get("demo-chat").id, price)
    services.close()
    return folder


@pytest.fixture
def seeded(seeded_folder: Path, tmp_path: Path) -> Path:
    """A copy of the seeded folder in the place where ``run`` looks."""
    return shutil.copytree(seeded_folder, tmp_path / "data")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``python -m lib`` with these words in this process: ``run("models", "list", input="…", PORT="1")``."""
    names = [name for s in SETTINGS for name in (s.name, s.alias) if name]

    def command(*words: str, input: str | None = None, **environ: str) -> Ran:
        env: dict[str, str | None] = {**dict.fromkeys(names), "MODELDECK_DATA_DIR": str(tmp_path / "data"), **environ}
        result = CliRunner(env=env).invoke(cli, words, input=input)
        assert result.exc_info is None or isinstance(result.exc_info[1], SystemExit), result.exc_info
        assert "Traceback" not in result.output
        return Ran(result.exit_code, result.stdout, result.stderr)

    return command


@pytest.fixture(autouse=True)
def logging_put_back() -> Iterator[None]:
    """Commands set up the process's logging; later tests get it as it was."""
    root = logging.getLogger()
    factory, handlers, level = logging.getLogRecordFactory(), list(root.handlers), root.level
    yield
    logging.setLogRecordFactory(factory)
    root.handlers[:] = handlers
    root.setLevel(level)
