"""Forms as browsers send them, read within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

COOKIE = "modeldeck_session"
FLOW_COOKIE = "modeldeck_flow"
LARGEST_FORM = 10_000
"""Bytes a form may have; no address, password or link comes near it."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a form sent, and from where."""

    fields: Mapping[str, str]
    address: str
    token: str | None
    https: bool
    flow: str | None = None
    """The secret of a sign-in that this browser began and that goes on elsewhere."""
    host: str = ""

    @property
    def origin(self) -> str:
        """The server's own address, as the browser knows it; the guard has checked the host."""
        return f"{'https' if self.https else 'http'}://{self.host}"

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
    return _form(request, fields)


def query_form(request: Request) -> Form:
    """Return what a link carried, in the same shape."""
    return _form(request, dict(request.query_params))


def _form(request: Request, fields: Mapping[str, str]) -> Form:
    proto = request.headers.get("x-forwarded-proto", request.url.scheme)
    client = request.client.host if request.client else ""
    https = proto.split(",")[0].strip() == "https"
    cookies = request.cookies
    return Form(fields, client, cookies.get(COOKIE), https, cookies.get(FLOW_COOKIE), request.headers.get("host", ""))
