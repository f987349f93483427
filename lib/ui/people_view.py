"""The team's people: a table, and dialogs that invite somebody or change what they may do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from lib.access import Link, People, Person, Role
from lib.errors import InvalidValue, ModeldeckError
from lib.store.base import Actor
from lib.ui.context import Page
from lib.ui.format import MISSING, literal

ROLES = {
    Role.MEMBER: "Member – the playground, and their own usage and costs",
    Role.ANALYST: "Analyst – everybody's usage and costs",
    Role.ADMIN: "Admin – models, keys and people too",
}
_STATES = {"joined": "Joined", "invited": "Invited", "off": "Switched off"}


def table(page: Page, people: People) -> None:
    """Draw everybody; choosing a row opens what can be changed."""
    everybody = people.list()
    st.caption(
        f"{len(everybody)} {'person' if len(everybody) == 1 else 'people'}. Choose a row to change a role, a subscription or the account."
    )
    frame = pd.DataFrame(
        {
            "E-mail": [p.email for p in everybody],
            "Name": [p.display_name or "" for p in everybody],
            "Role": [p.role.capitalize() for p in everybody],
            "State": [_STATES[p.state if p.is_active else "off"] for p in everybody],
            "Subscription": [subscription(p, page.services.clock()) for p in everybody],
            "Last seen": [p.last_seen_at.astimezone(page.timezone) if p.last_seen_at else None for p in everybody],
        }
    )
    # the number in the key lets a dialog that is done clear the row that opened it
    drawn = st.session_state.setdefault("people-drawn", 0)
    chosen = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"people-table-{drawn}",
        placeholder=MISSING,
        alt="People; choose one to change a role, a subscription or the account",
        column_config={
            "E-mail": st.column_config.TextColumn(pinned=True),
            "Last seen": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    rows = chosen.selection.rows
    if rows and rows[0] < len(everybody):
        _change(page, people, everybody[rows[0]])


def subscription(person: Person, now: datetime) -> str:
    """Say what a person's subscription is, as it stands at a moment."""
    until = f" until {person.expiry_date:%-d %b %Y}" if person.expiry_date else ""
    if person.has_subscription:
        return f"Active{until}"
    if person.is_trial and person.expiry_date is not None:
        return f"Trial{until}" if person.expiry_date > now else f"Trial ended {person.expiry_date:%-d %b %Y}"
    return "–"


@st.dialog("Invite somebody", on_dismiss="rerun")
def invite(page: Page, people: People) -> None:
    """Ask for an address and a role; show the link to hand over, or say that a mail is on its way."""
    with st.form("people-invite-form", border=False):
        email = st.text_input("E-mail address", placeholder="ada@example.com")
        role = st.radio("Role", list(ROLES), format_func=ROLES.__getitem__)
        sent = st.form_submit_button("Make the invitation" if people.makes_links else "Send the invitation", type="primary")
    if sent:
        try:
            link = people.invite(email, role, actor(page), _origin())
        except ModeldeckError as error:
            st.error(str(error), icon=":material/error:")
            return
        if link.path:
            show_link(link, page)
            return
        st.success(f"Supabase is sending a mail to {literal(email.strip())}.", icon=":material/mail:")
        st.caption("Its link confirms the address; then they sign in by a mailed link. Invite them again when it got lost.")


def _origin() -> str:
    """Return this server's address, as the reader's browser knows it."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def show_link(link: Link, page: Page) -> None:
    """Show a link once, ready to copy."""
    until = link.expires_at.astimezone(page.timezone)
    st.success(f"Hand this link to {literal(link.email)}. It works once, until {until:%-d %b, %H:%M}.", icon=":material/link:")
    st.code(_origin() + link.path, language=None, wrap_lines=True)
    st.caption("It is shown only here. Whoever has it can set the password, so send it to that person alone.")


def _done() -> None:
    st.session_state["people-drawn"] += 1


@st.dialog("Change a person", on_dismiss=_done)
def _change(page: Page, people: People, person: Person) -> None:
    st.markdown(f"**{literal(person.email)}**" + (f" · {literal(person.display_name)}" if person.display_name else ""))
    try:
        _role(page, people, person)
        _subscription(page, people, person)
        _account(page, people, person)
    except InvalidValue as error:
        st.error(str(error), icon=":material/error:")


def _role(page: Page, people: People, person: Person) -> None:
    chosen = st.radio("Role", list(ROLES), index=list(ROLES).index(person.role), format_func=ROLES.__getitem__, key="people-role")
    if chosen is not None and chosen is not person.role and st.button("Save the role", type="primary", key="people-role-save"):
        people.set_role(person.email, chosen, actor(page))
        _close()


def _subscription(page: Page, people: People, person: Person) -> None:
    with st.expander("Subscription", icon=":material/card_membership:"), st.form("people-subscription", border=False):
        active = st.checkbox("Has a subscription", person.has_subscription)
        trial = st.checkbox("Is on trial", person.is_trial)
        end = st.date_input("Ends on", person.expiry_date.astimezone(page.timezone).date() if person.expiry_date else None)
        if st.form_submit_button("Save the subscription"):
            people.set_subscription(
                person.email, has_subscription=active, is_trial=trial, expiry_date=_end_of(end, page), actor=actor(page)
            )
            _close()


def _account(page: Page, people: People, person: Person) -> None:
    with st.container(horizontal=True):
        if (
            people.makes_links
            and person.is_active
            and st.button("New link", icon=":material/link:", key="people-link", help="A link with which they set a new password.")
        ):
            show_link(people.reset(person.email, actor(page)), page)
        label, icon = ("Switch off", ":material/person_off:") if person.is_active else ("Switch on", ":material/person:")
        if st.button(label, icon=icon, key="people-active", help="Nothing of theirs is removed." if person.is_active else None):
            people.set_active(person.email, not person.is_active, actor(page))
            _close()


def _close() -> None:
    _done()
    st.rerun()


def _end_of(day: date | None, page: Page) -> datetime | None:
    """Return the last moment of a day in the reader's timezone."""
    return datetime.combine(day, time(23, 59, 59), page.timezone).astimezone(UTC) if isinstance(day, date) else None


def actor(page: Page) -> Actor:
    """Return how the audit log names who does this."""
    return Actor(page.principal.name, page.principal.user_id, "page")
