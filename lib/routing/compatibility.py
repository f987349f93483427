"""What an admin decides about a provider and model pair, over what the router found out by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from lib.errors import InvalidValue, NotFound
from lib.logs import get_logger, redact
from lib.store.audit import append_audit, lock_audit
from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.schema import hint_events
from lib.store.schema import model_compatibility_hints as hints
from lib.store.sql import utc_now

_REASON_LIMIT = 500
_SHORTEST_AGE = timedelta(days=1)
_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}


class Pair(NamedTuple):
    """A model at a provider: the provider's slug and the model's key."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Hint:
    """What is noted of a pair now, as its row has it; endpoints are named without ``v1/``."""

    provider: str
    model: str
    supported_endpoints: Sequence[str]
    unsupported_endpoints: Sequence[str]
    preferred_endpoint: str | None
    learned_parameters: Mapping[str, Mapping[str, Any]]
    error_count: int
    success_count: int
    last_error_type: str | None
    last_error_message: str | None
    last_error_time: datetime | None
    last_success_time: datetime | None
    is_blacklisted: bool
    blacklist_reason: str | None
    manual_state: str | None
    cooldown_until: datetime | None
    cooldown_reason: str | None
    next_probe_at: datetime | None
    probe_failures: int

    @property
    def pair(self) -> Pair:
        """The provider and model it is about."""
        return Pair(self.provider, self.model)


_COLUMNS = tuple(f.name for f in fields(Hint))
Values = dict[str, Any]
Change = Callable[[Mapping[str, Any]], tuple[Values, Mapping[str, Any]]]
"""From a pair's row to the columns to set and the detail of the event."""


class Compatibility:
    """Changes hints on a person's word; each is an event on the pair's timeline and an entry of the audit log."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now, log: Any = None) -> None:
        self._engine = writing(engine)
        self._clock = clock
        self._log = log or get_logger("hints")

    def all(self) -> list[Hint]:
        """Return every hint, by provider and model."""
        with store_faults(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(*(hints.c[name] for name in _COLUMNS)).order_by(hints.c.provider, hints.c.model))
            return [Hint(*row) for row in rows]

    def blacklist(self, pair: Pair, reason: str, actor: Actor) -> None:
        """Keep the router from a pair until somebody takes it back: neither a success nor a probe does."""
        said = redact(" ".join(reason.replace("\x00", "").split()))[:_REASON_LIMIT]
        if not said:
            raise InvalidValue("Say why the model should not be used.", field="reason")

        def change(_: Mapping[str, Any]) -> tuple[Values, Mapping[str, Any]]:
            values = {"is_blacklisted": True, "blacklist_reason": said, "manual_state": "blacklisted", "next_probe_at": None}
            return values, {"reason": said}

        self._change(pair, "manually_blacklisted", actor, change, create=True)

    def unblacklist(self, pair: Pair, actor: Actor) -> None:
        """Let the router use a pair again, and count it as one that has worked: it is not blacklisted by itself any more."""

        def change(row: Mapping[str, Any]) -> tuple[Values, Mapping[str, Any]]:
            if not row["is_blacklisted"]:
                raise InvalidValue(f"{pair} is not blacklisted.")
            values = {
                **{"is_blacklisted": False, "blacklist_reason": None, "manual_state": "allowed"},
                **{"error_count": 0, "success_count": 1, "next_probe_at": None, "probe_failures": 0},
            }
            return values, {"reason": row["blacklist_reason"], "error_count": row["error_count"]}

        self._change(pair, "unblacklisted", actor, change)

    def prefer(self, pair: Pair, endpoint: str | None, actor: Actor, *, known: Iterable[str] | None = None) -> None:
        """Have a pair asked on one endpoint first; None leaves it to the provider's usual one.

        ``known`` are the endpoints that can be spoken with it; another is refused with InvalidValue.
        """
        name = None if endpoint is None else endpoint.strip().strip("/").removeprefix("v1/")
        if name is not None and known is not None and name not in set(known):
            raise InvalidValue(f"{pair} cannot be asked on {name[:60]!r}; it can on {', '.join(sorted(known))}.", field="endpoint")

        def change(row: Mapping[str, Any]) -> tuple[Values, Mapping[str, Any]]:
            values: Values = {"preferred_endpoint": name}
            if name in row["unsupported_endpoints"]:  # a person's word outranks what was learned
                values["unsupported_endpoints"] = [one for one in row["unsupported_endpoints"] if one != name]
            return values, {"endpoint": name, "before": row["preferred_endpoint"]}

        self._change(pair, "preferred_endpoint", actor, change, create=True)

    def accept_parameter(self, pair: Pair, name: str, actor: Actor) -> None:
        """Keep a learned change of a parameter for good."""
        self._judge(pair, name, "accepted", actor)

    def reject_parameter(self, pair: Pair, name: str, actor: Actor) -> None:
        """Switch a learned change of a parameter off: it is sent as asked, and not learned again."""
        self._judge(pair, name, "rejected", actor)

    def reset(self, pairs: Sequence[Pair] | None, actor: Actor) -> list[Pair]:
        """Forget everything noted of some pairs, or with None of all; return those there was something of. Events stay."""
        matches = [sa.true()] if pairs is None else [sa.and_(hints.c.provider == p.provider, hints.c.model == p.model) for p in pairs]
        return self._remove(sa.or_(sa.false(), *matches), "reset", actor)

    def cleanup(self, older_than: timedelta, actor: Actor) -> list[Pair]:
        """Remove the hints that ``removable`` names, and return their pairs."""
        now = self._clock()
        return self._remove(_stale(now, older_than), "cleaned_up", actor, keep=_holds_a_decision)

    def removable(self, older_than: timedelta) -> list[Pair]:
        """Return the pairs a cleanup would remove: nothing counted, last error longer ago, nothing a person decided."""
        with store_faults(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(hints).where(_stale(self._clock(), older_than)).order_by(hints.c.id)).mappings()
            return [Pair(row["provider"], row["model"]) for row in rows if not _holds_a_decision(dict(row))]

    def _judge(self, pair: Pair, name: str, state: str, actor: Actor) -> None:
        def change(row: Mapping[str, Any]) -> tuple[Values, Mapping[str, Any]]:
            learned = row["learned_parameters"].get(name)
            if learned is None:
                raise NotFound(f"Nothing was learned about the parameter {name[:60]!r} of {pair}.")
            values = {"learned_parameters": {**row["learned_parameters"], name: {**learned, "state": state}}}
            return values, {"parameter": name, "action": learned.get("action"), "to": learned.get("to"), "before": learned.get("state")}

        self._change(pair, f"parameter_{state}", actor, change)

    def _change(self, pair: Pair, event: str, actor: Actor, change: Change, *, create: bool = False) -> None:
        now = self._clock()
        with store_faults(), self._engine.begin() as connection:
            lock_audit(connection)  # before any row: taken later, two changes could wait for each other
            if create:
                ensure(connection, pair, now)
            row = _locked(connection, pair)
            if row is None:
                raise NotFound(f"Nothing is noted of {pair} yet.")
            values, detail = change(row)
            changed = sa.update(hints).where(hints.c.id == row["id"]).values(**values, updated_at=now).returning(hints)
            after = dict(connection.execute(changed).mappings().one())
            append_audit(connection, now, actor, f"{hints.name}.{event}", hints, row, after)
            note(connection, now, pair, event, detail, actor=actor.name)
        self._log.info(f"hints.{event}", provider=pair.provider, model=pair.model, actor=actor.name)

    def _remove(
        self, condition: sa.ColumnElement[bool], event: str, actor: Actor, *, keep: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> list[Pair]:
        now = self._clock()
        removed = []
        with store_faults(), self._engine.begin() as connection:
            lock_audit(connection)
            found = connection.execute(sa.select(hints).where(condition).order_by(hints.c.id).with_for_update()).mappings().all()
            for row in map(dict, found):
                if keep is not None and keep(row):
                    continue
                pair = Pair(row["provider"], row["model"])
                connection.execute(sa.delete(hints).where(hints.c.id == row["id"]))
                append_audit(connection, now, actor, f"{hints.name}.{event}", hints, row, None)
                detail = {name: row[name] for name in ("error_count", "success_count", "is_blacklisted", "blacklist_reason")}
                note(connection, now, pair, event, detail, actor=actor.name)
                removed.append(pair)
        for pair in removed:
            self._log.info(f"hints.{event}", provider=pair.provider, model=pair.model, actor=actor.name)
        return removed


def ensure(connection: Connection, pair: Pair, now: datetime) -> None:
    """Give a pair its row, unless it has one."""
    row = {"provider": pair.provider, "model": pair.model, "created_at": now, "updated_at": now}
    insert: Any = _DIALECTS[connection.dialect.name].insert(hints)
    connection.execute(insert.values(row).on_conflict_do_nothing(index_elements=["provider", "model"]))


def note(
    connection: Connection,
    at: datetime,
    pair: Pair,
    event: str,
    detail: Mapping[str, Any],
    *,
    actor: str | None = None,
    request_id: str | None = None,
) -> None:
    """Write one event of a pair's timeline."""
    row = {"at": at, "provider": pair.provider, "model": pair.model, "event": event, "detail": dict(detail)}
    connection.execute(sa.insert(hint_events).values(**row, actor=actor, request_id=request_id))


def _locked(connection: Connection, pair: Pair) -> dict[str, Any] | None:
    query = sa.select(hints).where(hints.c.provider == pair.provider, hints.c.model == pair.model).with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _stale(now: datetime, older_than: timedelta) -> sa.ColumnElement[bool]:
    """Return the condition of a hint that counts nothing and is old; its age is its last error's, else its own."""
    if older_than < _SHORTEST_AGE:
        raise InvalidValue("Hints younger than a day are not cleaned up; give a longer time.", field="older_than")
    try:
        before = now - older_than
    except OverflowError:
        raise InvalidValue("That is longer ago than any hint can be; give a shorter time.", field="older_than") from None
    chosen = sa.exists().where(
        *(hint_events.c.provider == hints.c.provider, hint_events.c.model == hints.c.model),
        *(hint_events.c.event == "preferred_endpoint", hint_events.c.actor.is_not(None)),
    )
    return sa.and_(
        hints.c.error_count == 0,
        hints.c.success_count == 0,
        sa.func.coalesce(hints.c.last_error_time, hints.c.updated_at) < sa.bindparam(None, before, type_=hints.c.updated_at.type),
        sa.or_(hints.c.last_success_time.is_(None), hints.c.last_success_time < before),
        sa.not_(hints.c.is_blacklisted),
        hints.c.manual_state.is_(None),
        sa.or_(hints.c.preferred_endpoint.is_(None), sa.not_(chosen)),
    )


def _holds_a_decision(row: Mapping[str, Any]) -> bool:
    return any(learned.get("state") in ("accepted", "rejected") for learned in row["learned_parameters"].values())
