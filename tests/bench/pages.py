"""Bench: the queries of each analytics page at two sizes of the log, from rollups and from the raw log.

A page is the list of analytics calls it makes; each is measured for readers in two timezones, over a week and over 90 days.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib import analytics
from lib.analytics import EVERYBODY, CallFilters, PresetName, Range
from lib.store.engine import open_engine
from lib.store.grains import MEASURES
from lib.store.types import epoch_ms
from tests.bench.filling import FILE, NOW

Query = Callable[[Engine, Range], object]

PAGES: Mapping[str, tuple[Query, ...]] = {
    "Overview": (
        lambda e, r: analytics.usage_totals(e, EVERYBODY, r),
        lambda e, r: analytics.usage_series(e, EVERYBODY, r),
        lambda e, r: analytics.usage_series(e, EVERYBODY, r, by="model"),
        lambda e, r: analytics.latency_series(e, EVERYBODY, r),
        lambda e, r: analytics.latency_percentiles(e, EVERYBODY, r),
        lambda e, r: analytics.usage_by(e, "user", EVERYBODY, r),
        lambda e, r: analytics.movers(e, "model", EVERYBODY, r),
        lambda e, r: analytics.problems(e, EVERYBODY, r),
    ),
    "Costs": (
        lambda e, r: analytics.usage_totals(e, EVERYBODY, r),
        lambda e, r: analytics.usage_series(e, EVERYBODY, r, by="model"),
        lambda e, r: analytics.usage_by(e, "model", EVERYBODY, r),
    ),
    "Resilience": (
        lambda e, r: analytics.usage_series(e, EVERYBODY, r, by="status"),
        lambda e, r: analytics.errors_series(e, EVERYBODY, r),
        lambda e, r: analytics.errors_by(e, "model", EVERYBODY, r),
        lambda e, r: analytics.usage_by(e, "model", EVERYBODY, r),
        lambda e, r: analytics.usage_by(e, "provider", EVERYBODY, r),
        lambda e, r: analytics.latency_by(e, "model", EVERYBODY, r),
        lambda e, r: analytics.latency_by(e, "model", EVERYBODY, r, metric="ttft"),
        lambda e, r: analytics.blacklist(e),
    ),
    "Requests": (
        lambda e, r: analytics.calls_page(e, EVERYBODY, r),
        lambda e, r: analytics.count_calls(e, EVERYBODY, r),
    ),
}
"""The analytics calls of each page."""

FILTERS: Mapping[str, CallFilters] = {
    "none": CallFilters(),
    "model": CallFilters(models=("model-3-large",)),
    "provider": CallFilters(providers=("provider-2",)),
    "user": CallFilters(users=(f"{3 * 79764919:08x}-0000-4000-8000-{3:012x}",)),
    "source": CallFilters(sources=("cli",)),
    "failed": CallFilters(statuses=("error",)),
    "error class": CallFilters(error_classes=("timeout",)),
    "error text": CallFilters(text="slow down"),
    "unpriced": CallFilters(unpriced_only=True),
    "slow": CallFilters(min_latency_ms=14_000),
    "model, failed": CallFilters(models=("model-3-large",), statuses=("error",)),
    "model never called": CallFilters(models=("nobody",)),
    "text never said": CallFilters(text="nobody said this"),
    "cost never reached": CallFilters(min_cost_nano=10**15),
}
ZONES = ("UTC", "Asia/Kolkata")
RANGES: tuple[PresetName, ...] = ("24h", "7d", "30d", "90d")
TARGET_GROWTH, TARGET_RAW = 1.5, 60


def page_times(engines: Sequence[Engine], *, rounds: int = 9) -> dict[tuple[str, str, str], list[float]]:
    """Return the milliseconds of each page's queries on each database by (page, range, timezone).

    The databases take turns and the best of the warm rounds counts: whatever else the machine does only adds.
    """
    found: dict[tuple[str, str, str], list[float]] = {}
    for zone in ZONES:
        for name in RANGES:
            range_ = analytics.preset(name, NOW, ZoneInfo(zone))
            for page, queries in PAGES.items():
                found[page, name, zone] = _best([partial(_draw, engine, range_, queries) for engine in engines], rounds)
    return found


def _draw(engine: Engine, range_: Range, queries: Sequence[Query]) -> None:
    for query in queries:
        query(engine, range_)


def list_times(engine: Engine, *, rounds: int = 5) -> dict[str, tuple[float, float]]:
    """Return the milliseconds of (a page of calls, their number) for each filter, over 90 days."""
    range_ = analytics.preset("90d", NOW, ZoneInfo("Asia/Kolkata"))
    return {
        name: (
            _best([partial(analytics.calls_page, engine, EVERYBODY, range_, filters)], rounds)[0],
            _best([partial(analytics.count_calls, engine, EVERYBODY, range_, filters)], rounds)[0],
        )
        for name, filters in FILTERS.items()
    }


def raw_ms(engine: Engine, range_: Range) -> float:
    """Return the milliseconds of the Costs page by grouping the raw log: totals of two periods, by day and model, by model."""
    sums = ", ".join(f"sum({expression})" for _, expression in MEASURES)
    before = range_.previous()
    within = "status <> 'open' AND started_at >= :low AND started_at < :high"
    day = "(started_at - :low) / 86400000"
    now = {"low": epoch_ms(range_.start), "high": epoch_ms(range_.end)}
    then = {"low": epoch_ms(before.start), "high": epoch_ms(before.end)}
    began = time.perf_counter()
    with engine.connect() as connection:
        for select, group, given in (("", "", now), ("", "", then), (f"{day}, model_key, ", "1, 2", now), ("model_key, ", "1", now)):
            text = f"SELECT {select}{sums} FROM llm_usage_log WHERE {within}" + (f" GROUP BY {group}" if group else "")
            connection.execute(sa.text(text), given).all()
    return (time.perf_counter() - began) * 1e3


def measure_pages(small: Path, large: Path, calls: tuple[int, int], *, rounds: int = 9) -> list[dict[str, Any]]:
    """Measure two data folders and return rows of {name, ratio, target, details}: growth of each page, rollups against the log.

    The engines remember nothing: each round asks the database.
    """
    engines = [open_engine(SecretStr(f"sqlite:///{folder / FILE}")) for folder in (small, large)]
    try:
        times = page_times(engines, rounds=rounds)
        rows = [_growth(page, *calls, times) for page in PAGES]
        range_ = analytics.preset("90d", NOW, ZoneInfo("Asia/Kolkata"))
        raw, rolled = raw_ms(engines[1], range_), times["Costs", "90d", "Asia/Kolkata"][1]
    finally:
        for engine in engines:
            engine.dispose()
    against = {
        "name": f"Costs page over 90 days: raw log / rollups at {calls[1]:,} calls",
        "ratio": round(raw / rolled, 1),
        "target": TARGET_RAW,
        "at_least": True,
        "details": {"raw_ms": round(raw), "rollups_ms": round(rolled, 1)},
    }
    return [*rows, against]


def _growth(page: str, small: int, large: int, times: Mapping[tuple[str, str, str], list[float]]) -> dict[str, Any]:
    own = {key: found for key, found in times.items() if key[0] == page}
    return {
        "name": f"{page} page's queries at {large:,} calls / at {small:,}, worst range and timezone",
        "ratio": round(max(after / before for before, after in own.values()), 2),
        "target": TARGET_GROWTH,
        "details": {f"{name} {zone} ms": [round(ms, 1) for ms in found] for (_, name, zone), found in own.items()},
    }


def _best(runs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the fewest milliseconds each of some calls took, in turns, after one round to warm up."""
    best = [float("inf")] * len(runs)
    for number in range(rounds + 1):
        for place, run in enumerate(runs):
            began = time.perf_counter()
            run()
            if number:
                best[place] = min(best[place], (time.perf_counter() - began) * 1e3)
    return best
