"""Read a blocking stream on a thread of its own, so that the page can draw, and be stopped, while nothing arrives."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

from lib.net import Stopper

T = TypeVar("T")


class _End:
    """Marks the stream's end; carries what it raised."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def pump(source: Iterator[T], tick: float) -> Generator[T | None]:
    """Yield what the source yields, and None for each ``tick`` seconds in which it yielded nothing.

    Raises what the source raised. Closing this generator returns at once and hangs up on whatever the source waits
    for on the network; one that waits for something else is closed at its next item. Nothing it still yields is read.
    """
    items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    left = Stopper()

    def read() -> None:
        error: BaseException | None = None
        try:
            with left.applied():
                for item in source:
                    items.put(item)
                    if left.stopped:
                        break
        except BaseException as raised:  # handed to the reader, whose error it is
            error = raised
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
            items.put(_End(error))

    threading.Thread(target=read, name="answer-stream", daemon=True).start()
    try:
        while True:
            try:
                item = items.get(timeout=tick)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.stop()
