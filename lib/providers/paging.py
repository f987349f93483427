"""Lists that come in pages, read to their end or not at all: half a list would pass for models that are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lib.errors import ProviderError
from lib.providers import jsons
from lib.providers.adapter import ModelInfo
from lib.providers.transport import MALFORMED, Transport

_MOST_PAGES = 20

ReadPage = Callable[[Any], tuple[list[ModelInfo], Any]]
"""Takes a page apart into its models and the cursor of the next page, if there is one."""


def every_page(transport: Transport, path: str, params: Mapping[str, str], cursor: str, read: ReadPage) -> list[ModelInfo]:
    """Return the models of all pages; ``cursor`` is the parameter that asks for the next one.

    Raises ProviderError for a list that leads back to a page it had, or goes on and on.
    """
    found: list[ModelInfo] = []
    asked = dict(params)
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        page = transport.get(path, asked)
        try:
            models, following = read(page)
        except MALFORMED:
            raise transport.unreadable() from None
        found += models
        if not jsons.text(following):
            return found
        if following in seen:
            break
        seen.add(following)
        asked = {**params, cursor: following}
    raise ProviderError(
        f"The list of models has no end after {len(seen) + 1} pages, so none of it counts. Try again later, or check the base URL.",
        kind="network",
        provider=transport.provider,
    )
