"""The dialog that prices a model nobody could price: the catalogue's word, or rates typed by hand, for past calls too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from lib.errors import ModeldeckError
from lib.money import format_usd
from lib.pricing import Price
from lib.pricing.check import CheckRow, is_known
from lib.services.price_desk import PriceDesk
from lib.services.price_queue import Unpriced
from lib.ui import format as fmt
from lib.ui.model_fields import Fields
from lib.ui.model_table import price as written
from lib.usage.backfill import Filled

_RATES: Mapping[str, str] = {
    "input": "In",
    "output": "Out",
    "cache_read": "Cache read",
    "cache_write_5m": "Cache write, 5 min",
    "cache_write_1h": "Cache write, 1 h",
    "reasoning": "Reasoning",
}
"""What can be typed; a price may hold more, which stays as it is."""
_USUAL = 2


def draw(desk: PriceDesk, row: Unpriced, known: CheckRow | None, timezone: ZoneInfo) -> str | None:
    """Draw what is unpriced, the calls it is about, and the ways to price them; return what came of it once a price is set.

    ``known`` is the catalogue's offer.
    """
    st.markdown(f"**{fmt.literal(row.name)}** · {fmt.literal(row.provider)}")
    if row.calls:
        st.markdown(_calls(row, timezone))
    if not row.editable or row.model_id is None:
        st.info("It is not one of everyone's models any more, so that no price can be set here.", icon=":material/info:")
        return None
    past = bool(row.calls) and st.toggle(
        "Price these calls too",
        value=True,
        key="price-past",
        help="The price then holds from the first of them on. A call that has a cost keeps it.",
    )
    offered = known.offered if known is not None else None
    if offered is not None:
        st.markdown(f"The catalogue says **{fmt.literal(said(offered))}** per 1M tokens.", help=fmt.literal(offered.source_detail or ""))
        if st.button("Take the catalogue's price", type="primary", icon=":material/download_done:", key="price-take"):
            return _save(desk, row.model_id, offered, past=past)
        st.caption("Or set it by hand:")
    return _by_hand(desk, row, past=past, first=offered is None)


def said(price: Price | None) -> str:
    """Write a price's main rates, such as "$5.00 in, $25.00 out"."""
    if price is None or not is_known(price):
        return "no price"
    sides = ((price.input, "in"), (price.output, "out"))
    return ", ".join(f"${written(rate)} {side}" for rate, side in sides if rate is not None) or "other rates only"


def rates_of(typed: Mapping[str, str], problems: dict[str, str]) -> dict[str, Decimal]:
    """Return the rates typed; what is no price is added to the problems."""
    found: dict[str, Decimal] = {}
    for name, text in typed.items():
        try:
            if text.strip():
                found[name] = Decimal(text.strip().removeprefix("$"))
                if not (found[name].is_finite() and 0 <= found[name] <= 1_000_000):
                    raise InvalidOperation
        except InvalidOperation:
            problems[name] = f"{text.strip()[:40]} is not a price: write US dollars per 1M tokens, such as 0.15."
    return found


def told(filled: Filled | None) -> str:
    """Say what came of pricing past calls."""
    if filled is None:
        return "The price is set."
    if not filled.calls:
        said_so = "The price is set; none of the calls already made could be priced with it."
    else:
        calls = f"{filled.calls:,} {'call is' if filled.calls == 1 else 'calls are'} priced now: {format_usd(filled.cost_nano)}"
        said_so = f"{calls}."
    if filled.left:
        said_so += f" {filled.left:,} {'needs' if filled.left == 1 else 'need'} a rate that the price of their time does not name."
    return said_so


def _calls(row: Unpriced, timezone: ZoneInfo) -> str:
    number = f"{row.calls:,} {'call' if row.calls == 1 else 'calls'} without a cost in the last 30 days"
    tokens = f"{fmt.count(row.input_tokens)} tokens in, {fmt.count(row.output_tokens)} out"
    since = f", the first on {_day(row.first_at, timezone)}" if row.first_at else ""
    why = "" if row.price is None else "  \nThey were made before its present price, or need a rate that it does not name."
    return f"{number}{since}: {tokens}.{why}"


def _day(at: datetime, timezone: ZoneInfo) -> str:
    return at.astimezone(timezone).strftime("%-d %b %Y")


def _by_hand(desk: PriceDesk, row: Unpriced, *, past: bool, first: bool) -> str | None:
    fields, problems, typed = Fields(), dict[str, str](), dict[str, str]()
    old = row.price if row.price is not None and is_known(row.price) else Price()
    with st.form("price-by-hand", border=False):
        st.caption("US dollars per 1M tokens; 0 is free. " + ("What is left empty stays as it is." if is_known(row.price) else ""))
        names = list(_RATES)
        for pair in (names[start : start + _USUAL] for start in range(0, len(names), _USUAL)):
            with st.container(horizontal=True):
                for name in pair:
                    rate = getattr(old, name)
                    hint = written(rate) if rate is not None else "As output" if name == "reasoning" else "Not known"
                    typed[name] = st.text_input(_RATES[name], placeholder=hint, key=f"price-{name}") or ""
            fields.beside(*pair)
        kind: Any = "primary" if first else "secondary"
        if not st.form_submit_button("Set price", type=kind, icon=":material/check:"):
            return None
    rates: dict[str, Any] = dict(rates_of(typed, problems))
    if not rates and not problems and not (past and is_known(row.price)):
        problems["input"] = "Type at least what input and output cost."
    if problems or row.model_id is None:
        fields.tell(problems)
        return None
    price = replace(old, **rates, id=None, model_id=None, valid_from=None)
    if rates:
        price = replace(price, source="manual", source_detail=None)
    return _save(desk, row.model_id, price, past=past)


def _save(desk: PriceDesk, model_id: int, price: Price, *, past: bool) -> str | None:
    far = st.empty()
    try:
        with st.spinner("Pricing…"):
            filled = desk.set_price(
                model_id, price, past=past, progress=lambda done: far.caption(f"{done:,} calls so far. Leaving keeps them.")
            )
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return None
    return told(filled)
