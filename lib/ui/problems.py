"""Failures as a person sees them: a sentence, what to do next, never a traceback."""

from __future__ import annotations

import streamlit as st

from lib import logs
from lib.errors import CredentialError, ModeldeckError, ModelError, SettingsError, StaleVersion, StoreUnavailable


def show(error: Exception) -> None:
    """Draw an error where the page stands; unexpected ones are logged and named only by their kind."""
    match error:
        case StoreUnavailable():
            _database(error)
        case SettingsError():
            st.error(str(error), icon=":material/settings_alert:", title="Modeldeck is not configured yet")
        case StaleVersion():
            st.warning(str(error), icon=":material/sync_problem:")
        case CredentialError() | ModelError():
            st.warning(str(error), icon=":material/key_off:")
        case ModeldeckError():
            st.error(str(error), icon=":material/error:")
        case _:
            logs.get_logger("pages").error("page.failed", error=type(error).__name__, exc_info=error)
            st.error(
                f"Something unexpected went wrong ({type(error).__name__}). It was written to the server's log; nothing you saved is lost.",
                icon=":material/error:",
            )


def _database(error: StoreUnavailable) -> None:
    logs.get_logger("pages").warning("database.unavailable", reason=error.reason)
    with st.container(border=True):
        st.subheader("The database cannot be used", anchor=False)
        st.write(str(error))
        st.caption(f"Reason: {error.reason}. Nothing was changed or lost by this page.")
        check_again("database-check-again")


def check_again(key: str, *, first: bool = False) -> None:
    """Draw the button that draws the page again, and say so when what it is drawn for has not gone; ``first`` when it matters most."""
    if st.button("Check again", icon=":material/refresh:", key=key, type="primary" if first else "secondary"):
        st.caption("Checked just now: it is still so.")
