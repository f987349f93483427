"""``python -m tests.bench [--full]``: measure the numbers the project promises, print a table, write build/bench.json.

Figures that depend on the machine are ratios or differences taken in one run. A missed target is shown, not an error:
the exit code is 0 unless a measurement cannot be made. Analytics is measured at 100 thousand and a million calls; with
``--full`` at one and ten million, which takes a quarter of an hour the first time and 5 GB under build/. Without Chromium
the rows that need it are left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.bench.filling import kept
from tests.bench.ledger import measure_ingest, measure_size
from tests.bench.pages import measure_pages
from tests.bench.registry import measure_registry
from tests.bench.reruns import measure_reruns
from tests.bench.routed import measure_routed
from tests.bench.served import browsing, measure_drawn, measure_start_and_memory
from tests.bench.stream import measure_others, measure_stream

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def main() -> None:
    """Run every row in turn, so that none disturbs another."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the numbers the project promises.")
    parser.add_argument("--full", action="store_true", help="measure analytics at one and ten million calls")
    small, large = sizes = (1_000_000, 10_000_000) if parser.parse_args().full else (100_000, 1_000_000)
    rows = [measure_stream(), *measure_others(), *measure_routed(), measure_ingest(), measure_size()]
    folders = {calls: kept(calls) for calls in sizes}
    rows += measure_pages(folders[small], folders[large], sizes)
    rows += measure_reruns(folders[large], large)
    rows += measure_registry()
    rows += _served({calls: folder for calls, folder in folders.items() if calls >= 1_000_000})
    results = [{**row, "pass": _met(row)} for row in rows]
    print(_table(results))
    OUTPUT.parent.mkdir(exist_ok=True)
    about = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    OUTPUT.write_text(json.dumps({**about, "rows": results}, indent=2) + "\n", encoding="utf-8")
    print(f"\nWritten to {OUTPUT.relative_to(OUTPUT.parents[1])}")


def _served(folders: Mapping[int, Path]) -> list[dict[str, Any]]:
    try:
        with browsing() as browser:
            drawn = [row for calls, folder in folders.items() for row in measure_drawn(browser, folder, calls)]
            return [*drawn, *measure_start_and_memory(browser)]
    except pytest.skip.Exception as missing:
        print(f"Left out: pages drawn, start and memory. {missing}", file=sys.stderr)
        return []


_UNITS = {"ratio": "", "ms": " ms", "mib": " MiB", "rate": "/s"}
"""What a row may measure, and the unit shown behind it."""


def _measured(row: dict[str, Any]) -> tuple[float, str]:
    kind = next(kind for kind in _UNITS if kind in row)
    return float(row[kind]), _UNITS[kind]


def _met(row: dict[str, Any]) -> bool | None:
    """Whether a row reaches its target; None for one that only stands beside."""
    if row["target"] is None:
        return None
    measured, _ = _measured(row)
    target = float(row["target"])
    return measured >= target if row.get("at_least") else measured <= target


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [("what", "measured", "target", "")]
    for row in rows:
        measured, unit = _measured(row)
        target = "" if row["target"] is None else f"{'≥' if row.get('at_least') else '≤'} {row['target']}{unit}"
        verdict = {True: "pass", False: "MISSED", None: ""}[row["pass"]]
        lines.append((row["name"], f"{measured:,.{0 if unit == '/s' else 2}f}{unit}", target, verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {target:>{widths[2]}}  {verdict}".rstrip()
        for what, measured, target, verdict in lines
    )


if __name__ == "__main__":
    main()
