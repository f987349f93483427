"""Signing in that goes on elsewhere: leading a browser to another provider, and taking it back from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response

from lib.access.flows import CALLBACK, Begun, Finished, Stopped
from lib.access.refusals import CONFIRMED
from lib.api.forms import FLOW_COOKIE, Form
from lib.api.leading import back, local_path, onward, problem_of, signed_in
from lib.errors import InvalidValue, SettingsError, SignInRefused, TooManyAttempts

if TYPE_CHECKING:
    from lib.services import Services

_FLOW_S = 3600
_LONGEST = 2_000
"""Characters that are read of anything another provider sends along."""


def begin(services: Services, form: Form) -> Response:
    """Lead on to another provider."""
    path = local_path(form.text("next"))
    if services.elsewhere is None:
        raise SettingsError("This server signs nobody in with another provider.")
    try:
        begun = services.elsewhere.begin(form.text("provider"), form.address, form.origin + CALLBACK, path)
    except TooManyAttempts as error:
        return back(path, often(error))
    except SignInRefused as refusal:
        return back(path, problem_of(refusal))
    except InvalidValue:
        return back(path, "way-off")
    return led_away(form, begun, begun.url)


def callback(services: Services, form: Form) -> Response:
    """Sign in by what a mailed link or another provider brought back to this browser."""
    returned = {name: value[:_LONGEST] for name, value in form.fields.items()}
    elsewhere = services.elsewhere
    if elsewhere is None:
        raise SettingsError("This server signs nobody in with another provider.")
    if services.supabase is not None and not returned:
        # The link of an invitation brings tokens behind its #, which are not taken: whoever sends one could be anybody.
        return onward(back("/", problem_of(SignInRefused(CONFIRMED))).headers["location"] + "#")
    return finish(services, form, "/", lambda: elsewhere.finish(form.flow, returned))


ACTIONS: Mapping[str, Callable[[Services, Form], Response]] = {"oauth": begin, "callback": callback}


def finish(services: Services, form: Form, path: str, work: Callable[[], Finished]) -> Response:
    """Sign in by what came back, and forget in the browser that something was begun."""
    try:
        finished = work()
    except TooManyAttempts as error:
        return back(path, often(error))
    except Stopped as stopped:
        return back(local_path(stopped.onward), problem_of(stopped))
    except SignInRefused as refusal:
        return back(path, problem_of(refusal))
    answer = signed_in(services, form, finished.token, local_path(finished.onward))
    answer.delete_cookie(FLOW_COOKIE, path="/api/auth", httponly=True, samesite="lax", secure=form.https)
    return answer


def led_away(form: Form, begun: Begun, path: str) -> Response:
    """Lead on with the cookie by which a begun sign-in is found again."""
    answer = onward(path)
    answer.set_cookie(
        FLOW_COOKIE, begun.state, max_age=_FLOW_S, path="/api/auth", httponly=True, samesite="lax", secure=form.https
    )  # lax: it must come along when another site leads back here
    return answer


def often(error: TooManyAttempts) -> str:
    """Return the name of the sentence for too many tries, ours or Supabase's."""
    found = problem_of(SignInRefused(str(error)))
    return found if found == "too-often" else "throttled"
