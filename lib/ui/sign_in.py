"""Signing in: plain forms that post to the routes which set the cookie, drawn where the page would be."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urlsplit

import streamlit as st

from lib.access import Principal
from lib.access.passwords import SHORTEST
from lib.api.auth import PROBLEM, PROBLEMS
from lib.errors import InvalidValue
from lib.services import Services
from lib.ui.format import literal

_STYLE = """
<style>
.deck-form { display: flex; flex-direction: column; gap: 1rem; margin: 0; }
.deck-form label { display: flex; flex-direction: column; gap: .35rem; font-size: .875rem; }
.deck-form input { font: inherit; color: inherit; background: transparent; padding: .55rem .75rem; border-radius: .5rem;
  border: 1px solid color-mix(in srgb, currentColor 35%, transparent); }
.deck-form input:focus-visible, .deck-form button:focus-visible { outline: 2px solid #6366F1; outline-offset: 1px; }
.deck-form button { font: inherit; font-weight: 600; color: #fff; background: #4F46E5; border: 0; border-radius: .5rem;
  padding: .6rem 1rem; cursor: pointer; }
.deck-form button:hover { background: #4338CA; }
.deck-form small { opacity: .75; }
.deck-out { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0; }
.deck-out button { font: inherit; font-size: .875rem; color: inherit; opacity: .85; background: none; border: 0;
  padding: .25rem 0; cursor: pointer; text-decoration: underline; text-underline-offset: .2em; }
</style>
"""


def draw() -> None:
    """Draw the sign-in form; afterwards the browser is back at the address it asked for."""
    with _card("Sign in"):
        _form(
            "sign-in",
            f"""<label>E-mail address<input name="email" type="email" autocomplete="username" required autofocus></label>
            <label>Password<input name="password" type="password" autocomplete="current-password" required></label>
            <input type="hidden" name="next" value="{escape(_here())}">""",
            "Sign in",
        )
        st.caption("No account, or the password is lost? An admin of this Modeldeck can send you a link.")


def draw_join(services: Services) -> None:
    """Draw the form that sets a password, for whoever holds a link that still works; say so when it does not."""
    token = str(st.query_params.get("token", ""))
    try:
        person = services.accounts.invited(token)
    except InvalidValue as error:
        with _card("This link does not work any more", told=False):
            st.write(str(error))
        return
    with _card("Choose a password" if person.purpose == "reset" else "Welcome to Modeldeck"):
        name = escape(person.display_name or "")
        _form(
            "join",
            f"""<label>E-mail address<input type="email" autocomplete="username" value="{escape(person.email)}" readonly></label>
            <label>Your name<input name="display_name" autocomplete="name" maxlength="80" value="{name}"></label>
            <label>Password<input name="password" type="password" autocomplete="new-password" minlength="{SHORTEST}" required>
            <small>At least {SHORTEST} characters; a few unrelated words do well.</small></label>
            <input type="hidden" name="token" value="{escape(token)}">""",
            "Set password and sign in",
        )


def draw_account(person: Principal) -> None:
    """Draw who is signed in, and the ways out."""
    st.markdown(f":material/account_circle: **{literal(person.name)}** · {person.role}")
    st.html(
        f"""{_STYLE}<form class="deck-out" method="post" action="/api/auth/sign-out">
        <button type="submit">Sign out</button><button type="submit" name="everywhere" value="1">Sign out everywhere</button></form>"""
    )


def _card(title: str, *, told: bool = True) -> st.delta_generator.DeltaGenerator:
    with st.container(horizontal_alignment="center"):
        box = st.container(border=True, width=420, gap="medium")
    with box:
        st.title(title, anchor=False)
        if told and (sentence := PROBLEMS.get(str(st.query_params.get(PROBLEM, "")))):
            st.error(sentence, icon=":material/error:")
    return box


def _form(action: str, fields: str, button: str) -> None:
    st.html(
        f"""{_STYLE}<form class="deck-form" method="post" action="/api/auth/{action}">{fields}
        <button type="submit">{escape(button)}</button></form>"""
    )


def _here() -> str:
    """Return the address of this page, without what went wrong before."""
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name != PROBLEM}
    query = urlencode(kept, doseq=True)
    return (urlsplit(st.context.url or "/").path or "/") + (f"?{query}" if query else "")
