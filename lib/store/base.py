"""The Store: what a user may do to the registry's tables, under that user's identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Row = dict[str, Any]
Operator = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "ilike", "is_null"]


@dataclass(frozen=True, slots=True)
class Is:
    """A condition other than plain equality, such as ``Is("ge", 3)``, ``Is("in", [1, 2])`` or ``Is("is_null", True)``."""

    operator: Operator
    value: Any


Where = Mapping[str, Any]
"""Column → value (None means is null, a list means one of), or column → Is(…); all must hold."""


@dataclass(frozen=True, slots=True)
class Made:
    """The id of a row that an earlier change of the same ``apply`` stored: the ``row``-th of its ``change``-th change, from 0."""

    change: int
    row: int = 0


@dataclass(frozen=True, slots=True)
class Insert:
    """Add rows; the store fills created_at, updated_at and version. A value may be Made, in apply."""

    table: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Upsert:
    """Add rows, or replace the given columns of those that clash on the columns ``on``.

    ``on`` names a unique key. Where global and owned rows have a key of their own each, name the owner with it
    (``["model_key", "owner_id"]``): a row without an owner then clashes with the global one.
    """

    table: str
    rows: Sequence[Mapping[str, Any]]
    on: Sequence[str]


@dataclass(frozen=True, slots=True)
class Update:
    """Set values on the rows that match; ``version`` is the one that was read.

    With a version, rows that have another one by now, or are gone, are refused with StaleVersion.
    """

    table: str
    values: Mapping[str, Any]
    where: Where
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the rows that match; ``version`` as for Update."""

    table: str
    where: Where
    version: int | None = None


Change = Insert | Upsert | Update | Delete


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is behind a change, as the audit log names them; ``origin`` is where from: page, cli, api, job."""

    name: str
    user_id: str | None = None
    origin: str = "page"


class Store(Protocol):
    """Table-level access as one user.

    All methods raise lib.errors: NotAllowed, NotFound, InvalidValue, StaleVersion, StoreUnavailable. Values are
    Python's own: aware datetimes, Decimals, bools, dicts and lists.
    """

    def select(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Row]:
        """Return rows; ``order_by`` names columns, a leading "-" for descending."""
        ...

    def count(self, table: str, *, where: Where | None = None) -> int:
        """Count the rows that match."""
        ...

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Add rows and return them as stored."""
        ...

    def upsert(self, table: str, rows: Sequence[Mapping[str, Any]], *, on: Sequence[str]) -> list[Row]:
        """Add or replace rows and return them as stored."""
        ...

    def update(self, table: str, values: Mapping[str, Any], *, where: Where, version: int | None = None) -> list[Row]:
        """Change the rows that match and return them; an empty where is refused."""
        ...

    def delete(self, table: str, *, where: Where, version: int | None = None) -> int:
        """Remove the rows that match and return how many; an empty where is refused."""
        ...

    def apply(self, changes: Sequence[Change]) -> list[list[Row]]:
        """Carry out several changes in one transaction, all or none; return each one's rows (none for Delete)."""
        ...

    def call(self, name: str, args: Mapping[str, Any]) -> Any:
        """Run a named database function and return its answer."""
        ...
