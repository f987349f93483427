"""Built-in accounts: password hashes, links that set a password, and failed sign-ins.

This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

uuid = postgresql.UUID(as_uuid=False).with_variant(sa.String(36), "sqlite")
big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    private = "private" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "accounts",
        sa.Column("user_id", uuid),
        sa.Column("password_hash", sa.Text),
        sa.Column("password_set_at", timestamp),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("updated_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_accounts"),
        schema=private,
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.Text),
        sa.Column("user_id", uuid, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("expires_at", timestamp, nullable=False),
        sa.Column("used_at", timestamp),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sign_in_links"),
        sa.CheckConstraint("purpose IN ('invite', 'reset')", name=op.f("ck_sign_in_links_purpose")),
        schema=private,
    )
    op.create_index("ix_sign_in_links_user_id", "sign_in_links", ["user_id"], schema=private)
    op.create_table(
        "sign_in_failures",
        sa.Column("id", big_id),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_failures"),
        schema=private,
    )
    op.create_index("ix_sign_in_failures_subject_at", "sign_in_failures", ["subject", "at"], schema=private)
