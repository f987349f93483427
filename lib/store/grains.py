"""The rollups: which dimensions each keeps apart, and how much time one of its rows spans.

Readers use ``reader(rollup)``: on SQLite that view shows the rollup's rows, on Postgres also what still waits in
``usage_delta``. A key may therefore come in several rows, some negative: always sum.

Time is counted in slots of half an hour since 1970 UTC, so that every timezone's day starts on one. Few rollups are
fine *and* wide: a row per slot, model and user would be as many as there are calls. What none can answer, the log does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from lib.store.schema import metadata
from lib.store.types import BigId, Timestamp, UuidText

SLOT_MS = 30 * 60 * 1000
"""Width of a slot."""
DAY_SLOTS = 48
"""Slots of the longest row: one UTC day."""

Subject = Literal["usage", "latency", "errors"]
Dimension = Literal["model", "user", "source", "key"]

UNRECORDED_KEY = "unknown"
"""The key scope of rows whose calls were deleted from the log before rollups told keys apart."""

UNPRICED = (
    "(cost_nano_usd IS NULL AND status <> 'open'"
    " AND NOT (status = 'error' AND ttft_ms IS NULL AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) = 0))"
)
"""SQL: a closed call that may have cost money nobody can name. A failure is free only when
nothing came of it: an answer that broke off after its first token was most likely charged."""

MEASURES: tuple[tuple[str, str], ...] = (
    ("attempts", "1"),
    ("requests", "CASE WHEN attempt = 1 THEN 1 ELSE 0 END"),
    ("failed_requests", "CASE WHEN is_final AND status <> 'ok' THEN 1 ELSE 0 END"),
    ("ok", "CASE WHEN status = 'ok' THEN 1 ELSE 0 END"),
    ("errors", "CASE WHEN status = 'error' THEN 1 ELSE 0 END"),
    ("cancelled", "CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END"),
    ("interrupted", "CASE WHEN status = 'interrupted' THEN 1 ELSE 0 END"),
    ("unpriced", f"CASE WHEN {UNPRICED} THEN 1 ELSE 0 END"),
    ("input_tokens", "coalesce(input_tokens, 0)"),
    ("cache_read_tokens", "coalesce(cache_read_tokens, 0)"),
    ("cache_write_tokens", "coalesce(cache_write_tokens, 0)"),
    ("cache_write_1h_tokens", "coalesce(cache_write_1h_tokens, 0)"),
    ("output_tokens", "coalesce(output_tokens, 0)"),
    ("reasoning_tokens", "coalesce(reasoning_tokens, 0)"),
    ("cost_nano_usd", "coalesce(cost_nano_usd, 0)"),
    ("cache_saving_nano_usd", "coalesce(cache_saving_nano_usd, 0)"),
    ("latency_ms_sum", "coalesce(latency_ms, 0)"),
    ("latency_count", "CASE WHEN latency_ms IS NULL THEN 0 ELSE 1 END"),
    ("ttft_ms_sum", "coalesce(ttft_ms, 0)"),
    ("ttft_count", "CASE WHEN ttft_ms IS NULL THEN 0 ELSE 1 END"),
)
"""Each measure of usage and the SQL that takes it from one closed row of the log; triggers, rebuild and verify all read this."""

usage_models = Table(
    "usage_models",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("model_id", BigInteger, nullable=False),  # 0 where the log has none
    Column("model_key", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("is_sample", Boolean, nullable=False),
    UniqueConstraint("model_key", "provider", "model_id", "is_sample"),
)
"""Every model the rollups know, once, so that their rows carry a small number instead."""

usage_users = Table(
    "usage_users",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", Text, nullable=False, unique=True),  # '' for a call without a user
)

KNOWN: dict[Table, tuple[str, tuple[str, ...]]] = {
    usage_models: ("model_ref", ("model_key", "provider", "model_id", "is_sample")),
    usage_users: ("user_ref", ("user_id",)),
}
"""The tables of what rollups refer to: the referring column, and what makes a row of theirs."""

_EXTRA: dict[Subject, tuple[str, ...]] = {"usage": (), "latency": ("bucket",), "errors": ("error_class",)}
_COUNTS: dict[Subject, tuple[str, ...]] = {
    "usage": tuple(name for name, _ in MEASURES),
    "latency": ("latency_calls", "ttft_calls"),  # ok calls only
    "errors": ("attempts",),
}


@dataclass(frozen=True, slots=True)
class Grain:
    """One rollup: what it counts, the dimensions it keeps apart, and the slots one of its rows spans."""

    subject: Subject
    dimensions: tuple[Dimension, ...]
    slots: int
    table: Table

    @property
    def measures(self) -> tuple[str, ...]:
        """What its rows add up."""
        return _COUNTS[self.subject]

    @property
    def shown(self) -> tuple[str, ...]:
        """The key columns of its view: those of the table with every reference spelled out."""
        model = "model" in self.dimensions
        return (
            "slot",
            *(("model_key", "provider", "model_id", "is_sample") if model else ("is_sample",)),
            *(("user_id",) if "user" in self.dimensions else ()),
            *(("source",) if "source" in self.dimensions else ()),
            *(("key_scope",) if "key" in self.dimensions else ()),
            *_EXTRA[self.subject],
        )


def _grains(name: str, subject: Subject, dimensions: tuple[Dimension, ...], *widths: int) -> tuple[Grain, ...]:
    return tuple(Grain(subject, dimensions, slots, _table(name + _SUFFIX[slots], subject, dimensions)) for slots in widths)


_SUFFIX = {1: "", 6: "_3h", DAY_SLOTS: "_day"}


def _table(name: str, subject: Subject, dimensions: tuple[Dimension, ...]) -> Table:
    keys = (
        "slot",  # the first slot of the row; first in the key, so that new rows come last
        "model_ref" if "model" in dimensions else "is_sample",
        *(("user_ref",) if "user" in dimensions else ()),
        *(("source",) if "source" in dimensions else ()),
        *(("key_scope",) if "key" in dimensions else ()),  # whose key paid; '' for none, UNRECORDED_KEY where it was not kept yet
        *_EXTRA[subject],
    )
    kinds = {"is_sample": Boolean, "source": Text, "key_scope": Text, "error_class": Text}
    return Table(
        name,
        metadata,
        *(Column(key, kinds.get(key, Integer), nullable=False) for key in keys),
        *(Column(count, BigInteger, nullable=False, server_default="0") for count in _COUNTS[subject]),
        PrimaryKeyConstraint(*keys),
        sqlite_with_rowid=False,
    )


GRAINS: tuple[Grain, ...] = (
    *_grains("usage_by_source", "usage", ("source",), 1, 6, DAY_SLOTS),
    *_grains("usage_by_key", "usage", ("key",), 1, DAY_SLOTS),
    *_grains("usage_by_model", "usage", ("model",), 1, 6, DAY_SLOTS),
    *_grains("usage_by_user", "usage", ("user",), 1),
    *_grains("usage_by_user", "usage", ("user", "key"), DAY_SLOTS),  # by key in half hours it would be a third of the file
    *_grains("usage_by_model_source", "usage", ("model", "source", "key"), DAY_SLOTS),
    *_grains("usage_latency", "latency", (), 1, 6, DAY_SLOTS),
    *_grains("usage_latency_by_model", "latency", ("model",), 1, 6, DAY_SLOTS),
    *_grains("usage_errors", "errors", (), 1, 6, DAY_SLOTS),
    *_grains("usage_errors_by_model", "errors", ("model",), 1, 6, DAY_SLOTS),
)
"""Every rollup, of those that answer the same question the one with the fewest rows first.

A wide one may keep more apart than the fine one of its name."""

ROLLUPS = tuple(grain.table for grain in GRAINS)
_GRAIN_OF = {grain.table.name: grain for grain in GRAINS}
usage_by_model = metadata.tables["usage_by_model"]
usage_by_user = metadata.tables["usage_by_user"]


def grain_of(rollup: Table) -> Grain:
    """Return the row of GRAINS that describes a table."""
    return _GRAIN_OF[rollup.name]


def finer(grain: Grain) -> Grain | None:
    """Return the half-hour rollup that counts the same as a wider one, if there is one."""
    return next(
        (g for g in GRAINS if g.slots < grain.slots and (g.subject, g.dimensions, g.slots) == (grain.subject, grain.dimensions, 1)), None
    )


def reader(rollup: Table) -> sa.TableClause:
    """Return the view that readers select from in place of a rollup: its keys spelled out, named NAME_now; sum its rows."""
    grain = grain_of(rollup)
    types = {column.name: column.type for column in (*rollup.columns, *usage_models.columns, *usage_users.columns)}
    return sa.table(f"{rollup.name}_now", *(sa.column(name, types[name]) for name in (*grain.shown, *grain.measures)))


def _edges() -> tuple[int, ...]:
    """Integer milliseconds growing by about a fifth: 0, 1, 2 … 20, 24, 28 … up to ten minutes."""
    edges = list(range(0, 21))
    while edges[-1] < 600_000:
        edges.append(edges[-1] + max(1, edges[-1] // 5))
    return tuple(edges)


LATENCY_EDGES = _edges()
"""Lower edge in ms of each latency bucket; the last bucket is open upwards."""

latency_edges = Table(
    "latency_edges",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("lower_ms", Integer, nullable=False, unique=True),
)

rollup_state = Table(
    "rollup_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("frozen_before", Timestamp),
    Column("rebuild_from", Timestamp),
    Column("rebuild_done_to", Timestamp),
    Column("fold_owner", UuidText),
    Column("fold_until", Timestamp),
)

postgres_metadata = sa.MetaData(naming_convention=metadata.naming_convention)
"""What only Postgres has."""

usage_delta = Table(
    "usage_delta",
    postgres_metadata,
    Column("id", BigInteger, primary_key=True),
    Column("slot", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("model_id", BigInteger, nullable=False),
    Column("model_key", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("key_scope", Text, nullable=False),
    Column("is_sample", Boolean, nullable=False),
    Column("error_class", Text),
    Column("latency_bucket", Integer),
    Column("ttft_bucket", Integer),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name, _ in MEASURES),
)
"""Closed calls added (or, with every measure negative, taken away) but not yet folded into the rollups."""
