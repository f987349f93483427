"""Adding a provider of one's own kind: a name, where it listens and what it asks for; its key comes next, on its card."""

from __future__ import annotations

import streamlit as st

from lib.errors import InvalidValue, ModeldeckError
from lib.providers.catalog import KINDS
from lib.registry.checks import provider_problems
from lib.ui import format as fmt
from lib.ui import keys
from lib.ui.context import Page
from lib.ui.model_fields import Fields

CONNECT = "provider-connect"
"""The provider whose dialog opens with the next run, since it was just added."""


def dialog(page: Page) -> None:
    """Open the dialog that adds a provider."""

    @st.dialog("Add a provider", icon=":material/add:")
    def draw() -> None:
        form(page)

    draw()


def draw_connecting(page: Page) -> None:
    """Open the dialog of a provider that was just added, if any."""
    if added := st.session_state.pop(CONNECT, None):
        st.session_state.pop(keys.TESTED, None)
        keys.connect(page, page.registry.provider(added))


def form(page: Page) -> None:
    """Draw the fields and save what they hold."""
    names = [name for name in reversed(tuple(KINDS)) if name != "demo"]
    name = st.selectbox("Kind", names, format_func=lambda k: KINDS[k].label, key="add-provider-kind") or names[0]
    kind, fields = KINDS[name], Fields()
    with st.form(f"provider-form-{name}", border=False, enter_to_submit=True):
        display_name = st.text_input("Name", placeholder="GPU box", key=f"{name}-new-name")
        fields.beside("display_name")
        slug = st.text_input(
            "Slug", placeholder="gpu-box", key=f"{name}-new-slug", help="Its short name in addresses and the command line."
        )
        fields.beside("slug")
        url = st.text_input("Base URL", value=kind.base_url or "", placeholder="https://host/v1", key=f"{name}-new-url")
        fields.beside("base_url")
        asked = {setting: st.text_input(label, key=f"{name}-new-{setting}") for setting, label in kind.asks.items()}
        saved = st.form_submit_button("Save and connect", type="primary", icon=":material/check:")
    if not saved:
        return
    base_url = (url or "").strip()
    settings = {setting: text.strip() for setting, text in asked.items() if text and text.strip()}
    problems = provider_problems({"display_name": display_name or "", "slug": slug or "", "base_url": base_url})
    if not base_url:
        problems["base_url"] = "Say where it listens, such as https://host/v1."
    if problems:
        fields.tell(problems)
        return
    try:
        added = page.registry.add_provider(slug or "", name, display_name=display_name, base_url=base_url, settings=settings)
    except InvalidValue as error:
        taken = any(p.slug == slug and p.owner_id is None for p in page.registry.providers())
        fields.tell({"slug": f"There is a provider named {slug} already."} if taken else {error.field or "slug": str(error)})
        return
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    st.session_state[CONNECT] = added
    st.rerun()
