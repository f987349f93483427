"""An OpenID provider that a test can have lie: it keeps the protocol, but says and signs what the test wants."""

from __future__ import annotations

import base64
import http.server
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "modeldeck", "a secret: with 100% of +signs"
ADA = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True, "name": "Ada"}
Shape = Callable[[dict[str, Any]], Any]


def new_key() -> RSAKey:
    """Return a key with a name of its own."""
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """A provider at ``issuer``; what it says of people, of itself, and how it signs may be set at any time."""

    issuer: str = ""
    key: RSAKey = field(default_factory=new_key)
    sign: Callable[[Provider, dict[str, Any]], str] = lambda self, claims: self.signed(claims)
    claims: Shape = lambda claims: claims
    document: Shape = lambda document: document
    userinfo: dict[str, Any] = field(default_factory=dict)
    access_token: str = "at"
    away: bool = False
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def signed(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        """Return a token with a good signature."""
        key = key or self.key
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, ["RS256"])

    def agree(self, url: str, **person: Any) -> dict[str, str]:
        """Sign a person in at the address a browser was led to; return what the browser brings back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (query["response_type"], query["client_id"], query["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = secrets.token_urlsafe(8)
        self._codes[code] = {**query, "person": person or ADA}
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def answer(self, path: str, body: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Answer one request."""
        self.asked.append(path)
        if self.away:
            return 503, "<h1>Down for maintenance</h1>"
        if path == "/.well-known/openid-configuration":
            return 200, self.document(
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize?tenant=a",
                    "token_endpoint": f"{self.issuer}/token",
                    "userinfo_endpoint": f"{self.issuer}/userinfo",
                    "jwks_uri": f"{self.issuer}/keys",
                    "authorization_response_iss_parameter_supported": True,
                }
            )
        if path == "/keys":
            return 200, KeySet([self.key]).as_dict(private=False)
        if path == "/userinfo":
            return 200, self.userinfo
        return self._token(body, authorization) if path == "/token" else (404, {})

    def _token(self, body: dict[str, str], authorization: str) -> tuple[int, Any]:
        given = tuple(unquote_plus(part) for part in base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":"))
        if given != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        begun = self._codes.pop(body["code"], None)
        good = begun and begun["redirect_uri"] == body["redirect_uri"]
        if not good or begun is None or begun["code_challenge"] != create_s256_code_challenge(body["code_verifier"]):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        told = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"], **begun["person"]}
        return 200, {"access_token": self.access_token, "token_type": "Bearer", "id_token": self.sign(self, self.claims(told))}


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider on a free loopback port until the block ends."""
    provider = Provider()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            body = {name: values[0] for name, values in parse_qs(sent).items()}
            status, told = provider.answer(urlsplit(self.path).path, body, self.headers.get("Authorization") or "")
            content = (told if isinstance(told, str) else json.dumps(told)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield provider
        server.shutdown()
