"""Rollups tell apart whose key paid, and the log calls a model's own key "own".

What the rollups know of calls that the log no longer holds stays, as of a key nobody recorded; the rest is made anew
from the log once the triggers are back: this file only asks for it.
This file is history: it spells out every table as it was and imports nothing that may change.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

timestamp = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

MEASURES = (
    *("attempts", "requests", "failed_requests", "ok", "errors", "cancelled", "interrupted", "unpriced"),
    *("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens"),
    *("cost_nano_usd", "cache_saving_nano_usd", "latency_ms_sum", "latency_count", "ttft_ms_sum", "ttft_count"),
)
KINDS: dict[str, sa.types.TypeEngine[Any]] = {"is_sample": sa.Boolean(), "source": sa.Text(), "key_scope": sa.Text()}
WIDENED = {"usage_by_user_day": ("slot", "is_sample", "user_ref"), "usage_by_model_source_day": ("slot", "model_ref", "source")}
ADDED = {"usage_by_key": "usage_by_source", "usage_by_key_day": "usage_by_source_day"}
"""Each new rollup, and the one that knows how much there was in all."""


def upgrade() -> None:
    for name, source in ADDED.items():
        _create(name, ("slot", "is_sample", "key_scope"))
        sums = ", ".join(f"CAST(sum({measure}) AS bigint)" for measure in MEASURES)
        op.execute(
            f"INSERT INTO {name} (slot, is_sample, key_scope, {', '.join(MEASURES)})"
            f" SELECT slot, is_sample, 'unknown', {sums} FROM {source} GROUP BY slot, is_sample"
        )
    if op.get_bind().dialect.name == "postgresql":
        _on_postgres()
        earliest = "'1970-01-01 00:00:00+00'"
    else:
        _on_sqlite()
        earliest = "0"
    state = sa.table("rollup_state", sa.column("rebuild_from", timestamp), sa.column("rebuild_done_to", timestamp))
    op.execute(sa.update(state).values(rebuild_from=sa.text(earliest), rebuild_done_to=sa.text(earliest)))


def _create(name: str, keys: tuple[str, ...]) -> None:
    op.create_table(
        name,
        *(sa.Column(key, KINDS.get(key, sa.Integer())) for key in keys),
        *(sa.Column(measure, sa.BigInteger, nullable=False, server_default="0") for measure in MEASURES),
        sa.PrimaryKeyConstraint(*keys, name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )


def _on_postgres() -> None:
    op.execute("UPDATE llm_usage_log SET key_scope = 'own' WHERE key_scope = 'model'")
    for name in ("usage_delta", *WIDENED):
        op.execute(f"ALTER TABLE {name} ADD COLUMN key_scope text NOT NULL DEFAULT 'unknown'")
        op.execute(f"ALTER TABLE {name} ALTER COLUMN key_scope DROP DEFAULT")
    for name, keys in WIDENED.items():
        op.execute(f"ALTER TABLE {name} DROP CONSTRAINT pk_{name}, ADD CONSTRAINT pk_{name} PRIMARY KEY ({', '.join(keys)}, key_scope)")


def _on_sqlite() -> None:
    numbered = "(SELECT number FROM usage_texts WHERE text = '{0}')"
    before, own = numbered.format("model"), numbered.format("own")
    op.execute(f"INSERT INTO usage_texts (text) SELECT 'own' WHERE EXISTS {before} AND NOT EXISTS {own}")
    op.execute(f"UPDATE llm_usage_log SET key_scope = coalesce({own}, 'own') WHERE key_scope IN ({before}, 'model')")
    for name, keys in WIDENED.items():
        op.rename_table(name, f"{name}_before")
        _create(name, (*keys, "key_scope"))
        columns = ", ".join((*keys, *MEASURES))
        op.execute(f"INSERT INTO {name} ({columns}, key_scope) SELECT {columns}, 'unknown' FROM {name}_before")
        op.drop_table(f"{name}_before")
