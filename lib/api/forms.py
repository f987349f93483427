"""Forms as browsers send them, read within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

COOKIE = "modeldeck_session"
LARGEST_FORM = 10_000
"""Bytes a form may have; no address, password or link comes near it."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a form sent, and from where."""

    fields: Mapping[str, str]
    address: str
    token: str | None
    https: bool

    def text(self, name: str) -> str:
        """Return a field, empty when it was not sent."""
        return self.fields.get(name, "")


async def read_form(request: Request) -> Form:
    """Read a form of at most LARGEST_FORM bytes; one that is larger or no form at all has no fields."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            body = b""
            break
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        fields = {}
    proto = request.headers.get("x-forwarded-proto", request.url.scheme)
    client = request.client.host if request.client else ""
    return Form(fields, client, request.cookies.get(COOKIE), proto.split(",")[0].strip() == "https")
