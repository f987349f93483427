"""CSV for spreadsheets: opened by a double click, it shows text as text and never runs a word of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

Cell = str | int | Decimal | datetime | None
"""What a cell may hold; None leaves it empty."""

_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet take a text for a formula, the wide forms of East Asian keyboards included."""


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a CSV file in UTF-8 with the mark by which Excel knows it.

    Texts are quoted and made safe; numbers stay numbers, with every digit they have and no exponent.
    """
    lines = [",".join(_written(cell) for cell in row) for row in (header, *rows)]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig")


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe stands before one that looks like it.

    >>> safe("=1+1"), safe("gpt-4.1")
    ("'=1+1", 'gpt-4.1')
    """
    return f"'{text}" if text.startswith(_STARTS) else text


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return '"' + safe(cell).replace('"', '""') + '"'
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds")
    return f"{cell:f}" if isinstance(cell, Decimal) else str(int(cell))
