"""Signing in and out by plain forms: a route sets the cookie that scripts and pages cannot, then leads back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import RedirectResponse, Response

from lib.access.accounts import WRONG
from lib.access.links import GONE, PATH
from lib.access.passwords import SHORTEST
from lib.access.sessions import LONGEST
from lib.api.answers import error_answer
from lib.api.forms import COOKIE, Form
from lib.errors import InvalidValue, SignInRefused, StoreUnavailable, TooManyAttempts
from lib.logs import get_logger

if TYPE_CHECKING:
    from lib.services import Services

PROBLEM = "problem"
"""The query parameter that tells the page why signing in did not work, as one of PROBLEMS."""
PROBLEMS: Mapping[str, str] = {
    "wrong": WRONG,
    "throttled": "Too many wrong passwords. Wait a quarter of an hour, then try again.",
    "gone": GONE,
    "password": f"Choose a password of at least {SHORTEST} characters that is not easy to guess; a few unrelated words do well.",
    "unavailable": "The database does not answer, so nobody can sign in right now. Try again in a moment.",
}


def sign_in(services: Services, form: Form) -> Response:
    """Start a session by e-mail address and password."""
    onward = local_path(form.text("next"))
    try:
        token = services.accounts.sign_in(form.text("email"), form.text("password"), form.address)
    except TooManyAttempts:
        return _back(onward, "throttled")
    except SignInRefused:
        return _back(onward, "wrong")
    return _signed_in(services, form, token, onward)


def join(services: Services, form: Form) -> Response:
    """Set a password by a link and start a session with it."""
    link = form.text("token")
    try:
        token = services.accounts.join(link, form.text("password"), form.text("display_name"))
    except InvalidValue as error:
        return _back(f"{PATH}?{urlencode({'token': link})}", "password" if error.field == "password" else "gone")
    return _signed_in(services, form, token, "/")


def sign_out(services: Services, form: Form) -> Response:
    """End this session or, with ``everywhere``, every session of its person."""
    person = services.sessions.principal(form.token)
    if person is not None and form.text("everywhere"):
        services.sessions.end_all(person.user_id)
    elif form.token:
        services.sessions.end(form.token)
    answer = _onward("/")
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=form.https)
    return answer


ACTIONS: Mapping[str, Callable[[Services, Form], Response]] = {"sign-in": sign_in, "join": join, "sign-out": sign_out}


def carry_out(action: str, get_services: Callable[[], Services], form: Form) -> Response:
    """Carry out one of ACTIONS; a database that does not answer leads back with that sentence."""
    try:
        services = get_services()
        if services.settings.mode == "embedded":
            return error_answer(404, "not_found", "The embedded mode has no accounts: it serves the person at this machine.")
        return ACTIONS[action](services, form)
    except StoreUnavailable as error:
        get_logger("access").error("sign_in.unavailable", reason=error.reason)
        return _back(local_path(form.text("next")), "unavailable")


def local_path(path: str) -> str:
    """Return an address of this server to lead on to, "/" for anything that might lead elsewhere."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain and not parts.scheme and not parts.netloc and not path.startswith("/api/") else "/"


def _signed_in(services: Services, form: Form, token: str, onward: str) -> Response:
    if form.token:
        services.sessions.end(form.token)  # a token from before the sign-in is worth nothing after it
    answer = _onward(onward)
    seconds = int(LONGEST.total_seconds())
    answer.set_cookie(COOKIE, token, max_age=seconds, path="/", httponly=True, samesite="lax", secure=form.https)
    return answer


def _back(path: str, problem: str) -> Response:
    base, _, query = path.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != PROBLEM]
    return _onward(f"{base}?{urlencode([*kept, (PROBLEM, problem)])}")


def _onward(path: str) -> Response:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
