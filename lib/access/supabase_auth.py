"""Supabase Auth over HTTP: each call stands for itself, and nothing of one person is left for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from lib.access.refusals import NOT_ADDED, NOT_CONFIRMED, SWITCHED_OFF, TOO_OFTEN, WAY_OFF, WRONG, WRONG_CODE
from lib.errors import ModeldeckError, SignInRefused, SignInRequired, TooManyAttempts
from lib.logs import get_logger
from lib.store.rest_faults import SESSION_OVER, http_fault, no_answer
from lib.store.supabase import Project

_REFUSALS: Mapping[str, str] = {
    "invalid_credentials": WRONG,
    "email_not_confirmed": NOT_CONFIRMED,
    "user_banned": SWITCHED_OFF,
    "otp_disabled": NOT_ADDED,
    "signup_disabled": NOT_ADDED,
    "user_not_found": NOT_ADDED,
    "otp_expired": WRONG_CODE,
    "bad_code_verifier": WRONG_CODE,
    "flow_state_not_found": WRONG_CODE,
    "flow_state_expired": WRONG_CODE,
    "provider_disabled": WAY_OFF,
    "email_provider_disabled": WAY_OFF,
}
"""What Supabase's error codes mean to the person who signs in."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A signed-in person's tokens; ``expires_at`` is in seconds since 1970 and about the access token."""

    user_id: str
    email: str
    access: str
    refresh: str
    expires_at: int


@dataclass(frozen=True)
class SupabaseAuth:
    """The calls Modeldeck makes, with the project's publishable key.

    All raise SignInRefused with the sentence to show, TooManyAttempts, or StoreUnavailable when the project cannot answer.
    """

    project: Project

    def by_password(self, email: str, password: str) -> Tokens:
        """Sign a person in by e-mail address and password."""
        return _tokens(self._post("token?grant_type=password", {"email": email, "password": password}))

    def by_code(self, email: str, code: str) -> Tokens:
        """Sign a person in by the code of a mail."""
        return _tokens(self._post("verify", {"type": "email", "email": email, "token": code}, WRONG_CODE))

    def by_exchange(self, code: str, verifier: str) -> Tokens:
        """Sign a person in by what came back from a link or another provider, and the secret it was started with."""
        return _tokens(self._post("token?grant_type=pkce", {"auth_code": code, "code_verifier": verifier}, WRONG_CODE))

    def send_link(self, email: str, redirect_to: str, challenge: str) -> None:
        """Have Supabase send a link and a code to somebody it knows already."""
        body = {"email": email, "create_user": False, "code_challenge": challenge, "code_challenge_method": "s256"}
        self._post(f"otp?{urlencode({'redirect_to': redirect_to})}", body)

    def refresh(self, refresh_token: str) -> Tokens:
        """Return new tokens; raises SignInRequired when Supabase has ended the session."""
        try:
            return _tokens(self._post("token?grant_type=refresh_token", {"refresh_token": refresh_token}))
        except SignInRefused:
            raise SignInRequired(SESSION_OVER) from None

    def sign_out(self, access_token: str, *, everywhere: bool) -> None:
        """End the session at Supabase too; one that is over already is no error."""
        try:
            self._post(f"logout?scope={'global' if everywhere else 'local'}", {}, token=access_token)
        except SignInRefused:
            pass

    def authorize_url(self, provider: str, redirect_to: str, challenge: str) -> str:
        """Return the address at which a person signs in with another provider."""
        query = {"provider": provider, "redirect_to": redirect_to, "code_challenge": challenge, "code_challenge_method": "s256"}
        return f"{self.project.url}/auth/v1/authorize?{urlencode(query)}"

    def providers(self) -> tuple[str, ...]:
        """Return the other providers that the project lets people sign in with."""
        answer = self._ask("GET", "settings", None)
        external = answer.get("external") or {}
        return tuple(sorted(name for name, on in external.items() if on is True and name not in ("email", "phone", "anonymous_users")))

    def _post(self, path: str, body: Mapping[str, Any], refused: str | None = None, *, token: str | None = None) -> dict[str, Any]:
        return self._ask("POST", path, body, refused, token)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, refused: str | None = None, token: str | None = None
    ) -> dict[str, Any]:
        headers = {"apikey": self.project.publishable_key} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            answer = self.project.http.request(method, f"{self.project.url}/auth/v1/{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise no_answer(self.project.url, error) from None
        try:
            told = answer.json() if answer.content else {}
        except ValueError:
            told = {}
        told = told if isinstance(told, dict) else {}
        if answer.is_success:
            return told
        raise _refused(answer.status_code, told, refused, self.project.url)


def _refused(status: int, told: Mapping[str, Any], sentence: str | None, url: str) -> ModeldeckError:
    code = str(told.get("error_code") or "")
    if status == 429:
        return TooManyAttempts(TOO_OFTEN)
    if status in (400, 401, 403, 404, 422) and (code or "error_description" in told):
        get_logger("access").warning("supabase.refused", status=status, code=code)
        return SignInRefused(_REFUSALS.get(code) or sentence or WRONG)
    return http_fault(status, url)


def _tokens(answer: Mapping[str, Any]) -> Tokens:
    """Read tokens; the person is the one Supabase names, whatever their metadata say."""
    try:
        user = answer["user"]
        return Tokens(
            str(user["id"]), str(user.get("email") or ""), answer["access_token"], answer["refresh_token"], int(answer["expires_at"])
        )
    except (KeyError, TypeError, ValueError):
        raise SignInRefused(WRONG_CODE) from None
