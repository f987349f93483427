"""Compatibility hints: what each provider and model pair has been seen to do, and what follows for the next call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.engine import Connection, Engine, RowMapping

from lib.chat import Request
from lib.errors import TRANSIENT_KINDS, ErrorKind, ProviderError
from lib.logs import get_logger, redact
from lib.routing import memory
from lib.routing.cooldown import WORDS, cooldown
from lib.routing.learning import apply
from lib.routing.values import UNKNOWN, Adaptation, Candidate, Change, Lesson, Ranking, Skip
from lib.store.sql import utc_now
from lib.usage import Attempt

COUNTED: frozenset[ErrorKind] = frozenset({"model-incompatible", "unknown"})
"""Faults of the pair itself. Those that pass are noted but not counted; those of the caller or the key are neither."""

TOO_MANY = 5
"""Counted errors without a single success after which a pair is blacklisted."""

REASON = f"Too many errors ({TOO_MANY}) with no successes"

FIRST_PROBE = timedelta(minutes=30)
"""Time from blacklisting a pair to asking it again."""

_MESSAGE = 2_000
_NOTHING = Lesson()


class Hints(Protocol):
    """The router's memory."""

    def rank(self, candidates: tuple[Candidate, ...]) -> Ranking:
        """Return the candidates in the order to try them, and whom that puts back and why."""
        ...

    def adapt(self, request: Request, candidate: Candidate) -> Adaptation:
        """Return the request and endpoint as a ranked candidate is known to take them."""
        ...

    def learn(self, connection: Connection, attempt: Attempt, lesson: Lesson = _NOTHING) -> None:
        """Record how an attempt ended, inside the transaction that closes it."""
        ...


class NoHints:
    """No memory: candidates stay in order, requests as they are, and nothing is recorded."""

    def rank(self, candidates: tuple[Candidate, ...]) -> Ranking:
        return Ranking(candidates)

    def adapt(self, request: Request, candidate: Candidate) -> Adaptation:
        return Adaptation(request, candidate.endpoint)

    def learn(self, connection: Connection, attempt: Attempt, lesson: Lesson = _NOTHING) -> None:
        return


class SqlHints:
    """Hints in model_compatibility_hints, counted by the database so that parallel calls lose none.

    With ``learning`` off nothing is counted or learned; what is known already, an admin's decisions above all, holds.
    """

    def __init__(self, engine: Engine, *, learning: bool = True, clock: Callable[[], datetime] = utc_now, log: Any = None) -> None:
        self._engine = engine
        self._learning = learning
        self._clock = clock
        self._log = log or get_logger("hints")

    def rank(self, candidates: tuple[Candidate, ...]) -> Ranking:
        """Order by what is known: what is usable as given, then what cools down, then what is blacklisted.

        Never raises: without its memory the router goes on with the order as given.
        """
        now = self._clock()
        try:
            with self._engine.connect() as connection:
                known = memory.read(connection, list(dict.fromkeys(c.pair for c in candidates)), now)
        except Exception as error:  # whatever is wrong with the hints, the call goes on
            self._log.warning("hints.unavailable", error=redact(f"{type(error).__name__}: {error}"))
            return Ranking(candidates)
        if not known:
            return Ranking(candidates)
        return _ranked(tuple(replace(c, known=known.get(c.pair, UNKNOWN)) for c in candidates), now)

    def adapt(self, request: Request, candidate: Candidate) -> Adaptation:
        """Apply what was learned of a ranked candidate: its endpoint, and how it takes parameters."""
        known = candidate.known
        if known is UNKNOWN:
            return Adaptation(request, candidate.endpoint)
        endpoint = known.preferred or candidate.endpoint
        changed = request
        for change in known.changes:
            changed = apply(change, changed, endpoint)
        said = [f"endpoint {endpoint}"] if endpoint != candidate.endpoint else []
        said += ["parameters"] if changed is not request else []
        return Adaptation(changed, endpoint, f"learned {' and '.join(said)}" if said else None)

    def learn(self, connection: Connection, attempt: Attempt, lesson: Lesson = _NOTHING) -> None:
        now = self._clock()
        for skip in lesson.skips:
            if not skip.provider:
                continue  # a fallback that names no model here
            detail = {"kind": skip.kind, "reason": skip.reason, "wait_s": None if skip.wait is None else round(skip.wait, 1)}
            memory.note(connection, now, (skip.provider, skip.model_key), "skipped", detail, attempt.request_id)
        if not self._learning or attempt.alias is not None:
            return  # what is learned everybody reads, and a model of somebody's own is nobody else's business
        if attempt.status == "ok":
            self._success(connection, attempt, lesson, now)
        elif attempt.key_scope == "user":
            return  # it may be their key: a person's failures neither count against everyone's model nor let it rest
        elif attempt.error is not None and (attempt.error.kind in COUNTED | TRANSIENT_KINDS or not lesson.counts):
            self._failure(connection, attempt, attempt.error, lesson, now)

    def _success(self, connection: Connection, attempt: Attempt, lesson: Lesson, now: datetime) -> None:
        pair = (attempt.provider, attempt.model_key)
        row = memory.count_success(connection, pair, now)
        if row["success_count"] == 1:
            memory.note(connection, now, pair, "first_success", {"endpoint": attempt.endpoint}, attempt.request_id)
            self._say("first_success", attempt)
        if row["is_blacklisted"] and row["manual_state"] != "blacklisted":
            memory.change(connection, row["id"], is_blacklisted=False, blacklist_reason=None, next_probe_at=None, probe_failures=0)
            memory.note(connection, now, pair, "recovered", {"error_count": row["error_count"]}, attempt.request_id)
            self._say("recovered", attempt)
        if lesson.refused and attempt.endpoint is not None:
            self._learn_endpoint(connection, row, attempt, lesson.refused[-1], attempt.endpoint, now)
        for change in lesson.changes:
            self._learn_parameter(connection, row, attempt, change, now)

    def _failure(self, connection: Connection, attempt: Attempt, error: ProviderError, lesson: Lesson, now: datetime) -> None:
        pair = (attempt.provider, attempt.model_key)
        counted = lesson.counts and error.kind in COUNTED
        message = redact(str(error)).replace("\x00", "")[:_MESSAGE]
        row = memory.count_error(connection, pair, now, counted=counted, kind=error.kind, message=message)
        if counted:
            self._say("error_recorded", attempt, error_class=error.kind, error_count=row["error_count"])
        if counted and _is_hopeless(row):
            reason = {"is_blacklisted": True, "blacklist_reason": REASON}
            memory.change(connection, row["id"], **reason, next_probe_at=now + FIRST_PROBE, probe_failures=0)
            detail = {"reason": REASON, "error_count": row["error_count"], "error_class": error.kind, "message": message[:300]}
            memory.note(connection, now, pair, "blacklisted", detail, attempt.request_id)
            self._say("blacklisted", attempt, reason=REASON)
        if lesson.cools and error.kind in TRANSIENT_KINDS:
            self._cool(connection, row, attempt, error, now)

    def _cool(self, connection: Connection, row: RowMapping, attempt: Attempt, error: ProviderError, now: datetime) -> None:
        """Let a pair rest. Calls that fail together are one reason to, not several: only the longest rest counts."""
        cooling = row["cooldown_until"] is not None and row["cooldown_until"] > now
        before = row["cooldown_count"] - 1 if cooling else row["cooldown_count"]
        until = now + cooldown(error, max(before, 0))
        if cooling and until <= row["cooldown_until"]:
            return
        reason = WORDS[error.kind]
        memory.change(connection, row["id"], cooldown_until=until, cooldown_reason=reason, cooldown_count=max(before, 0) + 1)
        if not cooling:
            detail = {"reason": reason, "error_class": error.kind, "seconds": round((until - now).total_seconds(), 1)}
            memory.note(connection, now, (attempt.provider, attempt.model_key), "cooldown", detail, attempt.request_id)
            self._say("cooldown", attempt, reason=reason, seconds=detail["seconds"])

    def _learn_endpoint(self, connection: Connection, row: RowMapping, attempt: Attempt, refused: str, worked: str, now: datetime) -> None:
        before = memory.learned(connection, row["id"])
        after: dict[str, Any] = {
            "supported_endpoints": sorted({*before["supported_endpoints"], worked} - {refused}),
            "unsupported_endpoints": sorted({*before["unsupported_endpoints"], refused} - {worked}),
            "preferred_endpoint": worked,
        }
        if all(before[name] == value for name, value in after.items()):
            return
        memory.change(connection, row["id"], **after)
        detail = {"endpoint": worked, "instead_of": refused}
        memory.note(connection, now, (attempt.provider, attempt.model_key), "learned_endpoint", detail, attempt.request_id)
        self._say("learned_endpoint", attempt, endpoint=worked, instead_of=refused)

    def _learn_parameter(self, connection: Connection, row: RowMapping, attempt: Attempt, change: Change, now: datetime) -> None:
        known: Mapping[str, Any] = memory.learned(connection, row["id"])["learned_parameters"]
        before = known.get(change.name)
        if before is not None and (before.get("state") == "rejected" or _same(before, change)):
            return
        entry = {name: value for name, value in asdict(change).items() if name != "name"}
        entry["evidence"] = redact(change.evidence).replace("\x00", "")
        memory.change(
            connection, row["id"], learned_parameters={**known, change.name: {**entry, "at": now.isoformat(), "state": "learned"}}
        )
        detail = {"parameter": change.name, "action": change.action, "to": change.to, "evidence": entry["evidence"]}
        memory.note(connection, now, (attempt.provider, attempt.model_key), "learned_parameter", detail, attempt.request_id)
        self._say("learned_parameter", attempt, parameter=change.name, action=change.action, to=change.to)

    def _say(self, event: str, attempt: Attempt, **values: Any) -> None:
        self._log.info(f"hints.{event}", request_id=attempt.request_id, provider=attempt.provider, model=attempt.model_key, **values)


def _ranked(candidates: tuple[Candidate, ...], now: datetime) -> Ranking:
    groups: tuple[list[Candidate], ...] = ([], [], [])
    for candidate in candidates:
        groups[2 if candidate.known.blacklisted else 1 if candidate.known.cooling else 0].append(candidate)
    ordered = tuple(candidate for group in groups for candidate in group)
    skips = {place: skip for place, candidate in enumerate(ordered) if (skip := _skip(candidate, now)) is not None}
    return Ranking(ordered, skips)


def _skip(candidate: Candidate, now: datetime) -> Skip | None:
    known = candidate.known
    named = (candidate.told_as, candidate.model_key, candidate.model_name)
    if known.blacklisted is not None:
        return Skip(*named, "blacklisted", known.blacklisted)
    if known.cooling is not None and known.until is not None:
        return Skip(*named, "cooling", known.cooling, (known.until - now).total_seconds())
    return None


def _is_hopeless(row: RowMapping) -> bool:
    """Whether a pair is to be blacklisted now: not when it is already, has ever worked, or an admin decided about it."""
    free = not row["is_blacklisted"] and row["manual_state"] is None
    return bool(free and row["error_count"] >= TOO_MANY and row["success_count"] == 0)


def _same(before: Mapping[str, Any], change: Change) -> bool:
    return (before.get("action"), before.get("to"), before.get("endpoint")) == (change.action, change.to, change.endpoint)
