"""Opening a connection: names looked up once, addresses tried in turn, and a way to stop waiting for either."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import httpcore

from lib.net.exchange import Exchange

Connect = Callable[[str, float | None], httpcore.NetworkStream]
"""Connects to one address within seconds."""


def connect_any(addresses: Sequence[str], connect: Connect, timeout: float | None) -> httpcore.NetworkStream:
    """Return a connection to the first address that takes one; each gets its share of the seconds that are left."""
    ends = None if timeout is None else time.monotonic() + timeout
    last: Exception = httpcore.ConnectError("the name leads to no address")
    for place, address in enumerate(addresses):
        share = None if ends is None else max(ends - time.monotonic(), 0.001) / (len(addresses) - place)
        try:
            return connect(address, share)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            last = error
    raise last


class Dialing:
    """A connection on its way, made on a thread of its own: neither a lookup nor a handshake can be broken off, but left."""

    def __init__(self, dial: Callable[[], httpcore.NetworkStream]) -> None:
        self._dial = dial
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._left = False
        self._stream: httpcore.NetworkStream | None = None
        self._error: BaseException | None = None

    def hang_up(self, exchange: Exchange) -> None:
        """Let whoever waits for the connection go."""
        self._over.set()

    def wait(self, seconds: float | None) -> httpcore.NetworkStream:
        """Return the connection; raise what kept it from being made, or ConnectTimeout after so many seconds."""
        threading.Thread(target=self._run, name="dialing", daemon=True).start()
        in_time = self._over.wait(seconds)
        with self._lock:
            self._left = True
            stream, error = self._stream, self._error
        if stream is not None:
            return stream
        if error is not None:
            raise error
        raise httpcore.ConnectError("hung up") if in_time else httpcore.ConnectTimeout("no connection in time")

    def _run(self) -> None:
        try:
            stream = self._dial()
        except BaseException as error:
            self._error = error
        else:
            with self._lock:
                left = self._left
                if not left:
                    self._stream = stream
            if left:
                stream.close()  # nobody waits for it any more
        self._over.set()
