"""Leading a browser on after a form or a link: to a page, with a cookie, or back with what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import RedirectResponse, Response

from lib.access import refusals
from lib.access.accounts import WRONG
from lib.access.links import GONE
from lib.access.passwords import SHORTEST
from lib.access.sessions import LONGEST
from lib.api.forms import COOKIE, Form
from lib.errors import SignInRefused
from lib.store.faults import unavailable

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
    "password-or-link": refusals.WRONG,
    "not-confirmed": refusals.NOT_CONFIRMED,
    "switched-off": refusals.SWITCHED_OFF,
    "not-added": refusals.NOT_ADDED,
    "code": refusals.WRONG_CODE,
    "taken": refusals.TAKEN,
    "way-off": refusals.WAY_OFF,
    "too-often": refusals.TOO_OFTEN,
    "confirmed": refusals.CONFIRMED,
    "provider-away": refusals.PROVIDER_AWAY,
    "unproven": refusals.UNPROVEN,
    "begin-again": refusals.BEGIN_AGAIN,
    "declined": refusals.DECLINED,
    "not-verified": refusals.NOT_VERIFIED,
    "not-invited": refusals.NOT_INVITED,
    "no-project": str(unavailable("no-project")),
    "paused": str(unavailable("paused")),
    "refused-key": str(unavailable("refused-key")),
    "busy": str(unavailable("busy")),
}
_BY_SENTENCE = {sentence: name for name, sentence in PROBLEMS.items()}


def problem_of(refusal: SignInRefused) -> str:
    """Return the name of a refusal's sentence."""
    return _BY_SENTENCE.get(str(refusal), "wrong")


def local_path(path: str) -> str:
    """Return an address of this server to lead on to, "/" for anything that might lead elsewhere."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain and not parts.scheme and not parts.netloc and not path.startswith("/api/") else "/"


def signed_in(services: Services, form: Form, token: str, path: str) -> Response:
    """Lead on with the session's cookie."""
    if form.token:
        services.sessions.end(form.token)  # a token from before the sign-in is worth nothing after it
    answer = onward(path)
    seconds = int(LONGEST.total_seconds())
    answer.set_cookie(COOKIE, token, max_age=seconds, path="/", httponly=True, samesite="lax", secure=form.https)
    return answer


def back(path: str, problem: str) -> Response:
    """Lead back to a page that says what went wrong."""
    return onward(adding(path, PROBLEM, problem))


def adding(path: str, name: str, value: str) -> str:
    """Return a path with a query parameter set, and without what went wrong before."""
    base, _, query = path.partition("?")
    kept = [(n, v) for n, v in parse_qsl(query, keep_blank_values=True) if n not in (PROBLEM, name)]
    return f"{base}?{urlencode([*kept, (name, value)])}"


def onward(path: str) -> Response:
    """Lead on to a page of this server, or to where signing in goes on."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
