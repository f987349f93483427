"""The Resilience page's parts: what failed and how, who came through, whom the router avoids, and how long answers took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from lib import analytics
from lib.analytics import Metric, Scope, Totals
from lib.ui import charts
from lib.ui import format as fmt
from lib.ui.charts import Series
from lib.ui.colors import OTHER, Look, look
from lib.ui.context import Page
from lib.ui.csv_export import safe
from lib.ui.filters import View
from lib.ui.requests_view import ERROR_CLASSES, lead
from lib.ui.usage_view import Usage

By = Literal["model", "provider"]
_LOOKS: Mapping[str, Look] = {kind: look(place) for place, kind in enumerate(ERROR_CLASSES, start=1)}
_REST = Look(OTHER.color, ".")
_ALL = "All"
SHOWN_CLASSES = 6
"""Classes of error drawn by themselves in the chart; the rest are one grey series, and named in the table."""
_TIMES: Mapping[str, Metric] = {"Time to first token": "ttft", "Total time": "latency"}


class Resilience:
    """The figures of one view, drawn in parts; every table leads to the calls behind its rows."""

    def __init__(self, page: Page, view: View) -> None:
        self._page = page
        self._view = view
        self._usage = Usage(page, view)
        self._asked = (page.services.analytics_engine, Scope.of(page.principal), view.range, view.filters)

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened in the range."""
        return self._usage.is_empty

    @property
    def sees_blacklist(self) -> bool:
        """Whether the reader may know whom the router avoids: its reasons quote everybody's calls."""
        return self._asked[1].user_id is None

    def outcomes(self) -> None:
        """Draw attempts over time by how they ended."""
        self._usage.outcomes()

    def errors(self) -> None:
        """Draw failed attempts over time by class of error."""
        series = analytics.errors_series(*self._asked)
        shown = [Series(line.error_class, line.values, _LOOKS.get(line.error_class, OTHER)) for line in series.lines[:SHOWN_CLASSES]]
        if rest := series.lines[SHOWN_CLASSES:]:
            shown.append(Series("Other classes", [sum(counts) for counts in zip(*(line.values for line in rest), strict=True)], _REST))
        charts.bars(
            series.buckets,
            shown,
            alt="Errors over time by class",
            key="errors-by-class",
            empty="No attempt failed in this range.",
        )

    def success(self, by: By) -> None:
        """Draw which part of the attempts came through, the worst first."""
        shares = sorted(analytics.usage_by(*self._by(by)), key=lambda s: (_of_one(success_rate(s.totals)), -s.totals.attempts, s.key))
        frame: dict[str, Sequence[Any]] = {
            by.title(): [safe(s.label) for s in shares],
            "Success": [success_rate(s.totals) for s in shares],
            "Attempts": [s.totals.attempts for s in shares],
            "Errors": [s.totals.errors for s in shares],
            "OK": [s.totals.ok for s in shares],
            "Interrupted": [s.totals.interrupted for s in shares],
            "Stopped": [s.totals.cancelled for s in shares],
        }

        def choose(row: int, column: str | None) -> None:
            status = {"OK": "ok", "Errors": "error", "Interrupted": "interrupted", "Stopped": "cancelled"}.get(column or "")
            lead(**{by: [shares[row].key]}, **({"status": [status]} if status else {}))

        _table(
            frame,
            f"success-by-{by}",
            f"Success rate by {by}, the worst first",
            choose,
            {
                "Success": st.column_config.ProgressColumn(
                    format="percent",
                    min_value=0,
                    max_value=1,
                    width=120,
                    help="Attempts that came through, of all but those the reader stopped.",
                ),
                **{name: st.column_config.NumberColumn(format="localized", width=80) for name in list(frame)[2:]},
            },
        )

    def errors_by_model(self) -> None:
        """Draw how often each class of error met each model, the model with most first."""
        found = analytics.errors_by(*self._by("model"))
        if not found:
            st.caption("No attempt failed in this range.")
            return
        classes = sorted({e.error_class for e in found}, key=lambda c: (-sum(e.attempts for e in found if e.error_class == c), c))
        counts = {(e.key, e.error_class): e.attempts for e in found}
        labels = {e.key: e.label for e in found}
        sums = {key: sum(counts.get((key, c), 0) for c in classes) for key in labels}
        keys = sorted(labels, key=lambda key: (-sums[key], key))
        frame: dict[str, Sequence[Any]] = {"Model": [safe(labels[key]) for key in keys], _ALL: [sums[key] for key in keys]}
        frame |= {c: [counts.get((key, c)) for key in keys] for c in classes}

        def choose(row: int, column: str | None) -> None:
            theirs = [column] if column in classes else [c for c in classes if (keys[row], c) in counts]
            lead(model=[keys[row]], error=[c for c in theirs if c in ERROR_CLASSES])

        numbers = {name: st.column_config.NumberColumn(format="localized", width=110) for name in (_ALL, *classes)}
        _table(frame, "errors-by-model", "Errors by model and class, the model with most first", choose, numbers)

    def blacklist(self) -> None:
        """Draw the models the router avoids, or say that there is none."""
        kept = self._view.filters
        found = [
            one
            for one in analytics.blacklist(self._asked[0])
            if (not kept.models or one.model in kept.models) and (not kept.providers or one.provider in kept.providers)
        ]
        if not found:
            st.caption("No model is blacklisted: the router uses every model that is switched on.")
            return
        models = self._page.registry.logged()
        names = {model.key: model.name for model in models}
        providers = {model.provider: model.provider_name for model in models}
        zone = self._page.timezone
        frame: dict[str, Sequence[Any]] = {
            "Model": [safe(names.get(one.model, one.model)) for one in found],
            "Provider": [safe(providers.get(one.provider, one.provider)) for one in found],
            "Reason": [safe(one.reason or "No reason was noted") for one in found],
            "Since": [one.since.astimezone(zone) if one.since else None for one in found],
            "Attempts": [one.error_count + one.success_count for one in found],
            "Failed": [one.error_count for one in found],
            "Last error": [safe(": ".join(filter(None, (one.last_error_type, one.last_error_message)))) for one in found],
        }
        _table(
            frame,
            "blacklist",
            "Blacklisted models, the newest first",
            lambda row, _: lead(model=[found[row].model], provider=[found[row].provider]),
            {
                "Provider": st.column_config.TextColumn(width=120),
                "Reason": st.column_config.TextColumn(width=260),
                "Since": st.column_config.DatetimeColumn(format="D MMM, HH:mm", width=110),
                "Attempts": st.column_config.NumberColumn(format="localized", width=80, help="Attempts that were counted, ever"),
                "Failed": st.column_config.NumberColumn(format="localized", width=80),
                "Last error": st.column_config.TextColumn(width=320),
            },
        )

    def latency(self) -> None:
        """Draw how long the answers of each model took, to the first token or to the last, the slowest first."""
        words = st.segmented_control(
            "What is timed", list(_TIMES), default=next(iter(_TIMES)), required=True, key="timed", label_visibility="collapsed"
        )
        metric = _TIMES[words]
        found = analytics.latency_by(*self._by("model"), metric=metric)
        if not found:
            st.caption("No answer came through in this range, so there is nothing to time.")
            return
        labels = {model.key: model.name for model in self._page.registry.logged()}
        keys = sorted(found, key=lambda key: (-found[key].p95, key))
        parts = [found[key] for key in keys]
        frame: dict[str, Sequence[Any]] = {
            "Model": [safe(labels.get(key, key)) for key in keys],
            "Answers": [p.calls for p in parts],
            "p50": [fmt.duration(p.p50) for p in parts],
            "p90": [fmt.duration(p.p90) for p in parts],
            "p95": [fmt.duration(p.p95) for p in parts],
            "p99": [fmt.duration(p.p99) for p in parts],
        }
        _table(
            frame,
            f"{metric}-by-model",
            f"{words} by model, the slowest first",
            lambda row, _: lead(model=[keys[row]], status=["ok"]),
            {
                "Answers": st.column_config.NumberColumn(format="localized", width=80),
                **{name: st.column_config.TextColumn(alignment="right", width=85) for name in list(frame)[2:]},
            },
        )

    def _by(self, by: By) -> tuple[Any, By, Scope, analytics.Range, analytics.Filters]:
        engine, scope, range_, filters = self._asked
        return engine, by, scope, range_, filters


def success_rate(totals: Totals) -> float | None:
    """Return the share of attempts that came through, leaving out those the reader stopped; None without any."""
    counted = totals.ok + totals.errors + totals.interrupted
    return totals.ok / counted if counted else None


def _of_one(share: float | None) -> float:
    return 2.0 if share is None else share


def _table(
    columns: Mapping[str, Sequence[Any]], key: str, alt: str, choose: Callable[[int, str | None], None], config: Mapping[str, Any]
) -> None:
    """Draw a table whose rows, and cells where they say more, lead to the calls behind them."""

    def chosen() -> None:
        selection = st.session_state[key]["selection"]
        if selection.get("cells"):
            choose(*selection["cells"][0])
        elif selection.get("rows"):
            choose(selection["rows"][0], None)

    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key=key,
        on_select=chosen,
        selection_mode=["single-row", "single-cell"],
        placeholder=fmt.MISSING,
        alt=f"{alt}; choose a row or a cell to see its calls",
        column_config={name: st.column_config.TextColumn(width=165) for name in ("Model", "Provider")} | dict(config),
    )
