"""Rollups in several grains, what caching saved, and the indexes the list of calls seeks.

The rollups are made anew from the log once the triggers are back: this file only asks for it.
This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

USAGE = (
    *("attempts", "requests", "failed_requests", "ok", "errors", "cancelled", "interrupted", "unpriced"),
    *("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens"),
    *("cost_nano_usd", "cache_saving_nano_usd", "latency_ms_sum", "latency_count", "ttft_ms_sum", "ttft_count"),
)
LATENCY = ("latency_calls", "ttft_calls")
ERRORS = ("attempts",)
MODEL, USER, SAMPLE = ("model_ref", sa.Integer()), ("user_ref", sa.Integer()), ("is_sample", sa.Boolean())
SOURCE, BUCKET, CLASS = ("source", sa.Text()), ("bucket", sa.Integer()), ("error_class", sa.Text())
Key = tuple[str, sa.types.TypeEngine[Any]]
ROLLUPS: tuple[tuple[str, tuple[Key, ...], tuple[str, ...]], ...] = (
    ("usage_by_source", (SAMPLE, SOURCE), USAGE),
    ("usage_by_source_3h", (SAMPLE, SOURCE), USAGE),
    ("usage_by_source_day", (SAMPLE, SOURCE), USAGE),
    ("usage_by_model", (MODEL,), USAGE),
    ("usage_by_model_3h", (MODEL,), USAGE),
    ("usage_by_model_day", (MODEL,), USAGE),
    ("usage_by_user", (SAMPLE, USER), USAGE),
    ("usage_by_user_day", (SAMPLE, USER), USAGE),
    ("usage_by_model_source_day", (MODEL, SOURCE), USAGE),
    ("usage_latency", (SAMPLE, BUCKET), LATENCY),
    ("usage_latency_3h", (SAMPLE, BUCKET), LATENCY),
    ("usage_latency_day", (SAMPLE, BUCKET), LATENCY),
    ("usage_latency_by_model", (MODEL, BUCKET), LATENCY),
    ("usage_latency_by_model_3h", (MODEL, BUCKET), LATENCY),
    ("usage_latency_by_model_day", (MODEL, BUCKET), LATENCY),
    ("usage_errors", (SAMPLE, CLASS), ERRORS),
    ("usage_errors_3h", (SAMPLE, CLASS), ERRORS),
    ("usage_errors_day", (SAMPLE, CLASS), ERRORS),
    ("usage_errors_by_model", (MODEL, CLASS), ERRORS),
    ("usage_errors_by_model_3h", (MODEL, CLASS), ERRORS),
    ("usage_errors_by_model_day", (MODEL, CLASS), ERRORS),
)


def where(condition: str) -> dict[str, Any]:
    """Limit an index to some rows on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def counts(names: tuple[str, ...]) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in names]


def upgrade() -> None:
    op.add_column("llm_usage_log", sa.Column("cache_saving_nano_usd", sa.BigInteger))
    op.create_index("ix_llm_usage_log_user_id_started_at", "llm_usage_log", ["user_id", "started_at"])
    without_cost = "(cost_nano_usd IS NULL AND status <> 'open')"
    failed = "(status NOT IN ('open', 'ok') OR error_class IS NOT NULL OR error_message IS NOT NULL)"
    op.create_index("ix_llm_usage_log_failed", "llm_usage_log", ["started_at"], **where(failed))
    op.create_index("ix_llm_usage_log_without_cost", "llm_usage_log", ["started_at"], **where(without_cost))

    op.create_table(
        "usage_models",
        sa.Column("id", big_id),
        sa.Column("model_id", sa.BigInteger, nullable=False),
        sa.Column("model_key", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("is_sample", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_models"),
        sa.UniqueConstraint("model_key", "provider", "model_id", "is_sample", name="uq_usage_models_model_key_provider_model_id_is_sample"),
    )
    op.create_table(
        "usage_users",
        sa.Column("id", big_id),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_users"),
        sa.UniqueConstraint("user_id", name="uq_usage_users_user_id"),
    )
    for gone in ("usage_by_model", "usage_by_user", "usage_errors", "usage_latency"):
        op.drop_table(gone)
    for name, keys, measures in ROLLUPS:
        op.create_table(
            name,
            sa.Column("slot", sa.Integer),
            *(sa.Column(key, kind) for key, kind in keys),
            *counts(measures),
            sa.PrimaryKeyConstraint("slot", *(key for key, _ in keys), name=f"pk_{name}"),
            sqlite_with_rowid=False,
        )
    if op.get_bind().dialect.name == "postgresql":
        op.drop_table("usage_delta")
        op.create_table(
            "usage_delta",
            sa.Column("id", sa.BigInteger),
            sa.Column("slot", sa.Integer, nullable=False),
            sa.Column("user_id", sa.Text, nullable=False),
            sa.Column("model_id", sa.BigInteger, nullable=False),
            sa.Column("model_key", sa.Text, nullable=False),
            sa.Column("provider", sa.Text, nullable=False),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("is_sample", sa.Boolean, nullable=False),
            sa.Column("error_class", sa.Text),
            sa.Column("latency_bucket", sa.Integer),
            sa.Column("ttft_bucket", sa.Integer),
            *counts(USAGE),
            sa.PrimaryKeyConstraint("id", name="pk_usage_delta"),
        )
    state = sa.table("rollup_state", sa.column("rebuild_from", timestamp), sa.column("rebuild_done_to", timestamp))
    earliest = "'1970-01-01 00:00:00+00'" if op.get_bind().dialect.name == "postgresql" else "0"
    op.execute(sa.update(state).values(rebuild_from=sa.text(earliest), rebuild_done_to=sa.text(earliest)))
