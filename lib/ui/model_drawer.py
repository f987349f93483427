"""The drawer of one model: what it is, what it costs and did, what it falls back on, and how it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from lib import analytics
from lib.analytics import Filters, Scope
from lib.errors import ModeldeckError, StaleVersion
from lib.money import format_usd
from lib.pricing import Price
from lib.registry import Model
from lib.registry.checks import model_problems
from lib.routing.compatibility import Hint
from lib.ui import audit_view, model_fields, model_table
from lib.ui import format as fmt
from lib.ui.answer import PRICE_WORDS
from lib.ui.capabilities import badges
from lib.ui.context import Page
from lib.ui.csv_export import safe

OPEN = "model-open"
"""The id of the model whose drawer opens with the next run."""
_VIEW, _VERSION = "model-view", "model-version"
_BADGES = {model_table.USABLE: "green", model_table.OFF: "gray", model_table.BLOCKED: "orange"}


def open_for(model_id: int, view: str = "details") -> None:
    """Have a model's drawer opened with the next run of the page."""
    st.session_state[OPEN] = model_id
    st.session_state[_VIEW] = view
    st.session_state.pop(_VERSION, None)


def draw(page: Page, models: Sequence[Model]) -> None:
    """Open the drawer that was asked for, if any."""
    wanted = st.session_state.pop(OPEN, None)
    model = next((m for m in models if m.id == wanted), None)
    if model is not None:
        _drawer(page, model, models)


def _drawer(page: Page, model: Model, models: Sequence[Model]) -> None:
    @st.dialog(fmt.literal(model.display_name), position="right", width="medium")
    def dialog() -> None:
        match st.session_state.get(_VIEW, "details"):
            case "edit":
                _edit(page, model, models)
            case "delete":
                _delete(page, model)
            case _:
                _details(page, model, models)

    dialog()


def _show(view: str) -> None:
    st.session_state[_VIEW] = view
    st.rerun(scope="fragment")


def _details(page: Page, model: Model, models: Sequence[Model]) -> None:
    state = model_table.status(model)
    marks = [f":{_BADGES[state]}-badge[{state}]", *([":violet-badge[Default]"] if model.is_default else [])]
    marks += [":gray-badge[:material/visibility_off: Hidden]"] if model.hidden else []
    st.markdown(" ".join([*marks, badges(model.capabilities)]))
    if model.why_not is not None and model.is_active:
        st.caption(fmt.literal(model.why_not))
    with st.container(horizontal=True):
        if st.button("Edit", icon=":material/edit:", type="primary"):
            _show("edit")
        if st.button("Duplicate", icon=":material/content_copy:"):
            _try(lambda: open_for(page.registry.duplicate_model(model.id).id, "edit"))
        if st.button("Delete", icon=":material/delete:", type="tertiary"):
            _show("delete")
    st.table(_facts(model), border="horizontal")
    _usage(page, model)
    st.subheader("Fallbacks", anchor=False)
    st.markdown(_fallbacks(model, models))
    st.subheader("Prices", anchor=False)
    _prices(page, page.registry.prices(model.id))
    _new_price(page, model)
    pair = (model.provider.slug, model.model_key)
    if hint := next((h for h in page.services.hints(page.principal).all() if h.pair == pair), None):
        st.subheader("Learned from calls", anchor=False)
        st.markdown("  \n".join(_noted(page, hint)))
    st.subheader("Last changes", anchor=False)
    audit_view.recent(page, model.id)


def _facts(model: Model) -> dict[str, str]:
    bounds = model_fields.written_bounds(model.constraints).replace("\n", ", ")
    facts = {
        "Provider": model.provider.display_name,
        "Key": f"`{model.model_key}`",
        "Upstream id": f"`{model.upstream_id}`",
        "Context window": f"{model.context_window:,} tokens" if model.context_window else "Not known",
        "Max output": f"{model.max_output_tokens:,} tokens" if model.max_output_tokens else "Not known",
        "Defaults": fmt.literal(model_fields.written(model.defaults).replace("\n", ", ")),
        "Constraints": fmt.literal(bounds),
    }
    return {name: value for name, value in facts.items() if value}


def _usage(page: Page, model: Model) -> None:
    now = page.services.clock()
    range_ = analytics.preset("30d", now, page.timezone)
    filters = Filters(models=(model.model_key,), providers=(model.provider.slug,))
    totals = analytics.usage_totals(page.services.analytics_engine, Scope.of(page.principal), range_, filters).current
    st.subheader("Last 30 days", anchor=False)
    if not totals.attempts:
        st.caption("Not called.")
        return
    cost = format_usd(totals.cost_nano_usd).replace("$", "\\$") + (f" + {totals.unpriced:,} unpriced" if totals.unpriced else "")
    parts = [
        f"**{fmt.count(totals.requests)}** requests",
        f"**{cost}**",
        f"{fmt.count(totals.tokens)} tokens",
        f"{fmt.percent(totals.errors / totals.attempts)} failed",
        f"{fmt.duration(totals.mean_latency_ms)} on average",
    ]
    st.markdown(" · ".join(parts))


def _fallbacks(model: Model, models: Sequence[Model]) -> str:
    by_key = {m.model_key: m for m in models}
    lines = []
    for place, name in enumerate(model.fallbacks, start=1):
        other = by_key.get(name)
        why = "not in the registry any more" if other is None else other.why_not
        lines.append(f"{place}. {fmt.literal(other.display_name if other else name)}" + (f" ({fmt.literal(why)})" if why else ""))
    return "\n".join(lines) or "No other model steps in when it fails."


def _prices(page: Page, prices: Sequence[Price]) -> None:
    if not prices:
        st.caption("No price is known, so its calls are unpriced.")
        return
    rows: list[dict[str, Any]] = [
        {
            "From": price.valid_from.astimezone(page.timezone).strftime("%d %b %Y") if price.valid_from else "",
            "In": model_table.price(price.input),
            "Out": model_table.price(price.output),
            "Cached": model_table.price(price.cache_read, none=""),
            "Source": safe(PRICE_WORDS.get(price.source, price.source) + (f", {price.source_detail}" if price.source_detail else "")),
        }
        for price in reversed(prices)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Prices in USD per 1M tokens by date, the latest first")


def _new_price(page: Page, model: Model) -> None:
    fields, problems = model_fields.Fields(), dict[str, str]()
    with st.popover("Set a price", icon=":material/payments:"), st.form(f"price-{model.id}", border=False):
        st.caption("In force from now on; earlier calls keep what they cost. A field left empty keeps its rate, as do all others.")
        rates = model_fields.rates(fields, key=f"price-{model.id}", placeholder="As it is")
        if not st.form_submit_button("Set price", type="primary"):
            return
    price = model_fields.price_of(*rates, problems)
    if problems:
        fields.tell(problems)
    elif price is not None:
        old = model.price or Price()
        read, write = (typed if typed is not None else kept for typed, kept in ((price.input, old.input), (price.output, old.output)))
        now = replace(old, input=read, output=write, source="manual", source_detail=None, valid_from=None)
        _try(lambda: page.registry.set_price(model.id, now), said=f"{model.display_name} has a new price.")


def _noted(page: Page, hint: Hint) -> list[str]:
    lines = [f"{hint.success_count:,} successes, {hint.error_count:,} errors counted"]
    if hint.is_blacklisted:
        lines.append(f":red-badge[:material/block: Blacklisted] {fmt.literal(hint.blacklist_reason or '')}")
    if hint.cooldown_until is not None and hint.cooldown_until > page.services.clock():
        lines.append(f"Rests until {fmt.moment(hint.cooldown_until.astimezone(page.timezone))}")
    if hint.preferred_endpoint:
        lines.append(f"Asked on `{hint.preferred_endpoint}` first")
    if hint.learned_parameters:
        lines.append("Parameters changed: " + ", ".join(f"`{name}`" for name in hint.learned_parameters))
    if hint.last_error_message and hint.last_error_time:
        when = fmt.moment(hint.last_error_time.astimezone(page.timezone))
        lines.append(f"Last error, {when}: {fmt.literal(hint.last_error_message)}")
    return lines


def _edit(page: Page, model: Model, models: Sequence[Model]) -> None:
    fields, key, problems = model_fields.Fields(), f"edit-{model.id}", dict[str, str]()
    with st.form(f"form-{model.id}", border=False, enter_to_submit=False):
        values = model_fields.names(fields, display_name=model.display_name, upstream_id=model.upstream_id, key=key)
        values["fallbacks"] = model_fields.fallbacks(fields, models=models, chosen=model.fallbacks, but=model.model_key, key=key)
        values["capabilities"] = model_fields.capabilities(fields, has=sorted(model.capabilities), key=key)
        values |= model_fields.limits(fields, context_window=model.context_window, max_output_tokens=model.max_output_tokens, key=key)
        texts = model_fields.parameters(fields, defaults=model.defaults, constraints=model.constraints, key=key)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            values["display_order"] = st.number_input("Display order", value=model.display_order, step=10, key=f"{key}-order")
            values["hidden"] = st.toggle("Hidden from pickers", value=model.hidden, key=f"{key}-hidden")
        fields.beside("display_order", "hidden")
        with st.container(horizontal=True):
            saved = st.form_submit_button("Save", type="primary", icon=":material/check:")
            back = st.form_submit_button("Back", type="tertiary")
    if back:
        _show("details")
    if not saved:
        return
    values |= model_fields.typed(*texts, problems)
    changed = _changed(model, values)
    problems = model_problems(changed) | problems
    if problems:
        fields.tell(problems)
        return
    _save(page, model, changed)


def _changed(model: Model, values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from what the drawer was opened with, so that others' changes to the rest stay."""
    before: dict[str, Any] = {name: getattr(model, name) for name in values}
    before["fallbacks"] = list(model.fallbacks)
    before["capabilities"] = [name for name in values["capabilities"] if name in model.capabilities]
    same_can = set(values["capabilities"]) == set(model.capabilities)
    before["constraints"] = {name: list(ends) for name, ends in model.constraints.items()}
    before["defaults"] = dict(model.defaults)
    return {name: value for name, value in values.items() if (name == "capabilities" and not same_can) or before[name] != value}


def _save(page: Page, model: Model, changed: dict[str, Any]) -> None:
    version = st.session_state.get(_VERSION, model.version)
    try:
        if changed:
            page.registry.update_model(model.id, version=version, **changed)
    except StaleVersion:
        now = next((m for m in page.registry.models() if m.id == model.id), None)
        if now is None:
            st.error("Somebody deleted this model in the meantime. What you entered is still above.", icon=":material/error:")
            return
        st.session_state[_VERSION] = now.version
        theirs = _between(model, now)
        clash = [name for name in theirs if name in changed]
        st.warning(
            f"Somebody changed this model in the meantime ({', '.join(map(_spoken, theirs)) or 'its state'}). "
            "Nothing of yours is lost: save again to put your entries in"
            + (f", in place of their {' and '.join(map(_spoken, clash))}." if clash else "; their changes stay."),
            icon=":material/sync_problem:",
        )
        return
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    st.toast(f"{model.display_name} saved." if changed else "Nothing was changed.", icon=":material/check:")
    st.rerun()


def _between(before: Model, now: Model) -> list[str]:
    names = ("display_name", "upstream_id", "fallbacks", "capabilities", "context_window", "max_output_tokens", "defaults", "constraints")
    return [n for n in (*names, "display_order", "hidden", "is_active", "is_default") if getattr(before, n) != getattr(now, n)]


def _spoken(name: str) -> str:
    return name.removeprefix("is_").replace("_", " ")


def _delete(page: Page, model: Model) -> None:
    try:
        found = page.registry.dependents(model.id)
    except ModeldeckError as error:
        st.error(str(error), icon=":material/error:")
        return
    lines = []
    if found.is_default:
        lines.append("It is the default; the first usable model takes its place.")
    if found.fallback_of:
        lines.append(f"It is taken out of the fallbacks of {', '.join(f'`{name}`' for name in found.fallback_of)}.")
    if found.conversations:
        lines.append(f"{found.conversations:,} conversations were held with it; they keep their history.")
    lines += [
        f"Its {found.prices:,} dated prices go with it." if found.prices else "It has no prices.",
        "Logged calls keep its name and cost.",
    ]
    st.markdown(f"**Delete {fmt.literal(model.display_name)}?**\n\n" + "\n".join(f"- {line}" for line in lines))
    st.caption("Switching it off instead keeps everything.")
    with st.container(horizontal=True):
        if st.button("Delete model", type="primary", icon=":material/delete:"):
            _try(lambda: page.registry.delete_model(model.id, version=model.version), said=f"{model.display_name} was deleted.")
        if st.button("Back", type="tertiary"):
            _show("details")


def _try(change: Any, said: str = "") -> None:
    try:
        change()
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    if said:
        st.toast(said, icon=":material/check:")
    st.rerun()
