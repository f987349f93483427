"""Sample data comes and goes whole: real calls, prices, hints and figures are the same before and after."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.errors import InvalidValue, StoreError
from lib.sample import Desk, clear, has_sample, load, sample_hints
from lib.store.fold import fold_once
from lib.store.schema import audit_log, hint_events, llm_model_prices, llm_models, llm_providers, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.store.verify import verify
from lib.usage import AttemptStart, Ledger, Outcome

from .conftest import NOW, desk_on, everything

ROOT = Path(__file__).parents[2]
CALLS, DAYS, SEED = 600, 30, 7
OWN = {"id", "instance_id", "model_id", "provider_id", "price_id"}
"""Columns that differ from load to load: they number rows, and say nothing about the calls."""


def log_rows(engine: Engine, *, sample: bool = True) -> list[dict[str, Any]]:
    query = sa.select(llm_usage_log).where(llm_usage_log.c.is_sample.is_(sample)).order_by(llm_usage_log.c.id)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def plain(engine: Engine) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in OWN} for row in log_rows(engine)]


def proven(engine: Engine) -> None:
    """Check that the rollups are what the log says, folded or not."""
    assert verify(engine).problems == ()
    fold_once(engine, str(UUID(int=9)))
    assert verify(engine).problems == ()


def test_clearing_leaves_everything_as_it_was_before_the_load(desk: Desk) -> None:
    before = everything(desk.engine)
    assert not has_sample(desk.engine)
    loaded = load(desk, CALLS, DAYS, SEED)
    assert (loaded.calls, loaded.replaced) == (CALLS, 0)
    assert has_sample(desk.engine)
    assert len(log_rows(desk.engine)) == CALLS
    assert loaded.requests == sum(row["attempt"] == 1 for row in log_rows(desk.engine))
    proven(desk.engine)
    cleared = clear(desk)
    assert (cleared.calls, cleared.models) == (CALLS, loaded.models)
    assert everything(desk.engine) == before
    assert not has_sample(desk.engine)
    proven(desk.engine)
    assert (clear(desk).calls, clear(desk).models) == (0, 0)


def test_loading_again_replaces_and_the_same_seed_brings_the_same_rows(desk: Desk) -> None:
    load(desk, CALLS, DAYS, SEED)
    first = plain(desk.engine)
    again = load(desk, CALLS, DAYS, SEED)
    assert again.replaced == CALLS
    assert plain(desk.engine) == first
    assert load(desk, 300, DAYS, SEED + 1).replaced == CALLS
    assert len(log_rows(desk.engine)) == 300
    proven(desk.engine)


def test_every_cost_is_the_sum_of_its_units_at_the_price_of_its_day(desk: Desk) -> None:
    load(desk, 1_500, DAYS, SEED)
    with desk.engine.connect() as connection:
        prices = {row["id"]: row for row in connection.execute(sa.select(llm_model_prices)).mappings()}
    priced = [row for row in log_rows(desk.engine) if row["cost_nano_usd"] is not None]
    assert len(priced) > 1_500 * 0.85
    for row in priced:
        price = prices[row["price_id"]]
        assert (price["model_id"], price["source"], price["source_detail"]) == (row["model_id"], "seed", "sample price")
        newer = [
            p for p in prices.values() if p["model_id"] == row["model_id"] and price["valid_from"] < p["valid_from"] <= row["started_at"]
        ]
        assert price["valid_from"] <= row["started_at"] and not newer
        assert (row["cost_nano_usd"], row["cache_saving_nano_usd"]) == exact_cost_and_saving(row, price)
    assert len({row["price_id"] for row in priced if row["model_key"] == "sample-lantern-pro"}) == 2, "the old price and the new one"


def exact_cost_and_saving(row: dict[str, Any], price: Mapping[Any, Any]) -> tuple[int, int]:
    """Add up a call, and what its cached tokens cost less than plain input, in fractions: with none of the code under test."""
    rates: dict[str, Any] = {
        name: price[name] for name in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")
    }
    for tier in price["tiers"]:
        if row["input_tokens"] > tier["above"]:
            rates |= {name: Decimal(rate) for name, rate in tier.items() if name != "above"}
    thought = row["reasoning_tokens"] if rates["reasoning"] is not None else 0
    units = {
        "input": row["input_tokens"] - row["cache_read_tokens"] - row["cache_write_tokens"],
        "cache_read": row["cache_read_tokens"],
        "cache_write_5m": row["cache_write_tokens"] - row["cache_write_1h_tokens"],
        "cache_write_1h": row["cache_write_1h_tokens"],
        "output": row["output_tokens"] - thought,
        "reasoning": thought,
    }
    costs = {name: count * Fraction(rates[name]) * 1_000 for name, count in units.items() if count}
    plain = sum(units[name] * Fraction(rates["input"]) * 1_000 - costs[name] for name in costs if name.startswith("cache_"))
    return round(sum(costs.values())), round(plain)


def test_the_router_never_hears_of_it_and_analytics_does(desk: Desk) -> None:
    before = everything(desk.engine)
    load(desk, CALLS, DAYS, SEED)
    after = everything(desk.engine)
    for table in (model_compatibility_hints.name, hint_events.name):
        assert after[table] == before[table], f"{table} speaks of real pairs only"
    (hint,) = sample_hints(desk.engine)
    failures = [r for r in log_rows(desk.engine) if r["model_key"] == hint.model and r["error_class"] == "model-incompatible"]
    assert (hint.is_blacklisted, hint.error_count) == (True, len(failures))
    assert hint.last_error_message == failures[-1]["error_message"]
    assert hint.blacklisted_at is not None and hint.blacklisted_at < NOW
    assert str(hint.error_count) in (hint.blacklist_reason or "")


def test_sample_models_and_providers_are_off_hidden_and_of_a_kind_nobody_can_call(desk: Desk) -> None:
    load(desk, 50, DAYS, SEED)
    with desk.engine.connect() as connection:
        providers = connection.execute(sa.select(llm_providers).where(llm_providers.c.slug.like("sample-%"))).mappings().all()
        models = connection.execute(sa.select(llm_models).where(llm_models.c.model_key.like("sample-%"))).mappings().all()
    assert {(p["kind"], p["is_active"], p["base_url"]) for p in providers} == {("sample", False, None)}
    assert {(m["is_active"], m["is_available"], m["hidden"], m["is_default"]) for m in models} == {(False, False, True, False)}
    assert {m["provider_id"] for m in models} == {p["id"] for p in providers}


def test_numbers_out_of_bounds_change_nothing(embedded: Desk) -> None:
    load(embedded, 60, DAYS, SEED)
    before = everything(embedded.engine)
    for calls, days, field in ((0, 1, "calls"), (10**9, 1, "calls"), (1, 0, "days"), (1, 10**6, "days")):
        with pytest.raises(InvalidValue) as refused:
            load(embedded, calls, days, SEED)
        assert refused.value.field == field
    assert everything(embedded.engine) == before


def test_loading_and_clearing_are_in_the_audit_log(embedded: Desk) -> None:
    load(embedded, 60, DAYS, SEED)
    load(embedded, 40, DAYS, SEED)
    clear(embedded)
    clear(embedded)
    query = sa.select(audit_log.c.action, audit_log.c.actor, audit_log.c.after).where(audit_log.c.action.like("sample.%"))
    with embedded.engine.connect() as connection:
        entries = [tuple(row) for row in connection.execute(query.order_by(audit_log.c.id))]
    assert entries == [
        ("sample.load", "Ada", {"calls": 60, "days": DAYS, "seed": SEED, "replaced": 0}),
        ("sample.load", "Ada", {"calls": 40, "days": DAYS, "seed": SEED, "replaced": 60}),
        ("sample.clear", "Ada", {"calls": 40}),
    ]


def test_progress_reaches_the_whole(embedded: Desk) -> None:
    seen: list[tuple[int, int]] = []
    load(embedded, 700, DAYS, SEED, lambda done, total: seen.append((done, total)))
    assert (seen[0], seen[-1]) == ((0, 700), (700, 700))
    assert seen == sorted(seen)
    seen.clear()
    clear(embedded, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (700, 700)


def test_a_load_that_another_one_overtakes_gives_up(desk: Desk) -> None:
    before = everything(desk.engine)
    other = desk_on(desk.engine)

    def overtake(done: int, total: int) -> None:
        if done:
            clear(other)

    with pytest.raises(StoreError, match="given up"):
        load(desk, CALLS, DAYS, SEED, overtake)
    assert everything(desk.engine) == before

    def reload(done: int, total: int) -> None:
        if done:
            load(other, 80, DAYS, 1)

    with pytest.raises(StoreError, match="given up"):
        load(desk, CALLS, DAYS, SEED, reload)
    assert len(log_rows(desk.engine)) == 80
    proven(desk.engine)


def test_real_calls_hardly_wait_for_a_load_or_a_clear(embedded: Desk) -> None:
    ledger = Ledger(embedded.engine, instance_id=str(UUID(int=2)))
    waits: list[float] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            start = AttemptStart(str(UUID(int=1_000 + len(waits))), 1, "alpha", "Alpha", "acme", "Acme", "api")
            began = time.perf_counter()
            opened = ledger.open(start)
            waits.append(time.perf_counter() - began)
            began = time.perf_counter()
            assert ledger.close(opened, Outcome("ok", latency_ms=5)).saved
            waits.append(time.perf_counter() - began)
            over.wait(0.01)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        load(embedded, 2_000, DAYS, SEED)
        clear(embedded)
    finally:
        over.set()
        caller.join()
    assert len(waits) > 20
    assert sorted(waits)[int(len(waits) * 0.95)] < 0.2
    assert max(waits) < 1, "one busy moment of the machine is no one's fault; a load that holds the database is"
    proven(embedded.engine)


KILLED = textwrap.dedent(
    """
    import sys
    from datetime import datetime
    from pydantic import SecretStr
    from lib.sample import Desk, load
    from lib.store.base import Actor
    from lib.store.engine import open_engine
    from lib.store.sql import SqlStore

    engine, now, actor = open_engine(SecretStr(sys.argv[1])), datetime.fromisoformat(sys.argv[2]), Actor("Ada", None, "cli")

    def progress(done, total):
        if done >= 200:
            print(done, flush=True)

    load(Desk(engine, SqlStore(engine, actor, clock=lambda: now), actor, lambda: now), 200_000, 30, 7, progress)
    """
)


def kill_a_load(engine: Engine, now: datetime) -> None:
    """Start a load in a process of its own and kill it when some hundred calls are written."""
    url = engine.url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", KILLED, url, now.isoformat()], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("then", ["clear", "load"])
def test_a_load_killed_halfway_is_cleaned_up_by_what_comes_next(desk: Desk, then: str) -> None:
    before = everything(desk.engine)
    kill_a_load(desk.engine, NOW)
    assert has_sample(desk.engine)
    assert len(log_rows(desk.engine)) >= 200
    proven(desk.engine)
    if then == "load":
        assert load(desk, CALLS, DAYS, SEED).replaced >= 200
        assert len(log_rows(desk.engine)) == CALLS
    clear(desk)
    assert everything(desk.engine) == before
    proven(desk.engine)
