"""Reach: which addresses calls may go to, by who said where a provider is."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from lib.net import Guard
from lib.net.guard import Resolve, look_up
from lib.providers import ProviderAdapter, open_adapter
from lib.registry import Provider
from lib.routing import Candidate
from lib.routing.values import AddressedBy
from lib.services.calls import addressed_by, options_of
from lib.settings import Settings


@dataclass(frozen=True)
class Reach:
    """Opens adapters whose calls go only where they may.

    The operator's word (built-in addresses and those of the settings) may lead anywhere. An admin's may lead to public
    addresses, and to this machine and its private networks, where teams run their own models. A person's own provider
    may lead to public addresses only, unless the person is the one at this machine (``own``). ``OUTBOUND_ALLOW`` adds to
    what admins and persons may reach.
    """

    allow: frozenset[tuple[str, int]] = frozenset()
    own: bool = False
    resolve: Resolve = look_up

    @classmethod
    def of(cls, settings: Settings) -> Reach:
        """Return what the settings allow."""
        return cls(settings.outbound_allow, settings.mode == "embedded")

    def guard(self, by: AddressedBy) -> Guard | None:
        """Return what bounds the calls to an address, None for one that nothing bounds."""
        return None if by == "operator" else Guard(self.allow, self.own or by == "admin", self.resolve)

    def candidate(self, candidate: Candidate, timeout: float | None = None) -> ProviderAdapter:
        """Return the adapter that reaches a candidate with its own key; ``timeout`` in seconds."""
        return open_adapter(
            candidate.kind,
            base_url=candidate.base_url,
            api_key=candidate.api_key,
            guard=self.guard(candidate.addressed_by),
            timeout=timeout,
            **candidate.options,
        )

    def provider(
        self, provider: Provider, api_key: SecretStr | None, *, base_url: str | None = None, timeout: float | None = None
    ) -> ProviderAdapter:
        """Return an adapter for a provider as a whole, to ask what it offers; ``base_url`` stands in for its own."""
        return open_adapter(
            provider.kind,
            base_url=base_url or provider.base_url,
            api_key=api_key,
            guard=self.guard(addressed_by(provider, base_url)),
            timeout=timeout,
            **options_of(provider, None),
        )
