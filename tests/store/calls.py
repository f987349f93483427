"""Rows for the usage log, and its rollups counted slowly in Python, for the tests of this folder."""

from __future__ import annotations

import bisect
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.usage_tables import DIMENSIONS, LATENCY_EDGES, MEASURES, ROLLUPS, SLOT_MS, llm_usage_log, reader

START = datetime(2026, 3, 1, tzinfo=UTC)
USERS = ("3f2b8a52-6a0e-4c9b-9f39-0d9f3f1f0a11", "7d0e4c1c-8f2d-4c9b-8a6b-54b2b1f6e922", None)
CLOSING = ("ok", "error", "cancelled", "interrupted")


def opened(**values: Any) -> dict[str, Any]:
    """Return a row as the ledger opens it."""
    row = {
        "request_id": str(uuid.uuid4()),
        "attempt": 1,
        "started_at": START,
        "model_id": 1,
        "model_key": "alpha",
        "model_name": "Alpha",
        "provider": "acme",
        "provider_name": "Acme",
        "source": "api",
    }
    return row | values


def closed(**values: Any) -> dict[str, Any]:
    """Return a row as the ledger leaves it after a good call."""
    row = opened(
        status="ok",
        is_final=True,
        user_id=USERS[0],
        input_tokens=10,
        output_tokens=5,
        cost_nano_usd=1_500,
        ttft_ms=120,
        latency_ms=900,
    )
    return row | values


def insert(connection: Connection, *rows: Mapping[str, Any]) -> list[int]:
    """Write rows one statement each and return their ids."""
    returning = sa.insert(llm_usage_log).returning(llm_usage_log.c.id)
    return [connection.execute(returning.values(dict(row))).scalar_one() for row in rows]


def expected(connection: Connection, since: datetime | None = None) -> dict[str, dict[tuple[Any, ...], tuple[int, ...]]]:
    """Count the rollups from the log, call by call, with none of the SQL under test."""
    found: dict[str, Counter[tuple[tuple[Any, ...], str]]] = {rollup.name: Counter() for rollup in ROLLUPS}
    for row in connection.execute(sa.select(llm_usage_log)).mappings():
        if row["status"] == "open" or (since is not None and row["started_at"] < since):
            continue
        slot = row["started_at"] - (row["started_at"] - START) % timedelta(milliseconds=SLOT_MS)
        dimensions = (slot, row["model_id"] or 0, row["model_key"], row["provider"], row["source"], row["is_sample"])
        for name, amount in _measures(row).items():
            found["usage_by_model"][dimensions, name] += amount
            found["usage_by_user"][(row["user_id"] or "", *dimensions), name] += amount
        if row["error_class"] is not None:
            found["usage_errors"][(*dimensions, row["error_class"]), "attempts"] += 1
        for metric in ("latency", "ttft"):
            value = row[f"{metric}_ms"]
            if row["status"] == "ok" and value is not None:
                bucket = max(bisect.bisect_right(LATENCY_EDGES, value) - 1, 0)
                found["usage_latency"][(metric, *dimensions, bucket), "calls"] += 1
    return {rollup.name: _rows(rollup, found[rollup.name]) for rollup in ROLLUPS}


def shown(connection: Connection) -> dict[str, dict[tuple[Any, ...], tuple[int, ...]]]:
    """Read what a reader sees, summed per key; keys that count nothing left out."""
    found = {}
    for rollup in ROLLUPS:
        keys = [column.name for column in rollup.primary_key.columns]
        sums: Counter[tuple[tuple[Any, ...], str]] = Counter()
        for row in connection.execute(sa.select(reader(rollup))).mappings():
            for column in rollup.columns:
                if column.name not in keys:
                    sums[tuple(row[key] for key in keys), column.name] += row[column.name]
        found[rollup.name] = _rows(rollup, sums)
    return found


def _rows(rollup: sa.Table, sums: Counter[tuple[tuple[Any, ...], str]]) -> dict[tuple[Any, ...], tuple[int, ...]]:
    measures = [column.name for column in rollup.columns if not column.primary_key]
    rows = {key: tuple(sums[key, name] for name in measures) for key, _ in sums}
    return {key: row for key, row in rows.items() if any(row)}


def _measures(row: Any) -> dict[str, int]:
    status, tokens = row["status"], (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
    counted = {
        "attempts": 1,
        "requests": int(row["attempt"] == 1),
        "failed_requests": int(row["is_final"] and status != "ok"),
        "ok": int(status == "ok"),
        "errors": int(status == "error"),
        "cancelled": int(status == "cancelled"),
        "interrupted": int(status == "interrupted"),
        "unpriced": int(row["cost_nano_usd"] is None and not (status == "error" and tokens == 0)),
        "latency_ms_sum": row["latency_ms"] or 0,
        "latency_count": int(row["latency_ms"] is not None),
        "ttft_ms_sum": row["ttft_ms"] or 0,
        "ttft_count": int(row["ttft_ms"] is not None),
    }
    plain = [name for name, _ in MEASURES if name not in counted]
    return counted | {name: row[name] or 0 for name in plain}


assert len(DIMENSIONS) == 6  # the tuples above spell them out
