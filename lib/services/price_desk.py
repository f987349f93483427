"""What an admin does about prices: check them against the catalogue, take what it says and take that back, price what has no price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Engine

from lib.access import Principal, Role, require
from lib.errors import ModeldeckError, StaleVersion
from lib.logs import get_logger
from lib.pricing import Price
from lib.pricing import catalogue as price_catalogue
from lib.pricing.check import NO_PRICE, CheckRow, compare, same_rates
from lib.pricing.logged import Effect
from lib.pricing.prices import adding
from lib.registry.seeding import Catalogue
from lib.services import price_queue
from lib.services import price_reading as reading
from lib.services.price_queue import Queue
from lib.services.price_reading import LastCheck
from lib.services.services import Services
from lib.store import runs
from lib.store.base import Actor, Change, Update
from lib.store.faults import store_faults
from lib.usage.backfill import Filled, Progress, fill_in, first_unpriced, unseen

_MODELS = "llm_models"
_CHANGED = "The price of {name} is no longer what this page showed. Look at it again, then decide."
_NO_CATALOGUE = "The price catalogue could not be read. Install Modeldeck's requirements again, then check once more."


@dataclass(frozen=True, slots=True)
class Taken:
    """Prices that were taken from the catalogue, and what takes them back.

    ``before`` are (model id, from when, the price that held); None as a date means at once. ``versions`` are the models'
    right after the change.
    """

    before: tuple[tuple[int, datetime | None, Price | None], ...]
    versions: Mapping[int, int]

    @property
    def models(self) -> int:
        """How many models it changed."""
        return len(self.versions)


@dataclass(frozen=True)
class PriceDesk:
    """Prices of everyone's models, under one principal's identity; changing any needs an admin."""

    services: Services
    principal: Principal
    catalogue: Catalogue = price_catalogue.read

    def unpriced(self) -> Queue:
        """Return the models with calls of the last 30 days that nobody can price, and those on without a price; needs an analyst."""
        require(self.principal, Role.ANALYST)
        return price_queue.unpriced(self._reader, self.services.clock)

    def without_price(self, keys: Iterable[str]) -> int:
        """Return how many of everyone's models with these keys have no price now; needs an admin."""
        require(self.principal, Role.ADMIN)
        return price_queue.without_price(self._reader, self.services.clock, keys)

    def last(self) -> LastCheck | None:
        """Return what the last check found, compared with the prices stored now; None before the first one."""
        require(self.principal, Role.ADMIN)
        return reading.last_check(self._reader, self.services.clock)

    def check(self) -> None:
        """Compare every model's price with the catalogue and note what was found; no price is changed.

        Raises ModeldeckError, having noted that too, when the catalogue cannot be read.
        """
        require(self.principal, Role.ADMIN)
        engine, clock = self.services.engine, self.services.clock
        run = runs.start(engine, reading.KIND, reading.TARGET, self.principal.name, clock())
        try:
            found = self._found(clock())
        except ModeldeckError as error:
            runs.finish(engine, run, "failed", {"sentence": str(error)}, clock())
            raise
        except Exception as error:  # whatever is wrong with the catalogue's package, the page goes on
            get_logger("prices").error("prices.not_checked", exc_info=error)
            runs.finish(engine, run, "failed", {"sentence": _NO_CATALOGUE}, clock())
            raise ModeldeckError(_NO_CATALOGUE) from error
        summary, items = reading.noted(found)
        runs.finish(engine, run, "held" if any(row.is_open for row, _ in found) else "ok", summary, clock(), items)

    def apply(self, rows: Sequence[CheckRow]) -> Taken:
        """Store the catalogue's prices of some rows that ``last`` returned, dated now or as announced, all or none.

        Raises StaleVersion, with nothing written, when one is not as it was shown any more.
        """
        require(self.principal, Role.ADMIN)
        wanted = {row.subject.model_id: row for row in rows if row.is_open}
        if not wanted:
            return Taken((), {})
        versions = reading.versions(self.services.engine, wanted)  # before the comparison: what changes after it is refused
        last = reading.last_check(self.services.engine, self.services.clock)
        now_found = {found.row.subject.model_id: found.row for found in last.rows} if last else {}
        for model_id, row in wanted.items():
            if now_found.get(model_id) != row:
                raise StaleVersion(_CHANGED.format(name=row.subject.name))
        now, changes = self.services.clock(), list[Change]()
        before: list[tuple[int, datetime | None, Price | None]] = []
        for model_id, row in wanted.items():
            if row.offered is not None:
                changes.append(adding(model_id, row.offered, now, self.principal.name))
                before.append((model_id, None, row.subject.price))
            for price in row.announced:
                moment = price.valid_from or now
                changes.append(adding(model_id, price, moment, self.principal.name))
                before.append((model_id, moment, row.subject.price_at(moment)))
        return Taken(tuple(before), self._write(changes, versions, now))

    def undo(self, taken: Taken) -> int:
        """Put back, dated now or as announced, what held before, all or none, and return how many models.

        Raises StaleVersion when one of them was changed since.
        """
        require(self.principal, Role.ADMIN)
        now = self.services.clock()
        self._write(
            [adding(model_id, price or NO_PRICE, moment or now, self.principal.name) for model_id, moment, price in taken.before],
            taken.versions,
            now,
        )
        return taken.models

    def set_price(self, model_id: int, price: Price, *, past: bool = False, progress: Progress = unseen) -> Filled | None:
        """Set a model's price from now on; with ``past`` also from its first unpriced call on, and price those calls.

        A call that has a cost keeps it. Returns what was priced, None without ``past``.
        """
        require(self.principal, Role.ADMIN)
        key, now = self.services.registry(self.principal).get(model_id).model_key, self.services.clock()
        first = first_unpriced(self.services.engine, model_id, key) if past else None
        history = self.services.registry(self.principal).prices(model_id)
        dates = []
        if first is not None and not _holds(history, first, price):
            dates.append(first)
        if not _holds(history, now, price) and (not dates or any(p.valid_from and first and first < p.valid_from <= now for p in history)):
            dates.append(now)
        if dates:
            self.services.store(self.principal).apply([adding(model_id, price, date, self.principal.name) for date in dates])
        return self.price_past(model_id, progress) if past else None

    def price_past(self, model_id: int, progress: Progress = unseen) -> Filled:
        """Give a model's unpriced calls the cost they have at the prices in force when they were made."""
        require(self.principal, Role.ADMIN)
        services = self.services
        key = services.registry(self.principal).get(model_id).model_key
        actor = Actor(self.principal.name, self.principal.user_id or None, services.origin)
        return fill_in(services.engine, model_id, key, actor, services.clock, progress)

    @property
    def _reader(self) -> Engine:
        """The engine that gives an answer again while nothing is written; not a copy of the database, which may lag behind."""
        return self.services.engine if self.services.settings.analytics_url else self.services.analytics_engine

    def _found(self, now: datetime) -> list[tuple[CheckRow, Effect | None]]:
        engine = self.services.engine
        with store_faults(), engine.connect() as connection:
            subjects = reading.subjects(connection, now)
        known = self.catalogue(sorted({s.reference for s in subjects if s.reference}), now)
        rows = compare(subjects, known)
        with store_faults(), engine.connect() as connection:
            return [(row, reading.effect_of(connection, row, now)) for row in rows]

    def _write(self, changes: Sequence[Change], versions: Mapping[int, int], now: datetime) -> dict[int, int]:
        """Write prices and touch their models, so that whoever read one of them before is told; return the new versions."""
        touched: Sequence[Change] = [Update(_MODELS, {"updated_at": now}, {"id": i}, version) for i, version in versions.items()]
        stored = self.services.store(self.principal).apply([*changes, *touched]) if versions else []
        return {row["id"]: row["version"] for rows in stored for row in rows if "model_key" in row}


def _holds(history: Sequence[Price], moment: datetime, price: Price) -> bool:
    """Whether calls of a moment are charged like this already."""
    there = next((p for p in reversed(history) if p.valid_from is not None and p.valid_from <= moment), None)
    return there is not None and same_rates(there, price)
