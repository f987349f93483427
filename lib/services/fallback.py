"""Calling models while the database cannot be used: the built-in ones, by keys of the settings, with nothing recorded."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.registry import Model
from lib.registry.fallback import fallback_default, fallback_model, fallback_models
from lib.registry.seeding import DEMO_PRICE
from lib.routing import Item, Router
from lib.services.calls import ChatCall, candidate_of, check_call, routed_call
from lib.services.reach import Reach
from lib.settings import Settings
from lib.usage import Unrecorded

_STRANGER = Principal("", "Visitor", Role.MEMBER)


@dataclass(frozen=True)
class Fallback:
    """What works without the database.

    In the embedded mode the person at this machine may use the keys of the settings. Where a team signs in, nobody can be
    known without the database, so that only the demo answers: keys are not for strangers. No budget, no subscription and
    nothing of what was learned is known; nothing is recorded, neither tokens nor cost.
    """

    settings: Settings

    @property
    def with_keys(self) -> bool:
        """Whether keys of the settings may be used."""
        return self.settings.mode == "embedded"

    @cached_property
    def models(self) -> list[Model]:
        """The built-in catalogue."""
        return fallback_models(self.settings, with_keys=self.with_keys)

    @property
    def default(self) -> Model:
        """The model to use when none is named, or one that is not here."""
        return fallback_default(self.models)

    def chat(self, call: ChatCall) -> Generator[Item, None, None]:
        """Return a model's answer as Services.chat does, with attempts that are not saved."""
        model = fallback_model(self.models, None if call.model is None else str(call.model))
        check_call(model, call)
        provider = model.provider
        key = self.settings.value(provider.info.key_env) if self.with_keys and provider.info and provider.info.key_env else None
        candidate = candidate_of(model, key, "system" if key else None, why="fallback without the database")
        if candidate.kind == "demo":
            candidate = replace(candidate, options={"recorded": False}, price=DEMO_PRICE)
        router = Router(Unrecorded(), None, Reach.of(self.settings).candidate)
        return router.stream(routed_call(LOCAL_ADMIN if self.with_keys else _STRANGER, call, (candidate,)))
