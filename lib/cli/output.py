"""What commands print: one JSON document, or lines and tables for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add the option every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")(command)


def emit(as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """Print the document or, for people, the lines."""
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for line in lines:
        click.echo(line)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines: the first column to the left, the others, which are numbers, to the right."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    ]


def plain(text: str) -> str:
    """Return text without the control characters that could drive a terminal; line breaks and tabs stay."""
    return _CONTROL.sub("", text)
