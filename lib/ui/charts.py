"""The one chart helper: bars and lines over time, in the theme's colours, never inventing a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from lib.analytics import Bucket
from lib.ui import brush
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
    _draw(figure, buckets, alt=alt, key=key, ticks=_ticks(series), prefix=prefix, legend=len(series) > 1)


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
    _draw(figure, buckets, alt=alt, key=key, ticks=_ticks(series), suffix=suffix, legend=len(series) > 1)


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
    legend: bool,
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
        showlegend=legend,
        legend={"orientation": "h", "yref": "container", "yanchor": "top", "y": 1, "x": 0, "xanchor": "left"},
        xaxis={"showgrid": False, "type": "date", "nticks": 8, "hoverformat": f"{clock} · {hint}", "fixedrange": True},
        yaxis=ticks
        | {"rangemode": "tozero", "tickprefix": prefix, "ticksuffix": suffix, "gridcolor": _GRID, "zeroline": False, "fixedrange": True},
    )
    if buckets and buckets[-1].partial:
        figure.add_annotation(
            x=_clock(buckets)[-1], y=1, yref="paper", yanchor="bottom", text="so far", showarrow=False, font={"size": 10}, opacity=0.7
        )
    with st.container(key=f"{brush.FRAME}-{key}", gap=None):
        st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
        brush.listen(buckets, key=key, name=alt)


def _clock(buckets: Sequence[Bucket]) -> list[str]:
    """Return what the reader's clocks show as each step begins: charts know no timezones.

    As text: plotly takes ten times as long to write moments.
    """
    return [f"{bucket.start:%Y-%m-%dT%H:%M:%S}" for bucket in buckets]


def _has_mouse() -> bool:
    """Whether dragging over a chart is not how the reader scrolls."""
    return not _FINGERS.search(st.context.headers.get("User-Agent") or "")
