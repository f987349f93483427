"""What the price check found, as it was noted, beside the prices stored now. Read, never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.analytics.memory import remembered
from lib.pricing import Price
from lib.pricing.catalogue import from_json, to_json
from lib.pricing.check import CheckRow, Subject, compare
from lib.pricing.logged import Effect, effect
from lib.pricing.prices import price_from_row
from lib.registry.values import SAMPLE
from lib.store.faults import store_faults
from lib.store.runs import Item, Run
from lib.store.schema import llm_model_prices, llm_models, sync_items, sync_runs

KIND, TARGET = "prices", "catalogue"
SPAN = timedelta(days=30)
"""The calls by which the effect of a price is judged."""
_UNKNOWN_NAMED = 200

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Found:
    """What the check says of one model, and what the price offered would have meant for the last 30 days' calls."""

    row: CheckRow
    effect: Effect


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The last check that worked, ``at`` its time, None while none did: and what of it is still open now.

    ``failure`` says why a later one did not work, and ``failed_at`` when that was. ``counts`` are models by state as the
    check found them, ``unknown`` names of those the catalogue does not know, the first 200.
    """

    at: datetime | None
    actor: str | None
    failed_at: datetime | None
    failure: str
    counts: Mapping[str, int]
    rows: tuple[Found, ...]
    unknown: tuple[str, ...]

    @property
    def differing(self) -> int:
        """How many models the catalogue has another price for, or will have."""
        return len(self.rows)


def last_check(engine: Engine, clock: Clock) -> LastCheck | None:
    """Return the last check that ended, its open rows compared with the prices stored now; None before the first."""
    return _last_check(engine, slot_of(clock), clock)


def noted(found: Sequence[tuple[CheckRow, Effect | None]]) -> tuple[dict[str, Any], list[Item]]:
    """Return a check's summary and items as they are kept: of each model that differs, what the catalogue says of it."""
    counts = Counter(row.state for row, _ in found)
    unknown = [row.subject.name for row, _ in found if row.state == "unknown"]
    waiting = sum(row.is_open for row, _ in found)
    summary = {
        "sentence": f"{len(found):,} prices were checked; {waiting:,} {'differs' if waiting == 1 else 'differ'} from the catalogue.",
        "counts": dict(counts),
        "unknown": unknown[:_UNKNOWN_NAMED],
    }
    items = [
        Item(
            row.subject.key,
            row.state,
            detail={"model_id": row.subject.model_id, "theirs": to_json(row.theirs), "effect": asdict(effect or Effect())},
        )
        for row, effect in found
        if row.is_open and row.theirs is not None
    ]
    return summary, items


def subjects(connection: Connection, now: datetime, ids: Iterable[int] | None = None) -> list[Subject]:
    """Return everyone's models, or some of them, with the prices they have now and will have."""
    models = llm_models.c
    query = sa.select(models.id, models.model_key, models.display_name, models.priced_as).where(
        models.owner_id.is_(None), models.model_type != SAMPLE, *([] if ids is None else [models.id.in_(list(ids))])
    )
    rows = connection.execute(query.order_by(models.display_order, models.id)).all()
    prices = llm_model_prices.c
    dated = sa.select(llm_model_prices).where(prices.model_id.in_([row.id for row in rows])).order_by(prices.valid_from, prices.id)
    present: dict[int, Any] = {}
    coming: dict[int, list[Price]] = {}
    for price in connection.execute(dated).mappings():
        if price["valid_from"] <= now:
            present[price["model_id"]] = price
        else:
            coming.setdefault(price["model_id"], []).append(price_from_row(dict(price)))
    return [
        Subject(
            row.id,
            row.model_key,
            row.display_name,
            row.priced_as,
            price_from_row(dict(present[row.id])) if row.id in present else None,
            tuple(coming.get(row.id, ())),
        )
        for row in rows
    ]


def effect_of(connection: Connection, row: CheckRow, now: datetime) -> Effect | None:
    """Return what the price a row offers would have meant for the last 30 days' calls; None when it offers none."""
    price = row.offered or next(iter(row.announced), None)
    return None if price is None else effect(connection, row.subject.model_id, row.subject.key, price, now - SPAN, now)


def versions(engine: Engine, ids: Iterable[int]) -> dict[int, int]:
    """Return the present version of some models."""
    query = sa.select(llm_models.c.id, llm_models.c.version).where(llm_models.c.id.in_(list(ids)))
    with store_faults(), engine.connect() as connection:
        return {model_id: version for model_id, version in connection.execute(query)}


def slot_of(clock: Clock) -> datetime:
    """Return the running half-hour: what is remembered is looked at anew at least that often, for dated prices come into force."""
    now = clock()
    return now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)


@remembered
def _last_check(engine: Engine, slot: datetime, clock: Clock) -> LastCheck | None:
    with store_faults(), engine.connect() as connection:
        failed = _ended(connection, "failed")
        worked = _ended(connection, "ok", "held")
        if failed is None and worked is None:
            return None
        items = connection.execute(sa.select(sync_items.c.detail).where(sync_items.c.run_id == worked.id)).scalars() if worked else ()
        known: dict[int, Any] = {item["model_id"]: item for item in items}
        now = clock()
        there = subjects(connection, now, known) if known else []
    rows = []
    for subject in there:
        item = known[subject.model_id]
        (row,) = compare([subject], {subject.reference or "": from_json(item["theirs"]).at(now)})
        if row.is_open:
            rows.append(Found(row, Effect(**item["effect"])))
    if failed is not None and worked is not None and failed.id < worked.id:
        failed = None
    summary = worked.summary if worked else {}
    return LastCheck(
        worked.finished_at if worked else None,
        worked.actor if worked else None,
        failed.finished_at if failed else None,
        failed.sentence if failed else "",
        dict(summary.get("counts", {})),
        tuple(sorted(rows, key=lambda f: (-abs(f.effect.change_nano), -f.effect.unpriced_nano, f.row.subject.name))),
        tuple(summary.get("unknown", ())),
    )


def _ended(connection: Connection, *statuses: str) -> Run | None:
    """Return the newest check that ended like this."""
    ended = sa.select(sync_runs).where(sync_runs.c.kind == KIND, sync_runs.c.target == TARGET, sync_runs.c.status.in_(statuses))
    row = connection.execute(ended.order_by(sync_runs.c.id.desc()).limit(1)).mappings().first()
    return Run(**row) if row else None
