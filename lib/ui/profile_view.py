"""The Profile page's parts: who somebody is here, the keys they keep for themselves, and the models that are theirs alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from lib.access import Subscription
from lib.credentials import KeyStatus
from lib.errors import ModeldeckError
from lib.money import format_usd
from lib.providers.catalog import KINDS
from lib.registry import Model, Provider
from lib.registry.values import SWITCHED_OFF
from lib.services import TestResult
from lib.services.profile import Me, ProfileDesk
from lib.ui import format as fmt
from lib.ui import model_add, own_model
from lib.ui.context import Page

_SAID = "profile-said"


def who(page: Page, me: Me) -> None:
    """Draw who is signed in, and the way out of every session."""
    parts = [f"**{fmt.literal(me.name)}**"]
    if me.email and me.email != me.name:
        parts.append(f"`{me.email.replace('`', '')}`")  # or it would be a link to write to oneself
    parts.append(me.role.capitalize())
    if (held := subscription(me.subscription, page.services.clock())) or page.services.settings.require_subscription:
        parts.append(held or ":orange-badge[:material/event_busy: No subscription]")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(" · ".join(parts), width="stretch")
        st.html(
            """<form method="post" action="/api/auth/sign-out" style="margin:0"><button type="submit" name="everywhere" value="1"
            style="font:inherit;font-size:.875rem;color:inherit;background:none;cursor:pointer;border-radius:.5rem;padding:.4rem .75rem;
            border:1px solid color-mix(in srgb,currentColor 35%,transparent)">Sign out on every device</button></form>""",
            width="content",
        )


def subscription(held: Subscription, now: datetime) -> str:
    """Say what a person's subscription is; empty when they have none and never tried one."""
    until = f" until {held.expiry_date:%-d %b %Y}" if held.expiry_date else ""
    if held.has_subscription:
        return f":green-badge[:material/check_circle: Subscription{until}]"
    if held.is_trial and held.expiry_date is not None:
        return (
            f":green-badge[:material/hourglass_top: Trial{until}]"
            if held.is_active(now)
            else ":orange-badge[:material/event_busy: Trial ended]"
        )
    return ""


def keys(page: Page, desk: ProfileDesk) -> None:
    """Draw the keys somebody keeps for themselves."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Your keys", anchor=False, width="stretch")
        if st.button("Add key", icon=":material/key:", key="profile-add-key"):
            _ask(page, desk, None)
    held = desk.keyed()
    if not held:
        st.caption(
            "With a provider's key of your own, everyone's models of that provider work for you, on your account there. "
            "It is stored encrypted, nobody else can use or see it, and it goes nowhere but to that provider."
        )
    for provider in held:
        _key(page, desk, provider)


def _key(page: Page, desk: ProfileDesk, provider: Provider) -> None:
    key = provider.own_key
    if key is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"own-key-{provider.slug}"):
        with st.container(width="stretch", gap="xxsmall"):
            st.markdown(f"**{fmt.literal(provider.display_name)}** {_state(key)}")
            st.caption(_facts(page, key))
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            if st.button("Test", key=f"own-key-{provider.id}-test", icon=":material/bolt:", disabled=not key.ready):
                _say(lambda: model_add.tell(_asking(provider, lambda: desk.test_stored(provider))))
            if st.button("Replace", key=f"own-key-{provider.id}-replace", icon=":material/key:"):
                _ask(page, desk, provider)
            with st.popover("Remove", icon=":material/delete:", type="tertiary", key=f"own-key-{provider.id}-remove"):
                st.write("Calls you make to its models then go with the team's key, where there is one.")
                if st.button("Remove key", type="primary", key=f"own-key-{provider.id}-remove-now"):
                    _change(lambda: desk.remove_key(provider), f"Your {provider.display_name} key was removed.")


def _state(key: KeyStatus) -> str:
    return ":green-badge[:material/check_circle: Stored]" if key.ready else ":red-badge[:material/error: Paste it again]"


def _facts(page: Page, key: KeyStatus) -> str:
    parts = [f"`{key.preview}`"]
    if key.problem:
        parts.append(fmt.literal(key.problem))
    elif key.tested_at is not None:
        parts.append(f"worked {fmt.moment(key.tested_at.astimezone(page.timezone))}")
    else:
        parts.append("not tested")
    return " · ".join(parts)


def _ask(page: Page, desk: ProfileDesk, known: Provider | None) -> None:
    """Open the dialog in which a key is pasted, tested and saved."""

    @st.dialog(f"Replace your {known.display_name} key" if known else "Add a key of your own", icon=":material/key:")
    def dialog() -> None:
        offered = {p.id: p for p in ([known] if known else desk.keyable())}
        if not offered:
            st.info("You have a key with every provider here.", icon=":material/check_circle:")
            return
        chosen = (
            known.id
            if known
            else st.selectbox("Provider", list(offered), format_func=lambda i: offered[i].display_name, key="profile-key-provider")
        )
        provider = offered[chosen or next(iter(offered))]
        with st.form(f"profile-key-{provider.id}", border=False, enter_to_submit=True):
            key = st.text_input(
                "API key",
                type="password",
                autocomplete="new-password",
                placeholder="Paste the key here",
                help="Stored encrypted. It is never shown again, only its first and last characters.",
            )
            if page_of := KINDS[provider.kind].key_page:
                st.markdown(f"[Get a key from {provider.display_name}]({page_of})")
            with st.container(horizontal=True):
                tested = st.form_submit_button("Test and save", type="primary", icon=":material/check:")
                untested = st.form_submit_button("Save without a test", type="tertiary")
        if tested or untested:
            _save_key(desk, provider, (key or "").strip(), tested=tested)

    dialog()


def _save_key(desk: ProfileDesk, provider: Provider, key: str, *, tested: bool) -> None:
    if not key:
        st.error("Paste the API key first.", icon=":material/key_off:")
        return
    try:
        result = _asking(provider, lambda: desk.test_key(provider, key)) if tested else None
        if result is not None and not result.ok:
            st.error(f"The key was not saved. {fmt.literal(result.sentence)}", icon=":material/error:")
            return
        desk.set_key(provider, key, tested=tested)
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return
    cost = f" The test took {fmt.duration(result.latency_ms)} and {format_usd(result.cost_nano_usd)}." if result else ""
    st.toast(f"Your {provider.display_name} key is stored.{cost.replace('$', chr(92) + '$')}", icon=":material/check:")
    st.rerun()


def models(page: Page, desk: ProfileDesk) -> None:
    """Draw the models that are somebody's alone."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Your models", anchor=False, width="stretch")
        if st.button("Add model", icon=":material/add:", key="profile-add-model"):
            model_add.dialog(page, page.registry.providers(), own=True)
    mine = desk.models()
    if not mine:
        st.caption(
            "A model only you see and use: on a server of your own, fine-tuned by you, or one that the team has not switched on. "
            "You bring the key; others see no more of it than that a private model was called, and what that cost."
        )
    for model in mine:
        _model(page, desk, model)


def _model(page: Page, desk: ProfileDesk, model: Model) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"own-model-{model.id}"):
        with st.container(width="stretch", gap="xxsmall"):
            star = " :violet-badge[:material/star: Your default]" if model.is_default else ""
            st.markdown(f"**{fmt.literal(model.display_name)}** {_badge(model)}{star}")
            preview = f" · `{model.key_in_use.preview}`" if model.key_in_use.preview else ""
            st.caption(f"{fmt.literal(model.provider.display_name)} · `{model.upstream_id}`{preview}")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            on = st.toggle("On", value=model.is_active, key=f"own-model-{model.id}-{model.is_active}")
            if on != model.is_active:
                _change(lambda: page.registry.set_active([model.id], on), f"{model.display_name} is {'on' if on else 'off'}.")
            st.page_link(
                "pages/play/playground.py",
                label="Try",
                icon=":material/forum:",
                query_params={"model": model.model_key},
                disabled=not model.usable,
            )
            if st.button("Edit", key=f"own-model-{model.id}-edit", icon=":material/edit:"):
                own_model.dialog(page, desk, model)
            with st.popover("More", icon=":material/more_horiz:", type="tertiary", key=f"own-model-{model.id}-more"):
                _more(page, desk, model)


def _badge(model: Model) -> str:
    if model.usable:
        return ":green-badge[:material/check_circle: Usable]"
    if model.why_not == SWITCHED_OFF:
        return ":gray-badge[:material/toggle_off: Off]"
    return f":orange-badge[:material/error: {fmt.literal(model.why_not or '')}]"


def _more(page: Page, desk: ProfileDesk, model: Model) -> None:
    key = f"own-model-{model.id}"
    if model.is_default:
        if st.button("Stop using it by default", key=f"{key}-default", icon=":material/star:"):
            _change(lambda: page.registry.set_default(None, own=True), "The team's default counts for you again.")
    elif st.button("Use it by default", key=f"{key}-default", icon=":material/star:"):
        _change(lambda: page.registry.set_default(model.id), f"{model.display_name} is your default.")
    if st.button("Duplicate", key=f"{key}-copy", icon=":material/content_copy:"):
        _change(lambda: page.registry.duplicate_model(model.id), f"{model.display_name} was copied; the copy is off.")
    if st.button("Delete", key=f"{key}-delete", icon=":material/delete:"):
        _confirm(page, desk, model)


def _confirm(page: Page, desk: ProfileDesk, model: Model) -> None:
    @st.dialog(f"Delete {model.display_name}?", icon=":material/delete:")
    def dialog() -> None:
        deletion(page, desk, model)

    dialog()


def deletion(page: Page, desk: ProfileDesk, model: Model) -> None:
    """Draw what goes with a model and what stays, and the button that deletes it."""
    found = page.registry.dependents(model.id)
    lines = ["It was your default; the team's counts for you again."] if found.is_default else []
    if found.fallback_of:
        lines.append(f"It is taken out of the fallbacks of {', '.join(f'`{name}`' for name in found.fallback_of)}.")
    if found.conversations:
        lines.append(f"{found.conversations:,} conversations were held with it; they keep their history.")
    if model.key is not None:
        lines.append("Its own key is forgotten.")
    if desk.is_last(model):
        lines.append(f"{fmt.literal(model.provider.display_name)} goes with it, and its key, since no other model of yours is there.")
    lines.append("Its calls stay in your usage with what they cost.")
    st.markdown("\n".join(f"- {line}" for line in lines))
    if st.button("Delete model", type="primary", icon=":material/delete:"):
        _change(lambda: desk.delete_model(model), f"{model.display_name} was deleted.")


def _asking(provider: Provider, call: Callable[[], TestResult]) -> TestResult:
    with st.spinner(f"Asking {provider.display_name} for a few words…"):
        return call()


def _say(act: Callable[[], object]) -> bool:
    try:
        act()
    except ModeldeckError as error:
        st.error(fmt.literal(str(error)), icon=":material/error:")
        return False
    return True


def _change(act: Callable[[], object], said: str) -> None:
    if _say(act):
        st.toast(fmt.literal(said), icon=":material/check:")
        st.rerun()
