"""A Modeldeck for each test: fresh, or with models on, keys stored and calls of every outcome."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.ui import context
from tests.pages.deck import Deck
from tests.pages.filling import fill, start_a_call


@pytest.fixture(scope="session")
def seeded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first start, whose demo models answer without waiting."""
    folder = tmp_path_factory.mktemp("seeded") / "data"
    deck = Deck(folder, {})
    deck.admin.set_provider("demo", settings={"pace": 0})
    deck.console.close()
    return folder


@pytest.fixture(scope="session")
def filled_folder(tmp_path_factory: pytest.TempPathFactory, seeded_folder: Path) -> Path:
    """A data folder with models on, keys stored and calls of several days."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    shutil.copytree(seeded_folder, folder)
    deck = Deck(folder, {})
    fill(deck.services)
    deck.console.close()
    return folder


@pytest.fixture
def deck(tmp_path: Path, seeded_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deck]:
    """A Modeldeck as it is after its first start."""
    yield from _running(tmp_path, seeded_folder, monkeypatch)


@pytest.fixture
def filled(tmp_path: Path, filled_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deck]:
    """A Modeldeck in use, with one call still running."""
    for deck in _running(tmp_path, filled_folder, monkeypatch):
        start_a_call(deck.services)
        yield deck


def _running(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deck]:
    shutil.copytree(folder, tmp_path / "data")
    deck = Deck(tmp_path / "data", {})
    monkeypatch.setattr(context, "console", deck.console)
    yield deck
    deck.console.close()
