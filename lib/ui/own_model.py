"""The dialog in which somebody edits a model of their own: its names, its limits, where it is, and its key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lib.credentials import origin
from lib.errors import InvalidValue, ModeldeckError
from lib.registry import DraftModel, Model
from lib.registry.checks import model_problems, provider_problems
from lib.services.model_desk import ModelDesk
from lib.services.profile import ProfileDesk
from lib.ui import format as fmt
from lib.ui import model_add, model_fields
from lib.ui.context import Page


def dialog(page: Page, desk: ProfileDesk, model: Model) -> None:
    """Open the dialog."""

    @st.dialog(f"Edit {model.display_name}", position="right", width="medium", icon=":material/edit:")
    def draw() -> None:
        form(page, desk, model)

    draw()


def form(page: Page, desk: ProfileDesk, model: Model) -> None:
    """Draw the fields, and do what its buttons say with exactly what they hold."""
    fields, key, problems = model_fields.Fields(), f"own-{model.id}", dict[str, str]()
    provider = model.provider
    own_provider = provider.owner_id is not None
    with st.form(f"form-{key}", border=False, enter_to_submit=False):
        values: dict[str, Any] = model_fields.names(fields, display_name=model.display_name, upstream_id=model.upstream_id, key=key)
        url = provider.own_base_url or provider.base_url or ""
        if own_provider:
            url = (st.text_input("Base URL", value=url, key=f"{key}-url", help="Another host needs its key again.") or "").strip()
            fields.beside("base_url")
        in_use = model.key or provider.key_of_own
        secret = st.text_input(
            "New API key" if own_provider else "New API key, for this model alone",
            type="password",
            autocomplete="new-password",
            placeholder=f"Keep {in_use.preview}" if in_use.preview else "Paste the key here",
            key=f"{key}-secret",
            help="Stored encrypted when you save. It is never shown again, only its first and last characters.",
        )
        fields.beside("api_key")
        with st.expander("Limits, capabilities, price and fallbacks"):
            values["capabilities"] = model_fields.capabilities(fields, has=sorted(model.capabilities), key=key)
            values |= model_fields.limits(fields, context_window=model.context_window, max_output_tokens=model.max_output_tokens, key=key)
            rates = model_fields.rates(fields, key=key, placeholder="As it is")
            others = page.registry.usable()
            values["fallbacks"] = model_fields.fallbacks(fields, models=others, chosen=model.fallbacks, but=model.model_key, key=key)
        with st.container(horizontal=True):
            tested = st.form_submit_button("Test connection", icon=":material/bolt:")
            saved = st.form_submit_button("Save", type="primary", icon=":material/check:")
    if not (tested or saved):
        return
    price = model_fields.price_of(*rates, problems)
    problems = model_problems(values) | (provider_problems({"base_url": url}) if own_provider else {}) | problems
    if problems:
        fields.tell(problems)
        return
    secret, moved = (secret or "").strip(), own_provider and url != (provider.own_base_url or provider.base_url or "")
    try:
        if tested:
            _test(page, model, values, url if moved else None, secret)
            return
        if moved:
            registry_url = url or None
            page.services.connect(page.principal, provider, secret, base_url=registry_url, tested=False)
        elif secret and own_provider:
            page.services.set_key(page.principal, provider, secret)
        elif secret:
            ModelDesk(page.services, page.principal, own=True).set_model_key(model, secret)
        page.registry.update_model(model.id, version=model.version, **values)
        if price is not None:
            old = model.price
            read = price.input if price.input is not None else old.input if old else None
            write = price.output if price.output is not None else old.output if old else None
            kept = replace(old, source="manual", source_detail=None, valid_from=None) if old else price
            page.registry.set_price(model.id, replace(kept, input=read, output=write))
    except InvalidValue as error:
        fields.tell({error.field or "": str(error)})
        return
    except ModeldeckError as error:
        fields.tell({"api_key": str(error)})
        return
    st.toast(f"{fmt.literal(values['display_name'])} saved.", icon=":material/check:")
    st.rerun()


def _test(page: Page, model: Model, values: dict[str, Any], url: str | None, secret: str) -> None:
    """Ask for a few words with exactly what was typed; a key that is kept goes only where it belongs."""
    draft = DraftModel(
        "",
        model.provider.kind,
        values["upstream_id"],
        {"display_name": values["display_name"], "max_output_tokens": values["max_output_tokens"]},
        provider=model.provider,
        base_url=url,
        price=model.price,
        owner_id=page.principal.user_id,
    )
    if not secret and model.key is not None and origin(draft.target.base_url) == origin(model.provider.base_url):
        held = page.services.keys.resolve(model.provider, model, page.principal.user_id)
        secret = held.api_key.get_secret_value() if held.api_key else ""
    with st.spinner(f"Asking {model.provider.display_name} for a few words…"):
        result = ModelDesk(page.services, page.principal, own=True).test(draft, secret)
    model_add.tell(result)
