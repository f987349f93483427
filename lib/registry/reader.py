"""Reading the registry: rows joined with keys and prices, and models found by whatever name a person knows."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import NamedTuple

from lib.access import Principal
from lib.credentials import KeyOverview, KeyRing, KeyStatus, effective_base_url
from lib.errors import NotFound, UnknownModel
from lib.pricing import Price, prices_at
from lib.providers.catalog import KINDS
from lib.registry.values import SAMPLE, LoggedModel, Model, Provider
from lib.settings import Settings
from lib.store.base import Is, Row, Store, Where
from lib.usage import own_key

PROVIDERS, MODELS = "llm_providers", "llm_models"
_COLUMNS = (*(f.name for f in fields(Model) if f.name not in ("provider", "price", "key")), "provider_id")
_KIND_ORDER = {kind: place for place, kind in enumerate(KINDS)}
_LARGEST_ID = 2**63 - 1
REAL: Where = {"model_type": Is("ne", SAMPLE)}
"""Which models a person may know, call and change: not those of sample data."""


class _Ref(NamedTuple):
    """The columns of a provider row that decide about its key."""

    id: int
    slug: str
    kind: str
    display_name: str
    base_url: str | None
    owner_id: str | None


class _OwnedRef(NamedTuple):
    """The columns of a model row that decide about its own key."""

    id: int
    owner_id: str | None


class Reader:
    """The registry as one principal may see it: what belongs to everyone, and what is their own.

    Providers and models of sample data are not among them: they can be neither called nor changed, and only
    ``models(sample=True)`` tells of them.
    """

    def __init__(self, store: Store, keys: KeyRing, settings: Settings, principal: Principal, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._keys = keys
        self._settings = settings
        self._principal = principal
        self._clock = clock

    def providers(self) -> list[Provider]:
        """Return every provider, in display order, with the state of its key."""
        return self._providers(self._store.select(PROVIDERS, where={"kind": Is("ne", SAMPLE)}))

    def provider(self, ref: str | Provider) -> Provider:
        """Return one provider by slug, the principal's own before everyone's, or one as it is now; raise NotFound."""
        where = {"id": ref.id} if isinstance(ref, Provider) else {"slug": ref}
        found = self._providers(self._store.select(PROVIDERS, where={**where, "kind": Is("ne", SAMPLE)}))
        if not found:
            slug = ref.slug if isinstance(ref, Provider) else ref
            raise NotFound(f"There is no provider named {slug[:100]!r} here.")
        return min(found, key=lambda p: p.owner_id is None)

    def models(
        self,
        *,
        active: bool | None = None,
        usable: bool | None = None,
        hidden: bool | None = None,
        provider: str | None = None,
        capability: str | None = None,
        search: str | None = None,
        sample: bool = False,
    ) -> list[Model]:
        """Return the models that meet every given condition, in display order.

        ``provider`` is a slug; ``search`` holds words that must all occur in a model's names, whatever their case.
        ``sample`` asks for those of sample data, and for no others.
        """
        words = (search or "").casefold().split()
        where = {"is_active": True if usable else active, "hidden": hidden}
        rows = self._select({column: value for column, value in where.items() if value is not None}, sample=sample)
        return [
            model
            for model in self._models(rows)
            if (active is None or model.is_active == active)
            and (usable is None or model.usable == usable)
            and (provider is None or model.provider.slug == provider)
            and (capability is None or capability in model.capabilities)
            and all(word in _names(model) for word in words)
        ]

    def usable(self) -> list[Model]:
        """Return the models a person may pick, in order."""
        return pickable(self.models(usable=True, hidden=False))

    def logged(self) -> list[LoggedModel]:
        """Return the names of every model that calls may name, those of sample data too, in display order.

        Much less is read for it than for models, which every page of figures would pay for.
        """
        named = ("id", "display_name", "owner_id")
        providers = {row["id"]: row for row in self._visible(self._store.select(PROVIDERS, columns=(*named, "slug")))}
        rows = self._store.select(MODELS, columns=(*named, "model_key", "provider_id"), order_by=("display_order", "id"))
        return [
            LoggedModel(_logged_as(row, "model_key"), row["display_name"], _logged_as(at, "slug"), at["display_name"])
            for row in self._visible(rows)
            if (at := providers.get(row["provider_id"])) is not None
        ]

    def default(self) -> Model | None:
        """Return the model to use when none is named: the principal's default, else everyone's, else the first usable one.

        A default that is not usable at the moment is passed over; None when nothing is usable.
        """
        usable = self.models(usable=True)
        defaults = sorted((model for model in usable if model.is_default), key=lambda m: m.owner_id is None)
        return next(iter([*defaults, *(model for model in usable if not model.hidden)]), None)

    def get(self, ref: str | int, *, own: bool = True) -> Model:
        """Return the model that answers to an id, a key, "provider/upstream id", an upstream id or a display name.

        The first of these that matches anything decides, and the principal's own come before everyone's; with ``own``
        off only everyone's count. Raises UnknownModel when nothing matches, or several do.
        """
        text = str(ref).strip()
        for where in self._ways(text):
            rows = [row for row in self._visible(self._select(where)) if own or row["owner_id"] is None]
            theirs = [row for row in rows if row["owner_id"] is not None]
            rows = theirs if len(theirs) == 1 else rows
            if len(rows) > 1:
                candidates = ", ".join(sorted(row["model_key"] for row in rows))
                raise UnknownModel(f"{text[:100]!r} could be any of: {candidates}. Name one of them.")
            if rows:
                return self._models(rows)[0]
        raise UnknownModel(f"There is no model named {text[:100]!r} here." + self._hint(text))

    def revision(self) -> str:
        """Return a short string that changes whenever a model, provider, price or key changes, in whichever process."""
        state = hashlib.blake2b(digest_size=12)
        for table in (MODELS, PROVIDERS):
            rows = self._store.select(table, columns=("id", "version"), order_by=("id",))
            state.update(repr([(row["id"], row["version"]) for row in rows]).encode())
        newest = self._store.select("llm_model_prices", columns=("id",), order_by=("-id",), limit=1)
        state.update(repr((newest, self._keys.revision())).encode())
        return state.hexdigest()

    def _ways(self, text: str) -> Iterator[Where]:
        if text.isascii() and text.isdecimal() and int(text) <= _LARGEST_ID:
            yield {"id": int(text)}
        yield {"model_key": text}
        slug, slash, upstream_id = text.partition("/")
        if slash and upstream_id:
            owners = [row["id"] for row in self._visible(self._store.select(PROVIDERS, where={"slug": slug}))]
            if owners:
                yield {"provider_id": owners, "upstream_id": upstream_id}
        yield {"upstream_id": text}
        yield {"display_name": Is("ilike", _literally(text))}

    def _hint(self, text: str) -> str:
        keys = [row["model_key"] for row in self._visible(self._store.select(MODELS, columns=("model_key", "owner_id"), where=REAL))]
        near = difflib.get_close_matches(text, keys, n=1)
        return f" Did you mean {near[0]}?" if near else ""

    def _select(self, where: Where, *, sample: bool = False) -> list[Row]:
        kept = {"model_type": SAMPLE} if sample else REAL
        return self._store.select(MODELS, columns=_COLUMNS, where={**where, **kept}, order_by=("display_order", "id"))

    def _visible(self, rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if self._sees(row)]

    def _providers(self, rows: Iterable[Row]) -> list[Provider]:
        found, _ = self._with_keys(rows, [])
        return sorted(found, key=lambda p: (_KIND_ORDER.get(p.kind, len(_KIND_ORDER)), p.display_name.casefold(), p.id))

    def _with_keys(self, rows: Iterable[Row], models: Iterable[Row]) -> tuple[list[Provider], Mapping[int, KeyStatus]]:
        """Return the providers of some rows with the state of their keys, and that of the keys models have of their own."""
        refs = {
            row["id"]: _Ref(
                *(row["id"], row["slug"], row["kind"], row["display_name"]),
                effective_base_url(row["kind"], row["base_url"], row["owner_id"], self._settings),
                row["owner_id"],
            )
            for row in rows
            if self._sees(row)
        }
        mine = [(_OwnedRef(row["id"], row["owner_id"]), refs[row["provider_id"]]) for row in models if row["provider_id"] in refs]
        keys = self._keys.overview(refs.values(), mine, self._principal.user_id or None)
        found = [_provider(row, refs[row["id"]], keys) for row in rows if row["id"] in refs]
        return found, keys.models

    def _sees(self, row: Row) -> bool:
        return row["owner_id"] is None or row["owner_id"] == self._principal.user_id

    def _models(self, rows: Sequence[Row]) -> list[Model]:
        seen = self._visible(rows)
        if not seen:
            return []
        found, keys = self._with_keys(self._store.select(PROVIDERS, where={"id": sorted({row["provider_id"] for row in seen})}), seen)
        providers = {p.id: p for p in found}
        prices = prices_at(self._store, [row["id"] for row in seen], self._clock())
        return [_model(row, providers, prices, keys) for row in seen if row["provider_id"] in providers]


def pickable(models: Iterable[Model]) -> list[Model]:
    """Return those of some models that a person may pick: usable and not hidden, their own in place of everyone's of that key."""
    found = [model for model in models if model.usable and not model.hidden]
    own = {model.model_key for model in found if model.is_own}
    return [model for model in found if model.is_own or model.model_key not in own]


def _provider(row: Row, ref: _Ref, keys: KeyOverview) -> Provider:
    return Provider(
        id=row["id"],
        slug=row["slug"],
        kind=row["kind"],
        display_name=row["display_name"],
        base_url=ref.base_url,
        own_base_url=row["base_url"],
        settings=row["settings"],
        is_active=row["is_active"],
        owner_id=row["owner_id"],
        version=row["version"],
        key=keys.providers[row["id"]],
        own_key=keys.personal.get(row["id"]),
    )


def _model(row: Row, providers: Mapping[int, Provider], prices: Mapping[int, Price], keys: Mapping[int, KeyStatus]) -> Model:
    return Model(
        id=row["id"],
        model_key=row["model_key"],
        provider=providers[row["provider_id"]],
        upstream_id=row["upstream_id"],
        vendor=row["vendor"],
        priced_as=row["priced_as"],
        display_name=row["display_name"],
        model_type=row["model_type"],
        capabilities=frozenset(name for name, has in row["capabilities"].items() if has),
        context_window=row["context_window"],
        max_output_tokens=row["max_output_tokens"],
        defaults=row["defaults"],
        constraints=row["constraints"],
        settings=row["settings"],
        fallbacks=tuple(row["fallbacks"]),
        is_active=row["is_active"],
        is_available=row["is_available"],
        hidden=row["hidden"],
        is_default=row["is_default"],
        display_order=row["display_order"],
        owner_id=row["owner_id"],
        version=row["version"],
        price=prices.get(row["id"]),
        key=keys.get(row["id"]),
    )


def _logged_as(row: Row, key: str) -> str:
    """Return the key under which the log has a model or provider; of what is somebody's own it has only the number."""
    named: str = row[key] if row["owner_id"] is None else own_key(row["id"])
    return named


def _names(model: Model) -> str:
    parts = (model.display_name, model.model_key, model.upstream_id, model.vendor or "", model.provider.display_name, model.provider.slug)
    return "\n".join(parts).casefold()


def _literally(text: str) -> str:
    """Return a LIKE pattern that matches just this text."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return text
