"""db verify finds what went wrong with the figures, db rebuild-rollups mends it without stopping anyone's work."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.store.base import Actor
from lib.store.engine import writing
from lib.store.fold import fold_once
from lib.store.grains import ROLLUPS, grain_of, rollup_state, usage_models
from lib.store.rebuild import rebuild
from lib.store.sql import SqlStore
from lib.store.usage_tables import llm_usage_log
from lib.store.verify import verify
from tests.store.calls import EPOCH, START, USERS, closed, expected, insert, opened, shown

OWNER = "00000000-0000-4000-8000-00000000000a"
DAY = timedelta(days=1)


@pytest.fixture
def week(database_engine: Engine) -> Engine:
    """Seven days of calls, a few an hour."""
    rows = [
        closed(
            started_at=START + n * timedelta(hours=3, minutes=7),
            model_id=n % 3,
            user_id=USERS[n % 3],
            latency_ms=n * 31,
            error_class="quota" if n % 5 == 0 else None,
        )
        for n in range(50)
    ]
    with writing(database_engine).begin() as connection:
        insert(connection, *rows)
    return database_engine


def spoil(engine: Engine) -> None:
    """Leave the rollups wrong in every way: changed, missing and made up."""
    while fold_once(engine, OWNER):
        pass
    far = (START + 30 * DAY - EPOCH) // timedelta(minutes=30)
    with writing(engine).begin() as connection:
        model = connection.scalar(sa.select(sa.func.min(usage_models.c.id)))
        for number, rollup in enumerate(ROLLUPS):
            changed = grain_of(rollup).measures[0]
            if number % 3 == 0:
                connection.execute(sa.update(rollup).values({changed: rollup.c[changed] + 1}))
            elif number % 3 == 1:
                connection.execute(sa.delete(rollup))
            else:
                made_up = {
                    "slot": far,
                    "model_ref": model,
                    "user_ref": 1,
                    "is_sample": False,
                    "source": "x",
                    "bucket": 3,
                    "error_class": "x",
                }
                row = {key.name: made_up[key.name] for key in rollup.primary_key.columns}
                connection.execute(sa.insert(rollup).values({**row, changed: 9}))


def test_a_sound_database_has_no_problems(week: Engine) -> None:
    report = verify(week)
    assert report.ok
    assert report.problems == ()
    assert report.counts["calls"] == 50


def test_verify_names_each_rollup_that_drifted(week: Engine) -> None:
    spoil(week)
    told = verify(week).problems
    assert [rollup.name for rollup in ROLLUPS if any(f"of {rollup.name} " in sentence for sentence in told)] == [r.name for r in ROLLUPS]
    assert all(sentence.endswith("Run: python -m lib db rebuild-rollups") for sentence in told)
    assert any("differs from the log, the first at slot 2026-03-31 00:00 UTC" in sentence for sentence in told)


def test_rebuilding_mends_everything_and_tells_how_far_it_is(week: Engine) -> None:
    spoil(week)
    steps: list[tuple[int, int]] = []
    assert rebuild(week, lambda done, total: steps.append((done, total))) == 31
    assert steps == [(n, 31) for n in range(32)]
    with week.connect() as connection:
        assert shown(connection) == expected(connection)
    assert verify(week).problems == ()


def test_an_empty_log_needs_no_rebuild(database_engine: Engine) -> None:
    assert rebuild(database_engine) == 0
    assert verify(database_engine).problems == ()


class Killed(BaseException):
    """Stands for the process's end between two windows."""


def test_a_rebuild_that_was_killed_goes_on_where_it_stopped(week: Engine) -> None:
    spoil(week)

    def die(done: int, _total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        rebuild(week, die)
    assert not verify(week).ok
    steps: list[int] = []
    assert rebuild(week, lambda done, _total: steps.append(done)) == 28
    assert steps[0] == 3
    assert verify(week).problems == ()
    assert rebuild(week) == 7, "a finished rebuild starts from the beginning again"


def test_calls_that_come_and_go_meanwhile_are_not_lost(week: Engine) -> None:
    """Between any two windows another process opens, closes and removes calls in old and new windows alike."""
    spoil(week)

    def write(done: int, _total: int) -> None:
        with writing(week).begin() as connection:
            new = insert(connection, closed(started_at=START), closed(started_at=START + done * DAY), opened(started_at=START + 2 * DAY))
            connection.execute(sa.update(llm_usage_log).where(llm_usage_log.c.id == new[2]).values(status="ok", latency_ms=3))
            connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.id == new[1] - 1))
        if done % 2:
            fold_once(week, OWNER, batch=3)

    rebuild(week, write)
    with week.connect() as connection:
        assert shown(connection) == expected(connection)


def test_a_writer_at_full_speed_beside_the_rebuild_loses_nothing(week: Engine) -> None:
    spoil(week)
    stop, failures = threading.Event(), list[BaseException]()

    def write() -> None:
        try:
            while not stop.is_set():
                with writing(week).begin() as connection:
                    insert(connection, closed(started_at=START + DAY, latency_ms=5))
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        rebuild(week)
    finally:
        stop.set()
        writer.join()
    assert failures == []
    with week.connect() as connection:
        assert shown(connection) == expected(connection)


def test_nobody_folds_into_a_window_that_is_being_rebuilt(postgres_engine: Engine) -> None:
    """Between a window's removal and its return, folding would count a call twice or not at all."""
    with postgres_engine.begin() as connection:
        insert(connection, closed(), closed())
    folded: list[int] = []

    @sa.event.listens_for(postgres_engine, "after_cursor_execute")
    def fold_in_between(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("DELETE FROM usage_by_model "):
            folded.append(fold_once(postgres_engine, OWNER))

    rebuild(postgres_engine)
    sa.event.remove(postgres_engine, "after_cursor_execute", fold_in_between)
    assert folded == [0]
    assert fold_once(postgres_engine, OWNER) == 2
    assert verify(postgres_engine).problems == ()


def test_a_rebuild_leaves_the_time_before_the_freeze_alone(week: Engine) -> None:
    """The log no longer holds those calls, so counting them anew would wipe out history."""
    while fold_once(week, OWNER):
        pass
    frozen = START + 2 * DAY
    with writing(week).begin() as connection:
        connection.execute(sa.update(rollup_state).values(frozen_before=frozen))
    with writing(week).begin() as connection:
        before = shown(connection)
        connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.started_at < frozen))
    rebuild(week)
    with week.connect() as connection:
        assert shown(connection) == before
    assert verify(week).problems == ()


def test_a_changed_audit_entry_is_found(sqlite_engine: Engine) -> None:
    store = SqlStore(sqlite_engine, Actor("Ada"))
    for number in range(4):
        store.insert("llm_providers", [{"slug": f"p{number}", "kind": "demo", "display_name": "P"}])
    assert verify(sqlite_engine).counts["audit_log"] == 4
    with writing(sqlite_engine).begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER trg_audit_log_no_update")
        connection.exec_driver_sql("DROP TRIGGER trg_audit_log_no_delete")
        connection.exec_driver_sql("UPDATE audit_log SET actor = 'Eve' WHERE id = 2")
    told = verify(sqlite_engine).problems
    assert "Entry 2 of the audit log was changed, or one before it was removed." in told
    assert "The trigger trg_audit_log_no_update is missing." in told
    with writing(sqlite_engine).begin() as connection:
        connection.exec_driver_sql("UPDATE audit_log SET actor = 'Ada' WHERE id = 2")
        connection.exec_driver_sql("DELETE FROM audit_log WHERE id = 3")
    assert "Entry 4 of the audit log was changed, or one before it was removed." in verify(sqlite_engine).problems


def test_a_row_whose_parent_is_gone_is_found(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("INSERT INTO sync_items (run_id, subject, action, status) VALUES (9, 's', 'a', 'ok')")
        driver.execute("PRAGMA foreign_keys=ON")
    assert verify(sqlite_engine).problems == ("A row of sync_items refers to a row of sync_runs that is gone.",)
