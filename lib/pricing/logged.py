"""What the calls in the log did cost, and would have cost at another price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lib.pricing.meter import meter
from lib.pricing.price import Price
from lib.store.usage_tables import llm_usage_log

_READ_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Effect:
    """Some calls of a model at the prices they were made at, and at another; nano-dollars, each call rounded once.

    ``cost_nano`` and ``would_nano`` are of the calls priced both ways. ``unpriced`` had no cost and would have
    ``unpriced_nano``; ``lost`` had one and would have none, for want of a rate.
    """

    calls: int = 0
    cost_nano: int = 0
    would_nano: int = 0
    unpriced: int = 0
    unpriced_nano: int = 0
    lost: int = 0

    @property
    def change_nano(self) -> int:
        """What the other price adds, below zero where it saves; calls without a cost so far are left out."""
        return self.would_nano - self.cost_nano


class Counted(NamedTuple):
    """The columns of a closed call that decide its cost."""

    id: int
    started_at: datetime
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    reasoning: int
    extra: Mapping[str, int] | None
    cost_nano_usd: int | None

    @property
    def counts(self) -> tuple[int, int, int, int, int, int, Mapping[str, int] | None]:
        """What a meter takes."""
        return self[2:9]


_log = llm_usage_log.c
COUNTED = (
    _log.id,
    _log.started_at,
    *(
        sa.func.coalesce(column, 0)
        for column in (
            _log.input_tokens,
            _log.output_tokens,
            _log.cache_read_tokens,
            _log.cache_write_tokens,
            _log.cache_write_1h_tokens,
            _log.reasoning_tokens,
        )
    ),
    _log.usage_extra,
    _log.cost_nano_usd,
)
"""The columns of the log that make a Counted."""


def calls_of(model_id: int, model_key: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions for the closed calls of a model whose usage is known; made-up ones are none.

    Key and id are both asked for: SQLite may give the id of a deleted model to another.
    """
    return (
        _log.model_id == model_id,
        _log.model_key == model_key,
        _log.status != "open",
        sa.not_(_log.is_sample),
        sa.or_(_log.input_tokens.is_not(None), _log.output_tokens.is_not(None)),
    )


def effect(connection: Connection, model_id: int, model_key: str, price: Price, since: datetime, until: datetime) -> Effect:
    """Price a model's calls of [since, until) anew, each by itself as ``cost`` would, and add them up."""
    measure = meter(price)
    calls = cost_nano = would_nano = unpriced = unpriced_nano = lost = 0
    for call in _read(connection, (*calls_of(model_id, model_key), _log.started_at >= since, _log.started_at < until)):
        calls += 1
        was, would = call.cost_nano_usd, measure(*call.counts)
        if was is None and would is not None:
            unpriced, unpriced_nano = unpriced + 1, unpriced_nano + would
        elif was is not None and would is None:
            lost += 1
        elif was is not None and would is not None:
            cost_nano, would_nano = cost_nano + was, would_nano + would
    return Effect(calls, cost_nano, would_nano, unpriced, unpriced_nano, lost)


def _read(connection: Connection, conditions: tuple[sa.ColumnElement[bool], ...]) -> Iterator[Counted]:
    streamed: Any = connection.execution_options(yield_per=_READ_AT_ONCE)
    for row in streamed.execute(sa.select(*COUNTED).where(*conditions)):
        yield Counted._make(row)
