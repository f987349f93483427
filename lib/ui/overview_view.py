"""The Overview's parts: who and what spends most, what moved, and what wants attention."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from lib import analytics
from lib.access import Role
from lib.analytics import By
from lib.money import exact_usd, format_usd
from lib.services.price_desk import PriceDesk
from lib.ui import format as fmt
from lib.ui import sample_notice
from lib.ui.context import Page
from lib.ui.csv_export import safe
from lib.ui.requests_view import lead_to_calls
from lib.ui.usage_view import Usage, cost_of

TOP = 5
PROBLEMS = 4
"""How many of each kind of list the page has room for."""
_NEXT_STEPS: Mapping[str, tuple[str, str, str, str]] = {
    "blacklisted": (":material/block:", "Blacklisted", "pages/observe/resilience.py", "See why"),
    "unpriced": (":material/money_off:", "Unpriced", "pages/observe/costs.py", "See the calls"),
    "failing": (":material/warning:", "Failing", "pages/observe/resilience.py", "See the errors"),
}
"""For each kind of problem: icon, word, the page that helps, and the words of its link."""


def top(usage: Usage, by: By) -> None:
    """Draw what spends most as a short ranked table with its share of the whole; a row leads to its calls."""
    shares = analytics.usage_by(usage.asked[0], by, *usage.asked[1:])[:TOP]
    whole = max(usage.totals.current.cost_nano_usd, 1)
    frame = pd.DataFrame(
        {
            by.capitalize(): [safe(share.label) for share in shares],
            "Cost": [cost_of(share.totals) for share in shares],
            "Share": [100 * share.totals.cost_nano_usd / whole for share in shares],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key=f"top-{by}",
        on_select=lambda: lead_to_calls(f"top-{by}", by, [share.key for share in shares]),
        selection_mode="single-row",
        alt=f"The {by}s that cost most; choose one to see its calls",
        column_config={
            "Cost": st.column_config.TextColumn(alignment="right", width=68),
            "Share": st.column_config.ProgressColumn(format="%.0f%%", min_value=0, max_value=100, width=70),
        },
    )


def movers(usage: Usage) -> None:
    """Draw the models whose cost changed most against the period before."""
    found = analytics.movers(usage.asked[0], "model", *usage.asked[1:], limit=TOP)
    if not found:
        st.caption("No model's cost changed against the period before.")
        return
    for mover in found:
        change = mover.after_nano - mover.before_nano
        arrow, word = (":material/trending_up:", "more") if change > 0 else (":material/trending_down:", "less")
        relative = f" ({change / mover.before_nano:+.0%})" if mover.before_nano else " (new)"
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.markdown(f"{arrow} {fmt.literal(mover.label)}", width="stretch")
            st.markdown(f"{format_usd(abs(change))} {word}{relative}".replace("$", "\\$"), help=_from_to(mover))


def _from_to(mover: analytics.Mover) -> str:
    return f"From {exact_usd(mover.before_nano)} to {exact_usd(mover.after_nano)}".replace("$", "\\$")


def problems(usage: Usage) -> None:
    """Draw what wants attention, each with its next step."""
    found = analytics.problems(*usage.asked)
    if not found:
        st.caption(":material/check_circle: Nothing wants attention: no model is blacklisted, unpriced or failing.")
        return
    for problem in found[:PROBLEMS]:
        icon, word, page, link = _NEXT_STEPS[problem.kind]
        said, step = st.columns([3, 2], vertical_alignment="center")
        said.markdown(f"{icon} **{word}: {fmt.literal(problem.label)}**  \n{fmt.literal(problem.detail)}")
        step.page_link(page, label=link, icon=":material/arrow_forward:")
    if len(found) > PROBLEMS:
        st.caption(f"and {len(found) - PROBLEMS} more")


def prices(page: Page, usage: Usage) -> None:
    """Lead an admin to the models called without a price, and to those that the catalogue prices otherwise, when there are any."""
    if not page.principal.role.includes(Role.ADMIN):
        return
    desk = PriceDesk(page.services, page.principal)
    called = analytics.usage_by(usage.asked[0], "model", *usage.asked[1:])
    bare = desk.without_price(share.key for share in called if share.totals.unpriced)
    last = desk.last()
    told = []
    if bare:
        told.append(f"{bare:,} missing")
    if last is not None and last.differing:
        told.append(f"{last.differing:,} unlike the catalogue")
    if told:  # in few words: a link is one line, on a phone too
        st.page_link("pages/admin/prices.py", label=f"Prices: {', '.join(told)}", icon=":material/sell:")


def first_steps(page: Page) -> None:
    """Draw the way to the first call, and the button that loads sample data."""
    with st.container(border=True):
        st.subheader("Three steps to the first call", anchor=False)
        st.markdown("1. **Add a provider's key.** It is tested with one small call and stored encrypted.")
        st.page_link("pages/admin/providers.py", label="Providers", icon=":material/hub:")
        st.markdown("2. **Switch a model on.**")
        st.page_link("pages/admin/models.py", label="Models", icon=":material/deployed_code:")
        st.markdown("3. **Talk to it.** Without a key, the demo model answers.")
        st.page_link("pages/play/playground.py", label="Playground", icon=":material/forum:")
    if page.principal.role.includes(Role.ADMIN):
        sample_notice.offer(page)
