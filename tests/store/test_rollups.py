"""Rollups equal the log whatever happens to it: a figure on the Usage page must never drift from the calls behind it."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.engine import open_engine, writing
from lib.store.fold import fold_once
from lib.store.grains import ROLLUPS, rollup_state, usage_delta
from lib.store.rollups import SLOTS
from lib.store.usage_tables import llm_usage_log
from lib.store.verify import verify
from tests.store.calls import CLOSING, START, USERS, closed, expected, insert, opened, shown

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"

tokens = st.one_of(st.none(), st.integers(0, 5_000))
milliseconds = st.one_of(st.none(), st.sampled_from([-5, 0, 1, 19, 20, 21, 24, 599_999, 600_000, 2**31 - 1]), st.integers(0, 100_000))
details = st.fixed_dictionaries(
    {},
    optional={
        "attempt": st.integers(1, 3),
        "is_final": st.booleans(),
        "started_at": st.sampled_from(
            [START, START + timedelta(milliseconds=1_799_999), START + timedelta(minutes=30), START + timedelta(days=2)]
        ),
        "user_id": st.sampled_from(USERS),
        "model_id": st.sampled_from([None, 1, 2]),
        "model_key": st.sampled_from(["alpha", "beta"]),
        "provider": st.sampled_from(["acme", "zenith"]),
        "source": st.sampled_from(["api", "playground"]),
        "is_sample": st.booleans(),
        "input_tokens": tokens,
        "output_tokens": tokens,
        "cache_read_tokens": tokens,
        "cache_saving_nano_usd": st.one_of(st.none(), st.integers(-(10**9), 10**9)),
        "reasoning_tokens": tokens,
        "cost_nano_usd": st.one_of(st.none(), st.integers(0, 10**12)),
        "ttft_ms": milliseconds,
        "latency_ms": milliseconds,
        "error_class": st.sampled_from([None, "timeout", "quota"]),
        "error_message": st.sampled_from([None, "The provider did not answer."]),
    },
)
statuses = st.sampled_from(("open", *CLOSING))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.just(0), st.builds(lambda d, s: d | {"status": s}, details, statuses)),
        st.tuples(st.just("close"), st.integers(0, 30), st.builds(lambda d, s: d | {"status": s}, details, st.sampled_from(CLOSING))),
        st.tuples(st.just("change"), st.integers(0, 30), details),
        st.tuples(st.just("reopen"), st.integers(0, 30), st.just({"status": "open"})),
        st.tuples(st.just("replace"), st.integers(0, 30), st.builds(lambda d, s: d | {"status": s}, details, statuses)),
        st.tuples(st.just("delete"), st.integers(0, 30), st.just({})),
        st.tuples(st.just("change all"), st.just(0), details),
    ),
    max_size=20,
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Any:
    path = tmp_path_factory.mktemp("rollups") / "modeldeck.db"
    shutil.copyfile(sqlite_template, path)
    engine = open_engine(SecretStr(f"sqlite:///{path}"))
    yield engine
    engine.dispose()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(operations)
def test_any_history_of_the_log_leaves_rollups_exact(scratch: Engine, history: list[tuple[str, int, dict[str, Any]]]) -> None:
    with writing(scratch).connect() as connection:
        ids: list[int] = []
        for what, which, values in history:
            row_id = ids[which % len(ids)] if ids else None
            target = sa.update(llm_usage_log).where(llm_usage_log.c.id == row_id)
            if what == "insert":
                ids += insert(connection, opened(**values))
            elif what == "change all" and values:
                connection.execute(sa.update(llm_usage_log).values(values))
            elif row_id is None or (what == "change" and not values):
                continue
            elif what == "delete":
                connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.id == row_id))
                ids.remove(row_id)
            elif what == "replace":
                connection.execute(sa.insert(llm_usage_log).prefix_with("OR REPLACE").values(opened(id=row_id, **values)))
            elif what != "change all":
                connection.execute(target.values(values))
        assert shown(connection) == expected(connection)
        for rollup in ROLLUPS:  # no row is left behind that counts nothing
            assert connection.scalar(sa.select(sa.func.count()).select_from(rollup)) == len(expected(connection)[rollup.name])
        connection.rollback()


def test_an_open_call_counts_only_once_it_is_closed(database_engine: Engine) -> None:
    with writing(database_engine).begin() as connection:
        row_id = insert(connection, opened())[0]
        assert shown(connection) == {rollup.name: {} for rollup in ROLLUPS}
        connection.execute(sa.update(llm_usage_log).where(llm_usage_log.c.id == row_id).values(status="ok", latency_ms=50))
        assert shown(connection) == expected(connection)
        assert sum(row[0] for row in shown(connection)["usage_by_model"].values()) == 1


def test_a_late_repricing_moves_the_cost_and_nothing_else(database_engine: Engine) -> None:
    with writing(database_engine).begin() as connection:
        insert(connection, closed(cost_nano_usd=None), closed(), closed(model_id=2, model_key="beta", cost_nano_usd=None))
        connection.execute(sa.update(llm_usage_log).where(llm_usage_log.c.cost_nano_usd.is_(None)).values(cost_nano_usd=7))
        assert shown(connection) == expected(connection)


def test_deletes_before_the_freeze_keep_their_history(database_engine: Engine) -> None:
    """Retention drops old rows; what they added up to must stay on the charts."""
    with writing(database_engine).begin() as connection:
        insert(connection, closed(), closed(started_at=START + timedelta(days=3)))
        before = shown(connection)
    with writing(database_engine).begin() as connection:
        connection.execute(sa.update(rollup_state).values(frozen_before=START + timedelta(days=1)))
    with writing(database_engine).begin() as connection:
        connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.started_at < START + timedelta(days=1)))
        assert shown(connection) == before
    assert verify(database_engine).problems == ()
    with writing(database_engine).begin() as connection:
        connection.execute(sa.delete(llm_usage_log))
        assert sum(row[0] for row in shown(connection)["usage_by_model"].values()) == 1
    assert verify(database_engine).problems == ()


def test_many_calls_written_in_one_statement_count_each(postgres_engine: Engine) -> None:
    rows = [closed(model_id=n % 3, latency_ms=n * 7, started_at=START + timedelta(minutes=n)) for n in range(300)]
    with postgres_engine.begin() as connection:
        connection.execute(sa.insert(llm_usage_log), rows)
        connection.execute(sa.update(llm_usage_log).where(llm_usage_log.c.model_id == 1).values(status="error", error_class="quota"))
        assert shown(connection) == expected(connection)


def test_what_an_update_left_alone_waits_nowhere(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        insert(connection, closed())
        connection.execute(sa.update(llm_usage_log).values(finish_reason="stop", message_id=A))
        assert connection.scalar(sa.select(sa.func.count()).select_from(usage_delta)) == 1


def test_folding_shows_the_same_and_leaves_nothing_waiting(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        insert(connection, *(closed(model_id=n % 2, error_class="quota" if n % 3 else None) for n in range(10)))
        before = shown(connection)
    assert fold_once(postgres_engine, A, batch=4) == 4
    with postgres_engine.begin() as connection:
        assert shown(connection) == before
        connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.model_id == 0))
    while fold_once(postgres_engine, A):
        pass
    with postgres_engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(usage_delta)) == 0
        assert shown(connection) == expected(connection)
        for rollup in ROLLUPS:
            assert connection.scalar(sa.select(sa.func.count()).select_from(rollup)) == len(expected(connection)[rollup.name])


def test_another_folder_stays_away_while_the_lease_runs(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        insert(connection, closed(), closed())
    assert fold_once(postgres_engine, A, batch=1) == 1
    assert fold_once(postgres_engine, B) == 0
    with postgres_engine.begin() as connection:
        connection.execute(sa.update(rollup_state).values(fold_until=sa.func.now() - timedelta(seconds=1)))
    assert fold_once(postgres_engine, B) == 1


def test_there_is_nothing_to_fold_on_sqlite(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine).begin() as connection:
        insert(connection, closed())
    assert fold_once(sqlite_engine, A) == 0


@pytest.mark.parametrize("seed", range(2))
def test_concurrent_writers_and_folders_never_deadlock_and_stay_exact(postgres_engine: Engine, seed: int) -> None:
    """Each writer changes rows of every other's keys in its own order: the pattern that deadlocks row triggers."""
    writers, rounds = 6, 25
    done = threading.Event()
    stale = threading.Barrier(writers)

    def write(number: int) -> None:
        stale.wait()
        for turn in range(rounds):
            models = [(number * (seed + 1) + turn + step * (1 if number % 2 else -1)) % 4 for step in range(4)]
            with postgres_engine.begin() as connection:
                ids = insert(connection, *(opened(model_id=m, model_key=f"m{m}", user_id=USERS[number % 3]) for m in models))
                for row_id in ids:
                    this = llm_usage_log.c.id == row_id
                    connection.execute(sa.update(llm_usage_log).where(this).values(status="ok", latency_ms=turn, cost_nano_usd=turn))
            with postgres_engine.begin() as connection:
                connection.execute(sa.delete(llm_usage_log).where(llm_usage_log.c.id == ids[turn % 4]))
                connection.execute(
                    sa.update(llm_usage_log).where(llm_usage_log.c.id == ids[(turn + 1) % 4]).values(status="error", error_class="quota")
                )

    def fold(owner: str) -> int:
        folded = 0
        while not done.is_set():
            folded += fold_once(postgres_engine, owner, batch=50)
        return folded

    with ThreadPoolExecutor(writers + 2) as pool:
        folders = [pool.submit(fold, owner) for owner in (A, B)]
        try:
            list(pool.map(write, range(writers)))
        finally:
            done.set()
        assert sum(folder.result() for folder in folders) > 0
    with postgres_engine.connect() as connection:
        assert shown(connection) == expected(connection)
        deadlocks = connection.scalar(sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
        assert deadlocks == 0
    assert verify(postgres_engine).problems == ()


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: str(rollup.name))
def test_a_range_is_sought_not_scanned(sqlite_engine: Engine, rollup: sa.Table) -> None:
    """A page over one week must not read the years before it."""
    text = f"SELECT * FROM {rollup.name}_now WHERE {SLOTS}".replace(":low", "1").replace(":high", "2")
    with sqlite_engine.connect() as connection:
        steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert steps[0] == "SEARCH rolled USING PRIMARY KEY (slot>? AND slot<?)"
    assert all(step.startswith("SEARCH usage_") for step in steps[1:])
