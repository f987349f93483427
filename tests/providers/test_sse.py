"""A stream that is cut in an unlucky place, or written in another style, must not lose or garble a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.providers import sse
from tests.replay import split_at_random


def decode(*chunks: bytes) -> list[tuple[bytes, bytes]]:
    decoder = sse.Decoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.flush()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a \n\n", [(b"", b" a ")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"event: error\ndata: a\n\n", [(b"error", b"a")]),
        (b"data: a\nevent: error\nid: 7\nretry: 10\n\n", [(b"error", b"a")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b": keep-alive\n\n: and\ndata: a\n\n", [(b"", b"a")]),
        (b"\n\n\n\ndata: a\n\n\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data: no blank line at the end", [(b"", b"no blank line at the end")]),
        (b"data\n\n", [(b"", b"")]),
        (b"event: alone\n\n", []),
        (b"", []),
    ],
)
def test_each_way_of_writing_events(stream: bytes, events: list[tuple[bytes, bytes]]) -> None:
    assert decode(stream) == events
    assert decode(*(stream[n : n + 1] for n in range(len(stream)))) == events


_LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(st.tuples(st.sampled_from(["", "ping", "error"]), st.lists(_LINE, min_size=1, max_size=3))),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(0, 999),
)
def test_cuts_anywhere_change_nothing(events: list[tuple[str, list[str]]], newline: str, seed: int) -> None:
    written = "".join(
        (f"event: {name}{newline}" if name else "") + "".join(f"data: {line}{newline}" for line in lines) + newline
        for name, lines in events
    ).encode()

    assert decode(*split_at_random(written, seed)) == [(name.encode(), "\n".join(lines).encode()) for name, lines in events]


def test_a_document_in_place_of_events_is_kept_for_the_error() -> None:
    decoder = sse.Decoder()

    assert decoder.feed(b'{"error":\n"no"}\n\n') == []
    assert decoder.stray == b'{"error":\n"no"}'


def test_an_event_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    decoder = sse.Decoder()

    with pytest.raises(sse.Overflow):
        for _ in range(3):
            decoder.feed(b"x" * 400)


@pytest.mark.parametrize(
    ("framing", "stream", "events"),
    [
        (sse.JsonLines, b'{"a":1}\n\r\n{"b":2}\r\n{"c":3}', [b'{"a":1}', b'{"b":2}', b'{"c":3}']),
        (sse.DataLines, b"data: a\ndata:b\n\n: note\ndata: done\n", [b"a", b"b", b"[DONE]"]),
    ],
)
def test_lines_are_events_however_they_are_cut(framing: type[sse.JsonLines], stream: bytes, events: list[bytes]) -> None:
    for seed in range(20):
        decoder = framing()
        found = [event for chunk in split_at_random(stream, seed) for event in decoder.feed(chunk)] + decoder.flush()
        assert found == [(b"", data) for data in events]


def test_a_line_without_an_end_is_given_up() -> None:
    decoder = sse.JsonLines()
    with pytest.raises(sse.Overflow):
        for _ in range(sse.MAX_EVENT // 1_000_000 + 2):
            decoder.feed(b"x" * 1_000_000)


def test_a_document_among_data_lines_is_kept_as_stray() -> None:
    decoder = sse.DataLines()
    assert decoder.feed(b'{"error": "no"}\n') == []
    assert decoder.stray == b'{"error": "no"}'
