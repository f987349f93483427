"""The API's answers: JSON documents and the one shape of an error, ``{"error": {"type", "message"}}``."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lib import errors
from lib.api.forms import read_form
from lib.logs import get_logger

ERRORS: tuple[tuple[type[errors.ModeldeckError], int, str], ...] = (
    (errors.SettingsError, 503, "settings"),
    (errors.SignInRequired, 401, "sign_in_required"),
    (errors.SignInRefused, 401, "sign_in_refused"),
    (errors.TooManyAttempts, 429, "too_many_attempts"),
    (errors.SubscriptionRequired, 403, "subscription_required"),
    (errors.NotAllowed, 403, "not_allowed"),
    (errors.NotFound, 404, "not_found"),
    (errors.InvalidValue, 422, "invalid_value"),
    (errors.StaleVersion, 409, "stale_version"),
    (errors.StoreUnavailable, 503, "store_unavailable"),
    (errors.StoreError, 500, "store"),
    (errors.KeyRequired, 409, "key_required"),
    (errors.CredentialError, 500, "credentials"),
    (errors.UnknownModel, 404, "unknown_model"),
    (errors.ModelNotUsable, 409, "model_not_usable"),
    (errors.ModelError, 409, "model"),
    (errors.ProviderError, 502, "provider"),
    (errors.ModeldeckError, 500, "modeldeck"),
)
"""Each error's HTTP status and type; the first row that fits counts."""

UNEXPECTED = "Something went wrong inside Modeldeck; its log says what."
Handler = Callable[[Request], Response]
_log = get_logger(__name__)


def error_body(kind: str, message: str) -> dict[str, dict[str, str]]:
    """Return an error in the shape every endpoint uses."""
    return {"error": {"type": kind, "message": message}}


def error_answer(status: int, kind: str, message: str) -> JSONResponse:
    """Return the response for an error."""
    return JSONResponse(error_body(kind, message), status, {"Cache-Control": "no-store"})


def explained(error: errors.ModeldeckError) -> tuple[int, str]:
    """Return the HTTP status and the type of an error."""
    return next((status, kind) for cls, status, kind in ERRORS if isinstance(error, cls))


def answering(handler: Handler, *, takes_form: bool = False) -> Callable[[Request], object]:
    """Wrap a synchronous handler: it runs in a thread, and whatever it raises is answered in the one shape.

    One that takes a form finds it, read within bounds, as ``request.state.form``.
    """

    async def answer(request: Request) -> Response:
        try:
            if takes_form:
                request.state.form = await read_form(request)
            return await run_in_threadpool(handler, request)
        except errors.ModeldeckError as error:
            return error_answer(*explained(error), str(error))
        except Exception:
            _log.exception("api.failed", method=request.method, path=request.url.path)
            return error_answer(500, "internal", UNEXPECTED)

    return answer
