"""CSV that a spreadsheet opens without running a word of it, and that loses no digit."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lib.ui.csv_export import safe, to_csv


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_text_that_looks_like_a_formula_is_kept_from_being_one(start: str) -> None:
    assert safe(f"{start}HYPERLINK(A1)") == f"'{start}HYPERLINK(A1)"
    assert read(to_csv([f"{start}name"], [[f"{start}cmd|' /C calc'!A0"]])) == [[f"'{start}name"], [f"'{start}cmd|' /C calc'!A0"]]


def test_numbers_stay_numbers_negative_ones_too_and_keep_every_digit() -> None:
    assert to_csv(["a"], [[-3, Decimal("-0.000000001"), Decimal("1E+3"), None, Decimal("2878.557152001")]]).endswith(
        b"-3,-0.000000001,1000,,2878.557152001\r\n"
    )


def test_a_moment_says_its_offset() -> None:
    at = datetime(2026, 3, 29, 12, 0, 0, 7000, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert read(to_csv(["time"], [[at]]))[1] == ["2026-03-29T12:00:00.007+05:30"]


def test_excel_is_told_that_it_is_utf_8() -> None:
    assert to_csv(["ä"], []) == b'\xef\xbb\xbf"\xc3\xa4"\r\n'


@given(some.lists(some.text(some.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4))
def test_any_text_comes_back_as_one_cell(cells: list[str]) -> None:
    assert read(to_csv(["h"] * len(cells), [cells]))[1:] == [[safe(cell) for cell in cells]]
