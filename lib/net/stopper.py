"""Stopping, from any thread, what another thread is doing on the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from lib.errors import Cancelled


class Stoppable(Protocol):
    """Something that waits for the network."""

    def hang_up(self) -> None: ...


_current: ContextVar[Stopper | None] = ContextVar("stopper", default=None)


class Stopper:
    """Ends what runs inside ``applied()``: exchanges are hung up at once, and further ones raise Cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._running: set[Stoppable] = set()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Hang up on everything under way; from any thread, any number of times."""
        with self._lock:
            self._stopped.set()
            running = tuple(self._running)
        for exchange in running:
            exchange.hang_up()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let this stopper end what the calling thread does on the network inside the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def add(self, exchange: Stoppable) -> None:
        """Take an exchange that begins; raise Cancelled when it is too late for it."""
        with self._lock:
            if not self.stopped:
                self._running.add(exchange)
                return
        raise Cancelled

    def remove(self, exchange: Stoppable) -> None:
        """Forget an exchange that has ended."""
        with self._lock:
            self._running.discard(exchange)

    def wait(self, seconds: float) -> None:
        """Pass the time; raise Cancelled as soon as it is stopped."""
        if self._stopped.wait(seconds):
            raise Cancelled


def current() -> Stopper | None:
    """Return the stopper that applies to the calling thread's work."""
    return _current.get()


def pause(seconds: float) -> None:
    """Sleep; raise Cancelled when the stopper that applies here is used meanwhile."""
    stopper = _current.get()
    if stopper is None:
        time.sleep(seconds)
    else:
        stopper.wait(seconds)
