"""Answers worked out once and given again for as long as nothing is written to the database.

SQLite tells each connection whether another one has committed since it last asked. One connection that never writes is
kept for this alone, so an answer is given again only while it is exactly what the database would say.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.pool import PoolProxiedConnection

from lib.analytics.ranges import Range

P = ParamSpec("P")
R = TypeVar("R")

MOST_FIGURES = 30_000
"""How many rows of figures are kept in all, those least lately asked for leaving first: about 25 MB."""
_OPTION = "remembering"


def remembering(engine: Engine) -> Engine:
    """Return the engine for readers that ask the same again and again; the same engine on Postgres, which tells of no writes."""
    return engine.execution_options(**{_OPTION: _Memory(engine)}) if engine.dialect.name == "sqlite" else engine


def remembered(work: Callable[Concatenate[Engine, P], R]) -> Callable[Concatenate[Engine, P], R]:
    """Make a function of an engine and hashable arguments give an answer again, where the engine is a ``remembering`` one."""

    @wraps(work)
    def answer(engine: Engine, /, *args: P.args, **kwargs: P.kwargs) -> R:
        memory: _Memory | None = engine.get_execution_options().get(_OPTION)
        if memory is None:
            return work(engine, *args, **kwargs)
        asked = (work.__name__, *map(_settled, args), *((name, _settled(value)) for name, value in sorted(kwargs.items())))
        found: R = memory.answer(asked, lambda: work(engine, *args, **kwargs))
        return found

    return answer


class _Memory:
    """The answers of one database; safe between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._watch: PoolProxiedConnection | None = None
        self._revision: int | None = None
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._figures = 0
        sa.event.listen(engine, "engine_disposed", lambda _: self._close())

    def answer(self, asked: Hashable, work: Callable[[], Any]) -> Any:
        """Return what was answered since the last write, or what ``work`` says now."""
        with self._lock:
            revision = self._look()
            if asked in self._answers:
                self._answers.move_to_end(asked)
                return _own(self._answers[asked])
        found = work()
        with self._lock:
            if revision is not None and revision == self._revision and asked not in self._answers:
                self._keep(asked, _own(found))
        return found

    def _look(self) -> int | None:
        """Return the database's revision, forgetting what was answered before it; None where it cannot be read."""
        revision = None
        try:
            if self._watch is None:
                self._watch = self._engine.raw_connection()
                self._watch.detach()  # it is not one of the pool's any more
            revision = self._watch.cursor().execute("PRAGMA data_version").fetchone()[0]
        except Exception:  # whatever it is, the question itself will meet it and say so
            self._drop()
        if revision is None or revision != self._revision:
            self._forget()
        self._revision = revision
        return revision

    def _keep(self, asked: Hashable, found: Any) -> None:
        if (figures := _figures(found)) > MOST_FIGURES // 4:
            return
        self._answers[asked] = found
        self._figures += figures
        while self._figures > MOST_FIGURES:
            self._figures -= _figures(self._answers.popitem(last=False)[1])

    def _forget(self) -> None:
        self._answers.clear()
        self._figures = 0

    def _drop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            with suppress(Exception):
                watch.close()

    def _close(self) -> None:
        with self._lock:
            self._drop()
            self._forget()
            self._revision = None


def _settled(value: Any) -> Hashable:
    """Return what an argument comes to: a range means the same throughout the half-hour in which it is looked at."""
    hashable: Hashable = replace(value, now=value.slot) if isinstance(value, Range) else value
    return hashable


def _own(found: Any) -> Any:
    """Return the answer so that what is done to it does not change the one that is kept."""
    return found.copy() if isinstance(found, list | dict) else found


def _figures(found: Any) -> int:
    """Return how many rows of figures an answer holds."""
    lines = getattr(found, "lines", None)
    if lines is not None:
        return 1 + sum(len(line.values) for line in lines)
    return 1 + len(found) if isinstance(found, list | dict | tuple) else 1
