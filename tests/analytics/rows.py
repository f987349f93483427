"""Rows for the log, and the slow recomputation of every figure from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics import Totals
from lib.store.grains import ROLLUPS, reader
from lib.store.usage_tables import llm_usage_log

Row = dict[str, Any]
_numbers = count(1)
_NOTHING: Row = dict.fromkeys(c.name for c in llm_usage_log.columns if c.name != "id")


def emptied(engine: Engine) -> Engine:
    """Return the engine with no call in its log, and so none that readers would see counted."""
    with engine.begin() as connection:
        connection.execute(sa.delete(llm_usage_log))
        for view in map(reader, ROLLUPS):
            measure = "attempts" if "attempts" in view.c else "latency_calls"
            assert not connection.scalar(sa.select(sa.func.sum(view.c[measure])))
    return engine


def logged(**values: Any) -> Row:
    """Return a row of the log."""
    return _NOTHING | {
        "request_id": str(UUID(int=next(_numbers))),
        "attempt": 1,
        "is_final": True,
        "started_at": datetime(2026, 3, 5, 12, tzinfo=UTC),
        "status": "ok",
        "model_id": 1,
        "model_key": "sonnet",
        "model_name": "Claude Sonnet",
        "provider_id": 1,
        "provider": "anthropic",
        "provider_name": "Anthropic",
        "source": "playground",
        "is_sample": False,
        "usage_source": "provider",
        **values,
    }


def insert(engine: Engine, rows: Iterable[Row]) -> list[int]:
    """Write rows and return their ids."""
    with engine.begin() as connection:
        return [connection.execute(sa.insert(llm_usage_log).returning(llm_usage_log.c.id), row).scalar_one() for row in rows]


def recomputed(rows: Sequence[Row]) -> Totals:
    """Return the totals of some rows, counted one by one in Python."""
    closed = [r for r in rows if r["status"] != "open"]

    def moved_nothing(row: Row) -> bool:
        return row["ttft_ms"] is None and (row["input_tokens"] or 0) + (row["output_tokens"] or 0) == 0

    def summed(column: str) -> int:
        return sum(r[column] or 0 for r in closed)

    return Totals(
        attempts=len(closed),
        requests=len([r for r in closed if r["attempt"] == 1]),
        failed_requests=len([r for r in closed if r["is_final"] and r["status"] != "ok"]),
        ok=len([r for r in closed if r["status"] == "ok"]),
        errors=len([r for r in closed if r["status"] == "error"]),
        cancelled=len([r for r in closed if r["status"] == "cancelled"]),
        interrupted=len([r for r in closed if r["status"] == "interrupted"]),
        unpriced=len([r for r in closed if r["cost_nano_usd"] is None and not (r["status"] == "error" and moved_nothing(r))]),
        input_tokens=summed("input_tokens"),
        cache_read_tokens=summed("cache_read_tokens"),
        cache_write_tokens=summed("cache_write_tokens"),
        cache_write_1h_tokens=summed("cache_write_1h_tokens"),
        output_tokens=summed("output_tokens"),
        reasoning_tokens=summed("reasoning_tokens"),
        cost_nano_usd=summed("cost_nano_usd"),
        cache_saving_nano_usd=summed("cache_saving_nano_usd"),
        latency_ms_sum=summed("latency_ms"),
        latency_count=len([r for r in closed if r["latency_ms"] is not None]),
        ttft_ms_sum=summed("ttft_ms"),
        ttft_count=len([r for r in closed if r["ttft_ms"] is not None]),
    )
