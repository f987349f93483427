"""What an error response says, found in whichever of the field's many envelopes it came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.providers import jsons

_MESSAGES = (
    "message",
    "msg",
    "error_message",
    "error_description",
    "error",
    "errors",
    "detail",
    "innererror",
    "raw",
    "metadata",
    "details",
)
_CODES = ("code", "type", "status", "reason", "error_code", "error_type", "status_code")
_DELAYS = ("retryDelay", "retry_after", "retry_after_seconds", "retryAfter", "estimated_time")
_ENVELOPE = frozenset({"error", "list", "object", "about:blank", ""})
_URL = re.compile(r"https?://\S+")
_HTML = re.compile(rb"^\s*(?:<!doctype\s+html|<html|<head|<body|<\?xml)|^\s*<!--.{0,300}<html", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_SSE_DATA = re.compile(rb"^data:\s*(\{.*\})\s*$", re.MULTILINE)
_QUOTED_CODE = re.compile(r"'(?:code|type|status|reason)': '([\w.-]{1,80})'")
_DEEPEST = 8
_LONGEST = 256 * 1024
_READ = 8000
"""Characters that rules look at: a sentence says what it has to say early."""


@dataclass
class ErrorBody:
    """An error body's parts: sentences outermost first, codes in lower case, delays as they were written."""

    messages: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    delays: list[str] = field(default_factory=list)
    quota_ids: list[str] = field(default_factory=list)
    status: int | None = None
    param: str | None = None
    html: bool = False
    is_error: bool = False
    """Whether the body itself says that it is an error."""

    @property
    def text(self) -> str:
        """Every sentence in one line without web addresses, for rules that look at words."""
        return _URL.sub(" ", " ; ".join(self.messages)[:_READ])

    @property
    def message(self) -> str:
        """The innermost sentence: a gateway's own wrapping says less than the cause inside."""
        return self.messages[-1] if self.messages else ""

    @property
    def code(self) -> str | None:
        """The provider's own code, if there is one."""
        return self.codes[0] if self.codes else None


def read_body(body: bytes) -> ErrorBody:
    """Read an error body of any form: JSON in any envelope, an event stream, HTML, plain text or nothing."""
    found = ErrorBody()
    body = body[:_LONGEST].strip()
    if _HTML.match(body[:1024]):
        found.html = found.is_error = True
        title = _TITLE.search(body[:4096].decode("utf-8", "replace"))
        found.messages.append(" ".join(title[1].split()) if title else "a web page instead of an answer")
        return found
    in_stream = _SSE_DATA.search(body) if body[:5] in (b"data:", b"event") else None
    document = in_stream[1] if in_stream else body
    try:
        value = jsons.parse(document) if document else None
    except ValueError:
        value = body.decode("utf-8", "replace")
    _visit(value, found, 0)
    return found


def read_exception(name: str, text: str) -> ErrorBody:
    """Read what an SDK's exception says: its name is a code, and its text may quote the body as Python writes it."""
    found = read_body(text.encode("utf-8", "replace"))
    for code in (name, *_QUOTED_CODE.findall(text[:_READ])):
        _take_code(code, found)
    return found


def _visit(value: Any, found: ErrorBody, depth: int) -> None:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        _visit_object(value, found, depth)
    elif isinstance(value, list):
        for item in value[:5]:
            _visit(item, found, depth + 1)
    elif isinstance(value, str) and value.strip():
        nested = _json_inside(value)
        if nested is not None:
            _visit(nested, found, depth + 1)
        else:
            found.messages.append(" ".join(value.split()))


def _json_inside(value: str) -> Any:
    """Return the document when a sentence is JSON written out once more, or ends in it; None otherwise."""
    start = min((at for at in (value.find("{"), value.find("[{")) if at >= 0), default=-1)
    if start < 0 or '"' not in value:
        return None
    try:
        nested = jsons.parse(value[start:].strip().encode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return nested if isinstance(nested, dict | list) else None


def _visit_object(value: Mapping[str, Any], found: ErrorBody, depth: int) -> None:
    if value.get("error") or value.get("errors") or value.get("object") == "error" or value.get("type") == "error":
        found.is_error = True
    for name in _CODES:
        _take_code(value.get(name), found)
    if isinstance(value.get("param"), str) and found.param is None:
        found.param = value["param"]
    for name in _DELAYS:
        if isinstance(value.get(name), str | int | float) and not isinstance(value[name], bool):
            found.delays.append(str(value[name]))
        elif seconds := jsons.mapping(value.get(name)).get("seconds"):  # a duration as some clients write it
            found.delays.append(str(seconds))
    for violation in jsons.items(value.get("violations")):
        found.quota_ids.append(" ".join(str(v) for v in jsons.mapping(violation).values()))
    for name in _MESSAGES:
        nested = value.get(name)
        if isinstance(nested, dict | list) or name not in ("raw", "metadata", "details"):
            _visit(nested, found, depth + 1)
        elif name == "raw" and isinstance(nested, str):
            _visit(nested, found, depth + 1)


def _take_code(code: Any, found: ErrorBody) -> None:
    if isinstance(code, bool) or not isinstance(code, str | int | float):
        return
    text = str(code).strip()
    if re.fullmatch(r"[45]\d\d(?:\.0)?", text):
        found.status = found.status or int(text[:3])
    elif text.lower() not in _ENVELOPE and text.lower() not in found.codes and len(text) <= 80:
        found.codes.append(text.lower())
