"""A real OpenID provider for tests, on a free loopback port."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.serving import free_port
from tests.stack.parts import HERE, node, process, tool

CLIENT, SECRET = "modeldeck", "a secret of both: 100% +plus"
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"},
    "mallory": {"email": "ada@example.com", "email_verified": False, "name": "Mallory"},
    "eve": {"email": "eve@elsewhere.example", "email_verified": True, "name": "Eve"},
}
"""Who may sign in there, by the name they type; every password is right."""


@contextmanager
def running_openid(redirect: Sequence[str], *, port: int = 0, in_token: bool = False, people: Mapping[str, Any] = PEOPLE) -> Iterator[str]:
    """Start the provider and give its issuer; it makes new keys at each start. ``redirect`` are the addresses it leads back to."""
    tool("oidc-provider/package.json")
    port = port or free_port()
    settings = {"port": port, "client": CLIENT, "secret": SECRET, "redirect": list(redirect), "people": dict(people), "inToken": in_token}
    issuer = f"http://127.0.0.1:{port}"
    with process([node(), HERE / "oidc.mjs"], {"STACK_OIDC": json.dumps(settings)}, f"{issuer}/.well-known/openid-configuration"):
        yield issuer


def settings_for(issuer: str, **more: str) -> dict[str, str]:
    """Return what Modeldeck is told to use it."""
    return {"OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET, **more}
