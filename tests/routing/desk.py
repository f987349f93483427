"""A router whose provider follows a script, over a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.chat import Completion, Event, Message, Request, fold
from lib.pricing import Price
from lib.providers import ModelInfo
from lib.routing import Candidate, Deadlines, RoutedCall, Router, SqlHints
from lib.routing.values import Skip
from lib.store.engine import writing
from lib.store.schema import hint_events, model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.usage import Ledger

PRICE = Price(input=Decimal(1), output=Decimal(2), source="manual", id=1)


class Scripted:
    """A provider that plays one script per try: events to yield, errors to raise."""

    def __init__(self, *tries: list[Any], endpoints: frozenset[str] = frozenset({"chat/completions"})) -> None:
        self.tries = list(tries)
        self.endpoints = endpoints
        self.asked: list[tuple[str, str]] = []
        self.requests: list[Request] = []
        self.closed = 0

    def stream(self, request: Request, endpoint: str) -> Iterator[Event]:
        self.asked.append((request.model, endpoint))
        self.requests.append(request)
        try:
            for step in self.tries.pop(0):
                if callable(step):
                    step()
                    continue
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
        self.moment = datetime(2026, 3, 5, 12, tzinfo=UTC)
        self.waits: list[float] = []
        self.chance = 0.0

    def hinted(self, learn: bool = True) -> SqlHints:
        """Return hints whose clock is this desk's."""
        return SqlHints(self.engine, learning=learn, clock=lambda: self.moment)

    def router(self, *providers: Scripted, learn: bool = True, deadlines: Deadlines | None = None) -> Router:
        by_key = {f"m{n}": provider for n, provider in enumerate(providers)}
        return Router(
            self.ledger,
            self.hinted(learn),
            lambda candidate: by_key[candidate.model_key],
            deadlines=deadlines or Deadlines(),
            timer=lambda: self.now,
            sleep=self.waits.append,
            chance=lambda: self.chance,
        )

    def call(self, models: int = 1, unusable: tuple[Skip, ...] = (), keys: str = "", **asked: Any) -> RoutedCall:
        """Return a call; ``keys`` gives each candidate its key, a letter each."""
        candidates = tuple(
            Candidate(
                *(f"m{n}", f"Model {n}", f"upstream-{n}", "openai", "openai", "OpenAI", "chat/completions"),
                price=PRICE,
                api_key=SecretStr(keys[n]) if keys else None,
            )
            for n in range(models)
        )
        request = Request("", [Message("user", "hi")], **asked)
        return RoutedCall(str(uuid4()), request, candidates, "api", user_name="Ada", unusable=unusable)

    def know(self, model: str = "m0", **values: Any) -> None:
        """Write what is remembered of a model, as an admin or earlier calls left it."""
        row = {"provider": "openai", "model": model, "created_at": self.moment, "updated_at": self.moment}
        with writing(self.engine).begin() as connection:
            connection.execute(sa.insert(model_compatibility_hints).values({**row, **values}))

    def rows(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(llm_usage_log).order_by(llm_usage_log.c.id)).mappings()
            return [dict(row) for row in found]

    def hints(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(model_compatibility_hints)).mappings()]

    def hint(self, model: str = "m0") -> dict[str, Any]:
        """Return the row of one model."""
        return next(row for row in self.hints() if row["model"] == model)

    def events(self, *names: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the timeline as (model, event, detail), of these events only when any are named."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(hint_events).order_by(hint_events.c.id)).mappings()
            return [(row["model"], row["event"], row["detail"]) for row in found if not names or row["event"] in names]
