"""Signing in and out by plain forms: a route sets the cookie that scripts and pages cannot, then leads back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import Response

from lib.access.links import PATH
from lib.access.refusals import TOO_OFTEN
from lib.api import auth_elsewhere, auth_supabase
from lib.api.answers import error_answer
from lib.api.forms import COOKIE, Form
from lib.api.leading import PROBLEMS, back, local_path, onward, problem_of, signed_in
from lib.errors import InvalidValue, SignInRefused, StoreUnavailable, TooManyAttempts
from lib.logs import get_logger
from lib.settings import Mode

if TYPE_CHECKING:
    from lib.services import Services


def sign_in(services: Services, form: Form) -> Response:
    """Start a session by e-mail address and password."""
    path = local_path(form.text("next"))
    try:
        token = services.sign_in(form.text("email"), form.text("password"), form.address)
    except TooManyAttempts as error:
        return back(path, "too-often" if str(error) == TOO_OFTEN else "throttled")
    except SignInRefused as refusal:
        return back(path, problem_of(refusal))
    return signed_in(services, form, token, path)


def join(services: Services, form: Form) -> Response:
    """Set a password by a link and start a session with it."""
    link = form.text("token")
    try:
        token = services.accounts.join(link, form.text("password"), form.text("display_name"))
    except InvalidValue as error:
        return back(f"{PATH}?{urlencode({'token': link})}", "password" if error.field == "password" else "gone")
    return signed_in(services, form, token, "/")


def sign_out(services: Services, form: Form) -> Response:
    """End this session or, with ``everywhere``, every session of its person."""
    if form.token:
        services.sign_out(form.token, everywhere=bool(form.text("everywhere")))
    answer = onward("/")
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=form.https)
    return answer


ACTIONS: Mapping[str, Callable[[Services, Form], Response]] = {
    "sign-in": sign_in,
    "join": join,
    "sign-out": sign_out,
    **auth_elsewhere.ACTIONS,
    **auth_supabase.ACTIONS,
}


ELSEWHERE: Mapping[Mode, frozenset[str]] = {
    "embedded": frozenset(),
    "postgres": frozenset(auth_supabase.ACTIONS),
    "supabase": frozenset({"join"}),
}
"""Actions that a mode has no use for."""


def carry_out(action: str, get_services: Callable[[], Services], form: Form) -> Response:
    """Carry out one of ACTIONS; a database that does not answer leads back with that sentence."""
    try:
        services = get_services()
        if services.settings.mode == "embedded":
            return error_answer(404, "not_found", "The embedded mode has no accounts: it serves the person at this machine.")
        if action in ELSEWHERE[services.settings.mode] or (action in auth_elsewhere.ACTIONS and services.elsewhere is None):
            return error_answer(404, "not_found", "People of this server sign in another way; its sign-in page shows how.")
        return ACTIONS[action](services, form)
    except StoreUnavailable as error:
        get_logger("access").error("sign_in.unavailable", reason=error.reason)
        return back(local_path(form.text("next")), error.reason if error.reason in PROBLEMS else "unavailable")
