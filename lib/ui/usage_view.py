"""The Usage page's parts: headline figures, four charts, the table by model, and the latest calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from lib import analytics
from lib.analytics import By, Call, Comparison, Percentiles, Scope, Totals
from lib.money import exact_usd, format_usd, usd
from lib.ui import calls_table, charts
from lib.ui import format as fmt
from lib.ui.charts import Series
from lib.ui.colors import OTHER, Look, look
from lib.ui.context import Page
from lib.ui.csv_export import safe
from lib.ui.filters import View
from lib.ui.requests_view import lead_to_calls

SHOWN_MODELS = 7
"""Models drawn by themselves in a chart; the rest are one grey series."""
_OUTCOMES = (
    ("ok", "OK", Look("#059669")),
    ("error", "Error", Look("#DC2626", "/")),
    ("cancelled", "Stopped", Look("#9CA3AF", ".")),
    ("interrupted", "Interrupted", Look("#D97706", "x")),
)
_TOKENS: tuple[tuple[str, Callable[[Totals], int], int], ...] = (
    ("Input, uncached", lambda t: t.input_tokens - t.cache_read_tokens - t.cache_write_tokens, 1),
    ("Cache read", lambda t: t.cache_read_tokens, 2),
    ("Cache write", lambda t: t.cache_write_tokens, 3),
    ("Output", lambda t: t.output_tokens, 4),
)

_PERCENTILES: tuple[tuple[str, Callable[[Percentiles], float], int], ...] = (("p50", lambda p: p.p50, 1), ("p95", lambda p: p.p95, 3))


class Usage:
    """The figures of one view, read once and drawn in parts."""

    def __init__(self, page: Page, view: View) -> None:
        self._engine = page.services.analytics_engine
        self._scope = Scope.of(page.principal)
        self._page = page
        self._view = view
        self._numbers: Mapping[str, int] = analytics.model_numbers(self._engine)
        self.asked = asked = (self._engine, self._scope, view.range, view.filters)
        self.totals: Comparison = analytics.usage_totals(*asked)
        self._all = analytics.usage_series(*asked)
        self._latency: Sequence[Percentiles | None] = analytics.latency_series(*asked)

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened in the range."""
        return self.totals.current.attempts == 0

    def headline(self) -> None:
        """Draw the four headline figures with their trend and the change against the period before."""
        now, before = self.totals.current, self.totals.previous
        whole = charts.whole(self._all.buckets)  # a step shown in part would begin or end every trend in a fall
        values = self._all.lines[0].values[whole] if self._all.lines else ()
        p95, p95_before = self._p95(self._view.range), self._p95(self._view.range.previous())
        share, share_before = error_rate(now), error_rate(before)
        points = None if share is None or share_before is None else _points(share - share_before)
        with st.grid(4, min_column_width=160, gap="small"):
            self._card(
                "Cost",
                format_usd(now.cost_nano_usd),
                _change(now.cost_nano_usd, before.cost_nano_usd),
                [float(usd(t.cost_nano_usd)) for t in values],
                f"Exactly {exact_usd(now.cost_nano_usd)}. Unpriced calls are not in it.",
            )
            self._card(
                "Requests",
                fmt.count(now.requests),
                _change(now.requests, before.requests),
                [t.requests for t in values],
                f"{now.attempts:,} attempts, retries included.",
                color="off",
            )
            self._card(
                "p95 latency",
                fmt.duration(p95),
                _change(p95, p95_before),
                [p.p95 for p in self._latency[whole] if p is not None],
                "Nineteen of twenty answers came within this time. Only answers that came through count.",
            )
            self._card(
                "Error rate",
                fmt.percent(share),
                points,
                [error_rate(t) or 0.0 for t in values if t.requests],
                "Requests that failed or were cut off, of all requests. Those the reader stopped do not count.",
            )
        if now.unpriced:
            st.warning(
                f"{now.unpriced:,} {'call is' if now.unpriced == 1 else 'calls are'} unpriced: no price or no token count is known, "
                "so the cost above leaves them out.",
                icon=":material/money_off:",
            )

    def _card(
        self,
        title: str,
        value: str,
        change: str | int | None,
        trend: Sequence[float],
        about: str,
        *,
        color: Literal["inverse", "off"] = "inverse",
    ) -> None:
        st.metric(
            title,
            value.replace("$", "\\$"),
            change,
            delta_color=color,
            delta_description="vs before" if change is not None else "nothing before",
            chart_data=trend if any(trend) and len(trend) > 1 else None,
            border=True,
            height="stretch",
            help=about.replace("$", "\\$"),
        )

    def cost_by_model(self) -> None:
        """Draw cost over time, stacked by model, the dearest ones by themselves."""
        self.cost_over_time("model")

    def cost_over_time(self, by: By) -> None:
        """Draw cost over time, stacked by model, provider, source or user; the dearest ones by themselves."""
        every = analytics.usage_series(*self.asked, by=by).lines
        lines = [line for line in every if any(t.cost_nano_usd for t in line.values)]
        shown = [
            Series(
                line.label,
                [float(usd(t.cost_nano_usd)) for t in line.values],
                self.look_of(line.key) if by == "model" else look(place),
                [f"{exact_usd(t.cost_nano_usd)}" + (f" + {t.unpriced} unpriced" if t.unpriced else "") for t in line.values],
            )
            for place, line in enumerate(lines[:SHOWN_MODELS], start=1)
        ]
        if rest := lines[SHOWN_MODELS:]:
            sums = [sum(line.values[i].cost_nano_usd for line in rest) for i in range(len(self._all.buckets))]
            shown.append(Series(f"Other {by}s", [float(usd(n)) for n in sums], OTHER, [exact_usd(n) for n in sums]))
        charts.bars(
            self._all.buckets,
            shown,
            alt=f"Cost over time by {by}",
            key=f"cost-by-{by}",
            empty="No priced call in this range: its calls were free, unpriced or failed.",
            prefix="$",
        )

    def outcomes(self) -> None:
        """Draw attempts over time by how they ended."""
        lines = {
            line.key: line.values
            for line in analytics.usage_series(self._engine, self._scope, self._view.range, self._view.filters, by="status").lines
        }
        shown = [Series(word, [t.attempts for t in lines[key]], style) for key, word, style in _OUTCOMES if key in lines]
        charts.bars(
            self._all.buckets,
            shown,
            alt="Attempts over time by outcome",
            key="outcomes",
            empty="No attempt in this range.",
        )

    def tokens(self) -> None:
        """Draw tokens over time by what they were."""
        values = self._all.lines[0].values if self._all.lines else ()
        shown = [
            Series(name, [part(t) for t in values], look(place), [fmt.count(part(t)) for t in values])
            for name, part, place in _TOKENS
            if any(part(t) for t in values)
        ]
        charts.bars(
            self._all.buckets,
            shown,
            alt="Tokens over time by kind",
            key="tokens",
            empty="No call in this range reported its tokens.",
        )

    def latency(self) -> None:
        """Draw the median and p95 latency over time, with gaps where nothing was answered."""
        longest = max((p.p95 for p in self._latency if p is not None), default=0.0)
        unit, size = ("s", 1000) if longest >= 2000 else ("ms", 1)
        shown = [
            Series(
                name,
                [None if p is None else part(p) / size for p in self._latency],
                look(place),
                [fmt.duration(None if p is None else part(p)) for p in self._latency],
            )
            for name, part, place in _PERCENTILES
        ]
        charts.lines(
            self._all.buckets,
            shown,
            alt="Latency over time, median and p95",
            key="latency",
            empty="No answer came through in this range, so there is no latency to show.",
            suffix=f" {unit}",
        )

    def by_model(self) -> None:
        """Draw the table of models, dearest first."""
        asked = (self._scope, self._view.range, self._view.filters)
        shares = analytics.usage_by(self._engine, "model", *asked)
        latency = analytics.latency_by(self._engine, "model", *asked)
        whole = max(self.totals.current.cost_nano_usd, 1)
        frame = pd.DataFrame(
            {
                "Model": [safe(s.label) for s in shares],
                "Requests": [s.totals.requests for s in shares],
                "Tokens in": [s.totals.input_tokens for s in shares],
                "Cached": [s.totals.cache_read_tokens for s in shares],
                "Tokens out": [s.totals.output_tokens for s in shares],
                "p50": [fmt.duration(latency[s.key].p50 if s.key in latency else None) for s in shares],
                "p95": [fmt.duration(latency[s.key].p95 if s.key in latency else None) for s in shares],
                "Errors": [s.totals.errors for s in shares],
                "Unpriced": [s.totals.unpriced for s in shares],
                "Cost": [cost_of(s.totals) for s in shares],
                "Share of cost": [s.totals.cost_nano_usd / whole for s in shares],
            }
        )
        st.dataframe(
            frame,
            hide_index=True,
            key="by-model-table",
            on_select=lambda: lead_to_calls("by-model-table", "model", [share.key for share in shares]),
            selection_mode="single-row",
            placeholder=fmt.MISSING,
            alt="Usage by model, dearest first; choose one to see its calls",
            column_config={
                "Model": st.column_config.TextColumn(width=190),
                **{
                    n: st.column_config.NumberColumn(format="localized")
                    for n in ("Requests", "Tokens in", "Cached", "Tokens out", "Errors", "Unpriced")
                },
                **{n: st.column_config.TextColumn(alignment="right", width=90) for n in ("p50", "p95", "Cost")},
                "Share of cost": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            },
        )

    def recent(self) -> Call | None:
        """Draw the latest calls and return the one the reader just chose."""
        calls = analytics.recent_calls(self._engine, self._scope, self._view.range, self._view.filters)
        if not calls:
            st.caption("No call in this view yet.")
            return None
        return calls_table.draw(calls, self._page.timezone, key="recent-calls", alt="The latest calls; choose one to see its receipt")

    def look_of(self, key: str) -> Look:
        """Return how a model is drawn, by its key."""
        return look(self._numbers.get(key, 0))

    def _p95(self, range_: analytics.Range) -> float | None:
        found = analytics.latency_percentiles(self._engine, self._scope, range_, self._view.filters)
        return found.p95 if found else None


def cost_of(totals: Totals) -> str:
    """Write a sum of costs; "unpriced" when nothing in it could be priced."""
    if totals.unpriced and totals.unpriced >= totals.ok + totals.cancelled + totals.interrupted and not totals.cost_nano_usd:
        return format_usd(None)
    return format_usd(totals.cost_nano_usd)


def _change(now: float | None, before: float | None) -> str | int | None:
    """Return a change as a percentage, 0 for none, None where there is nothing to compare with."""
    if now is None or not before:
        return None
    change = (now - before) / before
    return 0 if abs(change) < 0.0005 else f"{change:+.1%}" if abs(change) < 10 else f"{change:+,.0%}"


def _points(change: float) -> str | int:
    return 0 if abs(change) < 0.00005 else f"{change * 100:+.2f} pp"


def error_rate(totals: Totals) -> float | None:
    """Return the share of requests that failed, leaving out those the reader stopped; None without requests."""
    return (totals.failed_requests - totals.cancelled) / totals.requests if totals.requests else None
