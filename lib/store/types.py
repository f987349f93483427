"""Column types that keep values exact on SQLite and Postgres alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.types import TypeDecorator, UserDefinedType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970 UTC; the moment must carry a timezone."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


class Timestamp(TypeDecorator[datetime]):
    """An aware UTC datetime, to the millisecond: epoch milliseconds on SQLite, timestamptz on Postgres."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a timestamp needs a timezone")
        if dialect.name == "postgresql":
            return value.replace(microsecond=value.microsecond // 1000 * 1000)  # both databases keep whole milliseconds
        return epoch_ms(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)  # type: ignore[no-any-return]
        return datetime.fromtimestamp(value / 1000, UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal that comes back digit for digit: text on SQLite, numeric on Postgres."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Numeric() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return value if dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit key; SQLite only numbers rows by itself when the column is a plain INTEGER."""

UuidText = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
"""A UUID that is text in Python: native on Postgres, readable text on SQLite."""


def text_of(column: str) -> str:
    """Return SQL that spells out an interned column on SQLite: its text, or what it holds when that is no number of a text."""
    return f"coalesce((SELECT text FROM usage_texts WHERE number = {column}), {column})"


def numbers_of(texts: str) -> str:
    """Return SQL for the numbers under which SQLite keeps some texts, given as a value or a SELECT; those it does not know are left out.

    The sign before the number takes its kind from it: compared as an INTEGER, no index of the log could be used for it.
    """
    return f"SELECT +number FROM usage_texts WHERE text IN ({texts})"


class _Wrapped(ColumnElement[Any]):
    """One expression within a fixed piece of SQL."""

    inherit_cache = True
    _traverse_internals = [("wrapped", sa.sql.visitors.InternalTraversal.dp_clauseelement)]  # noqa: RUF012
    before = after = ""

    def __init__(self, wrapped: ColumnElement[Any]) -> None:
        self.wrapped = wrapped
        self.type = wrapped.type


class _TextOf(_Wrapped):
    inherit_cache = True
    before, after = "(SELECT text FROM usage_texts WHERE number = ", ")"


class _NumberOf(_Wrapped):
    # The value stands here once, or SQLAlchemy could not repeat this for each value of an IN; of an empty IN it makes a SELECT.
    inherit_cache = True
    before = "(SELECT coalesce(number, given) FROM (SELECT ("
    after = ") AS given) LEFT JOIN usage_texts ON text = given)"


class _Shared(_Wrapped):
    inherit_cache = True


@compiles(_Shared)
def _compile_shared(element: _Shared, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.wrapped, **options))


@compiles(_Shared, "sqlite")
def _compile_shared_sqlite(element: _Shared, compiler: Any, **options: Any) -> str:
    return f"(SELECT number FROM usage_texts WHERE text = {compiler.process(element.wrapped, **options)})"


def shared(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text column of another table as a shared text's column can be compared with it."""
    return _Shared(column)


@compiles(_Wrapped)
def _compile_wrapped(element: _Wrapped, compiler: Any, **options: Any) -> str:
    return f"{element.before}{compiler.process(element.wrapped, **options)}{element.after}"


class InternedText(UserDefinedType[str]):
    """SQLite only: a text many rows share, kept once in ``usage_texts`` while each row keeps its number.

    A text not known yet is written as it is; a trigger then gives it a number. Statements of SQLAlchemy read and
    compare texts as ever, plain SQL needs ``text_of``, a column of another table ``shared`` around it; and leave
    out a NOT IN of nothing at all, which would find no row.
    """

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "BLOB"  # the one kind of column in which SQLite leaves numbers and texts as they are

    def bind_expression(self, bindvalue: sa.BindParameter[str]) -> ColumnElement[str]:
        return _NumberOf(bindvalue)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[str]:
        return _TextOf(column)


class PackedUuid(UserDefinedType[str]):
    """SQLite only: a UUID that is text in Python and 16 bytes in the file; what is no UUID stays text."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "VARCHAR(36)"  # SQLite leaves bytes in it as they are

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], bytes | str | None]:
        return pack_uuid

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], str | None]:
        return _unpack_uuid


def _unpack_uuid(value: Any) -> str | None:
    if not isinstance(value, bytes):
        return value  # type: ignore[no-any-return]
    digits = value.hex()  # not by way of a UUID, which takes four times as long
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def pack_uuid(value: str | None) -> bytes | str | None:
    """Return a UUID's 16 bytes, anything else as it is."""
    if value is None:
        return None
    try:
        return UUID(value).bytes
    except ValueError:
        return value


SharedText = sa.Text().with_variant(InternedText(), "sqlite")
SharedUuid = UuidText.with_variant(InternedText(), "sqlite")
CompactUuid = UuidText.with_variant(PackedUuid(), "sqlite")

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
