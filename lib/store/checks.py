"""What every Store checks before it asks its database: tables, columns, conditions, and what an upsert clashes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa

from lib.errors import InvalidValue
from lib.store.base import Change, Insert, Is, Made, Operator, Upsert, Where
from lib.store.schema import metadata
from lib.store.values import checked

TABLES = frozenset({"llm_providers", "llm_models", "llm_model_prices", "profiles", "conversations", "llm_messages", "comparisons", "votes"})
"""What users reach through a Store; the server's own tables are not among them."""
_OPERATORS = get_args(Operator)


def table_of(name: str) -> sa.Table:
    """Return a table that users may reach; raises InvalidValue for any other."""
    if name not in TABLES:
        raise InvalidValue(f"There is no table named {name} here.")
    return metadata.tables[name]


def column_of(table: sa.Table, name: str) -> sa.Column[Any]:
    """Return a column by name; raises InvalidValue when there is none."""
    try:
        return table.c[name]
    except KeyError:
        raise InvalidValue(f"{table.name} has no column named {name}.", field=name) from None


def check_made(changes: Sequence[Change]) -> None:
    """Raise InvalidValue unless each Made stands for a row that one of the changes before it adds."""
    for place, change in enumerate(changes):
        for made in (value for row in change.rows for value in row.values()) if isinstance(change, Insert) else ():
            if isinstance(made, Made):
                source = changes[made.change] if 0 <= made.change < place else None
                if not (isinstance(source, Insert | Upsert) and 0 <= made.row < len(source.rows)):
                    raise InvalidValue("A change refers to a row that no change before it makes.")


def key_of(table: sa.Table) -> list[str]:
    """Return the names of a table's primary key."""
    return [column.name for column in table.primary_key.columns]


def conditions(table: sa.Table, where: Where) -> list[tuple[sa.Column[Any], Is]]:
    """Return each condition with its column and a checked value, plain values put as the comparison they stand for."""
    return [_condition(column_of(table, name), wanted) for name, wanted in where.items()]


def _condition(column: sa.Column[Any], wanted: Any) -> tuple[sa.Column[Any], Is]:
    if not isinstance(wanted, Is):
        several = isinstance(wanted, list | tuple | set | frozenset)
        wanted = Is("is_null", True) if wanted is None else Is("in" if several else "eq", wanted)
    if wanted.operator not in _OPERATORS:
        raise InvalidValue(f"There is no comparison named {wanted.operator}.")
    return column, Is(wanted.operator, _comparable(column, wanted))


def _comparable(column: sa.Column[Any], wanted: Is) -> Any:
    if wanted.operator == "is_null":
        return bool(wanted.value)
    if wanted.operator == "in":
        return [checked(column, value) for value in wanted.value]
    if wanted.operator == "ilike":
        return str(wanted.value)
    return checked(column, wanted.value)


@dataclass(frozen=True, slots=True)
class Target:
    """What an upsert clashes on: a unique index's columns, the condition it is limited to, and the columns that find the row."""

    columns: list[str]
    where: Any
    key: list[str]


def conflict_target(source: sa.Table, on: Sequence[str], values: Mapping[str, Any]) -> Target:
    """Pick the unique index for a row; global and owned rows are kept apart by two indexes, each limited to its kind."""
    given = {name for name in on if values.get(column_of(source, name).name) is not None}
    for constraint in source.constraints:
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint) and {c.name for c in constraint.columns} == set(on):
            return Target(list(on), None, list(on))
    for index in source.indexes:
        where = index.dialect_options["sqlite"]["where"]
        limited, _, is_null = ("", "", "") if where is None else str(where).partition(" IS ")
        fits = not limited or (values.get(limited) is None) == (is_null == "NULL")
        columns = [column.name for column in index.columns]
        if index.unique and set(columns) == given and fits:
            return Target(columns, where, [*columns, limited] if limited and limited not in columns else columns)
    raise InvalidValue(f"Rows of {source.name} are not told apart by {' and '.join(on) or 'nothing'}.")
