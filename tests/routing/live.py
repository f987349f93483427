"""A router with the real adapters over the real ledger, calling servers on real sockets."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.chat import Message, Request, Tool
from lib.providers import KINDS, ProviderAdapter, default_endpoint, open_adapter
from lib.routing import Candidate, RoutedCall, Router, SqlHints
from lib.store.schema import model_compatibility_hints
from lib.store.usage_tables import llm_usage_log
from lib.usage import Ledger
from tests.routing.desk import PRICE

KEY = "sk-the-key-nobody-may-see"


class Live:
    """Calls go out at once after a failure: ``waits`` are the pauses that were asked for."""

    def __init__(self, engine: Engine, client: httpx.Client, *, read: float = 20.0) -> None:
        self.engine = engine
        self.waits: list[float] = []
        self._client = client
        self._timeout = httpx.Timeout(20.0, read=read)
        self.router = Router(Ledger(engine, instance_id=str(uuid4())), SqlHints(engine), self.open, sleep=self.waits.append)

    def call(self, *places: tuple[str, str], words: str = "hi", tools: tuple[Tool, ...] = (), choice: str | None = None) -> RoutedCall:
        """Return a call to the models at these places, each a kind of provider and a base URL."""
        candidates = tuple(
            Candidate(
                *(f"m{n}", f"Model {n}", f"upstream-{n}", kind, kind, KINDS[kind].label, default_endpoint(kind)),
                base_url=url,
                api_key=SecretStr(KEY),
                price=PRICE,
            )
            for n, (kind, url) in enumerate(places)
        )
        request = Request("", [Message("user", words)], tools=tools, tool_choice=choice)
        return RoutedCall(str(uuid4()), request, candidates, "api", user_name="Ada", conversation_id="conversation-1")

    def rows(self) -> list[dict[str, Any]]:
        """Return the ledger's rows, oldest first."""
        return self._all(sa.select(llm_usage_log).order_by(llm_usage_log.c.id))

    def hints(self) -> list[dict[str, Any]]:
        """Return what is remembered."""
        return self._all(sa.select(model_compatibility_hints))

    def _all(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def open(self, candidate: Candidate) -> ProviderAdapter:
        """Return a candidate's adapter."""
        return open_adapter(
            candidate.kind, base_url=candidate.base_url, api_key=candidate.api_key, client=self._client, timeout=self._timeout
        )
