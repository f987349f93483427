"""The thread that keeps a process known to be alive and does its small chores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from lib.errors import ModeldeckError
from lib.logs import get_logger
from lib.usage.ledger import INTERVAL_S

Chore = Callable[[], object]


class Heartbeat:
    """Runs every chore each ``interval`` seconds on a daemon thread until stopped.

    A chore that fails is logged once, when it begins to fail, and once more when it works again.
    """

    def __init__(self, chores: Sequence[Chore], *, interval: float = INTERVAL_S, log: Any = None) -> None:
        self._chores = tuple(chores)
        self._interval = interval
        self._log = log or get_logger("heartbeat")
        self._stopping = threading.Event()
        self._failing: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="modeldeck-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self, patience: float | None = None) -> None:
        """Ask the thread to end and wait until it has, at most ``patience`` seconds, or an interval."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._interval if patience is None else patience)

    def beat(self) -> None:
        """Run every chore once; the failure of one does not keep the others from running."""
        for number, chore in enumerate(self._chores):
            try:
                chore()
            except ModeldeckError as error:
                self._note(number, failed=str(error))
            except Exception as error:  # the thread must outlive a defect in a chore, and say so
                self._note(number, failed=f"{type(error).__name__} in a chore")
            else:
                self._note(number, failed=None)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.beat()

    def _note(self, number: int, *, failed: str | None) -> None:
        if failed is not None and number not in self._failing:
            self._failing.add(number)
            self._log.warning("heartbeat.failing", chore=number, error=failed)
        elif failed is None and number in self._failing:
            self._failing.discard(number)
            self._log.info("heartbeat.recovered", chore=number)
