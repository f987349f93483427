"""Pages that ask the same again are answered faster, and never with anything but what the database says by now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib import analytics
from lib.analytics import EVERYBODY, Filters, Range, Scope, memory, preset, remembering, usage_by, usage_series, usage_totals
from lib.errors import StoreUnavailable
from lib.store.engine import open_engine
from lib.store.schema import llm_models, llm_providers
from lib.store.usage_tables import llm_usage_log
from tests.analytics.rows import emptied, insert, logged

NOW = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
RANGE = preset("24h", NOW, ZoneInfo("Asia/Kolkata"))
ADA = "00000000-0000-4000-8000-00000000000a"

QUESTIONS: tuple[Callable[[Engine, Range], object], ...] = (
    lambda e, r: usage_totals(e, EVERYBODY, r),
    lambda e, r: usage_totals(e, Scope(ADA), r),
    lambda e, r: usage_totals(e, EVERYBODY, r, Filters(sources=("api",))),
    lambda e, r: usage_by(e, "model", EVERYBODY, r),
    lambda e, r: usage_by(e, "user", EVERYBODY, r),
    lambda e, r: usage_series(e, EVERYBODY, r),
    lambda e, r: usage_series(e, EVERYBODY, r, by="model"),
    lambda e, r: usage_series(e, EVERYBODY, r, by="status"),
    lambda e, r: analytics.movers(e, "model", EVERYBODY, r),
    lambda e, r: analytics.movers(e, "model", EVERYBODY, r, limit=1),
    lambda e, r: analytics.latency_percentiles(e, EVERYBODY, r),
    lambda e, r: analytics.latency_percentiles(e, EVERYBODY, r, metric="ttft"),
    lambda e, r: analytics.latency_series(e, EVERYBODY, r),
    lambda e, r: analytics.latency_by(e, "model", EVERYBODY, r),
    lambda e, r: analytics.errors_by(e, "model", EVERYBODY, r),
    lambda e, r: analytics.errors_by(e, "class", EVERYBODY, r),
    lambda e, r: analytics.errors_series(e, EVERYBODY, r),
    lambda e, r: analytics.model_numbers(e),
)


def some_calls(*, hours_ago: int = 1) -> list[dict[str, object]]:
    moment = NOW - timedelta(hours=hours_ago)
    return [
        logged(started_at=moment, user_id=ADA, user_name="Ada", cost_nano_usd=7, latency_ms=90, ttft_ms=20, input_tokens=3),
        logged(started_at=moment, model_key="gpt", source="api", cost_nano_usd=2, latency_ms=700, ttft_ms=300),
        logged(started_at=moment, model_key="gpt", status="error", error_class="timeout", latency_ms=5),
    ]


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect what is asked of the database."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_every_question_keeps_its_own_answer_and_follows_every_write(engine: Engine) -> None:
    reader = remembering(engine)
    for rows in (some_calls(), some_calls(hours_ago=30), some_calls(hours_ago=2)):
        insert(engine, rows)
        for range_ in (RANGE, preset("7d", NOW, ZoneInfo("UTC"))):
            for question in QUESTIONS:
                assert question(reader, range_) == question(engine, range_)
            for question in QUESTIONS:  # by now every answer is one given before
                assert question(reader, range_) == question(engine, range_)
    emptied(engine)
    for question in QUESTIONS:
        assert question(reader, RANGE) == question(engine, RANGE)


def test_the_same_question_is_asked_of_the_database_once(sqlite_engine: Engine) -> None:
    insert(sqlite_engine, some_calls())
    reader = remembering(sqlite_engine)
    first = [question(reader, RANGE) for question in QUESTIONS]
    with statements(sqlite_engine) as asked:
        later = replace(RANGE, now=NOW + timedelta(minutes=5))  # a page drawn again looks at the clock again
        assert [question(reader, later) for question in QUESTIONS] == first
    assert asked == []


def test_a_new_half_hour_is_a_new_question(sqlite_engine: Engine) -> None:
    insert(sqlite_engine, some_calls())
    reader = remembering(sqlite_engine)
    assert usage_series(reader, EVERYBODY, RANGE).buckets[-1].partial
    over = replace(RANGE, now=RANGE.end)
    assert not usage_series(reader, EVERYBODY, over).buckets[-1].partial


def test_what_another_process_writes_shows_at_once(tmp_path: Path, sqlite_engine: Engine) -> None:
    reader = remembering(sqlite_engine)
    assert usage_totals(reader, EVERYBODY, RANGE).current.attempts == 0
    other = open_engine(SecretStr(f"sqlite:///{tmp_path / 'modeldeck.db'}"))
    for calls in (3, 6, 9):
        insert(other, some_calls())
        assert usage_totals(reader, EVERYBODY, RANGE).current.attempts == calls
    other.dispose()


def test_a_renamed_model_shows_its_new_name(sqlite_engine: Engine) -> None:
    insert(sqlite_engine, some_calls())
    reader = remembering(sqlite_engine)
    assert {share.label for share in usage_by(reader, "model", EVERYBODY, RANGE)} == {"sonnet", "gpt"}
    with sqlite_engine.begin() as connection:
        stamps = {"created_at": NOW, "updated_at": NOW}
        provider = {"slug": "anthropic", "kind": "anthropic", "display_name": "Anthropic", **stamps}
        number = connection.execute(sa.insert(llm_providers).returning(llm_providers.c.id), provider).scalar_one()
        model = {"model_key": "sonnet", "provider_id": number, "upstream_id": "sonnet", "display_name": "Sonnet the Second"} | stamps
        connection.execute(sa.insert(llm_models), model)
    assert {share.label for share in usage_by(reader, "model", EVERYBODY, RANGE)} == {"Sonnet the Second", "gpt"}


def test_what_a_reader_does_to_an_answer_is_not_what_the_next_one_gets(sqlite_engine: Engine) -> None:
    insert(sqlite_engine, some_calls())
    reader = remembering(sqlite_engine)
    usage_by(reader, "model", EVERYBODY, RANGE).clear()
    usage_by(reader, "model", EVERYBODY, RANGE).clear()
    assert len(usage_by(reader, "model", EVERYBODY, RANGE)) == 2


def test_old_answers_make_room_for_new_ones(sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_FIGURES", 12)
    insert(sqlite_engine, some_calls())
    reader = remembering(sqlite_engine)

    def costs(source: str) -> object:
        return usage_by(reader, "model", EVERYBODY, RANGE, Filters(sources=(source,)))

    for source in ("api", "playground", *(f"source-{n}" for n in range(12))):
        costs(source)
    with statements(sqlite_engine) as asked:
        costs("source-11")
        assert asked == []
        costs("api")
        assert asked != []
    with statements(sqlite_engine) as asked:  # one answer as big as all the room there is would drive out all others
        usage_series(reader, EVERYBODY, RANGE)
        first = len(asked)
        usage_series(reader, EVERYBODY, RANGE)
        assert len(asked) == 2 * first


def test_a_database_that_cannot_be_read_is_said_to_be_so(tmp_path: Path, sqlite_engine: Engine) -> None:
    reader = remembering(sqlite_engine)
    usage_totals(reader, EVERYBODY, RANGE)
    sqlite_engine.dispose()
    (tmp_path / "modeldeck.db").write_bytes(b"not a database " * 400)
    with pytest.raises(StoreUnavailable):
        usage_totals(reader, EVERYBODY, RANGE)


def test_readers_beside_a_writer_never_see_less_than_was_written(sqlite_engine: Engine) -> None:
    reader = remembering(sqlite_engine)
    written, wrong, done = [0], list[tuple[int, int]](), threading.Event()

    def read() -> None:
        while not done.is_set():
            least = written[0]
            seen = usage_totals(reader, EVERYBODY, RANGE).current.attempts
            if seen < least:
                wrong.append((seen, least))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for thread in readers:
        thread.start()
    try:
        for number in range(60):
            insert(sqlite_engine, [logged(started_at=NOW - timedelta(hours=1))])
            written[0] = number + 1
    finally:
        done.set()
        for thread in readers:
            thread.join()
    assert wrong == []
    with sqlite_engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(llm_usage_log)) == written[0]
