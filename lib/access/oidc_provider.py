"""An OpenID provider: where it is asked, and whether what it says of a person is proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from lib.access.refusals import BEGIN_AGAIN, PROVIDER_AWAY, UNPROVEN
from lib.errors import SignInRefused
from lib.logs import get_logger
from lib.settings import SingleSignOn, secure_url

DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""What a token may be signed with: a key only the provider has. Neither "none" nor one made of our own secret is among them."""
_KEPT_S = 3600
"""Seconds after which the provider's addresses and keys are read again; keys also as soon as one is not among them."""
_LEEWAY_S = 60
"""Seconds by which the clocks of both sides may differ."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as the provider knows them; ``email`` is empty unless the provider has verified it."""

    issuer: str
    subject: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says of itself, and when it was read."""

    told: Mapping[str, Any]
    keys: KeySet
    at: float


class OidcProvider:
    """Asks one provider; safe to use from many threads. Raises SignInRefused with the sentence to show, and logs why."""

    def __init__(self, settings: SingleSignOn, http: httpx.Client, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._known: _Known | None = None

    def authorize_url(self, redirect_to: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address at which a person signs in there."""
        challenge = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        settings, endpoint = self._settings, self._read().told["authorization_endpoint"]
        url: str = prepare_grant_uri(
            endpoint, settings.client_id, "code", redirect_uri=redirect_to, scope=settings.scopes, state=state, nonce=nonce, **challenge
        )
        return url

    def check_origin(self, claimed: str | None) -> None:
        """Refuse what another provider than ours claims to have sent (RFC 9207)."""
        told = self._read().told
        if claimed is None and not told.get("authorization_response_iss_parameter_supported"):
            return
        if claimed != told["issuer"]:
            raise _unproven("the answer names another issuer")

    def identity(self, code: str, redirect_to: str, verifier: str, nonce: str) -> Identity:
        """Return who signed in, by the code that was brought back and the secrets it was begun with."""
        told = self._read().told
        tokens = self._exchange(told, {"code": code, "redirect_uri": redirect_to, "code_verifier": verifier})
        access_token = tokens.get("access_token")
        claims = self._proven(str(tokens.get("id_token") or ""), nonce, access_token)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
            raise _unproven("the subject is no short text")
        profile: Mapping[str, Any] = claims
        if not {"email", "email_verified"} <= claims.keys():
            profile = self._profile(told, subject, str(access_token or ""))
        same = claims.get("email", profile.get("email")) == profile.get("email")  # what is verified there is no other address
        verified = same and profile.get("email_verified") in (True, "true")  # some providers write their booleans as text
        name = "".join(letter for letter in str(claims.get("name") or profile.get("name") or "") if letter.isprintable())
        return Identity(told["issuer"], subject, str(profile.get("email") or "") if verified else "", name)

    def _profile(self, told: Mapping[str, Any], subject: str, access_token: str) -> dict[str, Any]:
        """Return what the provider says of a person only when asked with the access token; nothing where it is not to be asked."""
        endpoint = told.get("userinfo_endpoint")
        if not isinstance(endpoint, str) or not secure_url(endpoint) or not access_token:
            return {}
        more = self._ask("GET", endpoint, headers={"Authorization": f"Bearer {access_token}"})
        if more.get("sub") != subject:
            raise _unproven("the profile is of another subject")
        return more

    def _exchange(self, told: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
        body = {"grant_type": "authorization_code", **given}
        name, secret = self._settings.client_id, self._settings.client_secret.get_secret_value()
        if "client_secret_post" in told.get("token_endpoint_auth_methods_supported", ()):
            return self._ask("POST", told["token_endpoint"], data=body | {"client_id": name, "client_secret": secret})
        return self._ask("POST", told["token_endpoint"], data=body, auth=(quote_plus(name), quote_plus(secret)))

    def _proven(self, token: str, nonce: str, access_token: object) -> dict[str, Any]:
        """Return the claims of a token that the provider signed, for us, now, for the sign-in that was begun."""
        known = self._read()
        try:
            try:
                decoded = jwt.decode(token, known.keys, algorithms=ALGORITHMS)
            except JoseError:  # the provider may have new keys since
                decoded = jwt.decode(token, self._read(anew=True).keys, algorithms=ALGORITHMS)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {"iss": {"essential": True, "value": known.told["issuer"]}, "aud": {"essential": True, "value": self._settings.client_id}},
                {"nonce": nonce, "client_id": self._settings.client_id, "access_token": access_token},
            )
            claims.validate(int(self._clock().timestamp()), _LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _unproven(f"{type(error).__name__}: {getattr(error, 'error', '')}") from None
        return dict(claims)

    def _read(self, *, anew: bool = False) -> _Known:
        """Return what the provider says of itself, read lately."""
        now = self._clock().timestamp()
        known = self._known
        if known is not None and not anew and now - known.at < _KEPT_S:
            return known
        told = self._ask("GET", self._settings.issuer.rstrip("/") + DISCOVERY)
        if str(told.get("issuer", "")).rstrip("/") != self._settings.issuer.rstrip("/"):
            raise _away("it calls itself another issuer than OIDC_ISSUER")
        if not all(isinstance(told.get(name), str) and secure_url(told[name]) for name in _ENDPOINTS):
            raise _away("it does not name its addresses")
        try:
            keys = KeySet.import_key_set(self._ask("GET", told["jwks_uri"]))  # type: ignore[arg-type]  # it checks what it is given
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _away(f"its keys cannot be read: {type(error).__name__}") from None
        self._known = known = _Known(told, keys, now)
        return known

    def _ask(self, method: str, url: str, **given: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, **given)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: what it gave us fits into no header
            raise _away(type(error).__name__) from None
        try:
            told = answer.json()
        except ValueError:
            told = None
        if answer.status_code == 400 and isinstance(told, dict) and told.get("error") == "invalid_grant":
            get_logger("access").warning("oidc.refused_code")
            raise SignInRefused(BEGIN_AGAIN)
        if answer.status_code != 200 or not isinstance(told, dict):
            code = str(told.get("error"))[:80] if isinstance(told, dict) else ""
            raise _away(f"{url.partition('?')[0]} answers {answer.status_code} {code}".strip())
        return told


def _away(why: str) -> SignInRefused:
    get_logger("access").error("oidc.away", why=why)
    return SignInRefused(PROVIDER_AWAY)


def _unproven(why: str) -> SignInRefused:
    get_logger("access").error("oidc.unproven", why=why)
    return SignInRefused(UNPROVEN)
