"""How often a pair cooled down or failed its probes, and which process probes it.

This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

uuid = postgresql.UUID(as_uuid=False).with_variant(sa.String(36), "sqlite")
timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
HINTS = "model_compatibility_hints"


def upgrade() -> None:
    op.add_column(HINTS, sa.Column("cooldown_count", sa.Integer, nullable=False, server_default="0"))
    op.add_column(HINTS, sa.Column("probe_failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column(HINTS, sa.Column("probe_lease_by", uuid))
    op.add_column(HINTS, sa.Column("probe_lease_until", timestamp))
    op.create_index("ix_hint_events_event_at", "hint_events", ["event", "at"])
