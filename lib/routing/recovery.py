"""Recovery: blacklisted pairs are asked again from time to time, once for all processes, within a budget."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.errors import Cancelled, ModeldeckError, ProviderError
from lib.logs import get_logger, redact
from lib.money import format_usd
from lib.net import Stopper
from lib.routing.compatibility import Pair, ensure, note
from lib.routing.router import RoutedCall, Router
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import hint_events
from lib.store.schema import model_compatibility_hints as hints
from lib.store.sql import utc_now
from lib.store.usage_tables import llm_usage_log as log_table
from lib.usage import Attempt

PROBE_WORDS = "Reply with the word OK."
PROBE_MAX_TOKENS = 512
"""Room for a model that reasons before it says a word; one that does not stops after a few tokens."""

LOOK_EVERY_S = 60.0
"""Seconds between two looks for pairs that are due; the first probe is due half an hour after the blacklisting."""
PER_RUN = 5
CLOSEST = timedelta(hours=1)
"""Least time between two probes of one pair, whatever happened to it in between."""
LONGEST = timedelta(hours=24)
LEASE = timedelta(minutes=10)
"""How long a pair stays taken when the process that probes it dies; longer than any probe can last."""
UNPRICED_NANO = 10_000_000
"""What a probe whose cost nobody knows (yet) counts for in the day's budget: a cent."""

_MESSAGE_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of one probe: ``sentence`` says it to people.

    Skipped means that nothing was sent: no key, model gone, budget spent, or another process is at it.
    """

    provider: str
    model: str
    outcome: Literal["ok", "failed", "skipped"]
    sentence: str
    request_id: str | None = None
    latency_ms: int | None = None
    cost_nano_usd: int | None = None
    next_probe_at: datetime | None = None


Prepare = Callable[[Pair], RoutedCall]
"""Puts the minimal call of a pair together; raises ModeldeckError, with the sentence to show, when it cannot be called."""


def delay(failures: int) -> timedelta:
    """Return how long to wait after so many failed probes in a row: an hour, doubled each time up to a day.

    >>> [delay(n).total_seconds() / 3600 for n in (1, 2, 3, 4, 5, 6, 400)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 24.0]
    """
    doublings = min(max(failures - 1, 0), 10)
    return min(CLOSEST * (1 << doublings), LONGEST)


class Recovery:
    """Makes probes: one real, minimal completion through the ordinary router and ledger, source "probe".

    That a success takes a pair off the blacklist is the hints' doing, as for any call. Safe from many threads and
    processes: who holds a pair's lease probes it.
    """

    def __init__(
        self,
        engine: Engine,
        router: Router,
        prepare: Prepare,
        *,
        budget_nano: int,
        clock: Callable[[], datetime] = utc_now,
        log: Any = None,
    ) -> None:
        self._engine = writing(engine)
        self._router = router
        self._prepare = prepare
        self._budget = budget_nano
        self._clock = clock
        self._log = log or get_logger("recovery")
        self._stopper = Stopper()
        self._over_budget_on: object = None

    def stop(self) -> None:
        """Begin no further probe, and hang up on the one on its way."""
        self._stopper.stop()

    def run(self) -> list[Probe]:
        """Probe the pairs that are due, at most ``PER_RUN`` of them; one that goes wrong keeps none of the others."""
        done = []
        for pair in self._due():
            if self._stopper.stopped:
                break
            if self._spent() >= self._budget:
                self._say_over_budget()
                done.append(self._skipped(pair, self._budget_sentence(), log=False))
                continue
            token = self._lease(pair, scheduled=True)
            if token is not None:
                done.append(self._take(pair, token, self._prepare, None))
        return done

    def probe(self, pair: Pair, prepare: Prepare | None = None, actor: str | None = None) -> Probe:
        """Probe one pair now, due or not; the day's budget holds for it too, and only one process does it at a time."""
        if self._spent() >= self._budget:
            return self._skipped(pair, self._budget_sentence())
        with store_faults(), self._engine.begin() as connection:
            ensure(connection, pair, self._clock())
        token = self._lease(pair, scheduled=False)
        if token is None:
            return self._skipped(pair, f"{pair} is being probed right now; look again in a moment.")
        return self._take(pair, token, prepare or self._prepare, actor)

    def _due(self) -> list[Pair]:
        query = sa.select(hints.c.provider, hints.c.model).where(*_is_due(self._clock()))
        with store_faults(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(hints.c.next_probe_at, hints.c.id).limit(PER_RUN))
            return [Pair(*row) for row in rows]

    def _lease(self, pair: Pair, *, scheduled: bool) -> str | None:
        """Take a pair for this probe alone; None when another has it. One UPDATE decides, whoever else tries."""
        token, now = str(uuid4()), self._clock()
        taken = (
            sa.update(hints)
            .where(*_of(pair), *(_is_due(now) if scheduled else [_is_free(now)]))
            .values(probe_lease_by=token, probe_lease_until=now + LEASE)
        )
        with store_faults(), self._engine.begin() as connection:
            return token if connection.execute(taken).rowcount == 1 else None

    def _take(self, pair: Pair, token: str, prepare: Prepare, actor: str | None) -> Probe:
        """Probe a pair under its lease, and give the lease back whatever happens."""
        try:
            call = prepare(pair)
        except ModeldeckError as error:
            return self._give_back(pair, token, self._skipped(pair, str(error)))
        try:
            probe = self._ask(pair, call)
        except ProviderError as error:  # before anything was sent: an address or key nobody could call with
            probe = Probe(pair.provider, pair.model, "failed", _message(error), call.request_id)
        except ModeldeckError as error:  # the database: nothing was sent
            return self._give_back(pair, token, self._skipped(pair, str(error)))
        except Exception as error:  # a defect of ours must neither stop the others nor come again each minute
            self._log.error("probe.defect", provider=pair.provider, model=pair.model, request_id=call.request_id, exc_info=error)
            probe = Probe(pair.provider, pair.model, "failed", f"Modeldeck failed ({type(error).__name__}).", call.request_id)
        return self._settle(pair, token, probe, actor)

    def _ask(self, pair: Pair, call: RoutedCall) -> Probe:
        self._log.info("probe.started", provider=pair.provider, model=pair.model, request_id=call.request_id)
        last: Attempt | None = None
        error: ProviderError | None = None
        try:
            with self._stopper.applied(), closing(self._router.stream(call)) as stream:
                for item in stream:
                    if isinstance(item, Attempt):
                        last = item
                    elif self._stopper.stopped:
                        raise Cancelled
        except Cancelled:
            return Probe(pair.provider, pair.model, "skipped", "The probe was broken off because Modeldeck stops.", call.request_id)
        except ProviderError as failure:
            if last is None:
                raise
            error = failure
        latency, cost = (None, None) if last is None else (last.latency_ms, last.cost_nano_usd)
        if error is not None:
            return Probe(pair.provider, pair.model, "failed", _message(error), call.request_id, latency, cost)
        return Probe(pair.provider, pair.model, "ok", f"{pair} answered.", call.request_id, latency, cost)

    def _settle(self, pair: Pair, token: str, probe: Probe, actor: str | None) -> Probe:
        """Write how a probe ended, and when the next one is due."""
        if probe.outcome == "skipped":
            return self._give_back(pair, token, probe)
        now = self._clock()
        with store_faults(), self._engine.begin() as connection:
            row = (
                connection.execute(sa.select(hints).where(*_of(pair), hints.c.probe_lease_by == token).with_for_update()).mappings().first()
            )
            failures = 0 if probe.outcome == "ok" else 1 + (row["probe_failures"] if row else 0)
            again = now + delay(failures)
            waits = row is not None and row["is_blacklisted"] and row["manual_state"] is None
            probe = replace(probe, next_probe_at=again if waits else None)
            if row is not None:
                values = {"probe_failures": failures if row["is_blacklisted"] else 0, "next_probe_at": again if waits else None}
                connection.execute(sa.update(hints).where(hints.c.id == row["id"]).values(**values, **_FREE))
            note(connection, now, pair, f"probe_{probe.outcome}", _detail(probe), actor=actor, request_id=probe.request_id)
        say = self._log.info if probe.outcome == "ok" else self._log.warning
        say(
            f"probe.{probe.outcome}",
            **{"provider": pair.provider, "model": pair.model, "request_id": probe.request_id, "latency_ms": probe.latency_ms},
            **({} if probe.outcome == "ok" else {"error": probe.sentence, "next_probe_at": str(probe.next_probe_at)}),
        )
        return probe

    def _give_back(self, pair: Pair, token: str, probe: Probe) -> Probe:
        """Free a pair that was not asked: nothing is known of it, but it is not looked at again within the hour."""
        again = self._clock() + CLOSEST
        later = sa.case((sa.and_(hints.c.is_blacklisted, hints.c.manual_state.is_(None)), _moment(again)), else_=hints.c.next_probe_at)
        with store_faults(), self._engine.begin() as connection:
            freed = sa.update(hints).where(*_of(pair), hints.c.probe_lease_by == token).values(next_probe_at=later, **_FREE)
            row = connection.execute(freed.returning(hints.c.next_probe_at)).first()
        return replace(probe, next_probe_at=row[0] if row else None)

    def _spent(self) -> int:
        """Return nano-dollars spent on probes since midnight UTC, those under way and unpriced counted at a cent each."""
        since = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        log = log_table.c
        refused = sa.and_(log.status == "error", log.ttft_ms.is_(None), log.usage_source == "none")
        each = sa.func.coalesce(log.cost_nano_usd, sa.case((refused, 0), else_=UNPRICED_NANO))
        query = sa.select(sa.func.coalesce(sa.func.sum(each), 0)).where(log.started_at >= since, log.source == "probe")
        with store_faults(), self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _skipped(self, pair: Pair, sentence: str, *, log: bool = True) -> Probe:
        if log:
            self._log.info("probe.skipped", provider=pair.provider, model=pair.model, because=sentence)
        return Probe(pair.provider, pair.model, "skipped", sentence)

    def _budget_sentence(self) -> str:
        if not self._budget:
            return "Probes are switched off: PROBE_BUDGET_USD is 0."
        return f"Today's {format_usd(self._budget)} for probes are spent; set PROBE_BUDGET_USD higher, or wait until midnight UTC."

    def _say_over_budget(self) -> None:
        """Log once a day that the budget is spent, not at each look."""
        today = self._clock().date()
        if self._over_budget_on != today:
            self._over_budget_on = today
            self._log.warning("probe.over_budget", because=self._budget_sentence())


_FREE = {"probe_lease_by": None, "probe_lease_until": None}


def _of(pair: Pair) -> list[sa.ColumnElement[bool]]:
    return [hints.c.provider == pair.provider, hints.c.model == pair.model]


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(hints.c.probe_lease_until.is_(None), hints.c.probe_lease_until <= now)


def _is_due(now: datetime) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a pair to probe: blacklisted by itself, due, free, not cooling down, and not probed within the hour."""
    probed = sa.exists().where(
        *(hint_events.c.provider == hints.c.provider, hint_events.c.model == hints.c.model),
        *(hint_events.c.at > now - CLOSEST, hint_events.c.event.in_(("probe_ok", "probe_failed"))),
    )
    return [
        hints.c.is_blacklisted,
        hints.c.manual_state.is_(None),  # what a person decided, a person takes back
        sa.or_(hints.c.next_probe_at.is_(None), hints.c.next_probe_at <= now),
        _is_free(now),
        sa.or_(hints.c.cooldown_until.is_(None), hints.c.cooldown_until <= now),
        sa.not_(probed),
    ]


def _moment(at: datetime) -> sa.ColumnElement[datetime]:
    return sa.bindparam(None, at, type_=hints.c.next_probe_at.type)


def _detail(probe: Probe) -> dict[str, Any]:
    detail: dict[str, Any] = {"latency_ms": probe.latency_ms, "cost_nano_usd": probe.cost_nano_usd}
    if probe.outcome == "failed":
        detail |= {"message": probe.sentence, "next_probe_at": probe.next_probe_at.isoformat() if probe.next_probe_at else None}
    return detail


def _message(error: ProviderError) -> str:
    return redact(str(error)).replace("\x00", "")[:_MESSAGE_LIMIT]
