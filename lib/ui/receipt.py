"""The drawer of one call: what happened, each attempt, and the receipt that adds up to its cost."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib import analytics
from lib.analytics import Call, Scope
from lib.money import exact_usd
from lib.ui import format as fmt
from lib.ui.answer import PRICE_WORDS
from lib.ui.context import Page
from lib.ui.filters import SOURCE_WORDS, STATUS_WORDS


def drawer(page: Page, chosen: Call) -> None:
    """Open the drawer of a call at the page's right."""

    @st.dialog(chosen.model_name, position="right", width="medium")
    def dialog() -> None:
        detail = analytics.call(page.services.analytics_engine, Scope.of(page.principal), chosen.id)
        call = detail.call
        facts = {
            "Status": STATUS_WORDS.get(call.status, call.status) + (f" ({call.error_class})" if call.error_class else ""),
            "Started": fmt.moment(call.started_at.astimezone(page.timezone)),
            "Provider": call.provider_name,
            "Source": SOURCE_WORDS.get(call.source, call.source),
            "Time to first token": fmt.duration(call.ttft_ms),
            "Total time": fmt.duration(call.latency_ms),
            "Key": analytics.key_words(Scope.of(page.principal).user_id).get(call.key_scope or "", call.key_scope),
            "Request": f"`{call.request_id}`",
        }
        st.table(facts, border="horizontal")
        if call.error_message:
            st.error(fmt.literal(call.error_message), icon=":material/error:")
        if len(detail.attempts) > 1:
            st.subheader("Attempts", anchor=False)
            for attempt in detail.attempts:
                ended = f"{attempt.error_class}: {attempt.error_message}" if attempt.error_message else STATUS_WORDS.get(attempt.status, "")
                st.markdown(f"{attempt.attempt}. {attempt.model_name} · {fmt.duration(attempt.latency_ms)} · {fmt.literal(ended)}")
        st.subheader("Receipt", anchor=False)
        if not detail.receipt:
            st.write(_why_no_receipt(call))
            return
        lines = pd.DataFrame(
            {
                "What": [line.label for line in detail.receipt],
                "Units": [f"{line.units:,}" for line in detail.receipt],
                "$ per 1M": [
                    f"{line.usd_per_million.normalize():f}" if line.usd_per_million is not None else "" for line in detail.receipt
                ],
                "Amount": [exact_usd(line.nano) for line in detail.receipt],
            }
        )
        st.dataframe(lines, hide_index=True, alt="Receipt, line by line")
        st.markdown(f"**Cost: {exact_usd(call.cost_nano_usd)}**".replace("$", "\\$"))
        if detail.price is not None:
            named = f" ({detail.price.source_detail})" if detail.price.source_detail else ""
            since = f", valid from {detail.price.valid_from.astimezone(page.timezone):%d %b %Y}" if detail.price.valid_from else ""
            words = PRICE_WORDS.get(detail.price.source, detail.price.source)
            st.caption(fmt.literal(f"{words[:1].upper()}{words[1:]}{named}{since}."))

    dialog()


def _why_no_receipt(call: Call) -> str:
    if call.status == "open":
        return "The call is still running."
    if call.usage_source == "none":
        return "The provider reported no token counts, so this call has no cost that could be stood by."
    return "No price was known for this model when it was called, so the call is unpriced."
