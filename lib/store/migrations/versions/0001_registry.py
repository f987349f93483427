"""The registry, conversations, keys, hints and records.

This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
uuid = postgresql.UUID(as_uuid=False).with_variant(sa.String(36), "sqlite")
json = postgresql.JSONB().with_variant(sa.JSON(), "sqlite")
timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
exact = sa.Numeric().with_variant(sa.Text(), "sqlite")


def where(condition: str) -> dict[str, Any]:
    """Limit an index to some rows on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    private = "private" if op.get_bind().dialect.name == "postgresql" else None

    op.create_table(
        "audit_log",
        sa.Column("id", big_id, autoincrement=False),
        sa.Column("at", timestamp, nullable=False),
        sa.Column("actor_id", uuid),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("origin", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text),
        sa.Column("before", json),
        sa.Column("after", json),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_subject_subject_id", "audit_log", ["subject", "subject_id"])

    op.create_table(
        "comparisons",
        sa.Column("id", uuid),
        sa.Column("owner_id", uuid, nullable=False),
        sa.Column("prompt", json, nullable=False),
        sa.Column("lanes", json, nullable=False, server_default="[]"),
        sa.Column("created_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_comparisons"),
    )
    op.create_index("ix_comparisons_owner_id", "comparisons", ["owner_id"])

    op.create_table(
        "conversations",
        sa.Column("id", uuid),
        sa.Column("owner_id", uuid, nullable=False),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("model_id", big_id),
        sa.Column("system_prompt", sa.Text),
        sa.Column("settings", json, nullable=False, server_default="{}"),
        sa.Column("is_archived", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_owner_id_updated_at", "conversations", ["owner_id", "updated_at"])

    op.create_table(
        "hint_events",
        sa.Column("id", big_id),
        sa.Column("at", timestamp, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("detail", json, nullable=False, server_default="{}"),
        sa.Column("request_id", uuid),
        sa.Column("actor", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_hint_events"),
    )
    op.create_index("ix_hint_events_provider_model_at", "hint_events", ["provider", "model", "at"])

    op.create_table(
        "instances",
        sa.Column("id", uuid),
        sa.Column("hostname", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("started_at", timestamp, nullable=False),
        sa.Column("heartbeat_at", timestamp, nullable=False),
        sa.Column("stopped_at", timestamp),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
    )

    op.create_table(
        "llm_providers",
        sa.Column("id", big_id),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text),
        sa.Column("settings", json, nullable=False, server_default="{}"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("owner_id", uuid),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("id", name="pk_llm_providers"),
    )
    op.create_index("uq_llm_providers_slug_global", "llm_providers", ["slug"], unique=True, **where("owner_id IS NULL"))
    op.create_index("uq_llm_providers_slug_owned", "llm_providers", ["slug", "owner_id"], unique=True, **where("owner_id IS NOT NULL"))

    op.create_table(
        "model_compatibility_hints",
        sa.Column("id", big_id),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("supported_endpoints", json, nullable=False, server_default="[]"),
        sa.Column("unsupported_endpoints", json, nullable=False, server_default="[]"),
        sa.Column("preferred_endpoint", sa.Text),
        sa.Column("learned_parameters", json, nullable=False, server_default="{}"),
        sa.Column("error_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("success_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_error_type", sa.Text),
        sa.Column("last_error_message", sa.Text),
        sa.Column("last_error_time", timestamp),
        sa.Column("last_success_time", timestamp),
        sa.Column("is_blacklisted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("blacklist_reason", sa.Text),
        sa.Column("manual_state", sa.Text),
        sa.Column("cooldown_until", timestamp),
        sa.Column("cooldown_reason", sa.Text),
        sa.Column("next_probe_at", timestamp),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_compatibility_hints"),
        sa.UniqueConstraint("provider", "model", name="uq_model_compatibility_hints_provider_model"),
    )

    op.create_table(
        "api_tokens",
        sa.Column("id", big_id),
        sa.Column("user_id", uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("preview", sa.Text, nullable=False),
        sa.Column("scopes", json, nullable=False, server_default="[]"),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("expires_at", timestamp),
        sa.Column("last_used_at", timestamp),
        sa.Column("revoked_at", timestamp),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        schema=private,
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"], schema=private)

    op.create_table(
        "credentials",
        sa.Column("id", big_id),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("provider_id", big_id, nullable=False),
        sa.Column("model_id", big_id),
        sa.Column("user_id", uuid),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("ciphertext", sa.Text, nullable=False),
        sa.Column("preview", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("tested_at", timestamp),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
        sa.UniqueConstraint("subject", name="uq_credentials_subject"),
        sa.CheckConstraint("scope IN ('model', 'user', 'system')", name=op.f("ck_credentials_scope")),
        schema=private,
    )
    op.create_index("ix_credentials_provider_id", "credentials", ["provider_id"], schema=private)

    op.create_table(
        "encryption_keys",
        sa.Column("key_id", sa.Text),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("check_value", sa.Text, nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("retired_at", timestamp),
        sa.PrimaryKeyConstraint("key_id", name="pk_encryption_keys"),
        schema=private,
    )

    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.Text),
        sa.Column("user_id", uuid, nullable=False),
        sa.Column("data", json, nullable=False, server_default="{}"),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("expires_at", timestamp, nullable=False),
        sa.Column("last_seen_at", timestamp, nullable=False),
        sa.Column("revoked_at", timestamp),
        sa.PrimaryKeyConstraint("id_hash", name="pk_sessions"),
        schema=private,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], schema=private)

    op.create_table(
        "profiles",
        sa.Column("user_id", uuid),
        sa.Column("email", sa.Text),
        sa.Column("display_name", sa.Text),
        sa.Column("role", sa.Text, nullable=False, server_default="member"),
        sa.Column("has_subscription", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_trial", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("expiry_date", timestamp),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("preferences", json, nullable=False, server_default="{}"),
        sa.Column("last_seen_at", timestamp),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("user_id", name="pk_profiles"),
        sa.UniqueConstraint("email", name="uq_profiles_email"),
        sa.CheckConstraint("role IN ('admin', 'analyst', 'member')", name=op.f("ck_profiles_role")),
    )

    op.create_table(
        "sync_runs",
        sa.Column("id", big_id),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text),
        sa.Column("started_at", timestamp, nullable=False),
        sa.Column("finished_at", timestamp),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("summary", json, nullable=False, server_default="{}"),
        sa.Column("actor", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_sync_runs"),
    )

    op.create_table(
        "llm_messages",
        sa.Column("id", uuid),
        sa.Column("conversation_id", uuid, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("content", json, nullable=False),
        sa.Column("model_id", big_id),
        sa.Column("model_name", sa.Text),
        sa.Column("request_id", uuid),
        sa.Column("created_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_llm_messages"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_llm_messages_conversation_id", ondelete="CASCADE"),
        sa.UniqueConstraint("conversation_id", "position", name="uq_llm_messages_conversation_id_position"),
        sa.CheckConstraint("role IN ('system', 'user', 'assistant', 'tool')", name=op.f("ck_llm_messages_role")),
    )

    op.create_table(
        "llm_models",
        sa.Column("id", big_id),
        sa.Column("model_key", sa.Text, nullable=False),
        sa.Column("provider_id", big_id, nullable=False),
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("vendor", sa.Text),
        sa.Column("priced_as", sa.Text),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("model_type", sa.Text, nullable=False, server_default="chat"),
        sa.Column("capabilities", json, nullable=False, server_default="{}"),
        sa.Column("context_window", sa.Integer),
        sa.Column("max_output_tokens", sa.Integer),
        sa.Column("defaults", json, nullable=False, server_default="{}"),
        sa.Column("constraints", json, nullable=False, server_default="{}"),
        sa.Column("settings", json, nullable=False, server_default="{}"),
        sa.Column("fallbacks", json, nullable=False, server_default="[]"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_available", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_default", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("display_order", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner_id", uuid),
        sa.Column("last_synced_at", timestamp),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("id", name="pk_llm_models"),
        sa.ForeignKeyConstraint(["provider_id"], ["llm_providers.id"], name="fk_llm_models_provider_id", ondelete="RESTRICT"),
    )
    op.create_index("ix_llm_models_provider_id", "llm_models", ["provider_id"])
    op.create_index("uq_llm_models_default_global", "llm_models", ["is_default"], unique=True, **where("is_default AND owner_id IS NULL"))
    op.create_index("uq_llm_models_default_owned", "llm_models", ["owner_id"], unique=True, **where("is_default AND owner_id IS NOT NULL"))
    op.create_index("uq_llm_models_key_global", "llm_models", ["model_key"], unique=True, **where("owner_id IS NULL"))
    op.create_index("uq_llm_models_key_owned", "llm_models", ["model_key", "owner_id"], unique=True, **where("owner_id IS NOT NULL"))

    op.create_table(
        "sync_items",
        sa.Column("id", big_id),
        sa.Column("run_id", big_id, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("detail", json, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("id", name="pk_sync_items"),
        sa.ForeignKeyConstraint(["run_id"], ["sync_runs.id"], name="fk_sync_items_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sync_items_run_id", "sync_items", ["run_id"])

    op.create_table(
        "votes",
        sa.Column("id", big_id),
        sa.Column("comparison_id", uuid, nullable=False),
        sa.Column("voter_id", uuid, nullable=False),
        sa.Column("winner", sa.Text, nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_votes"),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparisons.id"], name="fk_votes_comparison_id", ondelete="CASCADE"),
        sa.UniqueConstraint("comparison_id", "voter_id", name="uq_votes_comparison_id_voter_id"),
    )

    op.create_table(
        "llm_model_prices",
        sa.Column("id", big_id),
        sa.Column("model_id", big_id, nullable=False),
        sa.Column("valid_from", timestamp, nullable=False),
        sa.Column("input", exact),
        sa.Column("output", exact),
        sa.Column("cache_read", exact),
        sa.Column("cache_write_5m", exact),
        sa.Column("cache_write_1h", exact),
        sa.Column("reasoning", exact),
        sa.Column("extra_rates", json, nullable=False, server_default="{}"),
        sa.Column("tiers", json, nullable=False, server_default="[]"),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_detail", sa.Text),
        sa.Column("created_by", sa.Text),
        sa.Column("created_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_llm_model_prices"),
        sa.ForeignKeyConstraint(["model_id"], ["llm_models.id"], name="fk_llm_model_prices_model_id", ondelete="CASCADE"),
        sa.CheckConstraint("source IN ('seed', 'catalogue', 'manual', 'sync')", name=op.f("ck_llm_model_prices_source")),
    )
    op.create_index("ix_llm_model_prices_model_id_valid_from", "llm_model_prices", ["model_id", "valid_from", "id"])
