"""Single sign-on: people come in as an OpenID provider says, into the same sessions as with a password."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy.engine import Engine

from lib.access import sessions, throttle
from lib.access.flows import Begun, Finished, Flows, Stopped
from lib.access.identities import person_of
from lib.access.oidc_provider import OidcProvider
from lib.access.refusals import BEGIN_AGAIN, DECLINED
from lib.access.sessions import new_token
from lib.credentials import Vault
from lib.errors import SignInRefused
from lib.logs import get_logger
from lib.net.client import new_client
from lib.settings import SingleSignOn
from lib.store.engine import writing
from lib.store.faults import store_faults

_TIMEOUT_S = 10.0


class OidcAccounts:
    """Signs people in through one provider; one for the process, safe between its threads."""

    def __init__(self, settings: SingleSignOn, engine: Engine, vault: Vault, clock: Callable[[], datetime]) -> None:
        self.name = settings.name
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._http = new_client()
        self._http.timeout = _TIMEOUT_S
        self._provider = OidcProvider(settings, self._http, clock)
        self._flows = Flows(engine, vault, clock)

    def begin(self, _provider: str, address: str, redirect_to: str, onward: str) -> Begun:
        """Begin to sign in; raises SignInRefused when the provider cannot be asked, or TooManyAttempts."""
        with store_faults(), writing(self._engine).begin() as connection:
            throttle.count_try(connection, (f"flow:{address}",), self._clock())
        flow = {"verifier": secrets.token_urlsafe(48), "state": new_token(), "nonce": new_token()}
        url = self._provider.authorize_url(redirect_to, flow["state"], flow["nonce"], flow["verifier"])
        return Begun(self._flows.begin(flow | {"redirect_to": redirect_to, "onward": onward}), url)

    def finish(self, state: str | None, returned: Mapping[str, str]) -> Finished:
        """Sign in by what the provider sent back to the browser that began it; what was begun can be finished once.

        Raises SignInRefused, as Stopped where it is known which page was asked for.
        """
        try:
            flow = self._flows.take(state)
        except SignInRefused:
            raise SignInRefused(BEGIN_AGAIN) from None
        try:
            return Finished(self._enter(flow, returned), flow["onward"])
        except SignInRefused as refusal:
            get_logger("access").warning("sign_in.refused", way="oidc", why=str(refusal))
            raise Stopped(str(refusal), flow["onward"]) from None

    def close(self) -> None:
        """Let go of the connections to the provider."""
        self._http.close()

    def _enter(self, flow: Mapping[str, str], returned: Mapping[str, str]) -> str:
        if not hmac.compare_digest(flow["state"].encode(), returned.get("state", "").encode()):
            raise SignInRefused(BEGIN_AGAIN)
        self._provider.check_origin(returned.get("iss"))
        if "code" not in returned:
            get_logger("access").warning("oidc.declined", error=returned.get("error", "")[:80])
            raise SignInRefused(DECLINED)
        identity = self._provider.identity(returned["code"], flow["redirect_to"], flow["verifier"], flow["nonce"])
        now = self._clock()
        with store_faults(), writing(self._engine).begin() as connection:
            user_id = person_of(connection, identity, self._settings.allowed_domains, now)
            return sessions.start(connection, user_id, now)
