"""Signing in that goes on elsewhere: with Supabase's other providers, or with the server's own single sign-on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.engine import Engine

from lib.access.flows import Begun, Finished
from lib.credentials import KeyRing
from lib.settings import Settings

if TYPE_CHECKING:
    from lib.access.oidc import OidcAccounts


class Elsewhere(Protocol):
    """Leads people away to sign in, and takes them back."""

    def begin(self, provider: str, address: str, redirect_to: str, onward: str, /) -> Begun: ...

    def finish(self, state: str | None, returned: Mapping[str, str], /) -> Finished: ...


def open_oidc(settings: Settings, engine: Engine, keys: KeyRing, clock: Callable[[], datetime]) -> OidcAccounts | None:
    """Return single sign-on as the settings say, None without; the provider is asked nothing yet."""
    if settings.single_sign_on is None:
        return None
    from lib.access.oidc import OidcAccounts  # loaded only when it is used, for it takes its time

    return OidcAccounts(settings.single_sign_on, engine, keys.vault, clock)
