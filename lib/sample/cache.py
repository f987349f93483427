"""Prompt caches of sample conversations: what a turn finds in them, and what it leaves there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from lib.chat import Usage
from lib.sample.catalog import Caching
from lib.sample.people import UseCase

_LEAST = 1_024
"""Fewer tokens than this are not worth caching to any provider."""
_BLOCK = 128
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LIFE = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
_FOUND = 0.85
"""How often a cache that fills by itself has what it could have."""


@dataclass(frozen=True, slots=True)
class Cache:
    """So many tokens of the conversation's beginning, kept until a moment."""

    tokens: int = 0
    until: datetime = _LONG_AGO

    def only(self, prefix: int) -> Cache:
        """Return what of this cache another conversation with the same instructions can use."""
        return replace(self, tokens=min(self.tokens, prefix))

    def used(self, caching: Caching, sent: int, use: UseCase, at: datetime, random: Random) -> tuple[int, int, int]:
        """Return the tokens of a request that are read, written, and of these written for an hour."""
        if caching == "none" or sent < _LEAST:
            return 0, 0, 0
        found = min(self.tokens, sent) if at < self.until else 0
        if caching == "automatic":
            return (found // _BLOCK * _BLOCK if random.random() < _FOUND else 0), 0, 0
        read = found if found >= _LEAST else 0
        write = max(0, sent - read - random.randint(4, 40))
        hour = min(write, use.prefix) if use.cache == "1h" and not read else 0
        return read, write, hour

    def after(self, usage: Usage, at: datetime, use: UseCase) -> Cache:
        """Return the cache as a request leaves it."""
        kept = usage.cache_read + usage.cache_write or usage.input
        return Cache(kept, at + _LIFE[use.cache])
