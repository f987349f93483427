"""One look per model: the same on every page, and apart from every other as far as eyes can tell."""

from __future__ import annotations

import tomllib
from pathlib import Path

from lib.ui.colors import OTHER, PALETTE, look

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"


def test_the_first_32_models_look_different_in_bars_and_in_lines() -> None:
    looks = [look(number) for number in range(1, 33)]
    assert len({(one.color, one.pattern) for one in looks}) == 32
    assert len({(one.color, one.dash) for one in looks}) == 32
    assert OTHER not in looks


def test_a_model_keeps_its_look_and_what_is_no_model_is_grey() -> None:
    assert look(7) == look(7)
    assert look(0) == look(-1) == OTHER


def test_every_place_has_a_colour_in_both_themes() -> None:
    theme = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]
    assert [len(theme[mode]["chartCategoricalColors"]) for mode in ("light", "dark")] == [PALETTE, PALETTE]
    assert {look(n).color for n in range(1, 100)} == {f"#{place:06d}" for place in range(1, PALETTE + 1)}
