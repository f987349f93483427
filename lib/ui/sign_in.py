"""Signing in: plain forms that post to the routes which set the cookie, drawn where the page would be."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode, urlsplit

import streamlit as st

from lib.access import Principal
from lib.access.passwords import SHORTEST
from lib.access.refusals import CONFIRMED
from lib.api.auth_supabase import SENT
from lib.api.leading import PROBLEM, PROBLEMS
from lib.errors import InvalidValue
from lib.services import Services
from lib.ui.format import literal

_PROVIDERS = {"github": "GitHub", "gitlab": "GitLab", "linkedin_oidc": "LinkedIn", "azure": "Microsoft", "workos": "WorkOS"}
"""How other providers spell themselves, where that is more than a capital."""
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
.deck-ways { display: flex; flex-direction: column; gap: .5rem; }
.deck-ways a { display: block; text-align: center; font-size: .9375rem; font-weight: 600; color: inherit; text-decoration: none;
  border-radius: .5rem; padding: .5rem 1rem; border: 1px solid color-mix(in srgb, currentColor 35%, transparent); }
.deck-ways a:hover { border-color: #6366F1; }
.deck-out { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0; }
.deck-out button { font: inherit; font-size: .875rem; color: inherit; opacity: .85; background: none; border: 0;
  padding: .25rem 0; cursor: pointer; text-decoration: underline; text-underline-offset: .2em; }
</style>
"""


def draw() -> None:
    """Draw the sign-in form; afterwards the browser is back at the address it asked for."""
    from lib.ui.context import services  # which draws this form itself

    supabase = services().supabase
    if supabase is not None and st.query_params.get(SENT):
        _draw_code()
        return
    with _card("Sign in"):
        _form(
            "sign-in",
            f"""<label>E-mail address<input name="email" type="email" autocomplete="username" required autofocus></label>
            <label>Password<input name="password" type="password" autocomplete="current-password" required></label>
            <input type="hidden" name="next" value="{escape(_here())}">""",
            "Sign in",
        )
        if supabase is not None:
            _draw_other_ways(supabase.accounts.providers())
            return
        if (single_sign_on := services().oidc) is not None:
            _draw_links({single_sign_on.name: single_sign_on.name})
        st.caption("No account, or the password is lost? An admin of this Modeldeck can send you a link.")


def _draw_other_ways(providers: tuple[str, ...]) -> None:
    """Draw what Supabase lets people do instead of typing a password."""
    _draw_links({name: _label(name) for name in providers})
    confirmed = PROBLEMS.get(str(st.query_params.get(PROBLEM, ""))) == CONFIRMED
    with st.expander("Sign in by a mailed link", icon=":material/mail:", expanded=confirmed):
        _form(
            "link",
            f"""<label>Your e-mail address<input name="email" type="email" autocomplete="username" required></label>
            <input type="hidden" name="next" value="{escape(_here())}">""",
            "Send me a link",
        )
    st.caption("No account? An admin of this Modeldeck can invite you.")


def _draw_code() -> None:
    """Draw the form for the code of a mail."""
    with _card("Look into your mail"):
        st.write("If this address has an account, a mail is on its way. Open its link in this browser, or type its code here.")
        _form(
            "code",
            f"""<label>Code<input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="20" required autofocus></label>
            <input type="hidden" name="next" value="{escape(_here(keep_sent=True))}">""",
            "Sign in",
        )
        st.html(f'{_STYLE}<div class="deck-ways"><a href="{escape(_here())}" target="_self">Back</a></div>')


def _draw_links(labels: Mapping[str, str]) -> None:
    """Draw a way on to each of other providers, by what it is called here and to people."""
    if labels:
        query = {name: urlencode({"provider": name, "next": _here()}) for name in labels}
        links = (f'<a href="/api/auth/oauth?{escape(query[n])}" target="_self">Continue with {escape(labels[n])}</a>' for n in labels)
        st.html(f'{_STYLE}<div class="deck-ways">{"".join(links)}</div>')


def _label(provider: str) -> str:
    return _PROVIDERS.get(provider, provider.removesuffix("_oidc").capitalize())


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
            st.success(sentence) if sentence == CONFIRMED else st.error(sentence, icon=":material/error:")
    return box


def _form(action: str, fields: str, button: str) -> None:
    st.html(
        f"""{_STYLE}<form class="deck-form" method="post" action="/api/auth/{action}">{fields}
        <button type="submit">{escape(button)}</button></form>"""
    )


def _here(*, keep_sent: bool = False) -> str:
    """Return the address of this page, without what went wrong before."""
    dropped = (PROBLEM,) if keep_sent else (PROBLEM, SENT)
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name not in dropped}
    query = urlencode(kept, doseq=True)
    return (urlsplit(st.context.url or "/").path or "/") + (f"?{query}" if query else "")
