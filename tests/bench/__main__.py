"""``python -m tests.bench``: measure the numbers the project promises, print a table, write build/bench.json.

Every figure is a ratio or a difference taken in one run on one machine. A missed target is shown, not an error:
the exit code is 0 unless a measurement cannot be made.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from tests.bench.routed import measure_routed
from tests.bench.stream import measure_stream

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def main() -> None:
    """Run every row in turn, so that none disturbs another."""
    rows = [measure_stream(), *measure_routed()]
    results = [{**row, "pass": _measured(row) <= row["target"]} for row in rows]
    print(_table(results))
    OUTPUT.parent.mkdir(exist_ok=True)
    about = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    OUTPUT.write_text(json.dumps({**about, "rows": results}, indent=2) + "\n", encoding="utf-8")
    print(f"\nWritten to {OUTPUT.relative_to(OUTPUT.parents[1])}")


def _measured(row: dict[str, Any]) -> float:
    return float(row["ms"] if "ms" in row else row["ratio"])


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [("what", "measured", "target", "")]
    for row in rows:
        unit = " ms" if "ms" in row else ""
        lines.append((row["name"], f"{_measured(row):.2f}{unit}", f"≤ {row['target']}{unit}", "pass" if row["pass"] else "MISSED"))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {target:>{widths[2]}}  {verdict}".rstrip()
        for what, measured, target, verdict in lines
    )


if __name__ == "__main__":
    main()
