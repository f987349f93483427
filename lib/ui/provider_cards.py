"""A provider's card: what it is, whether it has a key, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from lib.errors import ModeldeckError
from lib.providers.catalog import KINDS
from lib.registry import Model, Provider
from lib.services.discovery import can_be_asked, is_connected
from lib.store.runs import Run
from lib.ui import discovery_view, keys
from lib.ui import format as fmt
from lib.ui.context import Page


def _callable(provider: Provider) -> bool:
    """Whether this version can call it; a row may come from a newer one, with a kind unknown here."""
    return provider.info is not None


def card(page: Page, provider: Provider, models: Sequence[Model], asked: Run | None = None) -> None:
    """Draw one card with its buttons; ``asked`` is when its models were asked for last, and what came of it."""
    with st.container(border=True, height="stretch", key=f"provider-{provider.slug}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{provider.display_name}**", width="stretch")
            st.markdown(state(provider))
        st.caption(facts(provider, models, asked, page.services.clock()))
        if not _callable(provider) or provider.kind == "demo":
            return
        with st.container(horizontal=True):
            stored = provider.key.source in ("stored", "unreadable")
            label = (
                "Replace key" if stored else "Add key" if KINDS[provider.kind].needs_key else "Edit" if provider.own_base_url else "Connect"
            )
            if st.button(label, key=f"connect-{provider.slug}", icon=":material/key:"):
                st.session_state.pop(keys.TESTED, None)
                keys.connect(page, provider)
            if can_be_asked(provider) and is_connected(provider, models):
                _offer_refresh(provider)
            if stored and st.button("Remove", key=f"remove-{provider.slug}", icon=":material/delete:", type="tertiary"):
                _confirm_removal(page, provider)
            if not models and provider.slug != provider.kind:
                _offer_deletion(page, provider)


def state(provider: Provider) -> str:
    """Return the card's badge: an icon and a word, never a colour alone."""
    if not _callable(provider):
        return ":gray-badge[:material/block: Not callable yet]"
    if not provider.is_active:
        return ":gray-badge[:material/toggle_off: Switched off]"
    if provider.base_url is None and provider.kind != "demo":
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


def facts(provider: Provider, models: Sequence[Model], asked: Run | None = None, now: datetime | None = None) -> str:
    """Return the card's small print: the key's preview, the address, the models that are on, and when they were asked for."""
    on = sum(1 for model in models if model.is_active)
    parts = []
    if provider.key.preview:
        parts.append(f"`{provider.key.preview}`")
    if provider.base_url:
        parts.append(f"`{provider.base_url}`")
    elif provider.kind != "demo":
        parts.append("no address yet")
    parts.append(f"{on} of {len(models)} models on" if models else "no models yet")
    if asked is not None and now is not None:
        parts.append(discovery_view.told(asked, now))
    lines = "  \n".join(parts)
    if provider.key.source == "unreadable":
        lines += f"  \n{provider.key.problem or 'The stored key cannot be read. Paste it again.'}"
    return lines


def _offer_refresh(provider: Provider) -> None:
    """Draw the button that asks this provider for its models."""
    if st.button("Refresh", key=f"refresh-{provider.slug}", icon=":material/sync:", type="tertiary", help="Asks for its models."):
        discovery_view.open_for([provider.slug])


def _offer_deletion(page: Page, provider: Provider) -> None:
    """Draw the button that deletes a provider of one's own that has no models; the built-in ones would only come back."""
    with st.popover("Delete", icon=":material/delete:", type="tertiary", key=f"delete-{provider.slug}"):
        st.write(f"{fmt.literal(provider.display_name)} has no models. Delete it, and its key with it?")
        if st.button("Delete provider", type="primary", key=f"delete-{provider.slug}-now"):
            page.registry.delete_provider(provider)
            st.rerun()


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
