"""The Resilience page's other views: what works with which model, and what going around failures has saved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib import analytics
from lib.analytics import Cell, Matrix, MatrixRow, Scope
from lib.ui import format as fmt
from lib.ui import hint_drawer
from lib.ui.context import Page
from lib.ui.csv_export import safe
from lib.ui.filters import View
from lib.ui.requests_view import lead

FAILURES, COMPATIBILITY, DETOURS = "Failures", "Compatibility", "Detours"
"""The views of the page, as its control and its address name them."""
STATES = {"works": "✓ works", "broken": "✕ broken", "learned": "↻ learned", "untested": "· untested"}
"""A sign and a word each, so that nobody needs the colours."""
_WIDTH = 130
_DRAWN = "matrix-drawn"


class Compatibility:
    """What the router knows, drawn in parts; only readers who may see everybody's calls are shown it."""

    def __init__(self, page: Page, view: View) -> None:
        self._page = page
        self._view = view
        self._asked = (page.services.analytics_engine, Scope.of(page.principal), view.range, view.filters)

    def resting(self) -> None:
        """Say who cools down at the moment and for how long, if anybody does."""
        engine, scope, _, filters = self._asked
        for one in analytics.cooldowns(engine, scope, self._page.services.clock(), filters):
            left = fmt.duration(one.remaining_s * 1000)
            st.warning(
                fmt.literal(f"{one.label} rests for {left}: {one.reason}. Other models go first until then."),
                icon=":material/hourglass_top:",
            )

    def matrix(self) -> None:
        """Draw every model by endpoint and parameter; choosing a row opens its drawer."""
        matrix = analytics.compatibility_matrix(*self._asked)
        if not matrix.rows:
            st.caption("No model was called in this range, and nothing is noted of any.")
            return
        st.caption("What calls of this range showed, and what the router learned. Choose a row for the evidence and what can be done.")
        engine, scope, _, filters = self._asked
        resting = {(one.provider, one.model) for one in analytics.cooldowns(engine, scope, self._page.services.clock(), filters)}
        # a new key after each choice clears the row, so that the same one can be chosen again
        key = f"matrix-{st.session_state.setdefault(_DRAWN, 0)}"
        _table(_frame(matrix, resting), key, "Models by endpoint and parameter; choose a row for the evidence", _opening(matrix.rows))
        hint_drawer.draw(self._page, self._view, matrix.rows)

    def history(self) -> None:
        """Draw who was on the blacklist in the range, from when to when, and how probes went."""
        lines = [(one, listed) for one in analytics.blacklist_timeline(*self._asked) for listed in reversed(one.listed)]
        if not lines:
            st.caption("No model was blacklisted in this range.")
            return
        zone = self._page.timezone
        probes = [[p for p in one.probes if listed.start <= p.at and (listed.end is None or p.at <= listed.end)] for one, listed in lines]
        frame: dict[str, Sequence[Any]] = {
            "Model": [safe(one.label) for one, _ in lines],
            "Listed": [listed.start.astimezone(zone) for _, listed in lines],
            "Until": [listed.end.astimezone(zone) if listed.end else None for _, listed in lines],
            "How it ended": [(listed.ended or "ended").replace("_", " ") if listed.end else "still listed" for _, listed in lines],
            "By": [safe(listed.by or "the router") for _, listed in lines],
            "Probes": [len(made) for made in probes],
            "Answered": [sum(probe.ok for probe in made) for made in probes],
            "Next probe": [one.next_probe_at.astimezone(zone) if one.next_probe_at and not listed.end else None for one, listed in lines],
            "Reason": [safe(listed.reason or "No reason was noted") for _, listed in lines],
        }
        pairs = [(one.provider, one.model) for one, _ in lines]
        times = {name: st.column_config.DatetimeColumn(format="D MMM, HH:mm", width=110) for name in ("Listed", "Until", "Next probe")}
        numbers = {name: st.column_config.NumberColumn(format="localized", width=80) for name in ("Probes", "Answered")}
        wide = {"Reason": st.column_config.TextColumn(width=320)}
        _table(
            frame,
            "listed",
            "Times on the blacklist, those that last first",
            lambda row: lead(provider=[pairs[row][0]], model=[pairs[row][1]]),
            times | numbers | wide,
        )

    def saved(self) -> None:
        """Draw how many attempts skipping spared and how long they would have taken."""
        found = analytics.avoided(*self._asked)
        if not found:
            st.caption("No call passed a model over in this range.")
            return
        attempts = sum(one.attempts for one in found)
        known = [one.saved_ms for one in found if one.saved_ms is not None]
        with st.grid(2, min_column_width=220, gap="small"):
            st.metric(
                "Attempts avoided",
                fmt.count(attempts),
                border=True,
                help="Models that a call passed over because they were known not to answer.",
            )
            st.metric(
                "Time saved",
                fmt.duration(sum(known)) if known else fmt.MISSING,
                border=True,
                help="Each attempt avoided counts as long as that model's failures take, by their median.",
            )
        frame: dict[str, Sequence[Any]] = {
            "Model": [safe(one.label) for one in found],
            "Avoided": [one.attempts for one in found],
            "Blacklisted": [one.blacklisted for one in found],
            "Cooling down": [one.cooling for one in found],
            "Key refused": [one.key_refused for one in found],
            "A failure takes": [fmt.duration(one.failing_ms) for one in found],
            "Saved": [fmt.duration(one.saved_ms) for one in found],
        }
        numbers = {name: st.column_config.NumberColumn(format="localized", width=100) for name in list(frame)[1:5]}
        times = {name: st.column_config.TextColumn(alignment="right", width=110) for name in ("A failure takes", "Saved")}
        _table(
            frame,
            "avoided",
            "Attempts avoided by model",
            lambda row: lead(provider=[found[row].provider], model=[found[row].model]),
            numbers | times,
        )

    def fallbacks(self) -> None:
        """Draw from which model to which requests went on, and how often that was answered."""
        found = analytics.fallback_paths(*self._asked)
        if not found:
            st.caption("No request went on to another model in this range.")
            return
        frame: dict[str, Sequence[Any]] = {
            "From": [safe(path.from_label) for path in found],
            "To": [safe(path.to_label) for path in found],
            "Requests": [path.requests for path in found],
            "Answered": [path.answered / path.requests for path in found],
            "What had failed": [", ".join(f"{kind} {count:,}" for kind, count in path.classes) for path in found],
        }
        config = {
            "From": st.column_config.TextColumn(width=165),
            "To": st.column_config.TextColumn(width=165),
            "Requests": st.column_config.NumberColumn(format="localized", width=80),
            "Answered": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=120),
            "What had failed": st.column_config.TextColumn(width=260),
        }
        _table(
            frame,
            "fallbacks",
            "Fallbacks, the most frequent first",
            lambda row: lead(provider=[found[row].from_provider], model=[found[row].from_model], status=["error"]),
            config,
        )

    def worth_a_look(self) -> str | None:
        """Return one sentence on what the router avoids right now, None when it avoids nothing."""
        engine, scope, _, filters = self._asked
        listed = sum(
            1
            for one in analytics.blacklist(engine)
            if (not filters.models or one.model in filters.models) and (not filters.providers or one.provider in filters.providers)
        )
        resting = len(analytics.cooldowns(engine, scope, self._page.services.clock(), filters))
        parts = [
            f"{n} {'model is' if n == 1 else 'models are'} {words}"
            for n, words in ((listed, "blacklisted"), (resting, "cooling down"))
            if n
        ]
        return f"{' and '.join(parts)}." if parts else None


def _opening(rows: Sequence[MatrixRow]) -> Callable[[int], None]:
    def choose(row: int) -> None:
        st.session_state[hint_drawer.OPEN] = (rows[row].provider, rows[row].model)
        st.session_state[_DRAWN] += 1

    return choose


def _state(row: MatrixRow, resting: Collection[tuple[str, str]]) -> str:
    return "Blacklisted" if row.is_blacklisted else "Cooling down" if (row.provider, row.model) in resting else "In use"


def _frame(matrix: Matrix, resting: Collection[tuple[str, str]]) -> dict[str, Sequence[Any]]:
    rows = matrix.rows
    frame: dict[str, Sequence[Any]] = {
        "Model": [safe(row.label) for row in rows],
        "Provider": [safe(row.provider_label) for row in rows],
        "State": [_state(row, resting) for row in rows],
    }
    frame |= {name: [_word(row.endpoints.get(name)) for row in rows] for name in matrix.endpoints}
    # a parameter may go by an endpoint's name, so the column says which it is
    return frame | {f"{name} (parameter)": [_word(row.parameters.get(name)) for row in rows] for name in matrix.parameters}


def _word(cell: Cell | None) -> str | None:
    return None if cell is None else STATES[cell.state]


def _table(
    columns: Mapping[str, Sequence[Any]], key: str, alt: str, choose: Callable[[int], None], config: Mapping[str, Any] | None = None
) -> None:
    def chosen() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            choose(rows[0])

    names = {name: st.column_config.TextColumn(width=165) for name in ("Model", "Provider")}
    others = {name: st.column_config.TextColumn(width=_WIDTH) for name in columns if name not in names}
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key=key,
        on_select=chosen,
        selection_mode="single-row",
        placeholder=fmt.MISSING,
        alt=alt,
        column_config=names | others | dict(config or {}),
    )
