"""Bench: the streamed completion of row 1 once more, through router, ledger and hints.

The ledger is a SQLite file with every trigger in place, log lines are written at the default level, and each
completion takes two transactions. Against raw httpx the whole completion is compared, against the adapter alone
the time to the first text.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib import logs
from lib.chat import Message, Request, TextDelta
from lib.net import new_client
from lib.pricing import Price
from lib.providers import open_adapter
from lib.routing import Candidate, RoutedCall, Router, SqlHints
from lib.store.database import upgrade
from lib.store.engine import open_engine
from lib.usage import Ledger
from tests.bench import stream

TARGET = 1.8
TARGET_FIRST_MS = 2.0
_PRICE = Price(input=Decimal("3"), output=Decimal("15"), source="seed", id=1)


def measure_routed(rounds: int = 400) -> list[dict[str, Any]]:
    """Measure and return two rows of {name, ratio or milliseconds, target, details}; times in microseconds."""
    request = Request("bench-model", [Message("user", "Count to two hundred.")])
    body = json.dumps({"model": "bench-model", "messages": [{"role": "user", "content": "Count to two hundred."}], "stream": True})
    with stream._server() as base_url, new_client() as ours, new_client() as alone, new_client() as theirs, _ledger() as (ledger, engine):
        router = Router(ledger, SqlHints(engine), lambda c: open_adapter(c.kind, base_url=c.base_url, api_key=c.api_key, client=ours))
        adapter = open_adapter("openai", base_url=base_url, api_key="bench", client=alone)
        candidate = Candidate(
            *("bench", "Bench", "bench-model", "openai", "openai", "OpenAI", "chat/completions"),
            model_id=1,
            provider_id=1,
            base_url=base_url,
            api_key=SecretStr("bench"),
            key_scope="system",
            price=_PRICE,
        )

        def routed() -> tuple[float, float]:
            return _timed(router.stream(RoutedCall(str(uuid4()), request, (candidate,), "api")))

        def direct() -> tuple[float, float]:
            return _timed(adapter.stream(request, "chat/completions"))

        def raw() -> tuple[float, float]:
            began = time.perf_counter()
            stream._raw(theirs, f"{base_url}/chat/completions", body.encode())
            return 0.0, time.perf_counter() - began

        ways = [routed, direct, raw]
        for way in ways * 20:
            way()
        results: dict[Any, list[tuple[float, float]]] = {way: [] for way in ways}
        for n in range(rounds):
            for way in ways[n % 3 :] + ways[: n % 3]:
                results[way].append(way())
    whole = {way: [total for _, total in found] for way, found in results.items()}
    first = {way: [first for first, _ in found] for way, found in results.items()}
    later = statistics.median(a - b for a, b in zip(first[routed], first[direct], strict=True)) * 1e3
    return [
        {
            "name": "200-chunk stream: router + ledger + hints / raw httpx",
            "ratio": round(statistics.median(a / b for a, b in zip(whole[routed], whole[raw], strict=True)), 3),
            "target": TARGET,
            "details": {
                "rounds": rounds,
                "routed_us": _us(whole[routed]),
                "adapter_us": _us(whole[direct]),
                "raw_us": _us(whole[raw]),
            },
        },
        {
            "name": "time to first token: router + ledger + hints - adapter alone",
            "ms": round(later, 3),
            "target": TARGET_FIRST_MS,
            "details": {"rounds": rounds, "routed_us": _us(first[routed]), "adapter_us": _us(first[direct])},
        },
    ]


def _timed(events: Iterable[object]) -> tuple[float, float]:
    """Read a stream to its end and return the seconds to its first text and to its end."""
    began = time.perf_counter()
    first, length = 0.0, 0
    for event in events:
        if isinstance(event, TextDelta):
            if not first:
                first = time.perf_counter() - began
            length += len(event.text)
    ended = time.perf_counter() - began
    if not length:
        raise AssertionError("the stream held no text")
    return first, ended


def _us(seconds: list[float]) -> int:
    return round(statistics.median(seconds) * 1e6)


@contextmanager
def _ledger() -> Iterator[tuple[Ledger, Engine]]:
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.configure("info", nowhere)
        engine = open_engine(SecretStr(f"sqlite:///{Path(folder) / 'bench.db'}"))
        upgrade(engine)
        ledger = Ledger(engine, instance_id=str(uuid4()))
        ledger.register("bench")
        try:
            yield ledger, engine
        finally:
            engine.dispose()
            logging.getLogger().handlers.clear()


if __name__ == "__main__":
    print(json.dumps(measure_routed(), indent=2))
