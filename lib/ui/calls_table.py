"""The one table of calls: the same columns, words and colours wherever calls are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from lib.analytics import Call
from lib.money import format_usd
from lib.ui import format as fmt
from lib.ui.csv_export import safe
from lib.ui.filters import SOURCE_WORDS, STATUS_WORDS

CHOSEN_CALL = "chosen-call"
"""The session's note of the call whose row was just chosen; a later run must not open its drawer again."""
_FEW, _TALL = 10, 647
"""Up to how many rows a table is as high as they are, and how many pixels one is high that a page is made for."""
_COUNTS = ("Tokens in", "Cached", "Tokens out")


def draw(calls: Sequence[Call], timezone: ZoneInfo, *, key: str, alt: str, detailed: bool = False) -> Call | None:
    """Draw calls, one a row, and return the one the reader just chose.

    ``detailed`` adds what the calls can be filtered by: provider, class of error and user. Sample calls say that they are.
    """

    def choose() -> None:
        # Called before the next run reads anything: rows are those the reader saw, not what arrived since.
        rows = st.session_state[key]["selection"]["rows"]
        st.session_state[CHOSEN_CALL] = calls[rows[0]] if rows else None

    st.dataframe(
        pd.DataFrame(_columns(calls, timezone, detailed)),
        hide_index=True,
        height=_TALL if detailed and len(calls) > _FEW else "auto",
        key=key,
        on_select=choose,
        selection_mode="single-row",
        placeholder=fmt.MISSING,
        alt=alt,
        column_config=_configuration(max((c.latency_ms or 0 for c in calls), default=0) or 1),
    )
    chosen: Call | None = st.session_state.pop(CHOSEN_CALL, None)
    return chosen


def call_cost(call: Call) -> str:
    """Write one call's cost: a dash while it runs or when it failed before a token came, else the cost or "unpriced"."""
    came_to_nothing = call.status == "error" and call.ttft_ms is None and not (call.input_tokens or call.output_tokens)
    if call.cost_nano_usd is None and (call.status == "open" or came_to_nothing):
        return fmt.MISSING
    return format_usd(call.cost_nano_usd)


def _columns(calls: Sequence[Call], timezone: ZoneInfo, detailed: bool) -> Mapping[str, Sequence[Any]]:
    """Return the columns; text from outside is made safe, since the table can be downloaded and copied."""
    columns: dict[str, Sequence[Any]] = {
        "Time": [c.started_at.astimezone(timezone) for c in calls],
        "Model": [safe(c.model_name) for c in calls],
    }
    if any(c.is_sample for c in calls):
        columns["Sample"] = ["Sample" if c.is_sample else "" for c in calls]
    columns |= {
        "Status": [[STATUS_WORDS.get(c.status, c.status)] for c in calls],
        "Cost": [call_cost(c) for c in calls],
        "Latency": [None if c.latency_ms is None else c.latency_ms / 1000 for c in calls],
        "First token": [fmt.duration(c.ttft_ms) for c in calls],
        "Tokens in": [c.input_tokens for c in calls],
        "Cached": [c.cache_read_tokens for c in calls],
        "Tokens out": [c.output_tokens for c in calls],
        "Source": [SOURCE_WORDS.get(c.source, c.source) for c in calls],
    }
    if detailed:
        columns |= {
            "Provider": [safe(c.provider_name) for c in calls],
            "User": [safe(c.user_name or "") for c in calls],
            "Error class": [c.error_class or "" for c in calls],
        }
    return columns | {"Error": [safe(c.error_message or "") for c in calls]}


def _configuration(slowest: int) -> dict[str, Any]:
    column = st.column_config
    return {
        "Time": column.DatetimeColumn(format="D MMM, HH:mm:ss", width=130),
        "Model": column.TextColumn(width=180),
        "Sample": column.TextColumn(width=75, help="Made-up calls; they leave with the sample data."),
        "Provider": column.TextColumn(width=110),
        "Status": column.MultiselectColumn(
            options=list(STATUS_WORDS.values()), color=["green", "red", "gray", "orange", "blue"], width=110
        ),
        "Error class": column.TextColumn(width=110),
        **{name: column.NumberColumn(format="localized", width=90) for name in _COUNTS},
        "Cost": column.TextColumn(alignment="right", width=110),
        "Latency": column.ProgressColumn(format="%.2f s", min_value=0, max_value=slowest / 1000, width=150),
        "First token": column.TextColumn(alignment="right", width=90),
        "Source": column.TextColumn(width=110),
        "User": column.TextColumn(width=120),
    }
