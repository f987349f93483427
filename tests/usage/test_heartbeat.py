"""The heartbeat keeps running whatever its chores do, and does not fill the log with one fault."""

from __future__ import annotations

import threading

import pytest

from lib.store.faults import unavailable
from lib.usage import Heartbeat


def test_it_beats_until_stopped_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    beaten = threading.Semaphore(0)
    heart = Heartbeat([lambda: beaten.release()], interval=0.001)
    heart.start()
    for _ in range(3):
        assert beaten.acquire(timeout=10)
    heart.stop()
    assert set(threading.enumerate()) <= before


def test_one_chore_that_fails_keeps_no_other_from_running_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    done: list[str] = []
    faults = [unavailable("locked"), unavailable("locked"), ZeroDivisionError(), None]

    def shaky() -> None:
        fault = faults.pop(0)
        if fault is not None:
            raise fault

    heart = Heartbeat([shaky, lambda: done.append("chore")])
    for _ in range(4):
        heart.beat()
    assert len(done) == 4
    assert [r.getMessage().count("heartbeat.failing") for r in caplog.records].count(1) == 1
    assert caplog.text.count("heartbeat.recovered") == 1


def test_stopping_before_starting_is_harmless() -> None:
    Heartbeat([]).stop()
