"""The HTTP API of this version, one row per endpoint, and the OpenAPI document made from the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lib import __version__
from lib.api import auth
from lib.api.answers import answering, error_answer, error_body, explained
from lib.api.forms import query_form
from lib.errors import ModeldeckError, StoreFault, StoreUnavailable
from lib.store.database import check
from lib.store.faults import unavailable

if TYPE_CHECKING:
    from lib.services import Services

GetServices = Callable[[], "Services"]
_NO_STORE = {"Cache-Control": "no-store"}
_STRING = {"type": "string"}
_ERROR = {
    "type": "object",
    "required": ["type", "message"],
    "properties": {"type": _STRING, "message": {"type": "string", "description": "A sentence to show."}},
}


@dataclass(frozen=True)
class Endpoint:
    """One documented route: how it is asked, what it answers by status, and the function that does."""

    method: str
    path: str
    summary: str
    handler: Callable[[GetServices, Request], Response]
    answers: Mapping[int, tuple[str, Mapping[str, Any] | None]]
    """HTTP status → what it means and the JSON schema of the body, None where there is no body."""
    fields: tuple[str, ...] = ()
    """Fields of the form it takes."""
    query: tuple[str, ...] = ()
    """Query parameters it takes."""


def health(get_services: GetServices, _request: Request) -> Response:
    """Say whether the server can work; 503 with the reason when its database cannot be used.

    Anyone may ask, so the reason is the fault's plain sentence: the details an error carries may name a path.
    """
    body: dict[str, Any] = {"status": "unavailable", "mode": None, "schema": None, "version": __version__}
    try:
        services = get_services()
        body["mode"] = services.settings.mode
        body["schema"] = check(services.engine).state
        if body["schema"] != "ready":
            raise unavailable(_FAULTS[body["schema"]])
    except StoreUnavailable as error:
        body["schema"] = next((state for state, reason in _FAULTS.items() if reason == error.reason), None)
        return JSONResponse(body | error_body("store_unavailable", str(unavailable(error.reason))), 503, _NO_STORE)
    except ModeldeckError as error:
        return JSONResponse(body | error_body(explained(error)[1], _NOT_STARTED), 503, _NO_STORE)
    return JSONResponse(body | {"status": "ok"}, headers=_NO_STORE)


def openapi(_get_services: GetServices, _request: Request) -> Response:
    """Describe every endpoint as an OpenAPI 3.1 document."""
    return JSONResponse(openapi_document())


def sign_in(get_services: GetServices, request: Request) -> Response:
    """Start a session by e-mail address and password, as the sign-in form sends them."""
    return auth.carry_out("sign-in", get_services, request.state.form)


def join(get_services: GetServices, request: Request) -> Response:
    """Set a password by the link of an invitation or a reset, and start a session."""
    return auth.carry_out("join", get_services, request.state.form)


def sign_out(get_services: GetServices, request: Request) -> Response:
    """End the session of the cookie, or all of its person's."""
    return auth.carry_out("sign-out", get_services, request.state.form)


def send_link(get_services: GetServices, request: Request) -> Response:
    """Have Supabase mail a link and a code to sign in by."""
    return auth.carry_out("link", get_services, request.state.form)


def sign_in_by_code(get_services: GetServices, request: Request) -> Response:
    """Start a session by the code of a mail this browser asked for."""
    return auth.carry_out("code", get_services, request.state.form)


def sign_in_elsewhere(get_services: GetServices, request: Request) -> Response:
    """Lead on to another provider: one that the Supabase project offers, or the server's own single sign-on."""
    return auth.carry_out("oauth", get_services, query_form(request))


def come_back(get_services: GetServices, request: Request) -> Response:
    """Start a session by what a mailed link or another provider brings back."""
    return auth.carry_out("callback", get_services, query_form(request))


_FAULTS: Mapping[str, StoreFault] = {"empty": "missing-schema", "older": "older-schema", "newer": "newer-schema"}
_NOT_STARTED = "The server could not start its services; its log says why."
_HEALTH = {
    "type": "object",
    "required": ["status", "mode", "schema", "version"],
    "properties": {
        "status": {"enum": ["ok", "unavailable"]},
        "mode": {"enum": ["embedded", "postgres", "supabase", None]},
        "schema": {"enum": ["ready", "empty", "older", "newer", None]},
        "version": _STRING,
        "error": _ERROR,
    },
}
_LED_ON: Mapping[int, tuple[str, Mapping[str, Any] | None]] = {
    303: ("Leads back to a page; the query parameter problem says why when it did not work.", None),
    404: ("People sign in another way in this mode, or, embedded, not at all.", {"type": "object", "properties": {"error": _ERROR}}),
}
ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        "GET",
        "/api/health",
        "Whether the server and its database can work.",
        health,
        {200: ("It works.", _HEALTH), 503: ("It cannot work; error says why.", _HEALTH)},
    ),
    Endpoint(
        "POST",
        "/api/auth/sign-in",
        "Sign in by e-mail address and password; sets the session's cookie and leads on to next.",
        sign_in,
        _LED_ON,
        fields=("email", "password", "next"),
    ),
    Endpoint(
        "POST",
        "/api/auth/join",
        "Set a password by the link of an invitation or a reset, and sign in.",
        join,
        _LED_ON,
        fields=("token", "password", "display_name"),
    ),
    Endpoint("POST", "/api/auth/sign-out", "Sign out here or, with everywhere=1, everywhere.", sign_out, _LED_ON, fields=("everywhere",)),
    Endpoint(
        "POST", "/api/auth/link", "Supabase: have a link and a code mailed to sign in by.", send_link, _LED_ON, fields=("email", "next")
    ),
    Endpoint("POST", "/api/auth/code", "Supabase: sign in by the code of that mail.", sign_in_by_code, _LED_ON, fields=("code", "next")),
    Endpoint(
        "GET",
        "/api/auth/oauth",
        "Begin to sign in with another provider: Supabase's, or single sign-on.",
        sign_in_elsewhere,
        _LED_ON,
        query=("provider", "next"),
    ),
    Endpoint(
        "GET", "/api/auth/callback", "Where mailed links and other providers lead back to.", come_back, _LED_ON, query=("code", "state")
    ),
    Endpoint("GET", "/openapi.json", "This description.", openapi, {200: ("An OpenAPI 3.1 document.", {"type": "object"})}),
)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of ROUTES."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ROUTES:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = (
            {
                "summary": endpoint.summary,
                "operationId": endpoint.handler.__name__,
                "responses": {
                    str(status): {"description": meaning} | ({"content": {"application/json": {"schema": schema}}} if schema else {})
                    for status, (meaning, schema) in endpoint.answers.items()
                },
            }
            | (_form(endpoint.fields) if endpoint.fields else {})
            | _query(endpoint.query)
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Modeldeck", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
    }


def _form(fields: Sequence[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: _STRING for name in fields}}
    return {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


def _query(names: Sequence[str]) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "query", "schema": _STRING} for name in names]} if names else {}


def routes(get_services: GetServices) -> list[Route]:
    """Return the routes of ROUTES, then one that answers whatever else is asked under /api/.

    ``get_services`` is called per request; it returns the open services or raises a ModeldeckError.
    """
    documented = [
        Route(e.path, answering(partial(e.handler, get_services), takes_form=bool(e.fields)), methods=[e.method], name=e.handler.__name__)
        for e in ROUTES
    ]
    rest = [Route(path, answering(_no_such), methods=_METHODS, include_in_schema=False) for path in ("/api/{path:path}", "/openapi.json")]
    return documented + rest


_METHODS: Sequence[str] = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _no_such(request: Request) -> Response:
    """Answer in the API's own shape: Streamlit would answer an unknown path with its page and 200."""
    allowed = sorted(e.method for e in ROUTES if e.path == request.url.path)
    if not allowed:
        return error_answer(404, "not_found", "The API has no such address; /openapi.json lists those it has.")
    answer = error_answer(405, "method_not_allowed", f"This address answers to {' and '.join(allowed)} only.")
    answer.headers["Allow"] = ", ".join(allowed)
    return answer
