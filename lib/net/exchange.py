"""One request and its answer: how long they may take, and the handle to hang up on them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from lib.errors import Cancelled
from lib.net import stopper

_patience: ContextVar[float | None] = ContextVar("patience", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let no exchange wait for bytes longer than so many seconds from now while the block runs; what it does later is its own."""
    until, outer = time.monotonic() + seconds, _patience.get()
    token = _patience.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _patience.reset(token)


class Line(Protocol):
    """A connection, as the exchange that uses it sees it."""

    def hang_up(self, exchange: Exchange) -> None: ...


class Exchange:
    """One exchange over the network, ``seconds`` long at most, however it is spun out.

    It belongs to the stopper that applies where it is made; raises Cancelled when that was used already.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.cancelled = False
        self._clock = clock
        self._ends = clock() + seconds
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._stopper = stopper.current()
        if self._stopper is not None:
            self._stopper.add(self)

    def over(self, line: Line) -> None:
        """Note the connection that carries this exchange; a cancelled one is hung up at once."""
        with self._lock:
            self._line = line
            cancelled = self.cancelled
        if cancelled:
            line.hang_up(self)

    def hang_up(self) -> None:
        """End the exchange from any thread: whoever waits for bytes stops waiting now."""
        with self._lock:
            self.cancelled = True
            line = self._line
        if line is not None:
            line.hang_up(self)

    def check(self) -> None:
        """Raise Cancelled when the exchange was hung up on here: what it looks like is not the other side's failure."""
        if self.cancelled:
            raise Cancelled

    def finish(self) -> None:
        """Let go of the connection, which may carry another exchange from now on."""
        with self._lock:
            self._line = None
        if self._stopper is not None:
            self._stopper.remove(self)

    def shorten(self, seconds: float) -> None:
        """Allow it so many more seconds at most."""
        self._ends = min(self._ends, self._clock() + seconds)

    @property
    def spun_out(self) -> bool:
        """Whether it has taken longer than any exchange may, whatever the patience of whoever waits for it."""
        return self._clock() >= self._ends

    @property
    def left(self) -> float:
        """Seconds left, negative when it has taken too long."""
        ends, patience = self._ends, _patience.get()
        return (ends if patience is None or patience > ends else patience) - self._clock()


def hang_up(connection: socket.socket) -> None:
    """Shut a socket down both ways, which wakes whoever waits on it; closing it stays their business."""
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # an SSLSocket's own would pull the encryption from under a reader
    except OSError:
        pass  # it is closed already
