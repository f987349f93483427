"""Services: what one process works with, and how it is put together."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy.engine import Engine

from lib import __version__, sample
from lib.access import LOCAL_ADMIN, LOCAL_USER_ID, Accounts, People, Principal, Role, Sessions, require, require_subscription
from lib.analytics import remembering
from lib.credentials import KeyRing, KeyStatus
from lib.errors import ModeldeckError, ModelNotUsable, SettingsError, SignInRequired
from lib.logs import get_logger
from lib.money import NANO_PER_USD
from lib.net import close_shared_client
from lib.registry import Model, Provider, Registry
from lib.routing import Item, Routed, RoutedCall, Router, SqlHints, Toolbox, ToolItem, tools
from lib.routing.compatibility import Compatibility
from lib.routing.recovery import LOOK_EVERY_S, Recovery
from lib.services.calls import ChatCall, candidate_of, check_call, fallbacks, routed_call
from lib.services.compatibility import HintDesk, preparer
from lib.services.elsewhere import Elsewhere, open_oidc
from lib.services.holders import holder_of, where_to_paste
from lib.services.key_trial import TestResult, try_key
from lib.services.reach import Reach
from lib.services.reading import open_analytics
from lib.services.supabase_parts import SupabaseParts, open_supabase
from lib.settings import Settings
from lib.store.base import Actor, Store
from lib.store.database import check, open_database
from lib.store.fold import BATCH, fold_once
from lib.store.sql import SqlStore, utc_now
from lib.usage import Heartbeat, Ledger

if TYPE_CHECKING:
    from lib.access.oidc import OidcAccounts

_SYSTEM = Principal("", "Modeldeck", Role.ADMIN)
_PROFILES = "profiles"
_PATIENCE_S = 2.0
"""Seconds a stop waits for a probe on its way; its row is marked interrupted when it takes longer."""


@dataclass(frozen=True)
class Services:
    """What this process works with, built once by ``open_services``; safe to use from many threads."""

    settings: Settings
    engine: Engine
    analytics_engine: Engine
    keys: KeyRing
    ledger: Ledger
    router: Router
    heartbeat: Heartbeat
    recovery: Recovery
    probes: Heartbeat
    clock: Callable[[], datetime] = utc_now
    origin: str = "page"
    supabase: SupabaseParts | None = None
    oidc: OidcAccounts | None = None

    def store(self, principal: Principal) -> Store:
        """Return the tables as this principal may use them: in the Supabase mode under their own token."""
        if self.supabase is not None and principal.session:
            return self.supabase.store(principal.session, self.origin)
        if self.supabase is not None and principal.user_id not in ("", LOCAL_USER_ID):  # neither the server nor its command line
            raise SignInRequired("Sign in first.")
        return self._server_store(principal)

    def registry(self, principal: Principal) -> Registry:
        """Return the models and providers as this principal may see and change them."""
        return Registry(self.store(principal), self.keys, self.settings, principal, self.clock)

    @property
    def accounts(self) -> Accounts:
        """Signing in by password, in the mode with built-in accounts."""
        return Accounts(self.engine, self.clock)

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Where people may sign in besides here, if anywhere."""
        return self.supabase.accounts if self.supabase else self.oidc

    def sign_in(self, email: str, password: str, address: str) -> str:
        """Return a new session's token; raises SignInRefused or TooManyAttempts with the sentence to show."""
        accounts = self.supabase.accounts if self.supabase else self.accounts
        return accounts.sign_in(email, password, address)

    def sign_out(self, token: str, *, everywhere: bool = False) -> None:
        """End a session, or all of its person's."""
        if self.supabase:
            self.supabase.accounts.sign_out(token, everywhere=everywhere)
        elif everywhere and (person := self.sessions.principal(token)) is not None:
            self.sessions.end_all(person.user_id)
        else:
            self.sessions.end(token)

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        return Sessions(self.engine, self.clock)

    def principal(self, token: str | None) -> Principal | None:
        """Return who asks, by the session's token; None when nobody is signed in. The embedded mode has one person, signed in always."""
        return LOCAL_ADMIN if self.settings.mode == "embedded" else self.sessions.principal(token)

    def people(self, principal: Principal) -> People:
        """Return the team's people for an admin to see and change; raises NotAllowed for anybody else."""
        require(principal, Role.ADMIN)
        if self.settings.mode == "embedded":
            raise SettingsError(
                "The embedded mode has no accounts: it serves the person at this machine. Set DATABASE_URL for a team to sign in."
            )
        return self.supabase.people() if self.supabase else People(self.engine, self.clock)

    @property
    def reach(self) -> Reach:
        """What opens adapters, with the bounds on where their calls go."""
        return Reach.of(self.settings)

    def revision(self) -> str:
        """Return a string that changes when any model, provider, price or key does, in whichever process."""
        return self.registry(_SYSTEM).revision()

    def chat(self, principal: Principal, call: ChatCall) -> Generator[Item, None, None]:
        """Return a model's answer as a stream of events, attempts and notices, the final attempt last.

        Raises at once, before anything is sent, UnknownModel, ModelNotUsable, InvalidValue (a parameter the model
        does not take), KeyRequired or WrongEncryptionKey; while iterating StoreUnavailable and ProviderError.
        Closing the generator stops the provider and records the attempt as cancelled.
        """
        return self.router.stream(self._routed(principal, call))

    def chat_with_tools(
        self, principal: Principal, call: ChatCall, toolbox: Toolbox, *, rounds: int = tools.ROUNDS
    ) -> Generator[ToolItem, None, None]:
        """Return an answer that may take registered tools, round after round, as a stream with ToolsDone last.

        Each round is a request of its own in the ledger. Raises what ``chat`` raises.
        """
        return tools.run(self.router, self._routed(principal, call), toolbox, rounds=rounds)

    def complete(self, principal: Principal, call: ChatCall) -> Routed:
        """Return a model's whole answer and its attempts; raises what ``chat`` raises."""
        return self.router.complete(self._routed(principal, call))

    def test_key(self, principal: Principal, provider: Provider, api_key: str, base_url: str | None = None) -> TestResult:
        """Make one small real call with exactly this key, which is not stored, and say how it went."""
        holder_of(principal, provider)
        models = [model for model in self.registry(principal).models(provider=provider.slug) if model.provider.id == provider.id]
        return try_key(self.ledger, self.reach, principal, provider, models, api_key, base_url)

    def set_key(self, principal: Principal, provider: Provider, api_key: str, *, tested: bool = False) -> KeyStatus:
        """Store a provider's key, everyone's or of one's own its owner's; its models are usable from the next call on."""
        holder, tested_at = holder_of(principal, provider), self.clock() if tested else None
        self.keys.set_key(provider, api_key, self.actor(principal), holder=holder, tested_at=tested_at)
        return self.keys.status(provider)

    def connect(self, principal: Principal, provider: Provider, api_key: str, *, base_url: str | None, tested: bool) -> Provider:
        """Set where a provider is reached and, unless empty, its key, and return it; None keeps the address.

        When the key is refused the address stays as it was, since the key stored before is bound to it.
        """
        registry, before = self.registry(principal), provider.own_base_url
        moves = base_url is not None and base_url != provider.base_url
        if moves:
            provider = registry.set_provider(provider, base_url=base_url or None)
        try:
            if api_key:
                self.set_key(principal, provider, api_key, tested=tested)
        except ModeldeckError:
            if moves:
                registry.set_provider(provider, base_url=before)
            raise
        return registry.provider(provider)

    def remove_key(self, principal: Principal, provider: Provider) -> KeyStatus:
        """Forget a provider's stored key; one from the environment counts again."""
        self.keys.remove_key(provider, self.actor(principal), holder=holder_of(principal, provider))
        return self.keys.status(provider)

    def preference(self, principal: Principal, name: str) -> Any:
        """Return what this principal's profile remembers under a name; None when nothing."""
        rows = self.store(principal).select(_PROFILES, columns=("preferences",), where={"user_id": principal.user_id})
        return rows[0]["preferences"].get(name) if rows else None

    def set_preference(self, principal: Principal, name: str, value: Any) -> None:
        """Remember a JSON value under a name in this principal's profile."""
        store = self.store(principal)
        rows = store.select(_PROFILES, columns=("preferences", "version"), where={"user_id": principal.user_id})
        if rows:
            kept = {**rows[0]["preferences"], name: value}
            store.update(_PROFILES, {"preferences": kept}, where={"user_id": principal.user_id})
        else:
            profile = {"user_id": principal.user_id, "display_name": principal.name, "role": str(principal.role)}
            store.insert(_PROFILES, [{**profile, "preferences": {name: value}}])

    def hints(self, principal: Principal) -> HintDesk:
        """Return what this principal may do about what the router has learned."""
        hints = Compatibility(self.engine, clock=self.clock)
        return HintDesk(hints, self.recovery, self.registry(principal), self.keys, principal, self.actor(principal))

    def has_sample(self) -> bool:
        """Whether there is sample data, a part of it included."""
        return sample.has_sample(self.engine)

    def load_sample(self, principal: Principal, calls: int, days: int, seed: int, progress: sample.Progress | None = None) -> sample.Loaded:
        """Put so many made-up calls over the last days in place of any sample data; real calls go on meanwhile.

        The same seed at the same moment brings the same calls. Raises InvalidValue for numbers out of bounds.
        """
        require(principal, Role.ADMIN)
        loaded = sample.load(self._sample_desk(principal), calls, days, seed, progress or sample.unseen)
        _fold(self.engine, self.ledger.instance_id)
        return loaded

    def clear_sample(self, principal: Principal, progress: sample.Progress | None = None) -> sample.Cleared:
        """Take all sample data away, what was loaded in part included, and nothing else."""
        require(principal, Role.ADMIN)
        cleared = sample.clear(self._sample_desk(principal), progress or sample.unseen)
        _fold(self.engine, self.ledger.instance_id)
        return cleared

    def health(self) -> dict[str, Any]:
        """Return mode, schema state, version and how many finished calls wait to be saved; raises StoreUnavailable."""
        return {
            "mode": self.settings.mode,
            "schema": check(self.engine).state,
            "version": __version__,
            "unsaved_calls": self.ledger.unsaved,
        }

    def close(self) -> None:
        """Stop the heartbeat and the probes, sign this process off and let go of every connection."""
        self.recovery.stop()
        self.probes.stop(_PATIENCE_S)
        self.heartbeat.stop()
        try:
            self.ledger.stop()
        except ModeldeckError as error:
            get_logger("services").error("ledger.not_stopped", error=str(error), unsaved=self.ledger.unsaved)
        close_shared_client()
        if self.supabase:
            self.supabase.close()
        if self.oidc:
            self.oidc.close()
        self.engine.dispose()
        self.analytics_engine.dispose()

    def _sample_desk(self, principal: Principal) -> sample.Desk:
        return sample.Desk(self.engine, self._server_store(principal), self.actor(principal), self.clock)

    def _server_store(self, principal: Principal) -> Store:
        """Return the tables under the server's own role, for whom the checks of services are all there is."""
        return SqlStore(self.engine, Actor(principal.name, principal.user_id or None, self.origin), clock=self.clock)

    def actor(self, principal: Principal) -> Actor:
        """Return a principal as the audit log names them."""
        return Actor(principal.name, principal.user_id, self.origin)

    def _routed(self, principal: Principal, call: ChatCall) -> RoutedCall:
        if self.settings.require_subscription:
            require_subscription(self.engine, principal, self.clock())
        model, why = self._model(principal, call.model)
        if model.why_not is not None:
            paste = where_to_paste(principal, model)
            raise ModelNotUsable(f"{model.display_name} cannot be used. {model.why_not}. {paste}".rstrip(), needs_key=bool(paste))
        check_call(model, call)
        key = self.keys.resolve(model.provider, model, principal.user_id)
        asked = candidate_of(model, key.api_key, key.scope, why=why)
        if not model.fallbacks or call.source in ("test", "probe"):  # those are about this very model
            return routed_call(principal, call, (asked,))
        others, unusable = fallbacks(self.registry(principal), self.keys, principal, model, call)
        return routed_call(principal, call, (asked, *others), unusable)

    def _model(self, principal: Principal, ref: str | int | None) -> tuple[Model, str]:
        registry = self.registry(principal)
        if ref is not None:
            return registry.get(ref), "asked for"
        model = registry.default()
        if model is None:
            raise ModelNotUsable("No model is usable yet. Add a provider key, then switch a model on.")
        return model, "default"


def open_services(settings: Settings, *, clock: Callable[[], datetime] = utc_now, origin: str = "page") -> Services:
    """Open the database and build everything on it; an empty registry is filled with the built-in models.

    ``origin`` names in the audit log where changes come from: page, cli, api or job. Raises StoreUnavailable with the
    sentence to show when the database cannot be used.
    """
    engine = open_database(settings)
    try:
        analytics_engine = open_analytics(settings, engine, origin=origin)
        keys = KeyRing(engine, settings, clock)
        ledger = Ledger(engine, instance_id=str(uuid4()), clock=clock)
        router = Router(ledger, SqlHints(engine, learning=settings.learn_from_failures, clock=clock), Reach.of(settings).candidate)
        chores: list[Callable[[], object]] = [ledger.heartbeat, ledger.mark_interrupted]
        if engine.dialect.name == "postgresql":
            chores.append(partial(_fold, engine, ledger.instance_id))
        recovery = Recovery(
            engine,
            router,
            preparer(lambda: services.registry(_SYSTEM), keys, _SYSTEM),
            budget_nano=int(settings.probe_budget_usd * NANO_PER_USD),
            clock=clock,
        )
        # On a thread of its own: a slow probe must not make this process look dead.
        probes = Heartbeat([recovery.run], interval=LOOK_EVERY_S)
        beat = Heartbeat(chores)
        supabase = open_supabase(settings, engine, keys, clock) if settings.mode == "supabase" else None
        analytics, oidc = remembering(analytics_engine), open_oidc(settings, engine, keys, clock)
        services = Services(settings, engine, analytics, keys, ledger, router, beat, recovery, probes, clock, origin, supabase, oidc)
        _seed_when_empty(services)
        ledger.register(__version__)
        ledger.mark_interrupted()
    except BaseException:
        engine.dispose()
        raise
    services.heartbeat.start()
    if settings.learn_from_failures and origin != "cli":  # a command is too short-lived to look after others
        services.probes.start()
    return services


def _fold(engine: Engine, owner: str) -> None:
    while fold_once(engine, owner) >= BATCH:
        pass  # more is waiting than one batch takes


def _seed_when_empty(services: Services) -> None:
    if not services.store(_SYSTEM).count("llm_models"):  # Supabase's seed.sql brings providers alone
        result = services.registry(_SYSTEM).seed()
        get_logger("services").info("registry.seeded", models=len(result.added))
