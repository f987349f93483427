"""A provider's card: what it is, whether it has a key, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lib.errors import ModeldeckError
from lib.providers.catalog import KINDS
from lib.registry import Model, Provider
from lib.ui import keys
from lib.ui.context import Page

CONNECTED = frozenset({"stored", "environment", "none needed"})


def is_connected(provider: Provider) -> bool:
    """Whether calls to the provider can be made as it stands."""
    kind = KINDS[provider.kind]
    return kind.protocol is not None and provider.is_active and provider.key.source in CONNECTED and _has_address(provider)


def card(page: Page, provider: Provider, models: Sequence[Model]) -> None:
    """Draw one card with its buttons."""
    kind = KINDS[provider.kind]
    with st.container(border=True, height="stretch", key=f"provider-{provider.slug}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{provider.display_name}**", width="stretch")
            st.markdown(state(provider))
        st.caption(facts(provider, models))
        if kind.protocol is None or provider.kind == "demo":
            return
        with st.container(horizontal=True):
            stored = provider.key.source in ("stored", "unreadable")
            label = "Replace key" if stored else "Add key" if kind.needs_key else "Connect"
            if st.button(label, key=f"connect-{provider.slug}", icon=":material/key:", type="secondary" if stored else "primary"):
                st.session_state.pop(keys.TESTED, None)
                keys.connect(page, provider)
            if stored and st.button("Remove", key=f"remove-{provider.slug}", icon=":material/delete:", type="tertiary"):
                _confirm_removal(page, provider)


def state(provider: Provider) -> str:
    """Return the card's badge: an icon and a word, never a colour alone."""
    if KINDS[provider.kind].protocol is None:
        return ":gray-badge[:material/block: Not callable yet]"
    if not provider.is_active:
        return ":gray-badge[:material/toggle_off: Switched off]"
    if not _has_address(provider):
        return ":orange-badge[:material/link_off: Needs a base URL]"
    match provider.key.source:
        case "stored":
            return ":green-badge[:material/check_circle: Key stored]"
        case "environment":
            return ":green-badge[:material/check_circle: From environment]"
        case "none needed":
            return ":green-badge[:material/check_circle: No key needed]"
        case "unreadable":
            return ":red-badge[:material/error: Key unreadable]"
        case _:
            return ":gray-badge[:material/key_off: No key]"


def facts(provider: Provider, models: Sequence[Model]) -> str:
    """Return the card's small print: the key's preview, the address and the models that are on."""
    on = sum(1 for model in models if model.is_active)
    parts = []
    if provider.key.preview:
        parts.append(f"`{provider.key.preview}`")
    address = provider.base_url or KINDS[provider.kind].base_url
    if address:
        parts.append(f"`{address}`")
    parts.append(f"{on} of {len(models)} models on" if models else "no models yet")
    lines = "  \n".join(parts)
    if provider.key.source == "unreadable":
        lines += "  \nThe stored key cannot be read under the present encryption key or address. Paste it again."
    return lines


def _has_address(provider: Provider) -> bool:
    return provider.kind == "demo" or bool(provider.base_url or KINDS[provider.kind].base_url)


def _confirm_removal(page: Page, provider: Provider) -> None:
    @st.dialog(f"Remove the {provider.display_name} key?", icon=":material/delete:")
    def dialog() -> None:
        st.write("Its models stop being usable until a key is added again. They keep their settings, prices and history.")
        if st.button("Remove key", type="primary"):
            try:
                page.services.remove_key(page.principal, provider)
            except ModeldeckError as error:
                st.error(str(error), icon=":material/error:")
                return
            st.rerun()

    dialog()
