"""Signing in with Supabase by a mail: a link to open, or a code to type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response

from lib.access.flows import CALLBACK
from lib.api.auth_elsewhere import finish, led_away, often
from lib.api.forms import Form
from lib.api.leading import adding, back, local_path
from lib.errors import SettingsError, TooManyAttempts

if TYPE_CHECKING:
    from lib.access.supabase import SupabaseAccounts
    from lib.services import Services

SENT = "sent"
"""The query parameter that has the page ask for the code of a mail."""


def send_link(services: Services, form: Form) -> Response:
    """Have a link and a code mailed, and lead on to where the code is asked for."""
    path = local_path(form.text("next"))
    try:
        begun = _accounts(services).send_link(form.text("email"), form.address, form.origin + CALLBACK, path)
    except TooManyAttempts as error:
        return back(path, often(error))
    return led_away(form, begun, adding(path, SENT, "1"))


def code(services: Services, form: Form) -> Response:
    """Sign in by the code of a mail."""
    path, accounts = local_path(form.text("next")), _accounts(services)
    return finish(services, form, path, lambda: accounts.by_code(form.flow, form.text("code"), form.address))


ACTIONS: Mapping[str, Callable[[Services, Form], Response]] = {"link": send_link, "code": code}


def _accounts(services: Services) -> SupabaseAccounts:
    if services.supabase is None:
        raise SettingsError("This server does not sign people in with Supabase.")
    return services.supabase.accounts
