"""Providers: one adapter per wire format, one row per provider, every failure a classified ProviderError.

>>> adapter = open_adapter("openai", api_key=key)
>>> for event in adapter.stream(Request("gpt-5-mini", [Message("user", "Hello")]), default_endpoint("openai")): ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from lib.errors import ProviderError
from lib.net import shared_client
from lib.providers.adapter import ByEndpoint, ModelInfo, ProviderAdapter
from lib.providers.anthropic import Anthropic
from lib.providers.catalog import KINDS, ProviderKind, WireFormat, default_endpoint
from lib.providers.demo import Demo
from lib.providers.errors import classify
from lib.providers.openai_chat import OpenAIChat
from lib.providers.transport import Transport

__all__ = ["KINDS", "ModelInfo", "ProviderAdapter", "ProviderKind", "classify", "default_endpoint", "open_adapter"]

_SPEAKERS: Mapping[WireFormat, tuple[Callable[..., ProviderAdapter], frozenset[str]]] = MappingProxyType(
    {
        "openai_chat": (OpenAIChat, frozenset({"include_usage"})),
        "anthropic": (Anthropic, frozenset({"default_max_tokens"})),
    }
)
"""Who speaks each wire format, and the options it takes."""

_ENDINGS = ("/chat/completions", "/messages", "/models", "/responses")


def open_adapter(
    kind: str,
    *,
    base_url: str | None = None,
    api_key: str | SecretStr | None = None,
    client: httpx.Client | None = None,
    timeout: httpx.Timeout | float | None = None,
    **options: Any,
) -> ProviderAdapter:
    """Return an adapter that calls one provider; nothing is sent yet.

    Args:
        base_url: where the provider listens; the kind's own address when None.
        api_key: the key, which no error, log line or repr will show.
        client: the httpx client to use; the process's shared one when None.
        timeout: seconds, or an httpx.Timeout, in place of the client's.
        options: what the wire format takes: ``include_usage`` (OpenAI-compatible), ``default_max_tokens``
            (Anthropic), ``pace`` and ``sleep`` (demo).

    Raises ProviderError for an unknown kind, one this version cannot call, or an unusable address or key.
    """
    row = KINDS.get(kind)
    if row is None:
        raise _unusable(kind, f"There is no provider kind {kind!r}; use one of {', '.join(KINDS)}.")
    if not row.protocols:
        raise _unusable(kind, f"{row.label} models can be listed here, but this version cannot call them yet. Choose another provider.")
    if row.protocol == "demo":
        return Demo(row, **options)
    secret = _key(row, api_key)
    transport = Transport(
        shared_client if client is None else lambda: client,
        _base_url(row, base_url),
        {**row.headers, **_authorisation(row, secret)},
        provider=kind,
        secret=secret,
        timeout=timeout,
    )
    return _speaker(row, transport, options)


def _speaker(row: ProviderKind, transport: Transport, options: Mapping[str, Any]) -> ProviderAdapter:
    """Return the adapter of a kind's wire format, or of all of them when it has several."""
    formats = set(row.protocols.values())
    known = frozenset[str]().union(*(_SPEAKERS[wire][1] for wire in formats))
    if unknown := options.keys() - known:
        raise TypeError(f"{row.kind} takes no option {', '.join(sorted(unknown))}")
    speakers: dict[WireFormat, ProviderAdapter] = {}
    for wire in formats:
        build, taken = _SPEAKERS[wire]
        speakers[wire] = build(row, transport, **{name: value for name, value in options.items() if name in taken})
    if len(speakers) == 1:
        return next(iter(speakers.values()))
    return ByEndpoint(row, {endpoint: speakers[wire] for endpoint, wire in row.protocols.items()})


def _unusable(kind: str, sentence: str) -> ProviderError:
    return ProviderError(sentence, kind="bad-request", provider=kind)


def _key(row: ProviderKind, api_key: str | SecretStr | None) -> str | None:
    secret = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    secret = (secret or "").strip()
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ProviderError(
            f"The {row.label} key has characters that no key has. Copy it again and paste it on the Providers page.",
            kind="auth",
            provider=row.kind,
        )
    return secret or None


def _authorisation(row: ProviderKind, secret: str | None) -> dict[str, str]:
    if secret is None or row.auth == "none":
        return {}
    return {"authorization": f"Bearer {secret}"} if row.auth == "bearer" else {row.auth: secret}


def _base_url(row: ProviderKind, given: str | None) -> str:
    """Return the address that paths are added to, forgiving what people paste: a trailing slash or a whole endpoint."""
    url = (given or row.base_url or "").strip().rstrip("/")
    if not url:
        raise _unusable(row.kind, f"{row.label} needs a base URL; set it on the Providers page.")
    gateway = row.base_url_suffix.removesuffix("/v1")
    if gateway and f"{gateway}/" in url:  # the address of one deployment, as Azure's portal shows it
        url = url.partition(f"{gateway}/")[0]
    for ending in _ENDINGS:
        url = url.removesuffix(ending)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and (parts.port is None or parts.port > 0)
        (parts.hostname or "").encode("idna")
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise _unusable(row.kind, f"The base URL of {row.label} is not a web address; it starts with http:// or https://.")
    return url if url.endswith(row.base_url_suffix) else url + row.base_url_suffix
