"""What people do about compatibility hints: every change and every probe on demand needs an admin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from lib.access import Principal, Role, require
from lib.chat import Message
from lib.credentials import KeyRing
from lib.errors import ModelNotUsable, UnknownModel
from lib.registry import Model, Registry
from lib.routing import RoutedCall
from lib.routing.compatibility import Compatibility, Hint, Pair
from lib.routing.recovery import PROBE_MAX_TOKENS, PROBE_WORDS, Probe, Recovery
from lib.services.calls import ChatCall, candidate_of, routed_call
from lib.store.base import Actor

CLEANUP_AFTER = timedelta(days=90)


@dataclass(frozen=True)
class HintDesk:
    """Compatibility hints under one principal's identity; raises NotAllowed for everybody but admins."""

    hints: Compatibility
    recovery: Recovery
    registry: Registry
    keys: KeyRing
    principal: Principal
    actor: Actor

    def all(self) -> list[Hint]:
        """Return every hint; needs an analyst, since what failed quotes everybody's calls."""
        require(self.principal, Role.ANALYST)
        return self.hints.all()

    def pair(self, ref: str) -> Pair:
        """Return the pair that "provider/model", a model's key or any other name of a model means; raise UnknownModel.

        What is noted counts first: a model may be gone from the registry while its hint is still there.
        """
        require(self.principal, Role.ANALYST)
        noted = [hint.pair for hint in self.hints.all() if ref in (hint.model, str(hint.pair))]
        if len(noted) > 1:
            raise UnknownModel(f"{ref[:100]!r} could be any of: {', '.join(map(str, noted))}. Name one of them.")
        if noted:
            return noted[0]
        model = self.registry.get(ref)
        return Pair(model.provider.slug, model.model_key)

    def blacklist(self, pair: Pair, reason: str) -> None:
        """Keep the router from a model until somebody takes it back."""
        self._admin()
        self.hints.blacklist(pair, reason, self.actor)

    def unblacklist(self, pair: Pair) -> None:
        """Let the router use a model again; it counts as one that has worked."""
        self._admin()
        self.hints.unblacklist(pair, self.actor)

    def prefer(self, pair: Pair, endpoint: str | None) -> None:
        """Have a model asked on one endpoint first; None goes back to the provider's usual one."""
        self._admin()
        info = self.registry.provider(pair.provider).info
        self.hints.prefer(pair, endpoint, self.actor, known=info.endpoints if info else ())

    def accept_parameter(self, pair: Pair, name: str) -> None:
        """Keep a learned change of a parameter for good."""
        self._admin()
        self.hints.accept_parameter(pair, name, self.actor)

    def reject_parameter(self, pair: Pair, name: str) -> None:
        """Switch a learned change of a parameter off."""
        self._admin()
        self.hints.reject_parameter(pair, name, self.actor)

    def reset(self, pairs: Sequence[Pair] | None) -> list[Pair]:
        """Forget what is noted of some models, or with None of all."""
        self._admin()
        return self.hints.reset(pairs, self.actor)

    def cleanup(self, older_than: timedelta = CLEANUP_AFTER) -> list[Pair]:
        """Remove old hints that count nothing, and return whose."""
        self._admin()
        return self.hints.cleanup(older_than, self.actor)

    def removable(self, older_than: timedelta = CLEANUP_AFTER) -> list[Pair]:
        """Return what ``cleanup`` would remove."""
        self._admin()
        return self.hints.removable(older_than)

    def probe(self, pair: Pair) -> Probe:
        """Ask a model for a word now, and say how it went; raises when it cannot be called."""
        self._admin()
        call = probe_call(self.registry, self.keys, self.principal, pair)
        return self.recovery.probe(pair, lambda _: call, self.actor.name)

    def probe_due(self) -> list[Probe]:
        """Make the scheduled probes that are due now."""
        self._admin()
        return self.recovery.run()

    def _admin(self) -> None:
        require(self.principal, Role.ADMIN)


def probe_call(registry: Registry, keys: KeyRing, principal: Principal, pair: Pair) -> RoutedCall:
    """Return the minimal call of a pair; raise UnknownModel, ModelNotUsable or CredentialError when it cannot be made."""
    model = _found(registry, pair)
    if model.why_not is not None:
        raise ModelNotUsable(f"{model.display_name} cannot be probed. {model.why_not}.")
    key = keys.resolve(model.provider, model, principal.user_id)
    most = min(PROBE_MAX_TOKENS, model.max_output_tokens or PROBE_MAX_TOKENS)
    call = ChatCall([Message("user", PROBE_WORDS)], max_tokens=most, source="probe")
    routed = routed_call(principal, call, (candidate_of(model, key.api_key, key.scope, why="probe"),))
    return replace(routed, user_id=principal.user_id or None)


def preparer(registry: Callable[[], Registry], keys: KeyRing, principal: Principal) -> Callable[[Pair], RoutedCall]:
    """Return what makes the calls of scheduled probes: the server's own, under nobody's key but everyone's."""
    return lambda pair: probe_call(registry(), keys, principal, pair)


def _found(registry: Registry, pair: Pair) -> Model:
    for model in registry.models(provider=pair.provider):
        if model.model_key == pair.model and not model.is_own:
            return model
    raise UnknownModel(f"{pair} is not among the models here any more, or it is somebody's own: it cannot be probed.")
