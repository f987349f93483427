"""Charts: a gap stays a gap, nothing is drawn where nothing is, and every chart has a name for those who cannot see it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import pytest
from streamlit.testing.v1 import AppTest

from lib.analytics import Bucket
from lib.ui import charts
from lib.ui.charts import Series
from lib.ui.colors import Look, look
from tests.pages.deck import nodes
from tests.ui.drawing import drawn

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = [Bucket(START + day * DAY, START + (day + 1) * DAY, partial=False) for day in range(4)]


def draw(kind: Literal["bars", "lines"], series: list[Series], steps: Sequence[Bucket] = STEPS, **more: Any) -> AppTest:
    kinds: dict[str, Any] = {"bars": charts.bars, "lines": charts.lines}
    return drawn(lambda: kinds[kind](steps, series, alt="Cost over time", key="cost", empty="Nothing to show.", **more))


def figure(at: AppTest) -> Any:
    (chart,) = [node for node in nodes(at) if getattr(node, "type", "") == "plotly_chart"]
    assert chart.proto.alt == "Cost over time"
    return json.loads(chart.proto.spec)


@pytest.mark.parametrize(
    ("kind", "series"),
    [
        ("bars", []),
        ("bars", [Series("a", [], look(1))]),
        ("bars", [Series("a", [0, 0, 0, 0], look(1))]),
        ("lines", []),
        ("lines", [Series("a", [None] * 4, look(1))]),
    ],
)
def test_without_a_value_there_is_a_sentence_and_no_chart(kind: Literal["bars", "lines"], series: list[Series]) -> None:
    at = draw(kind, series)
    assert [c.value for c in at.caption] == ["Nothing to show."]
    assert len(at.main.children) == 1


def test_a_line_has_a_gap_where_there_is_no_value() -> None:
    (line,) = figure(draw("lines", [Series("p50", [1.5, None, 0, 2.5], look(1))]))["data"]
    assert line["y"] == [1.5, None, 0, 2.5]
    assert line["connectgaps"] is False
    assert line["line"]["shape"] == "linear", "a smooth line would invent values"


def test_zero_is_drawn_as_a_line_but_not_as_bars() -> None:
    assert figure(draw("lines", [Series("p50", [0, 0, 0, 0], look(1))]))["data"][0]["y"] == [0, 0, 0, 0]


def test_each_series_keeps_its_name_its_look_and_its_exact_words() -> None:
    looks = [look(1), look(9), Look("#DC2626", "x")]
    series = [Series(f"model {n}", [n, 0, 1, 2], one, ["$1", "$0", "$1", "$2"]) for n, one in enumerate(looks)]
    bars = figure(draw("bars", series, prefix="$"))["data"]
    assert [bar["name"] for bar in bars] == ["model 0", "model 1", "model 2"]
    assert [(bar["marker"]["color"], bar["marker"]["pattern"]["shape"]) for bar in bars] == [(one.color, one.pattern) for one in looks]
    assert bars[0]["customdata"] == ["$1", "$0", "$1", "$2"]
    assert bars[0]["hovertemplate"].startswith("%{customdata}")


def test_one_series_needs_no_legend_and_a_running_period_is_marked() -> None:
    layout = figure(draw("bars", [Series("a", [1, 2, 3, 4], look(1))], [*STEPS[:3], replace(STEPS[3], partial=True)]))["layout"]
    assert [note["text"] for note in layout["annotations"]] == ["so far"]
    assert "annotations" not in figure(draw("bars", [Series("a", [1, 2, 3, 4], look(1))]))["layout"]


def test_small_counts_have_no_fractions_on_their_axis() -> None:
    assert figure(draw("bars", [Series("a", [1, 0, 2, 1], look(1))]))["layout"]["yaxis"]["dtick"] == 1
    assert "dtick" not in figure(draw("bars", [Series("a", [0.5, 0, 2, 1], look(1))]))["layout"]["yaxis"]
    assert "dtick" not in figure(draw("bars", [Series("a", [500, 0, 2, 1], look(1))]))["layout"]["yaxis"]


def legend(at: AppTest) -> str:
    return "".join(node.proto.body for node in nodes(at) if getattr(node, "type", "") == "html")


def test_the_legend_stands_beside_the_chart_and_takes_nothing_from_its_height() -> None:
    series = [Series("<Alpha>", [1, 2, 3, 4], look(1)), Series("Beta", [1, 2, 3, 4], look(9)), Series("OK", [1, 1, 1, 1], Look("#059669"))]
    at = draw("bars", series)
    assert figure(at)["layout"]["showlegend"] is False
    told = legend(at)
    assert "&lt;Alpha&gt;" in told
    assert told.count("aria-pressed") == 3 + told.count('[aria-pressed="true"]')
    assert told.count("light-dark(#4F46E5, #818CF8)") == 2, "the same colour in both themes as the bars"
    assert "repeating-linear-gradient" in told
    assert "background: #059669" in told
    assert legend(draw("bars", series[:1])) == "", "one series needs no legend"


HOUR = timedelta(hours=1)


def hours(first: float, last: float) -> list[Bucket]:
    """Return the hours of a morning, the first begun and the last cut so many hours late and early."""
    edges = [START + first * HOUR, *(START + n * HOUR for n in (1, 2)), START + (3 - last) * HOUR]
    return [Bucket(a, b, partial=False) for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("steps", "notes", "kept"),
    [
        (hours(0, 0), [], slice(0, 3)),
        (hours(0.5, 0), ["from 00:30"], slice(1, 3)),
        (hours(0, 0.5), ["to 02:30"], slice(0, 2)),
        ([*STEPS[:3], replace(STEPS[3], partial=True)], ["so far"], slice(0, 3)),
        ([replace(STEPS[0], partial=True)], ["so far"], slice(0, 0)),
    ],
)
def test_a_step_shown_in_part_says_so_and_is_left_out_of_trends(steps: list[Bucket], notes: list[str], kept: slice) -> None:
    layout = figure(draw("bars", [Series("a", [1] * len(steps), look(1))], steps))["layout"]
    assert [note["text"] for note in layout.get("annotations", [])] == notes
    assert charts.whole(steps) == kept
