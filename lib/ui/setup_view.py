"""Setup: what keeps Modeldeck from working, what to run about it, and whether it worked."""

from __future__ import annotations

import time
from weakref import WeakSet

import streamlit as st
from sqlalchemy.engine import Engine

from lib.access import Principal, Role
from lib.errors import ModeldeckError, StoreUnavailable
from lib.logs import get_logger
from lib.services import Services
from lib.services.setup import Task, setup_sql, task_for, task_for_admin, task_for_keys
from lib.settings import Mode
from lib.store.database import HEAD
from lib.ui.context import Page
from lib.ui.format import literal
from lib.ui.problems import check_again

PAGE = ("Admin", "pages/admin/setup.py", "Setup", ":material/construction:")
"""Section, file, title and icon; the sidebar shows it only while something is to be set up."""
_LOOK_EVERY_S = 30.0
_looked: tuple[Services | None, float, bool] = (None, 0.0, False)
_WITH_ADMIN: WeakSet[Engine] = WeakSet()
_MODES: dict[Mode, str] = {
    "embedded": "an embedded SQLite file on this machine",
    "postgres": "a Postgres server, with accounts of its own",
    "supabase": "a Supabase project",
}


def is_wanted(services: Services, person: Principal) -> bool:
    """Whether an admin has something to set up while the services work; looked at every half minute."""
    global _looked
    if not person.role.includes(Role.ADMIN):
        return False
    now, (of, at, wanted) = time.monotonic(), _looked
    if of is not services or now - at > _LOOK_EVERY_S:
        try:
            wanted = task_for_keys(services.registry(person).providers(), services.settings.mode) is not None
        except ModeldeckError:
            wanted = False  # the page itself will say it
        _looked = services, now, wanted
    return wanted


def draw_first_admin(services: Services) -> None:
    """Draw, above the form to sign in by, how to make the first admin, unless there is one."""
    if services.engine in _WITH_ADMIN:
        return
    task = task_for_admin(services.engine, services.settings.mode)
    if task is None:
        _WITH_ADMIN.add(services.engine)
        return
    with st.container(horizontal_alignment="center"), st.container(width=420, key="first-admin"):
        _draw(task)


def draw_trouble(error: ModeldeckError, mode: Mode | None) -> None:
    """Draw what to do while the services do not work; nothing here says where the database is or who may use it."""
    if isinstance(error, StoreUnavailable):
        get_logger("pages").warning("database.unavailable", reason=error.reason)
    st.title("Setup", anchor=False)
    _draw(task_for(error, mode))
    if isinstance(error, StoreUnavailable):
        st.caption("Meanwhile the playground answers with built-in models. Nothing that is asked there is recorded.")


def draw(page: Page) -> None:
    """Draw what is left to set up while the services work, or that nothing is."""
    st.title("Setup", anchor=False)
    services, registry = page.services, page.registry
    task = keys_task(page)
    if task is not None:
        _draw(task)
        return
    usable = len(registry.usable())
    st.success("Everything is set up.", icon=":material/check_circle:")
    st.markdown(
        f"- Data is kept in {_MODES[services.settings.mode]}; its tables are of this version ({HEAD}).\n"
        f"- Every stored key can be read.\n"
        f"- {usable:,} {'model is' if usable == 1 else 'models are'} ready to be called."
    )


def keys_task(page: Page) -> Task | None:
    """Return what to do about stored keys that cannot be read, for an admin; None when all can."""
    return task_for_keys(page.registry.providers(), page.services.settings.mode)


def _draw(task: Task) -> None:
    st.subheader(task.title, anchor=False)
    st.write(literal(task.sentence))
    for place, step in enumerate(task.steps, start=1):
        with st.container(border=True):
            numbered = f"**{place}.** " if len(task.steps) > 1 else ""
            st.markdown(f"{numbered}{literal(step.sentence)}")
            if step.commands:
                st.code("\n".join(step.commands), language=None, wrap_lines=True)
            if step.sql:
                sql = setup_sql()
                with st.expander("The SQL to paste (supabase/setup.sql)", icon=":material/database:"):
                    st.code(sql, language=None, wrap_lines=True, height=320)
                st.download_button("Download setup.sql", sql, "setup.sql", "application/sql", icon=":material/download:", on_click="ignore")
    check_again("setup-check-again", first=True)
