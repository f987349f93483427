"""A lasting number for each model ever called, so that pages can draw it the same way everywhere."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics.memory import remembered
from lib.store.faults import store_faults
from lib.store.grains import usage_models


@remembered
def model_numbers(engine: Engine) -> dict[str, int]:
    """Return 1, 2, 3 … by model key, in the order in which models were first called; a later model never moves an earlier one."""
    query = sa.select(usage_models.c.model_key).group_by(usage_models.c.model_key).order_by(sa.func.min(usage_models.c.id))
    with store_faults(), engine.connect() as connection:
        return {key: number for number, key in enumerate(connection.scalars(query), start=1)}
