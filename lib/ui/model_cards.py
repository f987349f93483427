"""Models as cards: what a person choosing one wants to know, and the switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from lib.registry import Model
from lib.registry.values import SWITCHED_OFF
from lib.ui import format as fmt
from lib.ui.capabilities import CAPABILITIES
from lib.ui.model_find import BLOCKED, MINE, USABLE, is_priced, status
from lib.ui.model_table import price

PER_PAGE = 24
_PAGE = "page"
_BADGES = {USABLE: "green", BLOCKED: "orange"}
"""Of a model that is off its switch tells."""
_ICONS = {USABLE: "check_circle", BLOCKED: "error"}


def draw(models: Sequence[Model], *, on_toggle: Callable[[Model], None], on_open: Callable[[Model], None]) -> None:
    """Draw a page of the cards, and the way to the others."""
    pages = -(-len(models) // PER_PAGE)
    page = _page(pages)
    with st.grid(3, min_column_width=270, gap="small", key="models-cards"):
        for model in models[(page - 1) * PER_PAGE : page * PER_PAGE]:
            _card(model, on_toggle, on_open)
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(pages, key=_PAGE, bind="query-params")


def _page(pages: int) -> int:
    """Return the page to show; one that the filters left no cards for is the last."""
    wanted = st.session_state.get(_PAGE) or st.query_params.get(_PAGE) or 1
    page = int(wanted) if str(wanted).isdecimal() else 1
    if not 1 <= page <= pages:
        page = max(1, min(page, pages))
        st.session_state[_PAGE] = page
    return page


def _card(model: Model, on_toggle: Callable[[Model], None], on_open: Callable[[Model], None]) -> None:
    with st.container(border=True, height="stretch", gap=None):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.button(
                f"**{fmt.literal(model.display_name)}**",
                key=f"card-{model.id}",
                type="tertiary",
                width="stretch",
                on_click=on_open,
                args=(model,),
            )
            st.toggle(
                f"{model.display_name} is on",
                model.is_active,
                key=f"card-on-{model.id}-{model.version}",
                label_visibility="collapsed",
                on_change=on_toggle,
                args=(model,),
            )
        st.markdown(facts(model))


def facts(model: Model) -> str:
    """Return what a card says below its name, in Markdown."""
    state = status(model)
    marks = [f":{_BADGES[state]}-badge[:material/{_ICONS[state]}: {state}]"] if state in _BADGES else []
    marks += [":violet-badge[Default]"] if model.is_default else []
    marks += [f":blue-badge[{MINE}]"] if model.owner_id is not None else []
    maker = f" · {fmt.literal(model.vendor)}" if model.vendor and model.vendor.lower() != model.provider.display_name.lower() else ""
    can = " ".join(c.icon for c in CAPABILITIES if c.name in model.capabilities)
    why = model.why_not if model.why_not != SWITCHED_OFF else None
    lines = [
        " ".join([f":small[:gray[{fmt.literal(model.provider.display_name)}{maker}]]", *marks]),
        f":small[{_figures(model)}]",
        f":gray[{can}]" if can else "",
        f":small[{fmt.literal(why)}]" if why else "",
    ]
    return "  \n".join(line for line in lines if line)


def _figures(model: Model) -> str:
    size = f"{fmt.count(model.context_window)} context" if model.context_window else "Context not known"
    if not is_priced(model) or model.price is None:
        return f"{size} · unpriced"
    return f"{size} · \\${price(model.price.input, none=fmt.MISSING)} in · \\${price(model.price.output, none=fmt.MISSING)} out"
