"""The Prices page's parts: what nobody can price, what the catalogue says otherwise, and the way back from taking it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import pandas as pd
import streamlit as st

from lib.errors import ModeldeckError
from lib.money import format_usd
from lib.pricing import Price
from lib.pricing.check import CheckRow, CheckState, RateChange
from lib.services.price_desk import PriceDesk, Taken
from lib.services.price_queue import Queue, Unpriced
from lib.services.price_reading import Found, LastCheck
from lib.ui import format as fmt
from lib.ui import price_dialog
from lib.ui.answer import PRICE_WORDS
from lib.ui.context import Page
from lib.ui.csv_export import safe
from lib.ui.model_table import price as written
from lib.ui.requests_view import PAGE_FILE

UNDO = "prices-undo"
_PROBLEM = "prices-problem"
_SAID = "prices-said"
_DRAWN = "prices-drawn"
_MOST_SHOWN = 300
"""Rows drawn at once; the largest effects come first, and taking all takes the others too."""
_STATES: Mapping[CheckState, str] = {"differs": "Differs", "missing": "No price", "own": "Own price", "announced": "Announced"}
_COLORS = ["orange", "red", "gray", "blue"]
_SHORT = {"Cache write, 5 minutes": "Cache write", "Cache write, 1 hour": "Cache write 1 h", "Input": "In", "Output": "Out"}


class Prices:
    """The page's view of prices, read once and drawn in parts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._desk = PriceDesk(page.services, page.principal)
        self._queue: Queue = self._desk.unpriced()
        self._last: LastCheck | None = self._desk.last()

    def heading(self) -> None:
        """Draw the title, when prices were last compared, and the button that does it now."""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.title("Prices", anchor=False, width="stretch")
            pressed = st.button("Check now", icon=":material/sync:", help="Compares every price with the catalogue; none is changed.")
        if pressed:
            self._check()
        if said := st.session_state.pop(_SAID, None):
            st.toast(said.replace("$", "\\$"), icon=":material/check:")
        st.caption(self._when())
        if sentence := st.session_state.pop(_PROBLEM, None):
            st.error(fmt.literal(f"Nothing was changed. {sentence}"), icon=":material/error:")
        if self._last is not None and self._last.failed_at is not None:
            told = f"The check of {self._moment(self._last.failed_at)} failed. {self._last.failure}"
            st.warning(fmt.literal(told), icon=":material/sync_problem:")

    def unpriced(self) -> None:
        """Draw the queue of models without a price, when there are any; choosing a row opens its dialog."""
        queue = self._queue
        if not queue.rows:
            st.caption(":material/check_circle: Every model that is on has a price, and no call of the last 30 days waits for one.")
        else:
            st.subheader("Without a price", anchor=False)
            told = "On without a price"
            if queue.calls:
                told = f"{_number(queue.calls, 'call')} of {_number(queue.called, 'model')} in no cost"
            st.markdown(f":red-badge[:material/money_off: {told}] Choose a row to set a price.")
            self._table(queue.rows)
        if queue.tokenless:
            came = f"{_number(queue.tokenless, 'call')} of the last 30 days came without a token count"
            st.caption(f"{came}; no price can name what {'it' if queue.tokenless == 1 else 'they'} cost.")
        if queue.private:
            have = "has" if queue.private == 1 else "have"
            st.caption(f"{_number(queue.private, 'call')} of people's own models {have} no price; their owners set it.")

    def differences(self) -> None:
        """Draw where the catalogue says something else, what that would have meant, and the buttons that take it."""
        last = self._last
        if last is None or last.at is None:
            if last is None:
                st.info("Prices were not compared with the catalogue yet. A check changes none of them.", icon=":material/sync:")
            return
        st.subheader("Compared with the catalogue", anchor=False)
        self._summary(last)
        if not last.rows:
            return
        actions = st.container(horizontal=True, vertical_alignment="center")
        chosen = self._differences(last.rows[:_MOST_SHOWN])
        everything = [found.row for found in last.rows if found.row.taken_by_all]
        with actions:
            st.button(
                f"Take {len(chosen)} chosen" if chosen else "Take the chosen",
                icon=":material/check:",
                type="primary" if chosen else "secondary",
                disabled=not chosen,
                on_click=self._take,
                args=([found.row for found in chosen],),
                key="prices-take",
            )
            st.button(
                f"Take all {len(everything)}" if len(everything) > 1 else "Take all",
                icon=":material/done_all:",
                disabled=not everything,
                on_click=self._take,
                args=(everything,),
                key="prices-take-all",
                help="Prices set by hand, or read from the provider's own list, are left as they are unless they are chosen.",
            )
            st.caption("From now on, or from the day announced; earlier calls keep their cost.")
        if len(last.rows) > _MOST_SHOWN:
            st.caption(f"and {len(last.rows) - _MOST_SHOWN:,} more, each with a smaller effect")

    def undo(self) -> None:
        """Draw the way back from what was taken, until it is used or dismissed."""
        taken: Taken | None = st.session_state.get(UNDO)
        if taken is None:
            return
        with st.container(horizontal=True, vertical_alignment="center", key="prices-taken"):
            st.caption(f"{_number(taken.models, 'model')} {'has' if taken.models == 1 else 'have'} the catalogue's price.")
            st.button("Undo", icon=":material/undo:", type="tertiary", on_click=self._take_back, args=(taken,))
            st.button("Keep", type="tertiary", on_click=lambda: st.session_state.pop(UNDO, None))

    def _check(self) -> None:
        with st.spinner("Comparing with the catalogue…"):
            try:
                self._desk.check()
            except ModeldeckError:
                pass  # noted with the check, and told above
        _redraw()
        st.rerun()

    def _when(self) -> str:
        if self._last is None or self._last.at is None:
            return "In US dollars per 1M tokens, from the catalogue that comes with Modeldeck."
        by = f" by {fmt.literal(self._last.actor)}" if self._last.actor else ""
        return f"Last compared with the catalogue on {self._moment(self._last.at)}{by}."

    def _moment(self, at: datetime) -> str:
        return at.astimezone(self._page.timezone).strftime("%-d %b %Y, %H:%M")

    def _day(self, at: datetime) -> str:
        return at.astimezone(self._page.timezone).date().isoformat()

    def _table(self, rows: Sequence[Unpriced]) -> None:
        zone = self._page.timezone
        frame = pd.DataFrame(
            {
                "Model": [safe(row.name) for row in rows],
                "Provider": [safe(row.provider) for row in rows],
                "Calls": [row.calls for row in rows],
                "Tokens in": [row.input_tokens for row in rows],
                "Tokens out": [row.output_tokens for row in rows],
                "Since": [row.first_at.astimezone(zone).strftime("%d %b %Y") if row.first_at else fmt.MISSING for row in rows],
                "Why": [_why(row) for row in rows],
            }
        )
        drawn = st.dataframe(
            frame,
            hide_index=True,
            key=f"prices-unpriced-{_drawn()}",
            on_select="rerun",
            selection_mode="single-row",
            alt="Models without a price; choose one to set it",
            column_config={
                "Model": st.column_config.TextColumn(pinned=True),
                **{name: st.column_config.NumberColumn(format="localized") for name in ("Calls", "Tokens in", "Tokens out")},
            },
        )
        if (picked := drawn.selection.rows) and picked[0] < len(rows):
            self._price(rows[picked[0]])

    def _price(self, row: Unpriced) -> None:
        known = next((f.row for f in self._last.rows if f.row.subject.model_id == row.model_id), None) if self._last else None

        @st.dialog("Set a price", on_dismiss=_redraw)
        def dialog() -> None:
            if said := price_dialog.draw(self._desk, row, known, self._page.timezone):
                st.session_state[_SAID] = said  # a toast drawn now could go with the dialog before anybody saw it
                _redraw()
                st.rerun()
            if row.first_at is not None:
                today, first = self._page.services.clock(), row.first_at
                query = {"from": self._day(first), "to": self._day(today), "by-model": row.key, "unpriced": "true"}
                st.page_link(PAGE_FILE, label="See these calls", icon=":material/list_alt:", query_params=query)

        dialog()

    def _summary(self, last: LastCheck) -> None:
        unknown = last.counts.get("unknown", 0)
        checked = sum(last.counts.values()) - unknown
        if last.rows:
            st.markdown(f"**{last.differing:,}** of {checked:,} models known to the catalogue cost something else here, or will.")
        else:
            st.caption(f":material/check_circle: {_number(checked, 'model')} cost here what the catalogue says.")
        if unknown:
            more = "" if unknown <= len(last.unknown) else f" and {unknown - len(last.unknown):,} more"
            st.caption(
                f"{_number(unknown, 'model')} {'is' if unknown == 1 else 'are'} not in the catalogue and not compared.",
                help=fmt.literal(", ".join(last.unknown) + more),
            )

    def _differences(self, rows: Sequence[Found]) -> list[Found]:
        frame = pd.DataFrame(
            {
                "Model": [safe(f.row.subject.name) for f in rows],
                "What": [[_STATES[f.row.state]] for f in rows],
                "Here → catalogue": [_rates(f.row) for f in rows],
                "Last 30 days": [_was(f) for f in rows],
                "With theirs": [_would(f) for f in rows],
                "Change": [_change(f) for f in rows],
                "Price here": [safe(self._source(f.row.subject.price)) for f in rows],
                "Catalogue": [safe(self._theirs(f.row)) for f in rows],
            }
        )
        money = {"Last 30 days": 96, "With theirs": 90, "Change": 84}
        drawn = st.dataframe(
            frame,
            hide_index=True,
            key=f"prices-differences-{_drawn()}",
            on_select="rerun",
            selection_mode="multi-row",
            alt="Models whose price differs from the catalogue's, the largest effect first; choose those to take",
            column_config={
                "Model": st.column_config.TextColumn(pinned=True, width=140),
                "What": st.column_config.MultiselectColumn(
                    options=list(_STATES.values()), color=["orange", "red", "gray", "blue"], width=96
                ),
                "Here → catalogue": st.column_config.TextColumn(width=320, help="US dollars per 1M tokens, or per piece."),
                **{name: st.column_config.TextColumn(alignment="right", width=width) for name, width in money.items()},
            },
        )
        return [rows[place] for place in drawn.selection.rows if place < len(rows)]

    def _source(self, price: Price | None) -> str:
        if price is None:
            return fmt.MISSING
        since = f", from {price.valid_from.astimezone(self._page.timezone):%d %b %Y}" if price.valid_from else ""
        return PRICE_WORDS.get(price.source, price.source) + since

    def _theirs(self, row: CheckRow) -> str:
        if row.theirs is None:
            return fmt.MISSING
        days = [f"from {p.valid_from.astimezone(self._page.timezone):%d %b %Y}" for p in row.announced if p.valid_from]
        return ", ".join([row.theirs.price.source_detail or row.theirs.entry, *days])

    def _take(self, rows: Sequence[CheckRow]) -> None:
        """Take prices, in a callback: it is given the rows as the page showed them."""
        try:
            taken = self._desk.apply(rows)
        except ModeldeckError as error:
            st.session_state[_PROBLEM] = str(error)
            return
        st.session_state[UNDO] = taken
        _redraw()

    def _take_back(self, taken: Taken) -> None:
        try:
            self._desk.undo(taken)
        except ModeldeckError as error:
            st.session_state[_PROBLEM] = str(error)
            return
        st.session_state.pop(UNDO, None)
        _redraw()


def _drawn() -> int:
    """Return the number in the tables' keys: another one clears what was chosen."""
    number: int = st.session_state.setdefault(_DRAWN, 0)
    return number


def _redraw() -> None:
    st.session_state[_DRAWN] = st.session_state.get(_DRAWN, 0) + 1


def _number(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _why(row: Unpriced) -> str:
    if not row.editable:
        return "Not one of everyone's models"
    if row.price is not None:
        return "Made before its price, or lacks a rate"
    return "No price" if row.calls else "On, no price"


def _rates(row: CheckRow) -> str:
    return " · ".join(_said(change) for change in row.changes)


def _said(change: RateChange) -> str:
    label = next((change.label.replace(long, short) for long, short in _SHORT.items() if long in change.label), change.label)
    return f"{label} {_rate(change.before)} → {_rate(change.after)}" + (" each" if change.each else "")


def _rate(rate: Decimal | None) -> str:
    return written(rate, none="none")


def _was(found: Found) -> str:
    """Write what the calls did cost; those without a cost are named, never counted as nothing."""
    effect = found.effect
    if not effect.calls:
        return fmt.MISSING
    if effect.unpriced and not effect.cost_nano:
        return format_usd(None)
    return format_usd(effect.cost_nano) + (f" + {effect.unpriced:,} unpriced" if effect.unpriced else "")


def _would(found: Found) -> str:
    effect = found.effect
    if not effect.calls:
        return fmt.MISSING
    return format_usd(effect.would_nano + effect.unpriced_nano)


def _change(found: Found) -> str:
    effect = found.effect
    change = effect.change_nano + effect.unpriced_nano
    if not effect.calls:
        return "not called"
    return f"{'+' if change > 0 else ''}{format_usd(change)}" if change else "none"
