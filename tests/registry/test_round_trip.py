"""Whatever a registry holds leaves it and arrives in another as it was, as JSON and as a table, and a table's mistakes are found by row."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import InvalidValue
from lib.pricing.price import RATE_NAMES
from lib.registry import CAPABILITIES, ImportRefused
from lib.registry.transfer import read
from lib.registry.transfer_csv import COLUMNS, to_csv
from tests.registry.conftest import NOW, House, copy_of

ODD = [
    "=1+1",
    "'=1+1",
    "''-2",
    "-5 mini",
    "+x",
    "@home",
    "\uff1dwide",
    "a;b,c",
    'say "hi"',
    "1,5",
    "007",
    "TRUE",
    "none",
    "left out",
    "模型",
    "é́",
    "[x]",
]
names = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=30).map(str.strip).filter(bool),
)
keys = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,20}", fullmatch=True)
slugs = st.from_regex(r"[a-z0-9][a-z0-9-]{0,12}", fullmatch=True)
rates = st.decimals(0, 1_000_000, allow_nan=False, allow_infinity=False, places=None).map(lambda d: format(d, "f"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False, width=32) | names,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
mappings = st.dictionaries(names, plain, max_size=2)
numbers = st.integers(-100, 100)
prices = st.fixed_dictionaries(
    {name: st.none() | rates for name in RATE_NAMES}
    | {
        "tiers": st.lists(st.fixed_dictionaries({"above": st.integers(0, 10**6), "input": rates}), max_size=2),
        "extra_rates": st.dictionaries(names, rates, max_size=2),
        "source": st.sampled_from(["seed", "catalogue", "manual", "sync"]),
        "source_detail": st.none() | names | st.just("two\r\nlines"),
        "valid_from": st.datetimes(NOW.replace(year=2020, tzinfo=None), NOW.replace(tzinfo=None)).map(
            lambda d: d.replace(microsecond=0, tzinfo=NOW.tzinfo).isoformat()
        ),
    }
)
models = st.fixed_dictionaries(
    {
        "upstream_id": names,
        "vendor": st.none() | names,
        "priced_as": st.none() | names,
        "display_name": names,
        "model_type": names.filter(lambda text: text != "sample"),
        "context_window": st.none() | st.integers(1, 2**31 - 1),
        "max_output_tokens": st.none() | st.integers(1, 2**31 - 1),
        "defaults": mappings,
        "constraints": st.dictionaries(names, st.tuples(numbers, numbers).map(lambda ends: sorted(ends)), max_size=2),
        "settings": mappings,
        "fallbacks": st.lists(st.one_of(keys, names), max_size=3, unique=True),
        "is_active": st.booleans(),
        "is_available": st.booleans(),
        "hidden": st.booleans(),
        "display_order": st.integers(0, 30),
        "capabilities": st.lists(st.sampled_from(CAPABILITIES), unique=True).map(lambda has: [c for c in CAPABILITIES if c in has]),
        "price": st.none() | prices,
    }
)
providers = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["openai", "openai-compatible", "ollama", "azure"]),
        "display_name": names,
        "base_url": st.sampled_from([None, "https://a.example/v1", "http://[::1]:8000/x"]),
        "settings": mappings,
        "is_active": st.booleans(),
    }
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A registry of up to three providers, some without models, and up to five models, one of them perhaps the default."""
    served = draw(st.dictionaries(slugs, providers, min_size=1, max_size=3))
    held = draw(st.dictionaries(keys, models, max_size=5))
    default = draw(st.none() | st.sampled_from(sorted(held))) if held else None
    return {
        "format": "modeldeck-models",
        "version": 1,
        "providers": [{"slug": slug, **rest} for slug, rest in served.items()],
        "models": [
            {"model_key": key, "provider": draw(st.sampled_from(sorted(served))), "is_default": key == default, **rest}
            for key, rest in held.items()
        ],
    }


@pytest.fixture(scope="module")
def empty(sqlite_template: Path) -> Callable[[], Any]:
    """Opens an empty registry, as often as wanted."""

    @contextmanager
    def opened() -> Iterator[House]:
        with tempfile.TemporaryDirectory() as folder:
            house = copy_of(sqlite_template, Path(folder))
            yield house
            house.engine.dispose()
            shutil.rmtree(folder, ignore_errors=True)

    return opened


def sorted_(document: dict[str, Any]) -> Any:
    """A document without the order of its lists, which is that of the registry."""
    return {
        **{name: document[name] for name in ("format", "version")},
        "providers": sorted(document["providers"], key=lambda p: str(p["slug"])),
        "models": sorted(document["models"], key=lambda m: str(m["model_key"])),
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_any_registry_arrives_as_it_was_in_either_format(empty: Callable[[], Any], document: dict[str, Any]) -> None:
    with empty() as first, empty() as second, empty() as third:
        source = first.registry()
        source.import_(document)
        exported = source.export()
        assert sorted_(exported) == sorted_(document)
        for house, data in ((second, json.dumps(exported).encode()), (third, to_csv(exported))):
            target = house.registry()
            target.carry_out_import(target.plan_import(read(data)))
            assert target.export() == exported
            assert to_csv(target.export()) == to_csv(exported)
            assert target.plan_import(read(data)).is_empty, "arriving twice changes nothing"


def table(house: House) -> list[list[str]]:
    """Return the export as rows of cells."""
    return list(csv.reader(io.StringIO(to_csv(house.registry().export()).decode("utf-8-sig"), newline="")))


def written(rows: list[list[str]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


def cell(rows: list[list[str]], key: str, column: str) -> tuple[int, int]:
    place = rows[0].index(column)
    return next(n for n, row in enumerate(rows) if row[0] == key), place


def test_no_cell_of_a_table_is_a_formula(seeded: House) -> None:
    registry = seeded.registry()
    registry.update_model(registry.get("gpt-4.1").id, display_name="=HYPERLINK(1)", upstream_id="-x", vendor="@you")
    starts = {text[:1] for row in table(seeded) for text in row}
    assert not starts & set("=+-@\t\r\n")


def test_a_table_that_excel_saved_with_semicolons_and_commas_is_read_as_it_was_meant(seeded: House) -> None:
    rows = table(seeded)
    row, column = cell(rows, "gpt-4.1", "price_input")
    rows[row][column] = "2,75"
    registry = seeded.registry()
    plan = registry.plan_import(read(b"\xef\xbb\xbf" + written(rows, ";")))
    assert [(e.key, e.field, str(e.after.input)) for e in plan.edits] == [("gpt-4.1", "price", "2.75")]


@pytest.mark.parametrize(
    ("column", "typed", "sentence"),
    [
        ("price_input", "2,75", "has a comma; write the amount with a point"),
        ("price_output", "1,250.00", "has a comma"),
        ("price_input", "02. Mai", "is not an amount"),
        ("price_input", "NaN", "is not an amount"),
        ("price_input", "-3", "must be a number from 0 to 1,000,000 USD"),
        ("price_tiers", "x", "is not JSON"),
        ("price_valid_from", "yesterday", "is not a moment with its timezone"),
        ("price_valid_from", "2026-01-01", "is not a moment with its timezone"),
        ("is_active", "WAHR", "is neither true nor false"),
        ("context_window", "128.000", "is not a whole number"),
        ("context_window", "0", "Context window is a number of tokens, 1 or more."),
        ("capabilities", "telepathy", "telepathy is not a capability"),
        ("defaults", "{temperature: 1}", "is not JSON"),
        ("provider_settings", "[1]", "Settings is a set of named values."),
        ("provider_kind", "fax", "the kind of provider must be openai"),
        ("provider", "nobody", "it belongs to openai here"),
    ],
)
def test_a_mistake_in_a_table_is_named_by_row_and_column_and_nothing_is_written(
    seeded: House, column: str, typed: str, sentence: str
) -> None:
    registry, rows = seeded.registry(), table(seeded)
    before = registry.revision()
    row, place = cell(rows, "gpt-4.1", column)
    if column.startswith("provider_"):
        first = next(n for n, each in enumerate(rows) if each[2] == rows[row][2] and n)
        for n, each in enumerate(rows):
            if n and each[2] == rows[row][2]:
                rows[n][place] = typed
        row = first
    rows[row][place] = typed
    with pytest.raises(ImportRefused) as refused:
        registry.plan_import(read(written(rows)))
    first_problem = refused.value.problems[0]
    assert (first_problem.where, first_problem.field) == (f"Row {row + 1}", f"column {column}")
    assert sentence in first_problem.sentence
    assert registry.revision() == before


def test_every_mistake_is_told_at_once(seeded: House) -> None:
    rows = table(seeded)
    width = len(COLUMNS)
    rows[1][rows[0].index("is_active")] = "?"
    rows[1][rows[0].index("price_input")] = "?"
    rows[2][rows[0].index("provider_name")] = "Another name"
    rows += [rows[3], ["", "A name"] + ["ollama"] + [""] * (width - 3), ["x"] + [""] * (width - 1), ["y"] * (width + 1)]
    with pytest.raises(ImportRefused) as refused:
        seeded.registry().plan_import(read(written([[*rows[0], "colour", "vendor"], *rows[1:]])))
    told = [str(problem) for problem in refused.value.problems]
    last = len(rows)
    for start in (
        "Row 1: there is no column named colour", "Row 1, column vendor: it is there twice", "Row 2, column is_active", "Row 2, column price_input",
        "Row 3, column provider_name: ", f"Row {last - 3}, column model_key: {rows[3][0]} stands in row 4 already",
        f"Row {last - 2}, column model_key: it is empty", f"Row {last - 1}, column provider: it names no provider", f"Row {last}, column ",
    ):  # fmt: skip
        assert any(line.startswith(start) for line in told), (start, told)


def test_a_few_columns_are_enough_and_the_others_stay(seeded: House) -> None:
    registry = seeded.registry()
    before = registry.get("gpt-4.1")
    plan = registry.plan_import(read(b"model_key,provider,price_input\r\ngpt-4.1,openai,7\r\nmine,ollama,\r\n"))
    assert plan.result.added == ("mine",)
    registry.carry_out_import(plan)
    after = registry.get("gpt-4.1")
    assert after.price is not None and before.price is not None
    assert (after.price.input, after.price.output, after.price.cache_read) == (Decimal(7), before.price.output, before.price.cache_read)
    assert (after.capabilities, after.context_window) == (before.capabilities, before.context_window)
    assert registry.get("mine").price is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not text in UTF-8"),
        ("model_key,provider\n".encode("utf-16"), "not text in UTF-8"),
        (b"model_key,provider\ncaf\xe9,openai", "not text in UTF-8"),
        (b"PK\x03\x04 and so on", "a workbook or an archive"),
        (b'{"format": "modeldeck-models",', "not a JSON document that export wrote. It breaks off at line 1."),
        (b"hello", "must name the columns model_key and provider"),
        (b'model_key,provider\n"a"b,openai', "cannot be read"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(data)
    assert sentence in str(refused.value)
