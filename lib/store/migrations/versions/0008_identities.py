"""Single sign-on: whom an OpenID provider means by its own id for somebody.

This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

uuid = postgresql.UUID(as_uuid=False).with_variant(sa.String(36), "sqlite")
timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("user_id", uuid, nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
        sa.UniqueConstraint("user_id", "issuer", name="uq_identities_user_id_issuer"),
        schema="private" if op.get_bind().dialect.name == "postgresql" else None,
    )
