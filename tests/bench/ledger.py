"""Bench: how many calls a second the ledger writes down for good, and how many bytes the database keeps of them.

A call is two transactions, open and close, with every trigger in place, on one connection after another in one thread.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from lib.chat import Usage
from lib.pricing import Price
from lib.store.database import upgrade
from lib.store.engine import open_engine
from lib.usage import AttemptStart, Ledger, Outcome
from tests.bench.filling import DAYS, MODELS, NOW, USERS, fill

TARGET_ROWS_A_SECOND = 1_000
TARGET_MIB = 40
_PRICE = Price(input=Decimal("3"), output=Decimal("15"), cache_read=Decimal("0.3"), source="seed", id=1)


def measure_ingest(calls: int = 5_000) -> dict[str, Any]:
    """Measure and return a row of {name, rate, target, details}: calls opened and closed a second, the median of ten parts."""
    moments, starts = _moments(), _starts()
    with TemporaryDirectory() as folder:
        engine = open_engine(SecretStr(f"sqlite:///{Path(folder) / 'bench.db'}"))
        upgrade(engine)
        ledger = Ledger(engine, instance_id=str(UUID(int=1)), clock=lambda: next(moments))
        rates = []
        for _ in range(10):
            began = time.perf_counter()
            for _ in range(calls // 10):
                ledger.close(ledger.open(next(starts)), Outcome("ok", Usage(1_200, 300, cache_read=400), ttft_ms=350, latency_ms=4_000))
            rates.append(calls // 10 / (time.perf_counter() - began))
        engine.dispose()
    return {
        "name": "calls opened and closed a second, durable, triggers on",
        "rate": round(statistics.median(rates)),
        "target": TARGET_ROWS_A_SECOND,
        "at_least": True,
        "details": {"calls": calls, "slowest": round(min(rates)), "fastest": round(max(rates))},
    }


def measure_size(calls: int = 100_000) -> dict[str, Any]:
    """Measure and return a row of {name, mib, target, details}: the file's MiB per 100k calls over 90 days."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "bench.db"
        engine = fill(file, calls)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        mib = file.stat().st_size / 2**20 * 100_000 / calls
    return {"name": "database per 100k calls over 90 days", "mib": round(mib, 1), "target": TARGET_MIB, "details": {"calls": calls}}


def _moments() -> Iterator[Any]:
    return (NOW - timedelta(days=DAYS) + timedelta(seconds=n * 40) for n in count())


def _starts() -> Iterator[AttemptStart]:
    dealer = random.Random(7)
    one = AttemptStart("", 1, "", "", "", "", "api", endpoint="chat/completions", key_scope="system", price=_PRICE)
    for _ in count():
        model, user = dealer.randrange(MODELS) + 1, dealer.randrange(USERS) + 1
        yield replace(
            one,
            request_id=str(UUID(int=dealer.getrandbits(128))),
            model_key=f"model-{model}-large",
            model_name=f"Model {model} Large",
            model_id=model,
            provider=f"provider-{model % 5}",
            provider_name=f"Provider {model % 5}",
            provider_id=model % 5 + 1,
            user_id=str(UUID(int=user)),
            user_name=f"Person {user}",
        )
