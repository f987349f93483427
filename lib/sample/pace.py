"""How much is written at once, and how often: so little that a real call never waits long for the database."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

TARGET_S = 0.02
"""How long one transaction should take; SQLite lets nobody else write meanwhile."""
GAP = 0.5
"""The pause between two transactions, as a part of the time the last one took.

SQLite does not queue writers: one that waits tries again every few milliseconds, and must meet a pause by chance.
"""

_FEWEST, _MOST = 10, 1_000


class Pace:
    """Entered around each transaction: fits ``size``, the rows of the next one, to the target, and keeps the pauses.

    ``alone`` says that nobody else can write during a transaction. Where others can, it may be longer, and needs no pause.
    """

    def __init__(self, sleep: Callable[[float], None], timer: Callable[[], float], *, alone: bool = True) -> None:
        self._sleep = sleep
        self._target_s, self._gap = (TARGET_S, GAP) if alone else (10 * TARGET_S, 0.0)
        self._timer = timer
        self._began = self._ended = timer()
        self.size = 100

    def __enter__(self) -> None:
        paused, due = self._timer() - self._ended, (self._ended - self._began) * self._gap
        if paused < due:
            self._sleep(due - paused)
        self._began = self._timer()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ended = self._timer()
        took = self._ended - self._began
        fitting = int(self.size * self._target_s / took) if took > 0 else _MOST
        self.size = min(max(fitting, self.size // 2, _FEWEST), self.size * 2, _MOST)
