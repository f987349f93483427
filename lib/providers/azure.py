"""Azure OpenAI's addresses by deployment and dated version, for resources that are not called through /openai/v1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from lib.errors import ProviderError
from lib.providers import sse
from lib.providers.catalog import CHAT
from lib.providers.transport import Stream, Transport

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")
_REPORTS_USAGE_SINCE = "2024-09-01"
LISTING_VERSION = "2023-03-15-preview"
"""The last version that lists deployments under a resource's own key; Azure withdraws it resource by resource."""


def checked_version(api_version: Any) -> str | None:
    """Return the version of an address, None for the surface without one; raise ProviderError when it is no date."""
    if api_version is None or api_version == "":
        return None
    if not isinstance(api_version, str) or not _VERSION.fullmatch(api_version):
        raise ProviderError(
            "The API version of Azure OpenAI is a date such as 2024-10-21. Leave it out to use the address without versions.",
            kind="bad-request",
            provider="azure",
        )
    return api_version


def reports_usage(api_version: str) -> bool:
    """Whether streams of a version may be asked for their usage; earlier ones refuse the question."""
    return api_version[:10] >= _REPORTS_USAGE_SINCE


class Deployments(Transport):
    """A transport whose chats are at ``deployments/NAME/chat/completions``, the model being the deployment's name."""

    listing = "deployments"

    def __init__(self, api_version: str, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._api_version = api_version

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON answer to a GET."""
        version = LISTING_VERSION if path == self.listing else self._api_version
        return super().get(path, {**(params or {}), "api-version": version})

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON answer to a POST of a JSON body."""
        return super().post(self._address(path, body), body)

    def stream(self, path: str, body: Mapping[str, Any], framing: Callable[[], sse.Framing] = sse.Decoder) -> Stream:
        """Return the answer to a POST as a stream of JSON events."""
        return super().stream(self._address(path, body), body, framing)

    def _address(self, path: str, body: Mapping[str, Any]) -> str:
        deployment = f"deployments/{quote(str(body['model']), safe='')}/" if path == CHAT else ""
        return f"{deployment}{path}?api-version={self._api_version}"
