"""Streams of events: bytes in, split anywhere, whole events out."""

from __future__ import annotations

from typing import ClassVar, Protocol

MAX_EVENT = 16 * 1024 * 1024
"""Bytes an unfinished event may grow to before the stream counts as broken."""


class Overflow(ValueError):
    """One event is larger than MAX_EVENT."""


class Framing(Protocol):
    """One way of writing events as bytes; ``accept`` is what it is asked for by, ``stray`` what was no event."""

    accept: ClassVar[str]
    lines: ClassVar[bool]
    """Whether every line is a document, so that a stream may call itself application/json."""
    stray: bytes

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Take the next bytes and return the events they complete."""
        ...

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Return the last event when the stream ended without its mark."""
        ...


class Decoder:
    r"""Split a byte stream into events: (name, data) pairs, the data still bytes.

    Lines may end in ``\n``, ``\r\n`` or ``\r``; comments and other fields are skipped; several data lines are
    joined by ``\n``. Characters are never cut: data is only handed out whole. ``stray`` keeps the first block
    that is no event at all but looks like a document, which is how gateways put an error into a stream.
    """

    accept: ClassVar[str] = "text/event-stream"
    lines: ClassVar[bool] = False

    def __init__(self) -> None:
        self.stray = b""
        self._rest = bytearray()
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Take the next bytes and return the events they complete; raise Overflow for one without an end."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._plain_newlines(chunk)
        if self._rest:  # only the new bytes are searched, so that a long event costs its length and not its square
            ended = b"\n\n" in chunk or (chunk[:1] == b"\n" and self._rest[-1:] == b"\n")
            self._rest += chunk
            if not ended:
                return _waiting(self._rest)
            chunk = bytes(self._rest)
        head, separator, rest = chunk.rpartition(b"\n\n")
        self._rest = bytearray(rest)
        if not separator:
            return _waiting(self._rest)
        events = []
        for block in head.split(b"\n\n"):
            if block[:6] == b"data: " and b"\n" not in block:  # how nearly every provider writes nearly every event
                events.append((b"", block[6:]))
            elif (event := self._event(block)) is not None:
                events.append(event)
        return events

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Return the last event when the stream ended without the blank line after it."""
        event = self._event(bytes(self._rest))
        self._rest = bytearray()
        return [] if event is None else [event]

    def _plain_newlines(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk[-1:] == b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _event(self, block: bytes) -> tuple[bytes, bytes] | None:
        name = b""
        data: list[bytes] = []
        for line in block.split(b"\n"):
            field, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
            elif not self.stray and line[:1] in (b"{", b"<", b"["):
                self.stray = block
        return (name, b"\n".join(data)) if data else None


def _waiting(rest: bytearray) -> list[tuple[bytes, bytes]]:
    """Return no events, as long as the one that has begun may still become one."""
    if len(rest) > MAX_EVENT:
        raise Overflow
    return []


class JsonLines:
    r"""Split a byte stream into lines, each one document; blank ones are skipped, and ``\r\n`` ends a line too."""

    accept: ClassVar[str] = "application/x-ndjson"
    lines: ClassVar[bool] = True

    def __init__(self) -> None:
        self.stray = b""
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Take the next bytes and return the lines they complete; raise Overflow for one without an end."""
        if self._rest:
            self._rest += chunk
            if b"\n" not in chunk:
                return _waiting(self._rest)
            chunk = bytes(self._rest)
        head, separator, rest = chunk.rpartition(b"\n")
        self._rest = bytearray(rest)
        if not separator:
            return _waiting(self._rest)
        return [event for line in head.split(b"\n") if (event := self._event(line.strip())) is not None]

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Return the last line when the stream ended without a line end."""
        event = self._event(bytes(self._rest).strip())
        self._rest = bytearray()
        return [] if event is None else [event]

    def _event(self, line: bytes) -> tuple[bytes, bytes] | None:
        return (b"", line) if line else None


class DataLines(JsonLines):
    """Split server-sent events written without blank lines between them: every ``data:`` line is an event."""

    accept: ClassVar[str] = "text/event-stream"
    lines: ClassVar[bool] = False

    def _event(self, line: bytes) -> tuple[bytes, bytes] | None:
        if not line.startswith(b"data:"):
            if not self.stray and line[:1] in (b"{", b"<", b"["):
                self.stray = line
            return None
        data = line[5:].strip()
        return (b"", b"[DONE]" if data in (b"done", b'"done"') else data) if data else None
