"""The values of routing: who may serve a call, what is remembered of them, and what the caller is told on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import SecretStr

from lib.chat import Completion, Event, Request
from lib.pricing import Price
from lib.usage import Alias, Attempt, KeyScope, Source


@dataclass(frozen=True, slots=True)
class Change:
    """How a parameter is sent instead: under the name ``to``, or not at all.

    ``endpoint`` is where the provider said so, ``evidence`` its own words.
    """

    name: str
    action: Literal["rename", "drop"]
    to: str | None = None
    endpoint: str | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a provider and model pair, as far as it matters to a call.

    ``blacklisted`` and ``cooling`` are reasons, ``until`` the moment a cooldown ends. ``changes`` are applied,
    ``rejected`` names the parameters that an admin wants sent as they are.
    """

    blacklisted: str | None = None
    cooling: str | None = None
    until: datetime | None = None
    preferred: str | None = None
    changes: tuple[Change, ...] = ()
    rejected: frozenset[str] = frozenset()


UNKNOWN = Known()


AddressedBy = Literal["operator", "admin", "person"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may serve a call, with the key and address to reach it; ``why`` says for the log how it came to be one.

    ``known`` is what hints remember of it; they put it there when they rank. ``addressed_by`` says whose word the
    address is: the operator's may lead anywhere, the others' only where the outbound guard lets them. ``alias`` stands
    for its names in the log where it is somebody's own.
    """

    model_key: str
    model_name: str
    upstream_id: str
    kind: str
    provider: str
    provider_name: str
    endpoint: str
    model_id: int | None = None
    provider_id: int | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    key_scope: KeyScope | None = None
    price: Price | None = None
    options: dict[str, Any] = field(default_factory=dict)
    why: str = "asked for"
    known: Known = UNKNOWN
    addressed_by: AddressedBy = "person"
    alias: Alias | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """What hints are kept under; of somebody's own model none are kept, and it is told from all others."""
        named = self.alias or self
        return named.provider, named.model_key

    @property
    def told_as(self) -> str:
        """The provider that a note of this candidate names, empty where no note may be left."""
        return "" if self.alias else self.provider


SkipKind = Literal["blacklisted", "cooling", "key", "unusable"]


@dataclass(frozen=True, slots=True)
class Skip:
    """A candidate passed over and why: ``reason`` completes a sentence, ``wait`` is the seconds until that ends."""

    provider: str
    model_key: str
    model_name: str
    kind: SkipKind
    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates in the order to try them, and what speaks against those put back, by their place in that order."""

    candidates: tuple[Candidate, ...]
    skips: Mapping[int, Skip] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A call as one candidate takes it; ``why`` says for the log what was changed, None when nothing was."""

    request: Request
    endpoint: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the router knows of an attempt beside how it ended, for hints to learn from.

    ``counts`` is False for a refusal that the same call got around, ``cools`` for a fault that is tried again at once.
    ``refused`` are the endpoints this call found closed, ``changes`` the parameters it had to send otherwise, ``skips``
    the candidates it passed over; all are set where the call has come to an end or past the refusal.
    """

    counts: bool = True
    cools: bool = True
    refused: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    skips: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the caller should know of while the call goes on, or should see beside its answer; not part of the answer.

    ``sentence`` says it to people. ``model_key`` and ``model_name`` are the candidate it is about, ``reason`` the cause in a
    few words, ``wait`` seconds.
    """

    kind: Literal["skipped", "fell-back", "waiting", "last-resort", "adapted"]
    sentence: str
    model_key: str
    model_name: str
    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """A request on its way: what is asked (each candidate puts its own model id in), of whom, and for whom.

    ``unusable`` are fallbacks that cannot be candidates at the moment.
    """

    request_id: str
    request: Request
    candidates: tuple[Candidate, ...]
    source: Source
    user_id: str | None = None
    user_name: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    api_token_id: int | None = None
    unusable: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Routed:
    """A whole answer and every attempt it took, the one that answered last."""

    completion: Completion
    attempts: tuple[Attempt, ...]
    notices: tuple[Notice, ...] = ()


Item = Event | Attempt | Notice
"""What a routed stream yields."""
