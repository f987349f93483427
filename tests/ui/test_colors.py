"""One look per model: the same on every page, and apart from every other as far as eyes can tell."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from lib.ui.colors import OTHER, PALETTE, look

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"
APART = 0.06
"""How far apart two colours must lie in OKLab: twenty just noticeable differences."""
EYES = {
    "most eyes": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "without red cones": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "without green cones": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
"""What reaches the eye of linear red, green and blue: the matrices of Machado, Oliveira and Fernandes (2009)."""
OKLAB_IN = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
OKLAB_OUT = (
    (0.2104542553, 0.793617785, -0.0040720468),
    (1.9779984951, -2.428592205, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.808675766),
)


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


def times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def seen(color: str, eyes: str) -> list[float]:
    """Return where a colour lies in OKLab as such eyes see it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return times(OKLAB_OUT, [max(cone, 0) ** (1 / 3) for cone in times(OKLAB_IN, [max(part, 0) for part in times(EYES[eyes], linear)])])


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_no_two_colours_of_a_chart_look_alike_to_colour_blind_eyes(mode: str, eyes: str) -> None:
    theme = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]
    colors = [*theme[mode]["chartCategoricalColors"], OTHER.color]
    close = {(a, b): math.dist(seen(a, eyes), seen(b, eyes)) for a, b in combinations(colors, 2)}
    assert not {pair: apart for pair, apart in close.items() if apart < APART}
