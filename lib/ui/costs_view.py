"""The Costs page's parts: unit costs, the table with its trends, whose key paid, and the queue of unpriced calls."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib import analytics
from lib.analytics import By, Totals
from lib.money import exact_usd, format_usd, usd
from lib.ui import format as fmt
from lib.ui.csv_export import safe
from lib.ui.requests_view import lead_to_calls
from lib.ui.usage_view import Usage, cost_of

BREAKDOWNS: tuple[By, ...] = ("model", "provider", "user", "source")
_PER_MILLION = 1_000_000
_MONEY_WIDTHS = {"Cost": 80, "Per request": 86, "Per 1M tokens": 98, "Saved by caching": 114}
"""Pixels; with the other columns they fill a page of 1,440."""


def units(usage: Usage) -> None:
    """Draw what a request and a million tokens cost on average, how much input came from caches, and what that saved."""
    now, before = usage.totals.current, usage.totals.previous
    with st.grid(4, min_column_width=160, gap="small"):
        _card("Cost", now.cost_nano_usd, before.cost_nano_usd, f"Exactly {exact_usd(now.cost_nano_usd)}. Unpriced calls are not in it.")
        _card("Cost per request", per_request(now), per_request(before), "Cost of the range by its requests, failed ones too.")
        _card("Blended per 1M", blended(now), blended(before), "Cost of the range by all its tokens, input and output together.")
        rate = now.cache_hit_rate
        saved = now.cache_saving_nano_usd
        st.metric(
            "Saved by caching",
            format_usd(saved).replace("$", "\\$"),
            f"{fmt.percent(rate)} of input cached" if rate else None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
            help=f"Exactly {exact_usd(saved)}: what cached input would have cost at full price, less what writing it cost more.".replace(
                "$", "\\$"
            ),
        )


def per_request(totals: Totals) -> int | None:
    """Return the nano-dollars of an average request; None without requests."""
    return round(totals.cost_nano_usd / totals.requests) if totals.requests else None


def blended(totals: Totals) -> int | None:
    """Return the nano-dollars of a million average tokens; None without tokens."""
    return round(totals.cost_nano_usd * _PER_MILLION / totals.tokens) if totals.tokens else None


def _card(title: str, now: int | None, before: int | None, about: str) -> None:
    change = None if not now or not before else (now - before) / before
    st.metric(
        title,
        (fmt.MISSING if now is None else format_usd(now)).replace("$", "\\$"),
        None if change is None else 0 if abs(change) < 0.0005 else f"{change:+.1%}",
        delta_color="inverse",
        delta_description="vs before" if change is not None else "nothing before",
        border=True,
        height="stretch",
        help=about.replace("$", "\\$"),
    )


def table(usage: Usage, by: By) -> None:
    """Draw each thing's cost with its share and its course over the range, dearest first."""
    shares = analytics.usage_by(usage.asked[0], by, *usage.asked[1:])
    lines = {line.key: line.values for line in analytics.usage_series(*usage.asked, by=by).lines}
    whole = max(usage.totals.current.cost_nano_usd, 1)
    frame = pd.DataFrame(
        {
            by.capitalize(): [safe(share.label) for share in shares],
            "Cost": [cost_of(share.totals) for share in shares],
            "Share": [share.totals.cost_nano_usd / whole for share in shares],
            "Course": [[float(usd(t.cost_nano_usd)) for t in lines.get(share.key, ())] for share in shares],
            "Requests": [share.totals.requests for share in shares],
            "Per request": [_priced(share.totals, per_request(share.totals)) for share in shares],
            "Per 1M tokens": [_priced(share.totals, blended(share.totals)) for share in shares],
            "Cached input": [share.totals.cache_hit_rate or 0.0 for share in shares],
            "Saved by caching": [format_usd(share.totals.cache_saving_nano_usd) for share in shares],
            "Unpriced": [share.totals.unpriced for share in shares],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key=f"costs-{by}",
        on_select=lambda: lead_to_calls(f"costs-{by}", by, [share.key for share in shares]),
        selection_mode="single-row",
        alt=f"Cost by {by}, dearest first; choose one to see its calls",
        column_config={
            by.capitalize(): st.column_config.TextColumn(width=166),
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=110),
            "Course": st.column_config.BarChartColumn(width=110, y_min=0, help="Its cost, step by step of the range."),
            **{n: st.column_config.TextColumn(alignment="right", width=w) for n, w in _MONEY_WIDTHS.items()},
            **{n: st.column_config.NumberColumn(format="localized", width=74) for n in ("Requests", "Unpriced")},
            "Cached input": st.column_config.NumberColumn(format="percent", width=92),
        },
    )


def keys(usage: Usage) -> None:
    """Draw what was paid with the system's key, with people's own keys and with models' own."""
    shares = analytics.usage_by(usage.asked[0], "key", *usage.asked[1:])
    whole = max(usage.totals.current.cost_nano_usd, 1)
    frame = pd.DataFrame(
        {
            "Key": [share.label for share in shares],
            "Cost": [cost_of(share.totals) for share in shares],
            "Share": [share.totals.cost_nano_usd / whole for share in shares],
            "Requests": [share.totals.requests for share in shares],
            "Tokens": [share.totals.tokens for share in shares],
            "Unpriced": [share.totals.unpriced for share in shares],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key="costs-key",
        on_select=lambda: lead_to_calls("costs-key", "key", [share.key for share in shares]),
        selection_mode="single-row",
        alt="Cost by whose key paid, dearest first; choose one to see its calls",
        column_config={
            "Key": st.column_config.TextColumn(width=166),
            "Cost": st.column_config.TextColumn(alignment="right", width=80),
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=110),
            **{n: st.column_config.NumberColumn(format="localized", width=90) for n in ("Requests", "Tokens", "Unpriced")},
        },
    )


def unpriced(usage: Usage) -> None:
    """Draw the models whose calls nobody can price, as a queue to work through."""
    every = analytics.usage_by(usage.asked[0], "model", *usage.asked[1:])
    shares = sorted((s for s in every if s.totals.unpriced), key=lambda s: -s.totals.unpriced)
    if not shares:
        st.caption(":material/check_circle: Every call of this range is priced.")
        return
    number = sum(s.totals.unpriced for s in shares)
    calls = f"{number:,} unpriced {'call' if number == 1 else 'calls'}"
    st.markdown(
        f":red-badge[:material/money_off: {calls}] in no cost above. Choose a row to see them; an admin prices them on the Prices page."
    )
    frame = pd.DataFrame(
        {
            "Model": [safe(s.label) for s in shares],
            "Unpriced calls": [s.totals.unpriced for s in shares],
            "Of all attempts": [s.totals.unpriced / max(s.totals.attempts, 1) for s in shares],
            "Tokens in": [s.totals.input_tokens for s in shares],
            "Tokens out": [s.totals.output_tokens for s in shares],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key="unpriced",
        on_select=lambda: lead_to_calls("unpriced", "model", [share.key for share in shares]),
        selection_mode="single-row",
        alt="Models with unpriced calls; choose one to see its calls",
        column_config={
            "Of all attempts": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, color="red"),
            **{n: st.column_config.NumberColumn(format="localized") for n in ("Unpriced calls", "Tokens in", "Tokens out")},
        },
    )


def _priced(totals: Totals, nano: int | None) -> str:
    """Write an average cost; a dash where nothing is known to divide."""
    return fmt.MISSING if nano is None or cost_of(totals) == format_usd(None) else format_usd(nano)
