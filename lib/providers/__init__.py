"""Providers: one adapter per wire format, one row per provider, every failure a classified ProviderError.

>>> adapter = open_adapter("openai", api_key=key)
>>> for event in adapter.stream(Request("gpt-5-mini", [Message("user", "Hello")]), default_endpoint("openai")): ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from lib.errors import ProviderError
from lib.net import Guard, shared_client
from lib.providers.adapter import ByEndpoint, ModelInfo, ProviderAdapter, all_models
from lib.providers.anthropic import Anthropic
from lib.providers.azure import Deployments, checked_version, reports_usage
from lib.providers.catalog import KINDS, ProviderKind, WireFormat, default_endpoint
from lib.providers.cohere import Cohere
from lib.providers.demo import Demo
from lib.providers.errors import classify
from lib.providers.google import Google
from lib.providers.matchaai import MatchaAI
from lib.providers.ollama import Ollama
from lib.providers.openai_chat import OpenAIChat
from lib.providers.openai_responses import OpenAIResponses
from lib.providers.transport import Transport

__all__ = ["KINDS", "ModelInfo", "ProviderAdapter", "ProviderKind", "all_models", "classify", "default_endpoint", "open_adapter"]

_SPEAKERS: Mapping[WireFormat, tuple[Callable[..., ProviderAdapter], frozenset[str]]] = MappingProxyType(
    {
        "openai_chat": (OpenAIChat, frozenset({"include_usage"})),
        "openai_responses": (OpenAIResponses, frozenset({"reasoning_summary"})),
        "anthropic": (Anthropic, frozenset({"default_max_tokens"})),
        "google": (Google, frozenset()),
        "cohere": (Cohere, frozenset()),
        "ollama": (Ollama, frozenset()),
        "matchaai": (MatchaAI, frozenset({"mission_id", "model_field"})),
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
    guard: Guard | None = None,
    timeout: httpx.Timeout | float | None = None,
    **options: Any,
) -> ProviderAdapter:
    """Return an adapter that calls one provider; nothing is sent yet.

    Args:
        base_url: where the provider listens; the kind's own address when None.
        api_key: the key, which no error, log line or repr will show.
        client: the httpx client to use, which has the last word on where it connects; the process's shared one when None.
        guard: bounds which addresses the shared client connects to; None for an address the operator gave.
        timeout: seconds, or an httpx.Timeout, in place of the client's.
        options: what the wire format takes: ``include_usage`` (OpenAI-compatible), ``reasoning_summary``
            (responses), ``api_version`` (Azure, for addresses by deployment), ``default_max_tokens`` (Anthropic),
            ``mission_id`` and ``model_field`` (MatchaAI), ``pace``, ``sleep`` and ``recorded`` (demo).

    Raises ProviderError for an unknown kind, or an unusable address or key.
    """
    row = KINDS.get(kind)
    if row is None:
        raise _unusable(kind, f"There is no provider kind {kind!r}; use one of {', '.join(KINDS)}.")
    if row.protocol == "demo":
        return Demo(row, **options)
    secret = _key(row, api_key)
    version = checked_version(options.pop("api_version", None)) if "api_version" in row.settings else None
    if version is not None:
        options.setdefault("include_usage", reports_usage(version))
    build = Transport if version is None else partial(Deployments, version)
    address = _base_url(row, base_url, row.base_url_suffix if version is None else row.base_url_suffix.removesuffix("/v1"))

    def transport(path: str) -> Transport:
        return build(
            partial(shared_client, guard) if client is None else lambda: client,
            address + path,
            {**row.headers, **_authorisation(row, secret)},
            provider=kind,
            secret=secret,
            timeout=timeout,
        )

    return _speaker(row, transport, options)


def _speaker(row: ProviderKind, transport: Callable[[str], Transport], options: Mapping[str, Any]) -> ProviderAdapter:
    """Return the adapter of a kind's wire format, or of all of them when it has several."""
    formats = set(row.protocols.values())
    known = frozenset[str]().union(*(_SPEAKERS[wire][1] for wire in formats))
    if unknown := options.keys() - known:
        raise TypeError(f"{row.kind} takes no option {', '.join(sorted(unknown))}")
    speakers: dict[WireFormat, ProviderAdapter] = {}
    for wire in formats:
        build, taken = _SPEAKERS[wire]
        speakers[wire] = build(row, transport(row.paths.get(wire, "")), **{name: value for name, value in options.items() if name in taken})
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


def _base_url(row: ProviderKind, given: str | None, suffix: str) -> str:
    """Return the address that paths are added to, forgiving what people paste: a trailing slash or a whole endpoint."""
    url = (given or row.base_url or "").strip().partition("#")[0].rstrip("/")
    if not url:
        raise _unusable(row.kind, f"{row.label} needs a base URL; set it on the Providers page.")
    gateway = row.base_url_suffix.removesuffix("/v1")
    if gateway and f"{gateway}/" in f"{url}/":  # the address of one deployment, as Azure's portal shows it
        url = f"{url}/".partition(f"{gateway}/")[0]
    for ending in _ENDINGS:
        url = url.removesuffix(ending)
    if row.base_url_cut:
        url = re.sub(row.base_url_cut, "", url)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and (parts.port is None or parts.port > 0)
        (parts.hostname or "").encode("idna")
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise _unusable(row.kind, f"The base URL of {row.label} is not a web address; it starts with http:// or https://.")
    if not parts.path:
        url += row.bare_suffix
    whole = url.endswith(suffix) or (row.base_url_whole and re.search(row.base_url_whole, parts.path))
    return url if whole else url + suffix
