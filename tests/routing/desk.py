"""A router whose provider follows a script, over a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.chat import Completion, Event, Message, Request, fold
from lib.pricing import Price
from lib.providers import ModelInfo
from lib.routing import Candidate, RoutedCall, Router, SqlHints
from lib.store.schema import model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.usage import Ledger

PRICE = Price(input=Decimal(1), output=Decimal(2), source="manual", id=1)


class Scripted:
    """A provider that plays one script per try: events to yield, errors to raise."""

    def __init__(self, *tries: list[Any], endpoints: frozenset[str] = frozenset({"chat/completions"})) -> None:
        self.tries = list(tries)
        self.endpoints = endpoints
        self.asked: list[tuple[str, str]] = []
        self.closed = 0

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        self.asked.append((request.model, endpoint))
        try:
            for step in self.tries.pop(0):
                if isinstance(step, BaseException):
                    raise step
                yield step
        finally:
            self.closed += 1

    def complete(self, request: Request, endpoint: str) -> Completion:
        return fold(self.stream(request, endpoint))

    def models(self) -> list[ModelInfo]:
        return []


class Desk:
    """A router with its ledger, its provider and a watch that moves by hand."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ledger = Ledger(engine, instance_id=str(uuid4()))
        self.now = 100.0
        self.waits: list[float] = []
        self.chance = 0.0

    def router(self, *providers: Scripted, learn: bool = True) -> Router:
        by_key = {f"m{n}": provider for n, provider in enumerate(providers)}
        return Router(
            self.ledger,
            SqlHints(self.engine, learning=learn),
            lambda candidate: by_key[candidate.model_key],
            timer=lambda: self.now,
            sleep=self.waits.append,
            chance=lambda: self.chance,
        )

    def call(self, models: int = 1) -> RoutedCall:
        candidates = tuple(
            Candidate(f"m{n}", f"Model {n}", f"upstream-{n}", "openai", "openai", "OpenAI", "chat/completions", price=PRICE)
            for n in range(models)
        )
        return RoutedCall(str(uuid4()), Request("", [Message("user", "hi")]), candidates, "api", user_name="Ada")

    def rows(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()
            return [dict(row) for row in found]

    def hints(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(model_compatibility_hints)).mappings()]
