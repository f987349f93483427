"""Rows for the usage log, and its rollups counted slowly in Python, for the tests of this folder."""

from __future__ import annotations

import bisect
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.store.grains import GRAINS, LATENCY_EDGES, MEASURES, Grain, reader
from lib.store.usage_tables import llm_usage_log

START = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    found: dict[str, Counter[tuple[tuple[Any, ...], str]]] = {grain.table.name: Counter() for grain in GRAINS}
    for row in connection.execute(sa.select(llm_usage_log)).mappings():
        if row["status"] == "open" or (since is not None and row["started_at"] < since):
            continue
        half_hours = (row["started_at"] - EPOCH) // timedelta(minutes=30)
        for grain in GRAINS:
            about = {
                **row,
                "slot": half_hours // grain.slots * grain.slots,
                "user_id": row["user_id"] or "",
                "model_id": row["model_id"] or 0,
                "key_scope": row["key_scope"] or "",
            }
            for about["bucket"], counts in _counts(grain, row):
                for name, amount in counts.items():
                    found[grain.table.name][tuple(about[key] for key in grain.shown), name] += amount
    return {grain.table.name: _rows(grain, found[grain.table.name]) for grain in GRAINS}


def _counts(grain: Grain, row: Any) -> Iterator[tuple[int | None, dict[str, int]]]:
    if grain.subject == "usage":
        yield None, _measures(row)
    elif grain.subject == "errors" and row["error_class"] is not None:
        yield None, {"attempts": 1}
    elif grain.subject == "latency" and row["status"] == "ok":
        for metric in ("latency", "ttft"):
            value = row[f"{metric}_ms"]
            if value is not None:
                yield max(bisect.bisect_right(LATENCY_EDGES, value) - 1, 0), {f"{metric}_calls": 1}


def shown(connection: Connection) -> dict[str, dict[tuple[Any, ...], tuple[int, ...]]]:
    """Read what a reader sees, summed per key; keys that count nothing left out."""
    found = {}
    for grain in GRAINS:
        sums: Counter[tuple[tuple[Any, ...], str]] = Counter()
        for row in connection.execute(sa.select(reader(grain.table))).mappings():
            for name in grain.measures:
                sums[tuple(row[key] for key in grain.shown), name] += row[name]
        found[grain.table.name] = _rows(grain, sums)
    return found


def _rows(grain: Grain, sums: Counter[tuple[tuple[Any, ...], str]]) -> dict[tuple[Any, ...], tuple[int, ...]]:
    rows = {key: tuple(sums[key, name] for name in grain.measures) for key, _ in sums}
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
        "unpriced": int(row["cost_nano_usd"] is None and not (status == "error" and tokens == 0 and row["ttft_ms"] is None)),
        "latency_ms_sum": row["latency_ms"] or 0,
        "latency_count": int(row["latency_ms"] is not None),
        "ttft_ms_sum": row["ttft_ms"] or 0,
        "ttft_count": int(row["ttft_ms"] is not None),
    }
    plain = [name for name, _ in MEASURES if name not in counted]
    return counted | {name: row[name] or 0 for name in plain}
