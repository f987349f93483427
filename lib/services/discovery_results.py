"""What came of asking providers for their models, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lib.pricing import Price
from lib.pricing.prices import price_to_json
from lib.registry.discovery import ACTIONS, UNUSABLE, DiscoveryPlan, PlannedModel

_WORDS = {"added": "new", "changed": "changed", "gone": "gone", "back": "back"}


@dataclass(frozen=True, slots=True)
class Look:
    """What one provider answered: a plan, or in a sentence why there is none.

    With ``not_told`` it is no failure: this provider does not tell what it offers.
    """

    provider: str
    provider_name: str
    plan: DiscoveryPlan | None = None
    error: str | None = None
    not_told: str | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """What a refresh did to one provider's models.

    ``waiting`` are rows that only a person may choose, ``held`` says why nothing was applied without one.
    """

    provider: str
    provider_name: str
    listed: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    held: str | None = None
    error: str | None = None
    not_told: str | None = None

    @property
    def sentence(self) -> str:
        """The result for people."""
        if self.error or self.not_told or self.held:
            return self.error or self.not_told or f"{self.held} Nothing was applied."
        return " ".join(part for part in (_changed(self.counts, self.listed), _waiting(self.waiting)) if part)

    @property
    def named(self) -> str:
        """The sentence, and whose it is."""
        return named(self.provider_name, self.sentence)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did, provider by provider."""

    results: tuple[ProviderResult, ...]

    @property
    def added(self) -> int:
        """How many models are new; they are switched off."""
        return self._sum("added")

    @property
    def updated(self) -> int:
        """How many models are not as they were: changed, gone or back."""
        return self._sum("changed", "gone", "back")

    @property
    def failed(self) -> int:
        """How many providers could not be asked, or their models not saved."""
        return len(self.errors)

    @property
    def errors(self) -> tuple[str, ...]:
        """A sentence for each of them."""
        return tuple(result.named for result in self.results if result.error)

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        if not self.results:
            return "No provider is connected."
        count = len(self.results)
        counts = {action: self._sum(action) for action in _WORDS}
        parts = [f"{count} provider{'s' if count > 1 else ''} asked: {counted(counts) or 'nothing new'}."]
        parts += [result.named for result in self.results if result.error or result.held or result.waiting]
        return " ".join(parts)

    def _sum(self, *actions: str) -> int:
        return sum(result.counts.get(action, 0) for result in self.results for action in actions)


def named(name: str, sentence: str) -> str:
    """Put a provider's name before a sentence that does not begin with it."""
    return sentence if sentence.startswith(name) else f"{name}: {sentence}"


def counted(counts: Mapping[str, int]) -> str:
    """Write what happened to how many, such as "2 new, 1 gone"; "" when nothing did."""
    return ", ".join(f"{counts[action]} {word}" for action, word in _WORDS.items() if counts.get(action))


def left_out(counts: Mapping[str, int]) -> str:
    """Say what is listed and no model for chats; "" when there is nothing."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if kind != UNUSABLE)
    parts = [f"Left out as no models for chats: {kinds}."] if kinds else []
    parts += [f"Left out as names that cannot be stored: {counts[UNUSABLE]}."] if counts.get(UNUSABLE) else []
    return " ".join(parts)


def found(plan: DiscoveryPlan) -> str:
    """Say what a plan would do, for a run that stopped there."""
    told = counted(plan.counts)
    if plan.doubt:
        return f"{plan.doubt} Nothing was applied."
    return f"Found {told}; not applied yet." if told else _changed({}, plan.listed)


def would(look: Look, *, accept: bool = False) -> ProviderResult:
    """Return what applying all that is sure would come to."""
    made = look.plan
    result = ProviderResult(look.provider, look.provider_name, error=look.error, not_told=look.not_told)
    if made is None:
        return result
    result = replace(result, listed=made.listed, left_out=made.left_out, waiting=tuple(row.name for row in made.rows if not row.sure))
    if made.doubt and not accept:
        return replace(result, held=made.doubt)
    return replace(result, counts={action: sum(row.sure for row in made.of(action)) for action in ACTIONS})


def detail(row: PlannedModel) -> dict[str, Any]:
    """Return a planned row as JSON: each field before and after."""
    return {"name": row.name, "fields": {change.field: [_json(change.before), _json(change.after)] for change in row.fields}}


def _changed(counts: Mapping[str, int], listed: int) -> str:
    return f"{told[0].upper()}{told[1:]}." if (told := counted(counts)) else f"{listed:,} listed, nothing new."


def _waiting(names: Sequence[str]) -> str:
    if not names:
        return ""
    which = names[0] if len(names) == 1 else f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
    return f"On but never listed, so left as they are: {which}."


def _json(value: Any) -> Any:
    if isinstance(value, Price):
        return price_to_json(value)
    return sorted(value) if isinstance(value, frozenset) else value
