"""What built-in accounts need beside a person's profile; no API exposes these tables."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint

from lib.store.schema import PRIVATE, metadata
from lib.store.types import BigId, Timestamp, UuidText

PURPOSES = ("invite", "reset")

accounts = Table(
    "accounts",
    metadata,
    Column("user_id", UuidText, primary_key=True),
    Column("password_hash", Text),
    Column("password_set_at", Timestamp),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    schema=PRIVATE,
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", UuidText, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    UniqueConstraint("user_id", "issuer"),
    schema=PRIVATE,
)
"""Whom an OpenID provider means: its own id for somebody, and the person here."""

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", UuidText, nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("used_at", Timestamp),
    CheckConstraint(f"purpose IN ({', '.join(repr(p) for p in PURPOSES)})", name="purpose"),
    schema=PRIVATE,
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Index("ix_sign_in_failures_subject_at", "subject", "at"),
    schema=PRIVATE,
)
