"""The one chart helper: bars and lines over time, in the theme's colours, never inventing a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lib.analytics import Bucket
from lib.ui import brush, legend
from lib.ui.colors import Look

HEIGHT = 260
_FINGERS = re.compile("Mobi|Android|iPad|iPhone")
_GRID = "rgba(128,128,128,0.18)"


@dataclass(frozen=True)
class Series:
    """One named run of values over the chart's moments; None is a gap, and stays one.

    ``hover`` holds what the tooltip says in place of each value, such as an exact cost.
    """

    name: str
    values: Sequence[float | None]
    look: Look
    hover: Sequence[str] = field(default=())


def bars(buckets: Sequence[Bucket], series: Sequence[Series], *, alt: str, key: str, empty: str, prefix: str = "") -> None:
    """Draw stacked bars, or the sentence ``empty``."""
    if not any(value for one in series for value in one.values):
        st.caption(empty)
        return
    figure, moments = go.Figure(), _clock(buckets)
    for one in series:
        figure.add_bar(
            x=moments,
            y=list(one.values),
            name=one.name,
            marker={"color": one.look.color, "pattern": _pattern(one.look.pattern), "cornerradius": 4},
            **_hover(one, prefix),
        )
    figure.update_layout(barmode="stack", bargap=0.25)
    with _frame(key):
        _legend(series)
        _draw(figure, buckets, alt=alt, key=key, ticks=_ticks(series), prefix=prefix)


def lines(buckets: Sequence[Bucket], series: Sequence[Series], *, alt: str, key: str, empty: str, suffix: str = "") -> None:
    """Draw straight lines with a gap wherever there is no value, or the sentence ``empty`` when there is none at all."""
    if not any(value is not None for one in series for value in one.values):
        st.caption(empty)
        return
    figure, moments = go.Figure(), _clock(buckets)
    for one in series:
        figure.add_scatter(
            x=moments,
            y=list(one.values),
            name=one.name,
            mode="lines+markers",
            connectgaps=False,
            line={"color": one.look.color, "width": 1.5, "dash": one.look.dash, "shape": "linear"},
            marker={"color": one.look.color, "size": 4},
            **_hover(one, "", suffix),
        )
    with _frame(key):
        _legend(series, lines=True)
        _draw(figure, buckets, alt=alt, key=key, ticks=_ticks(series), suffix=suffix)


def _frame(key: str) -> st.delta_generator.DeltaGenerator:
    return st.container(key=f"{brush.FRAME}-{key}", gap=None)


def _legend(series: Sequence[Series], *, lines: bool = False) -> None:
    if len(series) > 1:
        legend.draw([one.name for one in series], [one.look for one in series], lines=lines)


def _pattern(shape: str) -> dict[str, Any]:
    return {"shape": shape, "size": 6, "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.65)", "fgopacity": 1}


def _ticks(series: Sequence[Series]) -> dict[str, Any]:
    """Return few ticks in plain digits, on whole numbers when all values are whole and small."""
    top = sum(max((v or 0 for v in one.values), default=0) for one in series)
    whole = all(float(v or 0).is_integer() for one in series for v in one.values)
    ticks: dict[str, Any] = {"nticks": 5, "exponentformat": "none" if top < 10_000 else "SI", "separatethousands": True}
    return ticks | {"dtick": 1} if whole and top <= 5 else ticks


def _hover(one: Series, prefix: str, suffix: str = "") -> dict[str, Any]:
    if one.hover:
        return {"customdata": list(one.hover), "hovertemplate": "%{customdata}"}
    return {"hovertemplate": f"{prefix}%{{y:,}}{suffix}"}


def _draw(
    figure: go.Figure,
    buckets: Sequence[Bucket],
    *,
    alt: str,
    key: str,
    ticks: dict[str, Any],
    prefix: str = "",
    suffix: str = "",
) -> None:
    mouse = _has_mouse()
    clock = "%a %-d %b" if len(buckets) < 2 or buckets[1].start - buckets[0].start > timedelta(hours=2) else "%a %-d %b, %H:%M"
    hint = "click for its calls, drag for a range" if mouse else "tap again for its calls"
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        hovermode="x unified",
        dragmode="select" if mouse else False,
        selectdirection="h",
        newselection={"line": {"color": "#000001", "width": 1, "dash": "solid"}},
        showlegend=False,  # plotly's own takes its room from the bars: on a phone, most of it
        xaxis={"showgrid": False, "type": "date", "nticks": 8, "hoverformat": f"{clock} · {hint}", "fixedrange": True},
        yaxis=ticks
        | {"rangemode": "tozero", "tickprefix": prefix, "ticksuffix": suffix, "gridcolor": _GRID, "zeroline": False, "fixedrange": True},
    )
    for moment, words in _notes(buckets):
        figure.add_annotation(x=moment, y=1, yref="paper", yanchor="bottom", text=words, showarrow=False, font={"size": 11})
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
    brush.listen(buckets, key=key, name=alt)


def whole(buckets: Sequence[Bucket]) -> slice:
    """Return which steps lie in the range entirely: the first may begin within its hour, the last may be running or cut off."""
    first = 1 if buckets and _is_cut(buckets[0]) else 0
    last = len(buckets) - 1 if buckets and (buckets[-1].partial or _is_cut(buckets[-1])) else len(buckets)
    return slice(first, max(first, last))


def _is_cut(bucket: Bucket) -> bool:
    return bucket.end.astimezone(UTC) - bucket.start.astimezone(UTC) < timedelta(hours=1)


def _notes(buckets: Sequence[Bucket]) -> list[tuple[str, str]]:
    """Return what stands above the first and the last step when only a part of it is shown."""
    clock, found = _clock(buckets), []
    if len(buckets) > 1 and _is_cut(buckets[0]):
        found.append((clock[0], f"from {buckets[0].start:%H:%M}"))
    if buckets and (buckets[-1].partial or _is_cut(buckets[-1])):
        found.append((clock[-1], "so far" if buckets[-1].partial else f"to {buckets[-1].end:%H:%M}"))
    return found


def _clock(buckets: Sequence[Bucket]) -> list[str]:
    """Return what the reader's clocks show as each step begins: charts know no timezones.

    As text: plotly takes ten times as long to write moments.
    """
    return [f"{bucket.start:%Y-%m-%dT%H:%M:%S}" for bucket in buckets]


def _has_mouse() -> bool:
    """Whether dragging over a chart is not how the reader scrolls."""
    return not _FINGERS.search(st.context.headers.get("User-Agent") or "")
