"""Inviting people with a Supabase project's secret key: a client for each call, which never signs in and is kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from pydantic import SecretStr
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions
from supabase_auth.errors import AuthApiError, AuthError

from lib.access.refusals import TOO_OFTEN
from lib.errors import InvalidValue, ModeldeckError, TooManyAttempts
from lib.logs import get_logger
from lib.store.rest_faults import http_fault, no_answer
from lib.store.supabase import Project

_TAKEN = frozenset({"email_exists", "user_already_exists"})
_REFUSED = frozenset({"email_address_invalid", "email_address_not_authorized", "validation_failed"})
"""Codes for an address that Supabase sends no mail to."""


@dataclass(frozen=True)
class SupabaseAdmin:
    """The admin half of Supabase Auth, as far as Modeldeck uses it."""

    project: Project
    secret_key: SecretStr

    def invite(self, email: str, redirect_to: str) -> str:
        """Have a person added and sent a mail that leads to an address; return their id.

        Raises InvalidValue for an address that has an account or gets no mails, TooManyAttempts, or StoreUnavailable.
        """
        options = SyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=self.project.http)
        client = create_client(self.project.url, self.secret_key.get_secret_value(), options)
        try:
            answer = client.auth.admin.invite_user_by_email(email, {"redirect_to": redirect_to} if redirect_to else {})
        except (AuthError, httpx.HTTPError) as error:
            raise self._explained(error, email) from None
        return str(answer.user.id)

    def _explained(self, error: Exception, email: str) -> ModeldeckError:
        code = str(getattr(error, "code", None) or "")
        get_logger("access").warning("supabase.invite", kind=type(error).__name__, code=code)
        if code in _TAKEN:
            return InvalidValue(f"{email} has an account in this Supabase project already.", field="email")
        if code in _REFUSED:
            return InvalidValue(f"Supabase sends no mail to {email}. Check the address, and the project's own mail server.", field="email")
        if not isinstance(error, AuthApiError):
            return no_answer(self.project.url, error if isinstance(error, httpx.HTTPError) else None)
        if error.status == 429:
            return TooManyAttempts(TOO_OFTEN)
        return http_fault(401 if error.status in (401, 403) else error.status, self.project.url)
