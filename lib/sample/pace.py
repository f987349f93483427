"""How much is written at once: little enough that a real call never waits long for the database."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

TARGET_S = 0.03
"""How long one transaction should take; SQLite lets nobody else write meanwhile."""

_FEWEST, _MOST = 10, 1_000


class Pace:
    """Times each transaction it is entered around, fits ``size`` to the target, and leaves room for others after it."""

    def __init__(self, sleep: Callable[[float], None], timer: Callable[[], float]) -> None:
        self._sleep = sleep
        self._timer = timer
        self._began = 0.0
        self.size = 100

    def __enter__(self) -> None:
        self._began = self._timer()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        took = self._timer() - self._began
        fitting = int(self.size * TARGET_S / took) if took > 0 else _MOST
        self.size = min(max(fitting, self.size // 2, _FEWEST), self.size * 2, _MOST)
        self._sleep(0.002)  # SQLite does not queue writers: one that waits tries again every few milliseconds
