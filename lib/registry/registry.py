"""The Registry: what an admin changes about providers and models, on top of what everyone reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from lib.access import Principal, Role, require
from lib.credentials import Holder, KeyRing
from lib.errors import InvalidValue, StaleVersion, UnknownModel
from lib.pricing import Price, price_history
from lib.pricing import catalogue as price_catalogue
from lib.pricing.prices import adding, check_price
from lib.providers.catalog import KINDS
from lib.registry import bulk, lifecycle, seeding, transfer, transfer_plan, transfer_write
from lib.registry.builtin_models import FIRST_DEMO_ORDER
from lib.registry.builtin_providers import catalogue_reference
from lib.registry.bulk import BulkChange, BulkPlan, BulkUndo
from lib.registry.checks import model_values, provider_values
from lib.registry.lifecycle import Dependents
from lib.registry.reader import MODELS, PROVIDERS, REAL, Reader
from lib.registry.transfer_plan import ImportPlan, ImportResult
from lib.registry.transfer_write import ImportUndo
from lib.registry.values import Model, Provider
from lib.settings import Settings
from lib.store.base import Actor, Change, Store, Update
from lib.store.sql import utc_now

_GONE = "This model is not here any more. Reload to see the current list."


class Registry(Reader):
    """Providers and models for one principal.

    What belongs to everyone is changed by admins, and raises NotAllowed for others; what belongs to one person, by them:
    to everybody else it is as good as absent. A change given the ``version`` that was read is refused with
    StaleVersion when somebody else changed the row since.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        settings: Settings,
        principal: Principal,
        clock: Callable[[], datetime] = utc_now,
        catalogue: seeding.Catalogue = price_catalogue.read,
    ) -> None:
        super().__init__(store, keys, settings, principal, clock)
        self._catalogue = catalogue

    def set_active(self, ids: Iterable[int], active: bool) -> int:
        """Switch models on or off in one transaction and return how many changed; everything else about them stays."""
        wanted = self._present(ids)
        changed = self._store.update(MODELS, {"is_active": active}, where={"id": wanted, "is_active": not active}) if wanted else []
        return len(changed)

    def set_default(self, model_id: int | None, *, own: bool = False) -> None:
        """Make a model everyone's default, or its owner's; with None leave it to everyone's or the first usable one.

        ``own`` says whose default None takes back.
        """
        if model_id is None:
            owner = self._owner(own)
        else:
            self._present([model_id])
            owner = self.get(model_id).owner_id
        changes: list[Change] = [Update(MODELS, {"is_default": False}, {"is_default": True, "owner_id": owner})]
        if model_id is not None:
            changes.append(Update(MODELS, {"is_default": True}, {"id": model_id, "owner_id": owner}))
        self._store.apply(changes)

    def reorder(self, ids: Sequence[int]) -> None:
        """Show the given models in this order, in the places they have now among all others that belong to the same."""
        chosen = set(self._present(ids))
        everyones = self._store.select(MODELS, columns=("id",), where={"id": sorted(chosen), "owner_id": None}) if chosen else []
        if len(everyones) not in (0, len(chosen)):
            raise InvalidValue("Models of one's own and those of everyone are put in order apart.")
        where = {"owner_id": None if everyones else self._principal.user_id}
        rows = self._store.select(MODELS, columns=("id", "display_order"), where=where, order_by=("display_order", "id"))
        moved = iter(dict.fromkeys(ids))
        places: dict[int, int] = {}
        last = 0
        for row in rows:
            last = max(row["display_order"], last + 1)
            places[next(moved) if row["id"] in chosen else row["id"]] = last
        before = {row["id"]: row["display_order"] for row in rows}
        changes = [Update(MODELS, {"display_order": place}, {"id": i}) for i, place in places.items() if before[i] != place]
        if changes:
            self._store.apply(changes)

    def add_model(
        self,
        provider: str | Provider,
        upstream_id: str,
        *,
        own: bool = False,
        model_key: str | None = None,
        display_name: str | None = None,
        price: Price | None = None,
        **values: Any,
    ) -> Model:
        """Add a model of a provider for everyone, or with ``own`` for the principal alone, and return it.

        Its key is ``upstream_id`` unless given, or "provider-upstream id" where that is taken. Without a price the
        catalogue's is stored, if it knows the model.
        """
        belongs_to, of, now = self._owner(own), self.provider(provider), self._clock()
        if of.owner_id is not None and not own:
            raise InvalidValue(f"{of.display_name} is your own: its models can be yours alone, not everyone's.", field="provider")
        values.setdefault("priced_as", catalogue_reference(of.kind, upstream_id))
        key = model_key or self._free_key(of.slug, upstream_id, belongs_to)
        names = {"model_key": key, "display_name": display_name or upstream_id}
        row = model_values({"upstream_id": upstream_id, **names, **values})
        known = self._catalogue([row["priced_as"]], now).get(row["priced_as"]) if row["priced_as"] else None
        prices = [price] if price else [known.price, *known.upcoming] if known else []
        for each in prices:
            check_price(each)
        fields = {**row, "provider_id": of.id, "owner_id": belongs_to, "display_order": self._last_order(belongs_to) + 10}
        fields.setdefault("context_window", known.context_window if known else None)
        model_id = self._store.insert(MODELS, [fields])[0]["id"]
        if prices:
            self._store.apply([adding(model_id, each, each.valid_from or now, self._principal.name) for each in prices])
        return self.get(model_id)

    def update_model(self, model_id: int, *, version: int | None = None, **values: Any) -> Model:
        """Change some fields of a model and return it."""
        self._present([model_id])
        if not self._store.update(MODELS, model_values(values), where={"id": model_id}, version=version):
            raise UnknownModel(_GONE)
        return self.get(model_id)

    def duplicate_model(self, model_id: int) -> Model:
        """Add a copy of a model, switched off, right behind it, with its prices from now on and its own key, and return it."""
        self._present([model_id])
        model = self.get(model_id)
        copy_id = lifecycle.duplicate(self._store, model_id, self._clock(), self._principal.name)
        if model.key is not None and model.key.ready and (key := self._keys.resolve(model.provider, model).api_key) is not None:
            self._keys.set_key(model.provider, key.get_secret_value(), self._actor(), holder=Holder("model", model.owner_id, copy_id))
        return self.get(copy_id)

    def dependents(self, model_id: int) -> Dependents:
        """Return what refers to a model, to be named before it is deleted."""
        self._present([model_id])
        return lifecycle.dependents(self._store, self.get(model_id), self.models())

    def delete_model(self, model_id: int, *, version: int | None = None) -> None:
        """Remove a model and its prices, and take it out of the fallbacks of others; its calls stay in the log."""
        self._present([model_id])
        model = self.get(model_id)
        self._store.apply(lifecycle.deletion(model, self.models(), version))
        self._keys.remove_key(model.provider, self._actor(), holder=Holder("model", model.owner_id, model_id))

    def changeable(self, model_id: int) -> int:
        """Return the id of a model the principal may change; raise NotAllowed or, as if it were absent, UnknownModel."""
        return self._present([model_id])[0]

    def plan(self, ids: Sequence[int], change: BulkChange) -> BulkPlan:
        """Return what a change of several models would do to each; nothing is written."""
        self._present(ids)
        wanted = set(ids)
        return bulk.plan([model for model in self.models() if model.id in wanted], change)

    def apply(self, plan: BulkPlan) -> BulkUndo:
        """Carry out a plan in one transaction, and return what takes it back.

        Raises StaleVersion, with nothing written, when somebody changed one of its models since it was planned.
        """
        self._present([edit.model_id for edit in plan.edits])
        return bulk.carry_out(self._store, plan, self._clock(), self._principal.name)

    def undo(self, undo: BulkUndo) -> int:
        """Take a change of several models back, all or none, and return how many; a price becomes what it was, dated now.

        Raises StaleVersion when somebody changed one of them since.
        """
        self._present([edit.model_id for edit in undo.edits])
        return bulk.take_back(self._store, undo, self._clock(), self._principal.name)

    def set_price(self, model_id: int, price: Price, *, valid_from: datetime | None = None) -> None:
        """Add a price in force from a moment on (now unless given); earlier prices stay for earlier calls."""
        self._present([model_id])
        self._store.apply([adding(model_id, price, valid_from or self._clock(), self._principal.name)])

    def prices(self, model_id: int) -> list[Price]:
        """Return every price of a model, oldest first."""
        return price_history(self._store, model_id)

    def add_provider(self, slug: str, kind: str, *, own: bool = False, display_name: str | None = None, **values: Any) -> Provider:
        """Add a provider, such as another OpenAI-compatible server, for everyone or the principal alone, and return it."""
        owner = self._owner(own)
        if kind not in KINDS:
            raise InvalidValue(f"There is no kind of provider named {kind[:60]}; there are {', '.join(KINDS)}.", field="kind")
        row = provider_values({"slug": slug, "display_name": display_name or KINDS[kind].label, **values})
        if own and kind == "demo":
            raise InvalidValue("The demo is everyone's already.", field="kind")
        stored = self._store.insert(PROVIDERS, [{**row, "kind": kind, "owner_id": owner}])[0]
        return self._providers([stored])[0]

    def set_provider(self, ref: str | Provider, *, version: int | None = None, **values: Any) -> Provider:
        """Change a provider's display_name, base_url, settings or is_active and return it.

        A base URL that leads to another host, port or scheme makes stored keys ask to be pasted again.
        """
        provider = self._changeable(ref)
        if not self._store.update(PROVIDERS, provider_values(values), where={"id": provider.id}, version=version):
            raise StaleVersion("This provider is not here any more. Reload to see the current list.")
        return self.provider(provider)

    def delete_provider(self, ref: str | Provider) -> None:
        """Remove a provider that has no models, and every key for it with it; raise InvalidValue while it has some."""
        provider = self._changeable(ref)
        if count := self._store.count(MODELS, where={"provider_id": provider.id, "owner_id": provider.owner_id}):
            raise InvalidValue(f"{provider.display_name} still has {count} models; delete them or switch the provider off instead.")
        if self._store.count(MODELS, where={"provider_id": provider.id}):
            raise InvalidValue(f"People have models of their own at {provider.display_name}; switch the provider off instead.")
        self._store.delete(PROVIDERS, where={"id": provider.id})
        self._keys.remove_all(provider, self._actor())

    def known_price(self, kind: str, upstream_id: str) -> Price | None:
        """Return what the catalogue charges for a model of a kind of provider today; None when it knows none."""
        reference = catalogue_reference(kind, upstream_id)
        found = self._catalogue([reference], self._clock()).get(reference) if reference else None
        return found.price if found else None

    def seed(self) -> seeding.SeedResult:
        """Put back missing built-in providers, models and prices; nothing that is there is changed."""
        require(self._principal, Role.ADMIN)
        return seeding.seed(self._store, self._catalogue, self._clock(), self._principal.name)

    def export(self) -> dict[str, Any]:
        """Return everyone's providers and models with their present prices as JSON; no key is in it."""
        return transfer.export(*self._everyones(), self._clock())

    def import_(self, document: Any, *, dry_run: bool = False) -> ImportResult:
        """Add and update models from what ``export`` wrote, all or none; raise InvalidValue with every problem found."""
        plan = self.plan_import(transfer.Source(document))
        if not dry_run:
            self.carry_out_import(plan)
        return plan.result

    def plan_import(self, source: transfer.Source) -> ImportPlan:
        """Return what importing a file would do; raise InvalidValue, ImportRefused with every problem found. Nothing is written."""
        require(self._principal, Role.ADMIN)
        return transfer_plan.plan(source, *self._everyones(), self._clock())

    def carry_out_import(self, plan: ImportPlan) -> ImportUndo:
        """Write a planned import in one transaction and return what takes it back; raise StaleVersion as ``apply`` does."""
        require(self._principal, Role.ADMIN)
        return transfer_write.carry_out(self._store, plan, self._clock(), self._principal.name)

    def undo_import(self, undo: ImportUndo) -> int:
        """Take an import back, all or none, and return how many models it had touched; raise StaleVersion as ``undo`` does."""
        require(self._principal, Role.ADMIN)
        return transfer_write.take_back(self._store, undo, self._clock(), self._principal.name)

    def _present(self, ids: Iterable[int]) -> list[int]:
        """Return the ids once each; raise NotAllowed for who may not change them, UnknownModel when one is gone or another's."""
        wanted = sorted(set(ids))
        rows = self._store.select(MODELS, columns=("id", "owner_id"), where={"id": wanted, **REAL}) if wanted else []
        found = self._visible(rows)
        if not found or any(row["owner_id"] is None for row in found):
            require(self._principal, Role.ADMIN)
        if len(found) != len(wanted):
            raise UnknownModel(_GONE)
        return wanted

    def _changeable(self, ref: str | Provider) -> Provider:
        """Return a provider that the principal may change; raise NotFound for another's, NotAllowed for everyone's."""
        provider = self.provider(ref)
        if provider.owner_id is None:
            require(self._principal, Role.ADMIN)
        return provider

    def _owner(self, own: bool) -> str | None:
        """Return whose a new row is; raise NotAllowed for who may add none for everyone."""
        if not own:
            require(self._principal, Role.ADMIN)
            return None
        if not self._principal.user_id:
            raise InvalidValue("The server itself has no models of its own.")
        return self._principal.user_id

    def _everyones(self) -> tuple[list[Provider], list[Model]]:
        return [p for p in self.providers() if p.owner_id is None], [m for m in self.models() if m.owner_id is None]

    def _actor(self) -> Actor:
        return Actor(self._principal.name, self._principal.user_id or None)

    def _last_order(self, owner: str | None) -> int:
        """Return the greatest display order before the demo models, which stay last."""
        orders = (row["display_order"] for row in self._store.select(MODELS, columns=("display_order",), where={"owner_id": owner}))
        return max((order for order in orders if order < FIRST_DEMO_ORDER), default=0)

    def _free_key(self, slug: str, upstream_id: str, owner: str | None) -> str:
        taken = self._store.count(MODELS, where={"model_key": upstream_id, "owner_id": owner})
        return f"{slug}-{upstream_id}" if taken else upstream_id
