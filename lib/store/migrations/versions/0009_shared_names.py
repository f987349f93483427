"""Models, providers and sources too are kept once in the log on SQLite, as numbers in each row.

SQLite cannot change a column's kind, so the log is written anew. On Postgres nothing changes.
This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SHARED = ("model_key", "provider", "source")
COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "INTEGER NOT NULL"),
    ("request_id", "VARCHAR(36) NOT NULL"),
    ("attempt", "INTEGER NOT NULL"),
    ("is_final", "BOOLEAN DEFAULT 0 NOT NULL"),
    ("instance_id", "BLOB"),
    ("started_at", "BIGINT NOT NULL"),
    ("status", "TEXT DEFAULT 'open' NOT NULL"),
    ("user_id", "BLOB"),
    ("user_name", "BLOB"),
    ("model_id", "BIGINT"),
    ("model_key", "BLOB NOT NULL"),
    ("model_name", "BLOB NOT NULL"),
    ("provider_id", "BIGINT"),
    ("provider", "BLOB NOT NULL"),
    ("provider_name", "BLOB NOT NULL"),
    ("endpoint", "BLOB"),
    ("source", "BLOB NOT NULL"),
    ("conversation_id", "VARCHAR(36)"),
    ("message_id", "VARCHAR(36)"),
    ("api_token_id", "BIGINT"),
    ("key_scope", "BLOB"),
    ("is_sample", "BOOLEAN DEFAULT 0 NOT NULL"),
    ("input_tokens", "BIGINT"),
    ("cache_read_tokens", "BIGINT"),
    ("cache_write_tokens", "BIGINT"),
    ("cache_write_1h_tokens", "BIGINT"),
    ("output_tokens", "BIGINT"),
    ("reasoning_tokens", "BIGINT"),
    ("usage_extra", "JSON"),
    ("usage_source", "BLOB DEFAULT 'none' NOT NULL"),
    ("cost_nano_usd", "BIGINT"),
    ("cache_saving_nano_usd", "BIGINT"),
    ("price_id", "BIGINT"),
    ("price_source", "BLOB"),
    ("ttft_ms", "INTEGER"),
    ("latency_ms", "INTEGER"),
    ("error_class", "TEXT"),
    ("error_status", "INTEGER"),
    ("error_message", "TEXT"),
    ("finish_reason", "BLOB"),
)
CONSTRAINTS = (
    "CONSTRAINT pk_llm_usage_log PRIMARY KEY (id)",
    "CONSTRAINT ck_llm_usage_log_status CHECK (status IN ('open', 'ok', 'error', 'cancelled', 'interrupted'))",
    "CONSTRAINT ck_llm_usage_log_source CHECK (typeof(source) = 'integer' OR source IN ('playground', 'api', 'cli', 'test', 'probe'))",
    "CONSTRAINT ck_llm_usage_log_usage_source"
    " CHECK (typeof(usage_source) = 'integer' OR usage_source IN ('provider', 'estimated', 'none'))",
)
FAILED = "(status NOT IN ('open', 'ok') OR error_class IS NOT NULL OR error_message IS NOT NULL)"
WITHOUT_COST = "(cost_nano_usd IS NULL AND status <> 'open')"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("ALTER TABLE llm_usage_log RENAME TO llm_usage_log_before")
    parts = [f"{name} {kind}" for name, kind in COLUMNS]
    op.execute(f"CREATE TABLE llm_usage_log ( {', '.join((*parts, *CONSTRAINTS))})")
    for name in SHARED:
        op.execute(
            f"INSERT INTO usage_texts (text) SELECT DISTINCT {name} FROM llm_usage_log_before"
            f" WHERE {name} NOT IN (SELECT text FROM usage_texts)"
        )
    names = [name for name, _ in COLUMNS]
    number = "(SELECT number FROM usage_texts WHERE text = log.{0})"
    picked = [number.format(name) if name in SHARED else name for name in names]
    op.execute(f"INSERT INTO llm_usage_log ({', '.join(names)}) SELECT {', '.join(picked)} FROM llm_usage_log_before AS log ORDER BY id")
    op.execute("DROP TABLE llm_usage_log_before")
    op.create_index("uq_llm_usage_log_request_id_attempt", "llm_usage_log", ["request_id", "attempt"], unique=True)
    op.create_index("ix_llm_usage_log_model_id_started_at", "llm_usage_log", ["model_id", "started_at"])
    op.create_index("ix_llm_usage_log_started_at", "llm_usage_log", ["started_at"])
    op.create_index("ix_llm_usage_log_user_id_started_at", "llm_usage_log", ["user_id", "started_at"])
    op.create_index("ix_llm_usage_log_failed", "llm_usage_log", ["started_at"], sqlite_where=sa.text(FAILED))
    op.create_index("ix_llm_usage_log_without_cost", "llm_usage_log", ["started_at"], sqlite_where=sa.text(WITHOUT_COST))
    op.create_index("ix_llm_usage_log_open", "llm_usage_log", ["instance_id"], sqlite_where=sa.text("status = 'open'"))
