"""Daily jobs run once for all processes and once a day whatever restarts, and what went wrong with one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from lib.errors import InvalidValue
from lib.jobs import JOBS, Job, Scheduler, last_runs
from lib.net import pause
from lib.services import Services
from lib.store.engine import writing
from lib.store.schema import instances
from tests.jobs.conftest import Houses

DAY = timedelta(days=1)


def job(run: Callable[[Services], str], name: str = "count", *, wanted: bool = True) -> Job:
    return Job(name, run, DAY, lambda _: wanted)


def counting(done: list[str], sentence: str = "Counted.") -> Job:
    def run(services: Services) -> str:
        done.append(services.origin)
        return sentence

    return job(run)


def scheduler(services: Services, *jobs: Job) -> Scheduler:
    return Scheduler(lambda: services, jobs)


def test_a_job_runs_once_a_day_and_a_restart_does_not_run_it_again(houses: Houses) -> None:
    done: list[str] = []
    daily = counting(done)
    first = houses.open()
    assert scheduler(first, daily).look() == ["count"]
    houses.clock.on(hours=23)
    assert scheduler(houses.open(), daily).look() == []
    houses.clock.on(hours=1)
    assert scheduler(first, daily).look() == ["count"]
    assert done == ["job", "job"], "what it changes is marked as a job's doing"
    run = last_runs(first)["count"]
    assert (run.status, run.sentence, run.started_at) == ("ok", "Counted.", houses.clock.now)


def test_of_many_processes_that_look_at_once_one_runs_the_job(houses: Houses) -> None:
    done: list[str] = []
    crowd = [houses.open() for _ in range(3)]
    ready = threading.Barrier(6)

    def look(services: Services) -> None:
        ready.wait(30)
        scheduler(services, counting(done)).look()

    threads = [threading.Thread(target=look, args=(services,)) for services in crowd * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1


def test_a_job_that_runs_elsewhere_is_left_alone_and_taken_over_when_that_process_died(houses: Houses) -> None:
    done: list[str] = []
    there, here = houses.open(), houses.open()
    begun, go_on = threading.Event(), threading.Event()

    def long(_: Services) -> str:
        begun.set()
        go_on.wait(30)
        return "Late."

    thread = threading.Thread(target=scheduler(there, job(long)).look)
    thread.start()
    assert begun.wait(30)
    houses.clock.on(minutes=59)
    _beat(there, houses)
    assert scheduler(here, counting(done)).look() == []
    houses.clock.on(minutes=2)  # no heartbeat since: that process is gone
    assert scheduler(here, counting(done)).look() == ["count"]
    assert last_runs(here)["count"].sentence == "Counted."
    go_on.set()
    thread.join()


def test_a_failure_is_one_line_in_the_log_and_tried_again_after_an_hour(houses: Houses, caplog: pytest.LogCaptureFixture) -> None:
    services = houses.open()
    faults: list[Exception] = [InvalidValue("The list is upside down."), ZeroDivisionError()]

    def failing(_: Services) -> str:
        raise faults.pop(0)

    caplog.set_level("INFO")
    watched = scheduler(services, job(failing), job(lambda _: "Fine.", "other"))
    assert watched.look() == ["count", "other"], "the failure of one keeps none of the others"
    assert caplog.text.count("The list is upside down.") == 1
    assert (last_runs(services)["count"].status, last_runs(services)["count"].sentence) == ("failed", "The list is upside down.")
    houses.clock.on(minutes=59)
    assert watched.look() == []
    houses.clock.on(minutes=1)
    assert watched.look() == ["count"]
    assert last_runs(services)["count"].sentence == "Modeldeck failed (ZeroDivisionError); the log says more."


def test_a_job_that_the_settings_switch_off_does_not_run(houses: Houses) -> None:
    services = houses.open()
    assert scheduler(services, job(lambda _: "No.", wanted=False)).look() == []
    assert last_runs(services) == {}


def test_nothing_is_looked_for_right_after_the_start_and_nothing_after_the_stop(houses: Houses) -> None:
    services = houses.open()
    ran = threading.Event()

    def note(_: Services) -> str:
        ran.set()
        return "Ran."

    daily = job(note)
    early = Scheduler(lambda: services, [daily], look_every=0.001)
    early.start()
    early.stop()
    assert early.look() == []
    assert not ran.is_set()
    prompt = Scheduler(lambda: services, [daily], first_look=0, look_every=0.001)
    before = threading.active_count()
    prompt.start()
    assert ran.wait(30)
    prompt.stop()
    assert threading.active_count() <= before


def test_a_stop_hangs_up_on_what_a_job_waits_for_and_it_runs_again_later(houses: Houses) -> None:
    services = houses.open()
    begun = threading.Event()

    def waiting(_: Services) -> str:
        begun.set()
        pause(60)
        return "Waited."

    stopped = scheduler(services, job(waiting))
    thread = threading.Thread(target=stopped.look)
    thread.start()
    assert begun.wait(30)
    stopped.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert last_runs(services)["count"].status == "interrupted"
    houses.clock.on(hours=1)
    assert scheduler(services, counting([])).look() == ["count"]


def test_names_of_jobs_are_unique() -> None:
    assert len({row.name for row in JOBS}) == len(JOBS)


def _beat(services: Services, houses: Houses) -> None:
    with writing(services.engine).begin() as connection:
        beaten = sa.update(instances).where(instances.c.id == services.ledger.instance_id)
        connection.execute(beaten.values(heartbeat_at=houses.clock.now))
