"""Bodies of answers as bytes: read no further than a limit, and decompressed piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

_INFLATED = 64 * 1024
"""Bytes decompressed at once, so that a small answer cannot burst into a large one."""


def read(response: httpx.Response, limit: int) -> bytes:
    """Return the body, or a little more than ``limit`` bytes of one that is longer."""
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks(response):
        pieces.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(pieces)


def chunks(response: httpx.Response) -> Iterator[bytes]:
    """Return the body's bytes as they arrive, decompressed where the server compressed it unasked."""
    if response.is_stream_consumed:  # a transport that has read it already
        return iter((response.content,))
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return response.iter_raw()
    return _inflated(response.iter_raw(), encoding)


def _inflated(raw: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"compressed as {encoding!r}, which was not asked for")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # by gzip's header or by zlib's
    try:
        for chunk in raw:
            while chunk and not inflate.eof:
                piece = inflate.decompress(chunk, _INFLATED)
                chunk = inflate.unconsumed_tail
                if piece:
                    yield piece
        if rest := inflate.flush():
            yield rest
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
