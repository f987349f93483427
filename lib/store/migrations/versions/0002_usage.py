"""The usage log and its rollups.

This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
uuid = postgresql.UUID(as_uuid=False).with_variant(sa.String(36), "sqlite")
json = postgresql.JSONB().with_variant(sa.JSON(), "sqlite")
timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def where(condition: str) -> dict[str, Any]:
    """Limit an index to some rows on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def edges() -> list[int]:
    """Lower edges in ms: 0, 1, 2 … 20, 24, 28 … growing by about a fifth up to ten minutes."""
    found = list(range(0, 21))
    while found[-1] < 600_000:
        found.append(found[-1] + max(1, found[-1] // 5))
    return found


def upgrade() -> None:
    op.create_table(
        "latency_edges",
        sa.Column("bucket", sa.Integer, autoincrement=False),
        sa.Column("lower_ms", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_latency_edges"),
        sa.UniqueConstraint("lower_ms", name="uq_latency_edges_lower_ms"),
    )

    op.create_table(
        "llm_usage_log",
        sa.Column("id", big_id),
        sa.Column("request_id", uuid, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("is_final", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("instance_id", uuid),
        sa.Column("started_at", timestamp, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("user_id", uuid),
        sa.Column("user_name", sa.Text),
        sa.Column("model_id", sa.BigInteger),
        sa.Column("model_key", sa.Text, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("provider_id", sa.BigInteger),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("provider_name", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("conversation_id", uuid),
        sa.Column("message_id", uuid),
        sa.Column("api_token_id", sa.BigInteger),
        sa.Column("key_scope", sa.Text),
        sa.Column("is_sample", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("cache_write_1h_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("usage_extra", json),
        sa.Column("usage_source", sa.Text, nullable=False, server_default="none"),
        sa.Column("cost_nano_usd", sa.BigInteger),
        sa.Column("price_id", sa.BigInteger),
        sa.Column("price_source", sa.Text),
        sa.Column("ttft_ms", sa.Integer),
        sa.Column("latency_ms", sa.Integer),
        sa.Column("error_class", sa.Text),
        sa.Column("error_status", sa.Integer),
        sa.Column("error_message", sa.Text),
        sa.Column("finish_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_llm_usage_log"),
        sa.CheckConstraint("source IN ('playground', 'api', 'cli', 'test', 'probe')", name=op.f("ck_llm_usage_log_source")),
        sa.CheckConstraint("status IN ('open', 'ok', 'error', 'cancelled', 'interrupted')", name=op.f("ck_llm_usage_log_status")),
        sa.CheckConstraint("usage_source IN ('provider', 'estimated', 'none')", name=op.f("ck_llm_usage_log_usage_source")),
    )
    op.create_index("ix_llm_usage_log_model_id_started_at", "llm_usage_log", ["model_id", "started_at"])
    op.create_index("ix_llm_usage_log_open", "llm_usage_log", ["instance_id"], **where("status = 'open'"))
    op.create_index("ix_llm_usage_log_started_at", "llm_usage_log", ["started_at"])
    op.create_index("uq_llm_usage_log_request_id_attempt", "llm_usage_log", ["request_id", "attempt"], unique=True)

    op.create_table(
        "rollup_state",
        sa.Column("id", sa.Integer, autoincrement=False),
        sa.Column("frozen_before", timestamp),
        sa.Column("rebuild_from", timestamp),
        sa.Column("rebuild_done_to", timestamp),
        sa.Column("fold_owner", uuid),
        sa.Column("fold_until", timestamp),
        sa.PrimaryKeyConstraint("id", name="pk_rollup_state"),
    )

    op.create_table(
        "usage_by_model",
        sa.Column("slot_start", timestamp),
        sa.Column("model_id", sa.BigInteger),
        sa.Column("model_key", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("is_sample", sa.Boolean),
        sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("requests", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed_requests", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ok", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("errors", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cancelled", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("interrupted", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("unpriced", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_read_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_write_1h_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cost_nano_usd", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("latency_ms_sum", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("latency_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ttft_ms_sum", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ttft_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("slot_start", "model_id", "model_key", "provider", "source", "is_sample", name="pk_usage_by_model"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "usage_by_user",
        sa.Column("user_id", sa.Text),
        sa.Column("slot_start", timestamp),
        sa.Column("model_id", sa.BigInteger),
        sa.Column("model_key", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("is_sample", sa.Boolean),
        sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("requests", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed_requests", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ok", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("errors", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cancelled", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("interrupted", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("unpriced", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_read_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_write_1h_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cost_nano_usd", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("latency_ms_sum", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("latency_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ttft_ms_sum", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("ttft_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint(
            "user_id", "slot_start", "model_id", "model_key", "provider", "source", "is_sample", name="pk_usage_by_user"
        ),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "usage_errors",
        sa.Column("slot_start", timestamp),
        sa.Column("model_id", sa.BigInteger),
        sa.Column("model_key", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("is_sample", sa.Boolean),
        sa.Column("error_class", sa.Text),
        sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint(
            "slot_start", "model_id", "model_key", "provider", "source", "is_sample", "error_class", name="pk_usage_errors"
        ),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "usage_latency",
        sa.Column("metric", sa.Text),
        sa.Column("slot_start", timestamp),
        sa.Column("model_id", sa.BigInteger),
        sa.Column("model_key", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("is_sample", sa.Boolean),
        sa.Column("bucket", sa.Integer),
        sa.Column("calls", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint(
            "metric", "slot_start", "model_id", "model_key", "provider", "source", "is_sample", "bucket", name="pk_usage_latency"
        ),
        sqlite_with_rowid=False,
    )

    op.bulk_insert(
        sa.table("latency_edges", sa.column("bucket", sa.Integer), sa.column("lower_ms", sa.Integer)),
        [{"bucket": bucket, "lower_ms": lower_ms} for bucket, lower_ms in enumerate(edges())],
    )
    op.execute("INSERT INTO rollup_state (id) VALUES (1)")
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "usage_delta",
            sa.Column("id", sa.BigInteger),
            sa.Column("user_id", sa.Text, nullable=False),
            sa.Column("slot_start", timestamp, nullable=False),
            sa.Column("model_id", sa.BigInteger, nullable=False),
            sa.Column("model_key", sa.Text, nullable=False),
            sa.Column("provider", sa.Text, nullable=False),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("is_sample", sa.Boolean, nullable=False),
            sa.Column("error_class", sa.Text),
            sa.Column("latency_bucket", sa.Integer),
            sa.Column("ttft_bucket", sa.Integer),
            sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("requests", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("failed_requests", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("ok", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("errors", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("cancelled", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("interrupted", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("unpriced", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("cache_read_tokens", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("cache_write_tokens", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("cache_write_1h_tokens", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("reasoning_tokens", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("cost_nano_usd", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("latency_ms_sum", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("latency_count", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("ttft_ms_sum", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column("ttft_count", sa.BigInteger, nullable=False, server_default="0"),
            sa.PrimaryKeyConstraint("id", name="pk_usage_delta"),
        )
