"""Signing in with Supabase where it takes more than a form: a mailed link or code, and other providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response

from lib.api.forms import FLOW_COOKIE, Form
from lib.api.leading import adding, back, local_path, onward, problem_of, signed_in
from lib.errors import InvalidValue, SettingsError, SignInRefused, TooManyAttempts

if TYPE_CHECKING:
    from lib.access.supabase import Begun, Finished, SupabaseAccounts
    from lib.services import Services

CALLBACK = "/api/auth/callback"
SENT = "sent"
"""The query parameter that has the page ask for the code of a mail."""
_FLOW_S = 3600
_LONGEST_CODE = 2_000


def send_link(services: Services, form: Form) -> Response:
    """Have a link and a code mailed, and lead on to where the code is asked for."""
    path = local_path(form.text("next"))
    try:
        begun = _accounts(services).send_link(form.text("email"), form.address, form.origin + CALLBACK, path)
    except TooManyAttempts as error:
        return back(path, _often(error))
    return _begun(form, begun, adding(path, SENT, "1"))


def code(services: Services, form: Form) -> Response:
    """Sign in by the code of a mail."""
    path = local_path(form.text("next"))
    return _finish(services, form, path, lambda accounts: accounts.by_code(form.flow, form.text("code"), form.address))


def begin(services: Services, form: Form) -> Response:
    """Lead on to another provider."""
    path = local_path(form.text("next"))
    try:
        begun = _accounts(services).begin(form.text("provider"), form.address, form.origin + CALLBACK, path)
    except TooManyAttempts as error:
        return back(path, _often(error))
    except InvalidValue:
        return back(path, "way-off")
    return _begun(form, begun, begun.url)


def callback(services: Services, form: Form) -> Response:
    """Sign in by what a mailed link or another provider brought back to this browser."""
    return _finish(services, form, "/", lambda accounts: accounts.finish(form.flow, form.text("code")[:_LONGEST_CODE]))


ACTIONS: Mapping[str, Callable[[Services, Form], Response]] = {"link": send_link, "code": code, "oauth": begin, "callback": callback}


def _finish(services: Services, form: Form, path: str, work: Callable[[SupabaseAccounts], Finished]) -> Response:
    try:
        finished = work(_accounts(services))
    except TooManyAttempts as error:
        return back(path, _often(error))
    except SignInRefused as refusal:
        return back(path, problem_of(refusal))
    answer = signed_in(services, form, finished.token, local_path(finished.onward))
    answer.delete_cookie(FLOW_COOKIE, path="/api/auth", httponly=True, samesite="lax", secure=form.https)
    return answer


def _begun(form: Form, begun: Begun, path: str) -> Response:
    answer = onward(path)
    answer.set_cookie(
        FLOW_COOKIE, begun.state, max_age=_FLOW_S, path="/api/auth", httponly=True, samesite="lax", secure=form.https
    )  # lax: it must come along when another site leads back here
    return answer


def _often(error: TooManyAttempts) -> str:
    found = problem_of(SignInRefused(str(error)))
    return found if found == "too-often" else "throttled"


def _accounts(services: Services) -> SupabaseAccounts:
    if services.supabase is None:
        raise SettingsError("This server does not sign people in with Supabase.")
    return services.supabase.accounts
