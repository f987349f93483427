"""Which calls count, and by what they are broken down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lib.analytics.ranges import Scope
from lib.store.grains import Dimension

By = Literal["model", "provider", "source", "user", "key"]
Status = Literal["open", "ok", "error", "cancelled", "interrupted"]

COLUMN_OF: dict[str, str] = {
    **{"model": "model_key", "provider": "provider", "source": "source"},
    **{"user": "user_id", "key": "key_scope", "class": "error_class"},
}
"""The column that names each thing calls are broken down by."""
_DIMENSION_OF: dict[str, Dimension] = {"model": "model", "provider": "model", "source": "source", "user": "user", "key": "key"}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls count; an empty tuple means all of them.

    ``models`` are model keys, ``providers`` slugs, ``users`` ids ("" for calls without a user), ``keys`` whose key paid:
    own (the model's), user or system ("" for calls that needed none). ``sample`` True keeps only sample calls, False
    only real ones. Rollups do not split tokens by status or error class, so naming ``statuses`` or ``error_classes``
    makes sums read the log itself.
    """

    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    sample: bool | None = None
    users: tuple[str, ...] = ()
    error_classes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


NO_FILTERS = Filters()


def needed_dimensions(by: str | None, scope: Scope, filters: Filters) -> frozenset[Dimension] | None:
    """Return the dimensions a question needs of a rollup; None when only the log can answer it."""
    if filters.statuses or filters.error_classes:
        return None
    needed = {_DIMENSION_OF[by]} if by in _DIMENSION_OF else set()
    if filters.models or filters.providers:
        needed.add("model")
    if filters.sources:
        needed.add("source")
    if filters.users or scope.user_id is not None:
        needed.add("user")
    if filters.keys:
        needed.add("key")
    return frozenset(needed)
