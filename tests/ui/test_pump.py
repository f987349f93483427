"""The pump between a blocking stream and the page: silent moments, failures and leaving early."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lib.errors import ProviderError
from lib.ui.pump import pump

LONG = 30.0
"""Seconds nobody waits: a tick that must not come, or a wait that ends by an event."""


def test_everything_arrives_in_order() -> None:
    assert list(pump(iter(range(1_000)), LONG)) == list(range(1_000))


def test_an_empty_stream_ends() -> None:
    assert list(pump(iter(()), LONG)) == []


def test_while_nothing_arrives_the_page_is_asked_again_and_again() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[str]:
        yield "first"
        assert go_on.wait(LONG)
        yield "second"

    arriving = pump(slow(), 0.001)
    assert [item for item in (next(arriving), next(arriving), next(arriving)) if item is not None] == ["first"]
    assert next(arriving) is None
    go_on.set()
    assert [item for item in arriving if item is not None] == ["second"]


def test_a_failure_arrives_after_what_came_before_it() -> None:
    failure = ProviderError("The provider hung up.")

    def broken() -> Iterator[int]:
        yield 1
        raise failure

    arriving = pump(broken(), LONG)
    assert next(arriving) == 1
    with pytest.raises(ProviderError) as raised:
        next(arriving)
    assert raised.value is failure


def test_even_an_interrupt_on_the_reading_thread_is_not_swallowed() -> None:
    def interrupt(_: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(pump(map(interrupt, [1]), LONG))


def test_leaving_returns_at_once_and_closes_the_source_at_its_next_item() -> None:
    go_on, closed = threading.Event(), threading.Event()
    taken: list[int] = []

    def source() -> Iterator[int]:
        try:
            yield 1
            assert go_on.wait(LONG)
            for number in range(2, 1_000_000):
                taken.append(number)
                yield number
        finally:
            closed.set()

    arriving = pump(source(), LONG)
    assert next(arriving) == 1
    arriving.close()  # returns although the source is still blocked
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(LONG)
    assert taken == [2], "nothing is read that nobody wants"


def test_the_source_is_closed_after_its_last_item_too() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.set()

    assert list(pump(source(), LONG)) == [1]
    assert closed.is_set()


def test_the_source_is_read_on_a_thread_of_its_own_that_cannot_keep_the_process_alive() -> None:
    threads: list[threading.Thread] = []

    def source() -> Iterator[int]:
        threads.append(threading.current_thread())
        yield 1

    list(pump(source(), LONG))
    (thread,) = threads
    assert thread is not threading.current_thread()
    assert thread.daemon
