"""Connections that know which exchange they carry: httpcore's network backend with a deadline and a way to hang up."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

from lib.net.dialing import Dialing, connect_any
from lib.net.exchange import Exchange, hang_up
from lib.net.guard import Resolve, look_up

_PIECE = 256 * 1024
"""Bytes written at once: between two pieces it is seen whether time is up."""

_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[None]:
    """Let the connection that is opened or written to inside the block carry this exchange."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)


class Line(httpcore.NetworkStream):
    """One connection; each exchange takes it over with the first byte it sends."""

    def __init__(self, stream: httpcore.NetworkStream, exchange: Exchange | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._exchange: Exchange | None = None
        self._carry(exchange)

    def hang_up(self, exchange: Exchange) -> None:
        """Shut the connection down, unless it carries another exchange by now."""
        with self._lock:
            if self._exchange is exchange and (connection := self._stream.get_extra_info("socket")) is not None:
                hang_up(connection)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = self._exchange
        if exchange is not None:
            timeout = _within(exchange, timeout, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = _current.get()
        if exchange is not self._exchange:
            self._carry(exchange)
        if exchange is None:
            self._stream.write(buffer, timeout)
            return
        for start in range(0, len(buffer), _PIECE):
            piece = buffer if len(buffer) <= _PIECE else buffer[start : start + _PIECE]
            self._stream.write(piece, _within(exchange, timeout, httpcore.WriteTimeout))

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> Line:
        exchange = self._exchange
        if exchange is not None:
            timeout = _within(exchange, timeout, httpcore.ConnectTimeout)
        return Line(self._stream.start_tls(ssl_context, server_hostname, timeout), exchange)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _carry(self, exchange: Exchange | None) -> None:
        with self._lock:
            self._exchange = exchange
        if exchange is not None:
            exchange.over(self)


class Lines(httpcore.SyncBackend):
    """Opens connections as Lines, to addresses that ``look_up`` returns and to no others: it is asked once for each connection."""

    def __init__(self, look_up: Resolve = look_up) -> None:
        super().__init__()
        self._look_up = look_up

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Line:
        def connect(address: str, seconds: float | None) -> httpcore.NetworkStream:
            return self.connect_address(address, port, seconds, local_address, socket_options)

        def dial() -> httpcore.NetworkStream:
            try:
                addresses = self._look_up(host, port)
            except (OSError, UnicodeError) as error:
                raise httpcore.ConnectError(error) from error
            return connect_any(addresses, connect, timeout)

        exchange = _current.get()
        if exchange is None:
            return Line(dial(), None)
        timeout = _within(exchange, timeout, httpcore.ConnectTimeout)
        dialing = Dialing(dial)
        exchange.over(dialing)
        return Line(dialing.wait(timeout), exchange)

    def connect_address(
        self, address: str, port: int, timeout: float | None, local_address: str | None, socket_options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        """Connect to one address as it is."""
        return super().connect_tcp(address, port, timeout, local_address, socket_options)


def _within(exchange: Exchange, timeout: float | None, late: type[Exception]) -> float:
    """Return the timeout, shortened to what the exchange has left; raise ``late`` when that is nothing."""
    left = exchange.left
    if left <= 0:
        raise late("the exchange took too long")
    return left if timeout is None or left < timeout else timeout
