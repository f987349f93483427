"""Server-sent events: bytes in, split anywhere, whole events out."""

from __future__ import annotations

MAX_EVENT = 16 * 1024 * 1024
"""Bytes an unfinished event may grow to before the stream counts as broken."""


class Overflow(ValueError):
    """One event is larger than MAX_EVENT."""


class Decoder:
    r"""Split a byte stream into events: (name, data) pairs, the data still bytes.

    Lines may end in ``\n``, ``\r\n`` or ``\r``; comments and other fields are skipped; several data lines are
    joined by ``\n``. Characters are never cut: data is only handed out whole. ``stray`` keeps the first block
    that is no event at all but looks like a document, which is how gateways put an error into a stream.
    """

    def __init__(self) -> None:
        self.stray = b""
        self._rest = b""
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """Take the next bytes and return the events they complete; raise Overflow for one without an end."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._plain_newlines(chunk)
        head, separator, rest = (self._rest + chunk).rpartition(b"\n\n")
        self._rest = rest
        if not separator:
            if len(rest) > MAX_EVENT:
                raise Overflow
            return []
        events = []
        for block in head.split(b"\n\n"):
            if block[:6] == b"data: " and b"\n" not in block:  # how nearly every provider writes nearly every event
                events.append((b"", block[6:]))
            elif (event := self._event(block)) is not None:
                events.append(event)
        return events

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Return the last event when the stream ended without the blank line after it."""
        event = self._event(self._rest)
        self._rest = b""
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
