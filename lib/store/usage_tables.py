"""The usage log: one row per attempt. What triggers count beside it is in grains."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, Table, Text
from sqlalchemy.dialects import sqlite

from lib.store.schema import metadata
from lib.store.types import BigId, CompactUuid, InternedText, Json, PackedUuid, SharedText, SharedUuid, Timestamp, UuidText

STATUSES = ("open", "ok", "error", "cancelled", "interrupted")
SOURCES = ("playground", "api", "cli", "test", "probe")
USAGE_SOURCES = ("provider", "estimated", "none")
FAILED = "(status NOT IN ('open', 'ok') OR error_class IS NOT NULL OR error_message IS NOT NULL)"
"""SQL of the index on calls that went wrong; a query must say it in these words for SQLite to use it."""
WITHOUT_COST = "(cost_nano_usd IS NULL AND status <> 'open')"
"""SQL of the index in which every unpriced call is found."""


def _in(column: str, values: tuple[str, ...], unless: str = "") -> CheckConstraint:
    listed = f"{column} IN ({', '.join(repr(v) for v in values)})"
    return CheckConstraint(f"{unless} OR {listed}" if unless else listed, name=column)


def _only(condition: str) -> dict[str, Any]:
    """Limit an index to some rows on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


llm_usage_log = Table(
    "llm_usage_log",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("request_id", CompactUuid, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("is_final", Boolean, nullable=False, server_default=sa.false()),
    Column("instance_id", SharedUuid),
    Column("started_at", Timestamp, nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    Column("user_id", SharedUuid),
    Column("user_name", SharedText),
    Column("model_id", BigInteger),
    Column("model_key", SharedText, nullable=False),
    Column("model_name", SharedText, nullable=False),
    Column("provider_id", BigInteger),
    Column("provider", SharedText, nullable=False),
    Column("provider_name", SharedText, nullable=False),
    Column("endpoint", SharedText),
    Column("source", SharedText, nullable=False),
    Column("conversation_id", UuidText),
    Column("message_id", UuidText),
    Column("api_token_id", BigInteger),
    Column("key_scope", SharedText),
    Column("is_sample", Boolean, nullable=False, server_default=sa.false()),
    Column("input_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_extra", Json),
    Column("usage_source", SharedText, nullable=False, server_default="none"),
    Column("cost_nano_usd", BigInteger),
    Column("cache_saving_nano_usd", BigInteger),
    Column("price_id", BigInteger),
    Column("price_source", SharedText),
    Column("ttft_ms", Integer),
    Column("latency_ms", Integer),
    Column("error_class", Text),
    Column("error_status", Integer),
    Column("error_message", Text),
    Column("finish_reason", SharedText),
    _in("status", STATUSES),
    _in("source", SOURCES).ddl_if(dialect="postgresql"),
    _in("source", SOURCES, unless="typeof(source) = 'integer'").ddl_if(dialect="sqlite"),  # the number of such a text
    _in("usage_source", USAGE_SOURCES).ddl_if(dialect="postgresql"),
    _in("usage_source", USAGE_SOURCES, unless="typeof(usage_source) = 'integer'").ddl_if(dialect="sqlite"),
    Index("uq_llm_usage_log_request_id_attempt", "request_id", "attempt", unique=True),
    Index("ix_llm_usage_log_started_at", "started_at"),
    Index("ix_llm_usage_log_model_id_started_at", "model_id", "started_at"),
    Index("ix_llm_usage_log_user_id_started_at", "user_id", "started_at"),
    Index("ix_llm_usage_log_failed", "started_at", **_only(FAILED)),
    Index("ix_llm_usage_log_without_cost", "started_at", **_only(WITHOUT_COST)),
    Index("ix_llm_usage_log_open", "instance_id", **_only("status = 'open'")),
)

sqlite_metadata = sa.MetaData(naming_convention=metadata.naming_convention)
"""What only SQLite has."""

usage_texts = Table(
    "usage_texts",
    sqlite_metadata,
    Column("number", Integer, primary_key=True),
    Column("text", Text, nullable=False, unique=True),
)
"""The texts that rows of the log share: a name or id of forty bytes, repeated in each row, would be half the file."""

INTERNED = tuple(c.name for c in llm_usage_log.columns if isinstance(c.type.dialect_impl(sqlite.dialect()), InternedText))
PACKED = tuple(c.name for c in llm_usage_log.columns if isinstance(c.type.dialect_impl(sqlite.dialect()), PackedUuid))
"""The log's columns that SQLite keeps as numbers of texts, and those it keeps as 16 bytes."""
