"""The list of calls misses none and repeats none, and a receipt adds up to what was charged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.analytics import EVERYBODY, Filters, Scope, call, preset, recent_calls, usage_by
from lib.errors import NotFound
from lib.store.schema import llm_model_prices, llm_models, llm_providers
from tests.analytics.rows import insert, logged

NOW = datetime(2026, 3, 5, 12, 10, tzinfo=UTC)
RANGE = preset("24h", NOW, ZoneInfo("UTC"))
ADA = "00000000-0000-4000-8000-00000000000a"


def test_paging_shows_every_call_once_newest_first_even_within_one_moment(engine: Engine) -> None:
    moments = [NOW - timedelta(minutes=n // 3) for n in range(10)]
    ids = insert(engine, [logged(started_at=m) for m in moments])
    insert(engine, [logged(started_at=NOW - timedelta(days=2))])
    seen: list[int] = []
    while page := recent_calls(engine, EVERYBODY, RANGE, limit=4, before_id=seen[-1] if seen else None):
        seen += [c.id for c in page]
    assert seen == [i for _, i in sorted(zip(moments, ids, strict=True), reverse=True)]


def test_a_running_call_is_listed(engine: Engine) -> None:
    insert(engine, [logged(started_at=NOW, status="open", is_final=False, usage_source="none")])
    (running,) = recent_calls(engine, EVERYBODY, RANGE)
    assert (running.status, running.usage, running.cost_nano_usd) == ("open", None, None)


def test_filters_and_scope_hold(engine: Engine) -> None:
    insert(engine, [logged(started_at=NOW, user_id=ADA, status="error"), logged(started_at=NOW, model_key="gpt", provider="openai")])
    assert [c.model_key for c in recent_calls(engine, EVERYBODY, RANGE, Filters(models=("gpt",)))] == ["gpt"]
    assert [c.model_key for c in recent_calls(engine, EVERYBODY, RANGE, Filters(statuses=("error",)))] == ["sonnet"]
    assert [c.user_id for c in recent_calls(engine, Scope(ADA), RANGE)] == [ADA]


def registered(engine: Engine) -> int:
    """Enter a model with a price and return the price's id."""
    with engine.begin() as connection:
        stamps = {"created_at": NOW, "updated_at": NOW}
        provider = {"slug": "anthropic", "kind": "anthropic", "display_name": "Anthropic, PBC", **stamps}
        provider_id = connection.execute(sa.insert(llm_providers).values(provider).returning(llm_providers.c.id)).scalar_one()
        model = {"model_key": "sonnet", "provider_id": provider_id, "upstream_id": "s", "display_name": "Claude Sonnet, new", **stamps}
        model_id = connection.execute(sa.insert(llm_models).values(model).returning(llm_models.c.id)).scalar_one()
        price = {"model_id": model_id, "valid_from": NOW, "input": Decimal(3), "output": Decimal(15), "source": "manual", "created_at": NOW}
        price_id: int = connection.execute(sa.insert(llm_model_prices).values(price).returning(llm_model_prices.c.id)).scalar_one()
        return price_id


def test_a_receipt_adds_up_and_shows_every_attempt(engine: Engine) -> None:
    price_id = registered(engine)
    first = logged(started_at=NOW, status="error", is_final=False, error_class="network", usage_source="none")
    charged = {"input_tokens": 1_000, "output_tokens": 10, "cost_nano_usd": 3_150_000, "price_id": price_id, "price_source": "manual"}
    second = logged(started_at=NOW, request_id=first["request_id"], attempt=2, usage_extra={}, **charged)
    first_id, second_id = insert(engine, [first, second])
    detail = call(engine, EVERYBODY, second_id)
    assert [a.id for a in detail.attempts] == [first_id, second_id]
    assert detail.price is not None
    assert sum(line.nano for line in detail.receipt) == detail.call.cost_nano_usd
    assert call(engine, EVERYBODY, first_id).receipt == ()
    names = {by: [s.label for s in usage_by(engine, by, EVERYBODY, RANGE)] for by in ("model", "provider")}
    assert names == {"model": ["Claude Sonnet, new"], "provider": ["Anthropic, PBC"]}


def test_another_persons_call_is_not_there(engine: Engine) -> None:
    (call_id,) = insert(engine, [logged(started_at=NOW)])
    with pytest.raises(NotFound):
        call(engine, Scope(ADA), call_id)
    with pytest.raises(NotFound):
        call(engine, EVERYBODY, 0)
