"""The one schema: what an admin, a person or the server writes. The log and its rollups are in usage_tables."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from lib.store.types import BigId, CompactUuid, ExactDecimal, Json, Timestamp, UuidText

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
PRIVATE = "private"
"""Postgres schema that no API exposes; SQLite has no schemas, engines there translate it away."""


def _stamps() -> tuple[Column[object], Column[object]]:
    return Column("created_at", Timestamp, nullable=False), Column("updated_at", Timestamp, nullable=False)


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False, server_default="1")


def _flag(name: str, default: bool) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=sa.true() if default else sa.false())


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=column)


llm_providers = Table(
    "llm_providers",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("base_url", Text),
    Column("settings", Json, nullable=False, server_default="{}"),
    _flag("is_active", True),
    Column("owner_id", UuidText),
    *_stamps(),
    _version(),
    Index(
        "uq_llm_providers_slug_global",
        "slug",
        unique=True,
        sqlite_where=sa.text("owner_id IS NULL"),
        postgresql_where=sa.text("owner_id IS NULL"),
    ),
    Index(
        "uq_llm_providers_slug_owned",
        "slug",
        "owner_id",
        unique=True,
        sqlite_where=sa.text("owner_id IS NOT NULL"),
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    ),
)

llm_models = Table(
    "llm_models",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("model_key", Text, nullable=False),
    Column("provider_id", BigId, ForeignKey("llm_providers.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("upstream_id", Text, nullable=False),
    Column("vendor", Text),
    Column("priced_as", Text),
    Column("display_name", Text, nullable=False),
    Column("model_type", Text, nullable=False, server_default="chat"),
    Column("capabilities", Json, nullable=False, server_default="{}"),
    Column("context_window", Integer),
    Column("max_output_tokens", Integer),
    Column("defaults", Json, nullable=False, server_default="{}"),
    Column("constraints", Json, nullable=False, server_default="{}"),
    Column("settings", Json, nullable=False, server_default="{}"),
    Column("fallbacks", Json, nullable=False, server_default="[]"),
    _flag("is_active", False),
    _flag("is_available", True),
    _flag("hidden", False),
    _flag("is_default", False),
    Column("display_order", Integer, nullable=False, server_default="0"),
    Column("owner_id", UuidText),
    Column("last_synced_at", Timestamp),
    *_stamps(),
    _version(),
    Index(
        "uq_llm_models_key_global",
        "model_key",
        unique=True,
        sqlite_where=sa.text("owner_id IS NULL"),
        postgresql_where=sa.text("owner_id IS NULL"),
    ),
    Index(
        "uq_llm_models_key_owned",
        "model_key",
        "owner_id",
        unique=True,
        sqlite_where=sa.text("owner_id IS NOT NULL"),
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    ),
    Index(
        "uq_llm_models_default_global",
        "is_default",
        unique=True,
        sqlite_where=sa.text("is_default AND owner_id IS NULL"),
        postgresql_where=sa.text("is_default AND owner_id IS NULL"),
    ),
    Index(
        "uq_llm_models_default_owned",
        "owner_id",
        unique=True,
        sqlite_where=sa.text("is_default AND owner_id IS NOT NULL"),
        postgresql_where=sa.text("is_default AND owner_id IS NOT NULL"),
    ),
)

llm_model_prices = Table(
    "llm_model_prices",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("model_id", BigId, ForeignKey("llm_models.id", ondelete="CASCADE"), nullable=False),
    Column("valid_from", Timestamp, nullable=False),
    *(Column(rate, ExactDecimal) for rate in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")),
    Column("extra_rates", Json, nullable=False, server_default="{}"),
    Column("tiers", Json, nullable=False, server_default="[]"),
    Column("source", Text, nullable=False),
    Column("source_detail", Text),
    Column("created_by", Text),
    Column("created_at", Timestamp, nullable=False),
    _one_of("source", "seed", "catalogue", "manual", "sync"),
    Index("ix_llm_model_prices_model_id_valid_from", "model_id", "valid_from", "id"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("user_id", UuidText, primary_key=True),
    Column("email", Text, unique=True),
    Column("display_name", Text),
    Column("role", Text, nullable=False, server_default="member"),
    _flag("has_subscription", False),
    _flag("is_trial", False),
    Column("expiry_date", Timestamp),
    _flag("is_active", True),
    Column("preferences", Json, nullable=False, server_default="{}"),
    Column("last_seen_at", Timestamp),
    *_stamps(),
    _version(),
    _one_of("role", "admin", "analyst", "member"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", UuidText, primary_key=True),
    Column("owner_id", UuidText, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("model_id", BigId),
    Column("system_prompt", Text),
    Column("settings", Json, nullable=False, server_default="{}"),
    _flag("is_archived", False),
    *_stamps(),
    _version(),
    Index("ix_conversations_owner_id_updated_at", "owner_id", "updated_at"),
)

llm_messages = Table(
    "llm_messages",
    metadata,
    Column("id", UuidText, primary_key=True),
    Column("conversation_id", UuidText, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Json, nullable=False),
    Column("model_id", BigId),
    Column("model_name", Text),
    Column("request_id", CompactUuid),
    Column("created_at", Timestamp, nullable=False),
    UniqueConstraint("conversation_id", "position"),
    _one_of("role", "system", "user", "assistant", "tool"),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", UuidText, primary_key=True),
    Column("owner_id", UuidText, nullable=False, index=True),
    Column("prompt", Json, nullable=False),
    Column("lanes", Json, nullable=False, server_default="[]"),
    Column("created_at", Timestamp, nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("comparison_id", UuidText, ForeignKey("comparisons.id", ondelete="CASCADE"), nullable=False),
    Column("voter_id", UuidText, nullable=False),
    Column("winner", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    UniqueConstraint("comparison_id", "voter_id"),
)

encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("salt", Text, nullable=False),
    Column("check_value", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("retired_at", Timestamp),
    schema=PRIVATE,
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("provider_id", BigId, nullable=False, index=True),
    Column("model_id", BigId),
    Column("user_id", UuidText),
    Column("origin", Text, nullable=False),
    Column("ciphertext", Text, nullable=False),
    Column("preview", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("tested_at", Timestamp),
    *_stamps(),
    _version(),
    UniqueConstraint("subject"),
    _one_of("scope", "model", "user", "system"),
    schema=PRIVATE,
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", UuidText, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("preview", Text, nullable=False),
    Column("scopes", Json, nullable=False, server_default="[]"),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp),
    Column("last_used_at", Timestamp),
    Column("revoked_at", Timestamp),
    schema=PRIVATE,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", Text, primary_key=True),
    Column("user_id", UuidText, nullable=False, index=True),
    Column("data", Json, nullable=False, server_default="{}"),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("last_seen_at", Timestamp, nullable=False),
    Column("revoked_at", Timestamp),
    schema=PRIVATE,
)

model_compatibility_hints = Table(
    "model_compatibility_hints",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("supported_endpoints", Json, nullable=False, server_default="[]"),
    Column("unsupported_endpoints", Json, nullable=False, server_default="[]"),
    Column("preferred_endpoint", Text),
    Column("learned_parameters", Json, nullable=False, server_default="{}"),
    Column("error_count", Integer, nullable=False, server_default="0"),
    Column("success_count", Integer, nullable=False, server_default="0"),
    Column("last_error_type", Text),
    Column("last_error_message", Text),
    Column("last_error_time", Timestamp),
    Column("last_success_time", Timestamp),
    _flag("is_blacklisted", False),
    Column("blacklist_reason", Text),
    Column("manual_state", Text),
    Column("cooldown_until", Timestamp),
    Column("cooldown_reason", Text),
    Column("cooldown_count", Integer, nullable=False, server_default="0"),
    Column("next_probe_at", Timestamp),
    Column("probe_failures", Integer, nullable=False, server_default="0"),
    Column("probe_lease_by", UuidText),
    Column("probe_lease_until", Timestamp),
    *_stamps(),
    UniqueConstraint("provider", "model"),
)

hint_events = Table(
    "hint_events",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", Json, nullable=False, server_default="{}"),
    Column("request_id", CompactUuid),
    Column("actor", Text),
    Index("ix_hint_events_provider_model_at", "provider", "model", "at"),
    Index("ix_hint_events_event_at", "event", "at"),
)

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", Text),
    Column("started_at", Timestamp, nullable=False),
    Column("finished_at", Timestamp),
    Column("status", Text, nullable=False),
    Column("summary", Json, nullable=False, server_default="{}"),
    Column("actor", Text),
)

sync_items = Table(
    "sync_items",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("run_id", BigId, ForeignKey("sync_runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("detail", Json, nullable=False, server_default="{}"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("at", Timestamp, nullable=False),
    Column("actor_id", UuidText),
    Column("actor", Text, nullable=False),
    Column("origin", Text),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_id", Text),
    Column("before", Json),
    Column("after", Json),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_audit_log_subject_subject_id", "subject", "subject_id"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", UuidText, primary_key=True),
    Column("hostname", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("heartbeat_at", Timestamp, nullable=False),
    Column("stopped_at", Timestamp),
)

# The log, its rollups and the accounts join the same metadata.
from lib.store import account_tables as account_tables  # noqa: E402
from lib.store import grains as grains  # noqa: E402
from lib.store import usage_tables as usage_tables  # noqa: E402
