"""The bench's filled database is one the application itself could have written, or its numbers would mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.store.usage_tables import llm_usage_log
from lib.store.verify import verify
from tests.bench.filling import DAYS, MODELS, NOW, USERS, fill
from tests.bench.ledger import measure_ingest
from tests.bench.pages import FILTERS, PAGES, RANGES, ZONES, list_times, page_times

CALLS = 6_000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path: Path = tmp_path_factory.mktemp("bench") / "filled.db"
    engine = fill(path, CALLS, days=DAYS)
    yield engine
    engine.dispose()


def test_a_filled_database_is_sound(filled: Engine) -> None:
    report = verify(filled)
    assert report.problems == ()
    assert report.counts["calls"] == CALLS
    assert report.counts["usage_by_model_day"] > MODELS * DAYS / 2


def test_calls_lie_evenly_over_days_models_and_users(filled: Engine) -> None:
    log = llm_usage_log.c
    counts = [sa.func.count(sa.distinct(column)) for column in (log.model_key, log.user_id, log.provider, log.source, log.request_id)]
    with filled.connect() as connection:
        assert connection.execute(sa.select(*counts)).one() == (MODELS, USERS, 5, 3, CALLS)
        first, last = connection.execute(sa.select(sa.func.min(log.started_at), sa.func.max(log.started_at))).one()
        failed = connection.scalar(sa.select(sa.func.count()).where(log.status == "error"))
        shares = connection.scalars(sa.select(sa.func.count(log.id)).group_by(log.model_key, log.user_id)).all()
    assert (NOW - first).days == DAYS
    assert last < NOW
    assert failed == pytest.approx(CALLS / 20, rel=0.3)
    assert len(shares) > MODELS * USERS * 0.95


def test_every_page_and_filter_is_measured(filled: Engine) -> None:
    times = page_times([filled, filled], rounds=1)
    assert len(times) == len(PAGES) * len(RANGES) * len(ZONES)
    assert all(0 < first < 10_000 > second > 0 for first, second in times.values())
    assert list_times(filled, rounds=1).keys() == FILTERS.keys()


def test_ingest_is_measured() -> None:
    row = measure_ingest(calls=50)
    assert row["rate"] > 0
    assert row["details"]["slowest"] <= row["rate"] <= row["details"]["fastest"]
