"""The models table: one row a model, its state in words, and what can be done with the rows chosen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from lib.registry import Model
from lib.registry.values import SWITCHED_OFF
from lib.ui.capabilities import CAPABILITIES, labels
from lib.ui.context import Page
from lib.ui.format import MISSING
from lib.ui.model_find import BLOCKED, MINE, OFF, STATUSES, USABLE, status

OFF_BUTTON, ON_BUTTON = ":material/toggle_off: Off", ":material/toggle_on: On"
__all__ = ["BLOCKED", "OFF", "USABLE", "draw", "known", "moved", "price", "status"]
_COLORS = ("green", "gray", "orange")
_KNOWN = "models-known"


def known(page: Page) -> list[Model]:
    """Return every model, read again only when one of them, its provider, price or key changed, or an hour has begun.

    Reading two thousand takes longer than drawing them, and most runs of the page only filter or choose.
    """
    revision = page.registry.revision(), page.principal.user_id, page.services.clock().replace(minute=0, second=0, microsecond=0)
    held = st.session_state.get(_KNOWN)
    if held is None or held[0] != revision:
        held = st.session_state[_KNOWN] = revision, page.registry.models()
    models: list[Model] = held[1]
    return models


def draw(models: Sequence[Model], *, key: str, on_toggle: Any, on_open: Any) -> list[int]:
    """Draw the table and return the positions of the chosen rows."""
    _follow(models, key)
    frame = pd.DataFrame([_row(model) for model in models])
    if not any(frame["why"]):
        del frame["why"]
    event = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        row_height=38,
        height=min(38 * len(models) + 34, 720),
        on_select="rerun",
        selection_mode="multi-row",
        placeholder=MISSING,
        alt="Models with their provider, state, capabilities and prices",
        column_config={
            "switch": st.column_config.ButtonColumn("Switch", key=f"{key}-switch", on_click=on_toggle, type="tertiary", width=80),
            "name": st.column_config.ButtonColumn(
                "Model", key=f"{key}-open", on_click=on_open, type="tertiary", width=190, alignment="left", help="Opens its details."
            ),
            "state": st.column_config.MultiselectColumn(
                "State", options=[*STATUSES, "Default", MINE], color=[*_COLORS, "violet", "blue"], width=150
            ),
            "why": st.column_config.TextColumn("What to do", width=160),
            "provider": st.column_config.TextColumn("Provider", width=105),
            "input": st.column_config.TextColumn("In, $ per 1M", width=100, alignment="right"),
            "output": st.column_config.TextColumn("Out, $ per 1M", width=100, alignment="right"),
            "context": st.column_config.NumberColumn("Context", format="compact", width=90),
            "capabilities": st.column_config.MultiselectColumn(
                "Capabilities", options=[c.label for c in CAPABILITIES], color="gray", width=330
            ),
            "key": st.column_config.TextColumn("Key", width=210),
        },
    )
    rows: list[int] = list(event.selection.rows)
    return [row for row in rows if row < len(models)]


def _follow(models: Sequence[Model], key: str) -> None:
    """Let a choice follow its models: the browser remembers positions, and rows move, come and go beneath them."""
    before, now = st.session_state.get(f"{key}-rows", ()), [model.id for model in models]
    if key in st.session_state and before != now:
        chosen = {before[row] for row in st.session_state[key]["selection"]["rows"] if row < len(before)}
        st.session_state[key] = {"selection": {"rows": [row for row, model_id in enumerate(now) if model_id in chosen]}}
    st.session_state[f"{key}-rows"] = now


def _row(model: Model) -> dict[str, Any]:
    now = model.price
    return {
        "name": model.display_name,
        "switch": ON_BUTTON if model.is_active else OFF_BUTTON,
        "state": [status(model), *(["Default"] if model.is_default else []), *([MINE] if model.owner_id is not None else [])],
        "why": "" if model.why_not in (None, SWITCHED_OFF) else model.why_not,
        "provider": model.provider.display_name,
        "input": price(now.input if now else None),
        "output": price(now.output if now else None),
        "context": model.context_window,
        "capabilities": labels(model.capabilities),
        "key": model.model_key,
    }


def price(rate: Decimal | None, *, none: str = "unpriced") -> str:
    """Write a rate with at least two decimals and no idle zeros after them."""
    if rate is None:
        return none
    places = max(2, -int(rate.normalize().as_tuple().exponent)) if rate else 2
    return f"{rate:.{places}f}"


def moved(models: Sequence[Model], ids: Sequence[int], step: int) -> list[int]:
    """Return all model ids in order with the chosen ones moved one place up (-1) or down (+1), keeping their own order."""
    order = [model.id for model in models]
    chosen = set(ids)
    places = [place for place, model_id in enumerate(order) if model_id in chosen]
    for place in places if step < 0 else reversed(places):
        target = place + step
        if 0 <= target < len(order) and order[target] not in chosen:
            order[place], order[target] = order[target], order[place]
    return order
