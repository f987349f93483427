"""The usage log and the rollups that triggers keep beside it.

Readers use ``reader(rollup)``: on SQLite that view is the rollup table as it is, on Postgres the folded rows and, beside
them, what still waits in ``usage_delta``. A key may therefore come in several rows, some negative: always sum.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from lib.store.schema import metadata
from lib.store.types import BigId, Json, Timestamp, UuidText

STATUSES = ("open", "ok", "error", "cancelled", "interrupted")
SOURCES = ("playground", "api", "cli", "test", "probe")
SLOT_MS = 30 * 60 * 1000
"""Width of a rollup slot: half an hour, so that every timezone's day starts on a slot."""


def _in(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=column)


llm_usage_log = Table(
    "llm_usage_log",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("request_id", UuidText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("is_final", Boolean, nullable=False, server_default=sa.false()),
    Column("instance_id", UuidText),
    Column("started_at", Timestamp, nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    Column("user_id", UuidText),
    Column("user_name", Text),
    Column("model_id", BigInteger),
    Column("model_key", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("provider_id", BigInteger),
    Column("provider", Text, nullable=False),
    Column("provider_name", Text, nullable=False),
    Column("endpoint", Text),
    Column("source", Text, nullable=False),
    Column("conversation_id", UuidText),
    Column("message_id", UuidText),
    Column("api_token_id", BigInteger),
    Column("key_scope", Text),
    Column("is_sample", Boolean, nullable=False, server_default=sa.false()),
    Column("input_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_extra", Json),
    Column("usage_source", Text, nullable=False, server_default="none"),
    Column("cost_nano_usd", BigInteger),
    Column("price_id", BigInteger),
    Column("price_source", Text),
    Column("ttft_ms", Integer),
    Column("latency_ms", Integer),
    Column("error_class", Text),
    Column("error_status", Integer),
    Column("error_message", Text),
    Column("finish_reason", Text),
    _in("status", STATUSES),
    _in("source", SOURCES),
    _in("usage_source", ("provider", "estimated", "none")),
    Index("uq_llm_usage_log_request_id_attempt", "request_id", "attempt", unique=True),
    Index("ix_llm_usage_log_started_at", "started_at"),
    Index("ix_llm_usage_log_model_id_started_at", "model_id", "started_at"),
    Index("ix_llm_usage_log_open", "instance_id", sqlite_where=sa.text("status = 'open'"), postgresql_where=sa.text("status = 'open'")),
)

UNPRICED = (
    "(cost_nano_usd IS NULL AND status <> 'open' AND NOT (status = 'error' AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0))"
)
"""SQL: a closed call that may have cost money nobody can name. A failure that moved no token cost nothing anyone reported."""

DIMENSIONS = ("slot_start", "model_id", "model_key", "provider", "source", "is_sample")
"""What a rollup row is about; model_id is 0 where the log has none."""

MEASURES: tuple[tuple[str, str], ...] = (
    ("attempts", "1"),
    ("requests", "CASE WHEN attempt = 1 THEN 1 ELSE 0 END"),
    ("failed_requests", "CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END"),
    ("ok", "CASE WHEN status = 'ok' THEN 1 ELSE 0 END"),
    ("errors", "CASE WHEN status = 'error' THEN 1 ELSE 0 END"),
    ("cancelled", "CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END"),
    ("interrupted", "CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END"),
    ("unpriced", f"CASE WHEN {UNPRICED} THEN 1 ELSE 0 END"),
    ("input_tokens", "coalesce(input_tokens, 0)"),
    ("cache_read_tokens", "coalesce(cache_read_tokens, 0)"),
    ("cache_write_tokens", "coalesce(cache_write_tokens, 0)"),
    ("cache_write_1h_tokens", "coalesce(cache_write_1h_tokens, 0)"),
    ("output_tokens", "coalesce(output_tokens, 0)"),
    ("reasoning_tokens", "coalesce(reasoning_tokens, 0)"),
    ("cost_nano_usd", "coalesce(cost_nano_usd, 0)"),
    ("latency_ms_sum", "coalesce(latency_ms, 0)"),
    ("latency_count", "CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END"),
    ("ttft_ms_sum", "coalesce(ttft_ms, 0)"),
    ("ttft_count", "CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END"),
)
"""Each measure and the SQL that takes it from one closed row of the log; triggers, rebuild and verify all read this."""


def _dimension_columns() -> list[Column[object]]:
    return [
        Column("slot_start", Timestamp, nullable=False),
        Column("model_id", BigInteger, nullable=False),
        Column("model_key", Text, nullable=False),
        Column("provider", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("is_sample", Boolean, nullable=False),
    ]


def _measure_columns() -> list[Column[object]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name, _ in MEASURES]


usage_by_model = Table(
    "usage_by_model", metadata, *_dimension_columns(), *_measure_columns(), PrimaryKeyConstraint(*DIMENSIONS), sqlite_with_rowid=False
)
usage_by_user = Table(
    "usage_by_user",
    metadata,
    Column("user_id", Text, nullable=False),  # '' for a call without a user
    *_dimension_columns(),
    *_measure_columns(),
    PrimaryKeyConstraint("user_id", *DIMENSIONS),
    sqlite_with_rowid=False,
)
usage_latency = Table(
    "usage_latency",
    metadata,
    Column("metric", Text, nullable=False),  # 'latency' or 'ttft'; ok calls only
    *_dimension_columns(),
    Column("bucket", Integer, nullable=False),
    Column("calls", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("metric", *DIMENSIONS, "bucket"),
    sqlite_with_rowid=False,
)
usage_errors = Table(
    "usage_errors",
    metadata,
    *_dimension_columns(),
    Column("error_class", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint(*DIMENSIONS, "error_class"),  # the time first: nobody reads one class alone
    sqlite_with_rowid=False,
)


def _edges() -> tuple[int, ...]:
    """Integer milliseconds growing by about a fifth: 0, 1, 2 … 20, 24, 28 … up to ten minutes."""
    edges = list(range(0, 21))
    while edges[-1] < 600_000:
        edges.append(edges[-1] + max(1, edges[-1] // 5))
    return tuple(edges)


LATENCY_EDGES = _edges()
"""Lower edge in ms of each latency bucket; the last bucket is open upwards."""

latency_edges = Table(
    "latency_edges",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("lower_ms", Integer, nullable=False, unique=True),
)

rollup_state = Table(
    "rollup_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("frozen_before", Timestamp),
    Column("rebuild_from", Timestamp),
    Column("rebuild_done_to", Timestamp),
    Column("fold_owner", UuidText),
    Column("fold_until", Timestamp),
)

ROLLUPS = (usage_by_model, usage_by_user, usage_latency, usage_errors)

postgres_metadata = sa.MetaData(naming_convention=metadata.naming_convention)
"""What only Postgres has."""

usage_delta = Table(
    "usage_delta",
    postgres_metadata,
    Column("id", BigInteger, primary_key=True),
    Column("user_id", Text, nullable=False),
    *_dimension_columns(),
    Column("error_class", Text),
    Column("latency_bucket", Integer),
    Column("ttft_bucket", Integer),
    *_measure_columns(),
)
"""Closed calls added (or, with every measure negative, taken away) but not yet folded into the rollups."""


def reader(rollup: Table) -> sa.TableClause:
    """Return the view that readers select from in place of a rollup table: same columns, named NAME_now; sum its rows."""
    return sa.table(f"{rollup.name}_now", *(sa.column(c.name, c.type) for c in rollup.columns))
