"""A small double of the admin half of Supabase Auth, which the auth server of the tests lacks: it works on the same tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_OBJECT = "CASE jsonb_typeof({0}) WHEN 'string' THEN ({0} #>> '{{}}')::jsonb ELSE {0} END"  # the auth server writes JSON as text
_COLUMNS = (
    "id, aud, role, email, phone, email_confirmed_at, confirmed_at, banned_until, last_sign_in_at, is_anonymous, created_at, updated_at,"
    f" {_OBJECT.format('raw_app_meta_data')} AS app_metadata, {_OBJECT.format('raw_user_meta_data')} AS user_metadata"
)
_NOT_FOUND = {"code": 404, "error_code": "user_not_found", "msg": "User not found"}


class AuthAdmin:
    """Create, list, show, change, ban and delete users at /admin/users, and invite them at /invite."""

    def __init__(self, database_url: str, auth: str) -> None:
        self._database_url = database_url
        self._auth = auth

    async def answer(self, request: Request, path: str) -> Response:
        """Carry out one request; ``path`` is what follows /admin."""
        body = await request.body()
        given: dict[str, Any] = json.loads(body) if body else {}
        if path == "/invite":
            status, content = await run_in_threadpool(self._invite, given, request.query_params.get("redirect_to", ""))
            return JSONResponse(content, status_code=status)
        found = re.fullmatch(r"/users(?:/([0-9a-f-]{36}))?", path)
        if not found:
            return JSONResponse({"code": 404, "msg": "Not part of this double"}, status_code=404)
        user_id = found.group(1) or ""
        work: dict[tuple[str, bool], Callable[[], tuple[int, Any]]] = {
            ("POST", False): lambda: self._create(given),
            ("GET", False): lambda: self._list(request),
            ("GET", True): lambda: self._one(user_id),
            ("PUT", True): lambda: self._change(user_id, given),
            ("DELETE", True): lambda: self._delete(user_id),
        }
        status, content = await run_in_threadpool(work[request.method, bool(user_id)])
        return JSONResponse(content, status_code=status)

    def _rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self._database_url, autocommit=True, row_factory=dict_row) as connection:
            return [_spelled(row) for row in connection.execute(query.encode(), values).fetchall()]

    def _create(self, given: dict[str, Any]) -> tuple[int, Any]:
        data = given.get("user_metadata") or {}
        made = httpx.post(
            f"{self._auth}/auth/v1/signup",
            json={"email": given["email"], "password": given.get("password") or "unset-until-invited", "data": data},
            trust_env=False,
        )
        if made.status_code != 200:
            return made.status_code, made.json()
        answer = made.json()
        return self._change((answer.get("user") or answer)["id"], {"app_metadata": given.get("app_metadata")})

    def _invite(self, given: dict[str, Any], redirect_to: str) -> tuple[int, Any]:
        """Add somebody who has yet to follow a mail; the auth server's own mail with a link and a code stands for the invitation."""
        known = self._rows(
            "SELECT id FROM auth.users WHERE email = %s AND (invited_at IS NULL OR last_sign_in_at IS NOT NULL)", given["email"]
        )
        if known:
            return 422, {"code": 422, "error_code": "email_exists", "msg": "A user with this email address has already been registered"}
        sent = httpx.post(
            f"{self._auth}/auth/v1/otp",
            params={"redirect_to": redirect_to} if redirect_to else {},
            json={"email": given["email"], "create_user": True, "data": given.get("data") or {}},
            trust_env=False,
        )
        if sent.status_code != 200:
            return sent.status_code, sent.json()
        self._rows(
            "UPDATE auth.users SET invited_at = now(), email_confirmed_at = NULL, last_sign_in_at = NULL WHERE email = %s RETURNING id",
            given["email"],
        )
        users = self._rows(f"SELECT {_COLUMNS} FROM auth.users WHERE email = %s", given["email"])
        return 200, users[0]

    def _list(self, request: Request) -> tuple[int, Any]:
        page, size = int(request.query_params.get("page") or 1), int(request.query_params.get("per_page") or 50)
        users = self._rows(f"SELECT {_COLUMNS} FROM auth.users ORDER BY created_at, id LIMIT %s OFFSET %s", size, (page - 1) * size)
        return 200, {"users": users, "aud": "authenticated"}

    def _one(self, user_id: str) -> tuple[int, Any]:
        users = self._rows(f"SELECT {_COLUMNS} FROM auth.users WHERE id = %s", user_id)
        return (200, users[0]) if users else (404, _NOT_FOUND)

    def _change(self, user_id: str, given: dict[str, Any]) -> tuple[int, Any]:
        changes: dict[str, object] = {}
        if given.get("ban_duration"):
            hours = re.fullmatch(r"(\d+)h", given["ban_duration"])
            changes["banned_until"] = datetime.now(UTC) + timedelta(hours=min(int(hours.group(1)), 10**6)) if hours else None
        for name, column in (("app_metadata", "raw_app_meta_data"), ("user_metadata", "raw_user_meta_data")):
            if given.get(name):
                changes[column] = json.dumps(given[name])
        for column, value in changes.items():
            new = f"{_OBJECT.format(column)} || %s::jsonb" if column.startswith("raw_") else "%s"
            self._rows(f"UPDATE auth.users SET {column} = {new} WHERE id = %s RETURNING id", value, user_id)
        return self._one(user_id)

    def _delete(self, user_id: str) -> tuple[int, Any]:
        return (200, {}) if self._rows("DELETE FROM auth.users WHERE id = %s RETURNING id", user_id) else (404, _NOT_FOUND)


def _spelled(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
