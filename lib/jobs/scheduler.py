"""Runs what is due on one thread, under a lease in the database that lets one process at a time have a job.

A scheduling library would bring triggers and stores of its own and, as APScheduler 3 says of itself, nothing that keeps
two processes apart; the lease is what matters here, and it is one row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.errors import Cancelled, ModeldeckError
from lib.jobs.job import Job
from lib.jobs.rows import JOBS
from lib.logs import get_logger
from lib.net import Stopper
from lib.services import Services
from lib.store import runs
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.runs import Run, RunStatus
from lib.store.schema import instances, sync_runs
from lib.usage import LAPSE_S, Heartbeat

KIND = "job"
LOOK_EVERY_S = 60.0
FIRST_LOOK_S = 300.0
"""Seconds after its start before a process looks for the first time: the first visitors come before chores."""
AGAIN = timedelta(hours=1)
"""How long a job that failed or was cut off waits."""
LEASE = timedelta(hours=1)
"""How long a job stays taken at most by a process that lives."""
_LOCK = 7310946
"""The advisory lock under which Postgres decides who takes a job; SQLite has one writer anyway."""
_PATIENCE_S = 2.0


class Scheduler:
    """Runs each wanted job when it is due by what the database remembers, so that a restart does not run it again."""

    def __init__(
        self,
        services: Callable[[], Services],
        jobs: Sequence[Job] = JOBS,
        *,
        first_look: float = FIRST_LOOK_S,
        look_every: float = LOOK_EVERY_S,
        log: Any = None,
    ) -> None:
        self._services = services
        self._jobs = jobs
        self._begin = time.monotonic() + first_look
        self._stopper = Stopper()
        self._log = log or get_logger("jobs")
        self._heart = Heartbeat([self._look_in_time], interval=look_every, log=self._log)

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._heart.start()

    def stop(self) -> None:
        """Begin no further job and hang up on what the present one waits for."""
        self._stopper.stop()
        self._heart.stop(_PATIENCE_S)

    def look(self) -> list[str]:
        """Run what is due, and return the names; one that fails keeps none of the others."""
        if self._stopper.stopped:
            return []
        services = self._services()
        return [job.name for job in self._jobs if not self._stopper.stopped and job.wanted(services.settings) and self._run(services, job)]

    def _look_in_time(self) -> None:
        if time.monotonic() >= self._begin:
            self.look()

    def _run(self, services: Services, job: Job) -> bool:
        run_id = _take(services.engine, job, services.ledger.instance_id, services.clock())
        if run_id is None:
            return False
        self._log.info("job.started", job=job.name)
        status: RunStatus = "failed"
        try:
            with self._stopper.applied():
                sentence = job.run(replace(services, origin="job"))
            status = "ok"
        except Cancelled:
            status, sentence = "interrupted", "Modeldeck was stopped meanwhile."
        except ModeldeckError as error:
            sentence = str(error)
        except Exception as error:  # a defect in one job must not end the thread for all
            self._log.error("job.defect", job=job.name, exc_info=error)
            sentence = f"Modeldeck failed ({type(error).__name__}); the log says more."
        summary = {"sentence": sentence, "instance": services.ledger.instance_id}
        runs.finish(services.engine, run_id, status, summary, services.clock())
        say = self._log.info if status == "ok" else self._log.warning
        say(f"job.{status}", job=job.name, sentence=sentence)
        return True


def last_runs(services: Services) -> dict[str, Run]:
    """Return how each job went last, by its name; those that never ran are left out."""
    return runs.last_runs(services.engine, KIND)


def _take(engine: Engine, job: Job, instance_id: str, now: datetime) -> int | None:
    """Note that this process runs a job, and return the run's id; None when it is not due, or another process has it."""
    with store_faults(), engine.connect() as connection:
        if not _due(connection, job, now):  # nearly always, and without keeping anybody from writing
            return None
    with store_faults(), writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        if not _due(connection, job, now):
            return None
        left = (sync_runs.c.kind == KIND, sync_runs.c.target == job.name, sync_runs.c.status == "running")
        connection.execute(sa.update(sync_runs).where(*left).values(status="interrupted", finished_at=now))
        return runs.begin(connection, KIND, job.name, "Modeldeck", now, {"instance": instance_id})


def _due(connection: Connection, job: Job, now: datetime) -> bool:
    last = runs.latest(connection, KIND).get(job.name)
    if last is None:
        return True
    if last.status == "running" and last.started_at > now - LEASE and _lives(connection, last.summary.get("instance"), now):
        return False
    return now >= last.started_at + (job.every if last.status == "ok" else min(AGAIN, job.every))


def _lives(connection: Connection, instance_id: Any, now: datetime) -> bool:
    alive = sa.select(instances.c.id).where(
        instances.c.id == instance_id, instances.c.stopped_at.is_(None), instances.c.heartbeat_at >= now - timedelta(seconds=LAPSE_S)
    )
    return instance_id is not None and connection.execute(alive).first() is not None
