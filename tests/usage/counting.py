"""What the rollups say about the log."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.store.grains import reader, usage_by_model


def counted(engine: Engine, *measures: str) -> tuple[int, ...]:
    """Sum measures over the rollup that readers see."""
    view = reader(usage_by_model).c
    with engine.connect() as connection:
        return tuple(int(n) for n in connection.execute(sa.select(*(sa.func.sum(view[m]) for m in measures))).one())
