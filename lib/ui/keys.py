"""The dialog on a provider's card: paste a key, test it for real, store it encrypted, switch models on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import streamlit as st

from lib.errors import ModeldeckError
from lib.money import format_usd
from lib.providers.catalog import KINDS
from lib.registry import Provider
from lib.services import TestResult
from lib.services.discovery import can_be_asked
from lib.ui import discovery_view
from lib.ui import format as fmt
from lib.ui.context import Page

TESTED = "key-test"


def connect(page: Page, provider: Provider) -> None:
    """Open the dialog that connects one provider."""

    @st.dialog(f"Connect {provider.display_name}", icon=":material/key:")
    def dialog() -> None:
        done = st.session_state.get(TESTED)
        if isinstance(done, tuple) and done[0] == provider.id:
            _switch_on(page, provider, done[1])
        else:
            _ask(page, provider)

    dialog()


def _ask(page: Page, provider: Provider) -> None:
    kind = KINDS[provider.kind]
    with st.form(f"key-form-{provider.id}", border=False, enter_to_submit=True):
        url = st.text_input(
            "Base URL",
            value=provider.base_url or "",
            type="url",
            placeholder="https://host/v1",
            help="Where requests are sent. Keep it unless you run your own gateway.",
        )
        key = st.text_input(
            "API key" if kind.needs_key else "API key (only if your server asks for one)",
            type="password",
            autocomplete="new-password",
            placeholder="Paste the key here",
            help="Stored encrypted. It is never shown again, only its first and last characters.",
        )
        asked = {
            name: st.text_input(
                label, value=str(provider.settings.get(name, "")), help="Sent with every call; your provider tells you which."
            )
            for name, label in kind.asks.items()
        }
        if kind.key_page:
            st.markdown(f"[Get a key from {provider.display_name}]({kind.key_page})")
        with st.container(horizontal=True):
            tested = st.form_submit_button("Test and save", type="primary", icon=":material/check:")
            untested = st.form_submit_button("Save without a test", type="tertiary")
    if not (tested or untested):
        return
    key, url = (key or "").strip(), (url or "").strip()
    if kind.needs_key and not key:
        st.error("Paste the API key first.", icon=":material/key_off:")
        return
    try:
        settings = _settings(provider, asked)
        result = _tested(page, replace(provider, settings=settings), key, url) if tested else None
        if result is not None and not result.ok:
            st.error(f"The key was not saved. {fmt.literal(result.sentence)}", icon=":material/error:")
            return
        if settings != dict(provider.settings):
            page.registry.set_provider(provider, settings=settings)
        page.services.connect(page.principal, provider, key, base_url=url, tested=tested)
    except ModeldeckError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.session_state[TESTED] = (provider.id, result)
    st.rerun(scope="fragment")


def _settings(provider: Provider, asked: Mapping[str, str | None]) -> dict[str, Any]:
    """Return a provider's settings with what was typed; an emptied field is unset."""
    typed = {name: (text or "").strip() for name, text in asked.items()}
    return {name: value for name, value in {**provider.settings, **typed}.items() if value != ""}


def _tested(page: Page, provider: Provider, key: str, url: str) -> TestResult:
    with st.spinner(f"Asking {provider.display_name} for a few words…"):
        return page.services.test_key(page.principal, provider, key, base_url=url or None)


def _switch_on(page: Page, provider: Provider, result: TestResult | None) -> None:
    if result is None:
        st.success("Saved, untested.", icon=":material/check_circle:")
    else:
        st.success(
            f"The key works: {fmt.duration(result.latency_ms)}, {format_usd(result.cost_nano_usd).replace('$', '&#36;')}.",
            icon=":material/check_circle:",
        )
        if result.text:
            st.caption(f"{provider.display_name} answered: {fmt.literal(result.text[:120])}")
    models = [m for m in page.registry.models() if m.provider.id == provider.id and not m.is_active]
    names = {m.id: m.display_name for m in models}
    chosen = []
    if models:
        chosen = st.multiselect(
            "Switch models on", list(names), format_func=names.__getitem__, placeholder="Choose models", key=f"switch-on-{provider.id}"
        )
    with st.container(horizontal=True):
        if models and st.button("Switch on", type="primary", disabled=not chosen, icon=":material/toggle_on:"):
            page.registry.set_active(chosen, True)
            _close()
        style: Literal["tertiary", "primary"] = "tertiary" if models else "primary"
        if can_be_asked(provider) and st.button("See what it offers", type=style, icon=":material/sync:"):
            discovery_view.open_for([provider.slug])
            _close()
        if st.button("Done", type="tertiary"):
            _close()


def _close() -> None:
    st.session_state.pop(TESTED, None)
    st.rerun()
