"""Calls cut off by a crash are told apart from calls that still run, whichever process looks."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.store.schema import instances
from lib.store.usage_tables import llm_usage_log
from lib.usage import AttemptStart, Ledger, Outcome
from tests.usage.counting import counted

ROOT = Path(__file__).parents[2]
CHILD = textwrap.dedent(
    """
    import sys
    from datetime import datetime
    from pydantic import SecretStr
    from lib.store.engine import open_engine
    from lib.usage import AttemptStart, Ledger

    url, instance, now = sys.argv[1:]
    ledger = Ledger(open_engine(SecretStr(url)), instance_id=instance, clock=lambda: datetime.fromisoformat(now))
    ledger.register("test")
    start = AttemptStart(instance, 1, "m", "M", "demo", "Demo", "cli")
    ledger.open(start)
    print("open", flush=True)
    sys.stdin.read()
    """
)


class Child:
    """A real process with one call in flight."""

    def __init__(self, engine: Engine, clock: Any) -> None:
        self.instance_id = str(uuid4())
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, engine.url.render_as_string(hide_password=False), self.instance_id, clock().isoformat()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "open\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def dying(engine: Engine, clock: Any) -> Iterator[Child]:
    child = Child(engine, clock)
    yield child
    child.kill()


def statuses(engine: Engine) -> dict[str, str]:
    columns = llm_usage_log.c
    with engine.connect() as connection:
        return {row.instance_id: row.status for row in connection.execute(sa.select(columns.instance_id, columns.status))}


def test_a_killed_process_leaves_an_interrupted_call_and_a_living_one_keeps_its_own(engine: Engine, dying: Child, clock: Any) -> None:
    living = Ledger(engine, instance_id=str(uuid4()), clock=clock)
    living.register("test")
    opened = living.open(AttemptStart(str(uuid4()), 1, "m", "M", "demo", "Demo", "api"))
    dying.kill()

    clock.forward(29)
    living.heartbeat()
    assert living.mark_interrupted(lapse=30) == 0, "silence shorter than the lapse proves nothing"
    clock.forward(2)
    living.heartbeat()
    assert living.mark_interrupted(lapse=30) == 1
    assert statuses(engine) == {dying.instance_id: "interrupted", living.instance_id: "open"}
    assert counted(engine, "interrupted", "failed_requests", "unpriced") == (1, 1, 1)

    living.close(opened, Outcome("ok", latency_ms=3))
    assert statuses(engine)[living.instance_id] == "ok"


def test_a_third_process_does_not_cut_off_a_living_one(engine: Engine, dying: Child, clock: Any) -> None:
    starting = Ledger(engine, instance_id=str(uuid4()), clock=clock)
    starting.register("test")
    assert starting.mark_interrupted(lapse=30) == 0
    assert statuses(engine) == {dying.instance_id: "open"}


def test_a_call_that_ends_after_it_was_given_up_is_recorded_as_it_ended(engine: Engine, clock: Any) -> None:
    asleep = Ledger(engine, instance_id=str(uuid4()), clock=clock)
    asleep.register("test")
    opened = asleep.open(AttemptStart(str(uuid4()), 1, "m", "M", "demo", "Demo", "api"))
    clock.forward(3_600)  # a laptop was closed meanwhile
    assert asleep.mark_interrupted(lapse=30) == 1
    asleep.close(opened, Outcome("ok", latency_ms=3_600_000))
    assert counted(engine, "ok", "interrupted", "attempts") == (1, 0, 1)


def test_stopping_gives_up_what_is_still_open_at_once(engine: Engine, clock: Any) -> None:
    stopping = Ledger(engine, instance_id=str(uuid4()), clock=clock)
    stopping.register("test")
    stopping.open(AttemptStart(str(uuid4()), 1, "m", "M", "demo", "Demo", "api"))
    stopping.stop()
    assert stopping.mark_interrupted(lapse=30) == 1
    with engine.connect() as connection:
        assert connection.execute(sa.select(instances.c.stopped_at)).scalar_one() == clock()


def test_a_row_another_system_wrote_is_left_alone(engine: Engine, clock: Any) -> None:
    values = {
        "request_id": str(uuid4()),
        "attempt": 1,
        "started_at": clock(),
        "model_key": "m",
        "model_name": "M",
        "provider": "p",
        "provider_name": "P",
        "source": "api",
    }
    with engine.begin() as connection:
        connection.execute(sa.insert(llm_usage_log), values)
    assert Ledger(engine, instance_id=str(uuid4()), clock=clock).mark_interrupted(lapse=0) == 0


def test_processes_long_gone_are_forgotten_and_their_calls_given_up(engine: Engine, clock: Any) -> None:
    gone = Ledger(engine, instance_id=str(uuid4()), clock=clock)
    gone.register("test")
    gone.open(AttemptStart(str(uuid4()), 1, "m", "M", "demo", "Demo", "api"))
    clock.forward(8 * 24 * 3_600)
    starting = Ledger(engine, instance_id=str(uuid4()), clock=clock)
    starting.register("test")
    with engine.connect() as connection:
        assert connection.execute(sa.select(instances.c.id)).scalars().all() == [starting.instance_id]
    assert starting.mark_interrupted(lapse=30) == 1
