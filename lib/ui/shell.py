"""The page shell: navigation, and the boundary that turns any failure into a sentence."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lib.access import Principal, Role
from lib.errors import ModeldeckError, SettingsError, SignInRequired, StoreUnavailable
from lib.ui import filters, problems, sample_notice, setup_view, sign_in
from lib.ui.context import asking, console_settings, guard, services

ROOT = Path(__file__).resolve().parent.parent.parent
LOGO = Path(__file__).parent / "logo.svg"
ICON = Path(__file__).parent / "icon.svg"

PAGES: tuple[tuple[str, str, str, str], ...] = (
    ("Observe", "pages/observe/overview.py", "Overview", ":material/dashboard:"),
    ("Observe", "pages/observe/costs.py", "Costs", ":material/payments:"),
    ("Observe", "pages/observe/usage.py", "Usage", ":material/monitoring:"),
    ("Observe", "pages/observe/requests.py", "Requests", ":material/list_alt:"),
    ("Observe", "pages/observe/resilience.py", "Resilience", ":material/health_and_safety:"),
    ("Try", "pages/play/playground.py", "Playground", ":material/forum:"),
    ("Admin", "pages/admin/models.py", "Models", ":material/deployed_code:"),
    ("Admin", "pages/admin/providers.py", "Providers", ":material/hub:"),
    ("Admin", "pages/admin/prices.py", "Prices", ":material/sell:"),
    ("Admin", "pages/admin/audit.py", "Audit log", ":material/history:"),
)
"""Section, file, title and icon of each page, in the order of the sidebar; the first is the home page.

Everybody may see the home page: a member sees their own calls there, and a newcomer the way to the first one.
"""

TEAM_PAGES: tuple[tuple[str, str, str, str], ...] = (
    ("Admin", "pages/admin/people.py", "People", ":material/group:"),
    ("You", "pages/play/profile.py", "Profile", ":material/account_circle:"),
)
"""Pages of the modes in which a team signs in, as further rows of PAGES."""
PASSING = frozenset({"locked", "busy", "too-slow"})
"""Faults of the database that nothing has to be set up against."""
SETUP = setup_view.PAGE
PLAYGROUND = "Playground"
JOIN = "Join"
"""Title of the page that a link to set a password leads to; no menu shows it."""

SHARED_FILTERS = frozenset(title for section, _, title, _ in PAGES if section == "Observe")
"""Titles of the pages above which the shell draws the range and the filters they share."""


def run() -> None:
    """Draw the shell and the page the address names."""
    st.set_page_config(page_title="Modeldeck", page_icon=ICON, layout="wide")
    st.logo(str(LOGO), size="large", icon_image=str(ICON))
    st.html(filters.STYLE)
    team, person, trouble = _visitor()
    signed_out = team and person is None
    wanted = trouble is not None or (person is not None and setup_view.is_wanted(services(), person))
    page = st.navigation(navigation(team, person, setup=wanted), position="hidden" if signed_out else "sidebar")
    try:
        if trouble is not None:
            _draw_trouble(page.title, trouble)
        elif page.title == JOIN:
            sign_in.draw_join(services())
        elif signed_out:
            setup_view.draw_first_admin(services())
            sign_in.draw()
        else:
            if team and person is not None:
                with st.sidebar:
                    sign_in.draw_account(person)
            if page.title in SHARED_FILTERS:
                reader = guard(Role.MEMBER)
                with filters.draw(reader, page.title):
                    sample_notice.label(reader)
            page.run()
    except SignInRequired as over:
        if asking() is None:  # ended while the page was drawn: from the top, as somebody who is signed out
            st.rerun()
        problems.show(over)
    except (StoreUnavailable, SettingsError) as error:
        _draw_trouble(page.title, error)
    except Exception as error:  # the last boundary: a person sees a sentence, the log sees the rest
        problems.show(error)


def navigation(team: bool = False, person: Principal | None = None, *, setup: bool = False) -> dict[str, list[st.Page]]:
    """Return the pages by section, those of the admins only to them; each page checks again who may open it.

    ``setup`` shows the page of that name, which is always there to be opened by its address.
    """
    sections: dict[str, list[st.Page]] = {}
    for section, file, title, icon in (*PAGES, *TEAM_PAGES, SETUP) if team else (*PAGES, SETUP):
        hidden = section == "Admin" and person is not None and not person.role.includes(Role.ADMIN)
        hidden = hidden or (title == SETUP[2] and not setup)
        page = st.Page(
            ROOT / file,
            title=title,
            icon=icon,
            url_path=Path(file).stem,
            default=file == PAGES[0][1],
            visibility="hidden" if hidden else "visible",
        )
        sections.setdefault(section, []).append(page)
    if team:
        sections.setdefault("", []).append(st.Page(_join, title=JOIN, url_path="join", visibility="hidden"))
    return sections


def _join() -> None:
    """Stand for the page that sign_in draws, which needs no guard: the link is what admits."""


def _visitor() -> tuple[bool, Principal | None, ModeldeckError | None]:
    """Return whether a team signs in here, who asks, and what keeps the services from saying so."""
    try:
        return services().settings.mode != "embedded", asking(), None
    except ModeldeckError as trouble:
        return False, None, trouble


def _draw_trouble(title: str, trouble: ModeldeckError) -> None:
    """Draw what a page can be without the services: the setup, the playground with built-in models, or the sentence."""
    try:
        settings = console_settings()
    except SettingsError as wrong:
        settings, trouble = None, wrong
    if title == SETUP[2]:
        setup_view.draw_trouble(trouble, settings.mode if settings else None)
    elif title == PLAYGROUND and settings is not None and isinstance(trouble, StoreUnavailable):
        from lib.ui import fallback_view  # seldom needed, and a start should not wait for it

        fallback_view.draw(trouble, settings)
    else:
        problems.show(trouble)
        if isinstance(trouble, StoreUnavailable) and trouble.reason in PASSING:
            return
        with st.container(horizontal=True):
            st.page_link(ROOT / SETUP[1], label="What to do: open Setup", icon=SETUP[3])
            if settings is not None:
                st.page_link(ROOT / "pages/play/playground.py", label="Try built-in models meanwhile", icon=":material/forum:")


def on_script_error(error: Exception) -> bool:
    """Show what a callback or fragment raised the same way; True keeps Streamlit from drawing its own box."""
    problems.show(error)
    return True
