"""What stands before PostgREST and auth in a Supabase project: it checks the API key and turns one into a role."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.stack.admin import AuthAdmin

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding", "content-encoding", "accept-encoding", "apikey"}
_WITHOUT_KEY = ("verify", "callback", "authorize", ".well-known/")
_SPELLED_BY_POSTGRES = re.compile(rb'"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00"')


@dataclass(frozen=True, slots=True)
class Keys:
    """A project's API keys, new kind and old, and the secret its tokens are signed with."""

    publishable: str
    secret: str
    jwt_secret: str

    def token(self, role: str, *, lifetime: int = 3600, **claims: object) -> str:
        """Return a signed token for a role, valid for some seconds; an expired one if they are negative."""
        now = int(time.time())
        return jwt.encode({"iss": "stack", "role": role, "iat": now, "exp": now + lifetime, **claims}, self.jwt_secret, algorithm="HS256")

    def role_of(self, key: str) -> str | None:
        """Return the role that an API key stands for, None for a wrong one."""
        known = {self.publishable: "anon", self.secret: "service_role"}
        if key in known:
            return known[key]
        try:
            role: str | None = jwt.decode(key, self.jwt_secret, algorithms=["HS256"]).get("role")
        except jwt.InvalidTokenError:
            return None
        return role if role in ("anon", "service_role") else None


class Refused(Exception):
    """A request without a good API key."""


class Gateway:
    """Passes requests on to PostgREST at ``rest`` and to auth at ``auth``."""

    def __init__(self, keys: Keys, rest: str, auth: str, admin: AuthAdmin) -> None:
        self._keys, self._rest, self._auth, self._admin = keys, rest, auth, admin
        self._client = httpx.AsyncClient(trust_env=False, timeout=60)

    def app(self) -> Starlette:
        """Return it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/rest/v1/{path:path}", self._rest_v1, methods=_METHODS),
                Route("/auth/v1/{path:path}", self._auth_v1, methods=_METHODS),
                Route("/outbox/{email}", self._outbox),
            ],
            exception_handlers={Refused: _refused},
        )

    async def _rest_v1(self, request: Request) -> Response:
        return await self._passed_on(
            request, f"{self._rest}/{request.path_params['path']}", {"authorization": self._authorization(request)}
        )

    async def _auth_v1(self, request: Request) -> Response:
        path: str = request.path_params["path"]
        if not path.startswith(_WITHOUT_KEY):
            bearer = self._authorization(request).removeprefix("Bearer ")
            if path.startswith("admin/") or path == "invite":
                if self._keys.role_of(bearer) != "service_role":
                    return JSONResponse({"code": 403, "error_code": "not_admin", "msg": "User not allowed"}, status_code=403)
                return await self._admin.answer(request, "/" + path.removeprefix("admin/"))
        body = await request.body()
        if path == "verify":  # Supabase's own auth takes a mailed code as "email", this one only by its older name
            body = body.replace(b'"type":"email"', b'"type":"magiclink"')
        answer = await self._passed_on(request, f"{self._auth}/auth/v1/{path}", {}, body)
        answer.body = _SPELLED_BY_POSTGRES.sub(rb'"\1T\2Z"', answer.body)
        answer.headers["content-length"] = str(len(answer.body))
        return answer

    async def _outbox(self, request: Request) -> Response:
        return await self._passed_on(request, f"{self._auth}/__outbox/{request.path_params['email']}", {})

    def _authorization(self, request: Request) -> str:
        """The Authorization to pass on: the person's, or a token for the role of the API key."""
        key = request.headers.get("apikey") or request.query_params.get("apikey")
        if not key:
            raise Refused("No API key found in request")
        role = self._keys.role_of(key)
        if role is None:
            raise Refused("Invalid API key")
        given = request.headers.get("authorization", "")
        return given if given not in ("", f"Bearer {key}") else f"Bearer {self._keys.token(role)}"

    async def _passed_on(self, request: Request, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        query = "&".join(field for field in request.url.query.split("&") if field and not field.startswith("apikey="))
        kept = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
        answer = await self._client.request(
            request.method,
            target + (f"?{query}" if query else ""),
            headers=kept | dict(headers),
            content=await request.body() if body is None else body,
        )
        passed = {name: value for name, value in answer.headers.items() if name not in _NOT_PASSED_ON}
        return Response(answer.content, answer.status_code, passed)


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": str(error)}, status_code=401)
