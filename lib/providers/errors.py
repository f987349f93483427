"""Classification of what providers refuse: by HTTP status, then the provider's structured code, then its words."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping, Sequence

from lib.errors import ErrorKind, ProviderError
from lib.logs import redact
from lib.providers import error_rules as rules
from lib.providers.catalog import KINDS
from lib.providers.error_body import ErrorBody, read_body, read_exception
from lib.providers.retry_after import reset_after, retry_after

__all__ = ["classify"]

_LONGEST_DETAIL = 400

_SENTENCES: Mapping[ErrorKind, tuple[str, str]] = {
    "timeout": ("did not answer in time", "Try again in a moment."),
    "network": ("could not be reached or failed on its side", "Try again in a moment."),
    "rate-limit": ("asks for fewer requests", "Wait a moment, then try again."),
    "quota": ("says that the account has no quota or credit left", "Add credit there, or use another key."),
    "auth": ("did not accept the key or its permissions", "Check the key on the Providers page."),
    "model-incompatible": ("cannot serve this model this way", "Choose another model, or leave out what it does not support."),
    "context-length": ("says that the request is longer than it allows", "Shorten the conversation, or choose a model with more context."),
    "content-filter": ("blocked the content", "Change the message and try again."),
    "bad-request": ("did not accept the request", "Change what its message names."),
    "unknown": ("failed without saying why it did", "Try again, or choose another model."),
}
_PASSING = frozenset({"", "its host name could not be looked up just now", "nothing listens at its address"})
_TIMEOUT_STATUSES = frozenset({408, 504, 522, 524})
_CALLER_STATUSES = frozenset({400, 405, 406, 411, 412, 415, 416, 421, 422, 431})


def classify(
    status: int | None,
    headers: Mapping[str, str] | None,
    body: bytes | None,
    *,
    provider: str | None = None,
    exception: BaseException | None = None,
    secrets: Sequence[str] = (),
    now: float | None = None,
) -> ProviderError:
    """Return the ProviderError that a failed exchange amounts to.

    ``status`` is None when no response came; 200 is right for an error inside a stream or an accepted
    answer. ``exception`` is what the HTTP client raised. ``secrets`` are masked in the message besides all that
    looks like a key. ``now`` (epoch seconds) is the clock for dates.
    """
    found = read_body(body or b"")
    kind, retryable = _by_exception(exception) if exception is not None and status is None else _by_response(status, found, provider)
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    clock = time.time() if now is None else now
    wait = retry_after(lower, found.delays, found.text, now=clock)
    if wait is None and kind == "rate-limit":
        wait = reset_after(lower, now=clock)
    endpoint = rules.ENDPOINT.search(found.text) if kind in ("model-incompatible", "bad-request") else None
    return ProviderError(
        _sentence(kind, retryable, provider, status, found.message or _reason(exception), secrets),
        kind=kind,
        provider=provider,
        status=status,
        code=None if found.code and any(secret.lower() in found.code for secret in secrets) else found.code,
        retryable=retryable,
        retry_after=wait,
        suggested_endpoint=endpoint[1].lower() if endpoint else None,
        param=found.param if found.param and len(found.param) <= 80 and found.param.isprintable() else None,
    )


def _by_exception(exception: BaseException) -> tuple[ErrorKind, bool | None]:
    """Only the exception's type and words are read; they may quote a key, so they are never shown."""
    name, said = type(exception).__name__, str(exception)
    words = f"{name} {said}"
    if (status := rules.status_of_exception(name, said)) is not None:
        return _by_response(status, read_exception(name, said))
    if isinstance(exception, TimeoutError) or "Timeout" in words or rules.TIMEOUT[1].search(words):
        return "timeout", True
    if _reason(exception) not in _PASSING:
        return "network", False
    if any(name in words for name in ("UnsupportedProtocol", "InvalidURL", "LocalProtocolError", "CERTIFICATE_VERIFY_FAILED")):
        return "network", False
    return "network", True


def _reason(exception: BaseException | None) -> str:
    """Say what kept a connection from being made, in our own words; empty when there is nothing helpful to say."""
    while exception is not None and (cause := exception.__cause__ or _raised_while(exception)) is not None:
        exception = cause
    match exception:
        case ssl.SSLCertVerificationError() if exception.verify_code in (62, 64):  # OpenSSL's mismatches of host name and address
            return "the certificate at its address belongs to another host"
        case ssl.SSLCertVerificationError():
            return "the certificate at its address is not trusted"
        case ssl.SSLError() if exception.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
            return "the server at its address does not speak HTTPS"
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return "its host name could not be looked up just now"
        case socket.gaierror():
            return "its host name does not exist"
        case ConnectionRefusedError():
            return "nothing listens at its address"
    return ""


def _raised_while(exception: BaseException) -> BaseException | None:
    """httpcore hides the cause of what it raises; of others the context may be something that has to do with nothing."""
    return exception.__context__ if type(exception).__module__.startswith("httpcore") else None


def _by_response(status: int | None, found: ErrorBody, provider: str | None = None) -> tuple[ErrorKind, bool | None]:
    if status is None or status < 300:
        if found.html:
            return "network", False  # a sign-in page or a captive portal: asking again brings the same page
        if found.status is None:
            return _by_words(found, "unknown"), None
        status = found.status
    elif status < 400:
        return "network", False
    if found.html and status in {400, 404, 405, 410}:
        return "network", False
    if status == 498 and provider == "cohere":
        return "content-filter", None  # its status for words on a deny list; Groq's for a tier without room
    return _by_status(status, found)


def _by_status(status: int, found: ErrorBody) -> tuple[ErrorKind, bool | None]:
    if status in _TIMEOUT_STATUSES:
        return "timeout", True
    if status >= 500:
        return _server_side(status, found)
    match status:
        case 401:
            return ("model-incompatible" if _says_model(found) else "auth"), None
        case 402:
            return "quota", None
        case 403:
            return _forbidden(found), None
        case 404 | 410:
            return _missing(found), None
        case 409 | 423 | 424 | 425 | 499:
            return _by_words(found, "network"), None
        case 413:
            return _too_large(found), None
        case 429 | 498:
            return _too_many(found), None
        case _:
            return _by_words(found, "bad-request" if status in _CALLER_STATUSES else "unknown"), None


def _server_side(status: int, found: ErrorBody) -> tuple[ErrorKind, bool | None]:
    """Call a 5xx the server's trouble, unless a plain 500 or 501 names a fault that asking again cannot mend."""
    if status in (500, 501):
        code = _by_code(found)
        if code in rules.PERMANENT_CODES:
            return code, None
        for kind, pattern in (rules.CONTEXT, rules.FILTER, rules.MODEL):
            if pattern.search(found.text):
                return kind, None
        if status == 501:
            return "model-incompatible", None
    return "network", True


def _by_words(found: ErrorBody, otherwise: ErrorKind) -> ErrorKind:
    code = _by_code(found)
    if otherwise == "bad-request" and code in ("network", "timeout"):
        code = None  # a 4xx outranks a server's own label for all its errors, such as "api_error"
    if code is not None and code != "bad-request":
        return code
    for kind, pattern in rules.BEFORE_PARAM:
        if code is None and pattern.search(found.text):
            return kind
    if code is not None or (found.param and found.param != "model"):
        return "bad-request"
    for kind, pattern in rules.AFTER_PARAM:
        if pattern.search(found.text):
            return kind
    return "bad-request" if any("invalid" in c or "bad" in c or "validation" in c for c in found.codes) else otherwise


def _by_code(found: ErrorBody) -> ErrorKind | None:
    return next((rules.CODES[code] for code in found.codes if code in rules.CODES), None)


def _says_model(found: ErrorBody) -> bool:
    """Whether a 401 is about the model: some gateways say so for one the key's plan does not serve."""
    kinds = {rules.CODES[code] for code in found.codes if code in rules.CODES}
    if "model-incompatible" in kinds:
        return True
    return not rules.AUTH[1].search(found.text) and bool(rules.MODEL[1].search(found.text))


def _forbidden(found: ErrorBody) -> ErrorKind:
    code = _by_code(found)
    if code in ("model-incompatible", "content-filter", "quota"):
        return code
    for kind, pattern in (rules.FILTER, rules.QUOTA, rules.MODEL):
        if code is None and pattern.search(found.text):
            return kind
    return "auth"


def _missing(found: ErrorBody) -> ErrorKind:
    if _by_code(found) == "bad-request" or rules.MISSING_THING.search(found.text):
        return "bad-request"
    return "model-incompatible"


def _too_large(found: ErrorBody) -> ErrorKind:
    return "rate-limit" if rules.RATE[1].search(found.text) and not _never_fits(found) else "context-length"


def _too_many(found: ErrorBody) -> ErrorKind:
    """Tell a 429 that passes from one that a person has to settle."""
    if _never_fits(found):
        return "context-length"
    text = found.text
    limits = " ".join(found.quota_ids)
    if rules.PER_DAY.search(limits) or rules.LIMIT_ZERO.search(text):
        return "quota"
    if _by_code(found) == "quota":
        return "quota"
    if rules.PER_MINUTE.search(limits) or rules.PER_MINUTE.search(text) or (found.delays and "resource_exhausted" in found.codes):
        return "rate-limit"
    return "quota" if rules.QUOTA[1].search(text) else "rate-limit"


def _never_fits(found: ErrorBody) -> bool:
    if rules.NEVER_FITS.search(found.text):
        return True
    sizes = rules.LIMIT_AND_REQUESTED.search(found.text)
    return sizes is not None and int(sizes[2].replace(",", "")) > int(sizes[1].replace(",", ""))


def _sentence(kind: ErrorKind, retryable: bool | None, provider: str | None, status: int | None, said: str, secrets: Sequence[str]) -> str:
    lead, advice = _SENTENCES[kind]
    if kind == "network" and retryable is False:
        advice = "Check the base URL on the Providers page, and whether a proxy answers in its place."
    row = KINDS.get(provider or "")
    who = row.label if row else provider or "The provider"
    detail = redact(said[: 10 * _LONGEST_DETAIL], *secrets)
    if len(detail) > _LONGEST_DETAIL:
        detail = detail[:_LONGEST_DETAIL].rstrip() + "…"
    if not detail and status is not None and status >= 300:
        detail = f"HTTP {status}"
    if not detail:
        return f"{who} {lead}. {advice}"
    return f"{who} {lead}: {detail}{'' if detail[-1] in '.!?…' else '.'} {advice}"
