"""On a Supabase project prices are taken and taken back under the admin's own token, so that row-level security decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from lib.access import Principal
from lib.chat import Usage
from lib.errors import NotAllowed
from lib.pricing import Price
from lib.pricing.check import same_rates
from lib.services import Services, open_services
from lib.services.price_desk import PriceDesk
from lib.settings import load_settings
from lib.store.verify import verify
from lib.usage import AttemptStart, Ledger, Outcome
from tests.services.market import Market
from tests.stack.stack import PASSWORD, Stack

THEIRS = Price(input=Decimal("6.1"), output=Decimal(31), cache_read=Decimal("0.61"))
MODEL = "gpt-4o-mini"


@pytest.fixture
def services(stack: Stack, tmp_path: Path) -> Iterator[Services]:
    given = {**stack.settings, "ENCRYPTION_KEY": "a-key-for-tests-0123456789", "MODELDECK_DATA_DIR": str(tmp_path)}
    opened = open_services(load_settings(given, tmp_path))
    yield opened
    opened.close()


def enter(stack: Stack, services: Services, role: str) -> Principal:
    email = f"prices-{role}@example.com"
    stack.sign_up(email, role=role)
    principal = services.principal(services.sign_in(email, PASSWORD, "203.0.113.9"))
    assert principal is not None
    return principal


def test_an_admin_takes_prices_takes_them_back_and_prices_past_calls(stack: Stack, services: Services) -> None:
    admin, market = enter(stack, services, "admin"), Market()
    desk, registry = PriceDesk(services, admin, market), services.registry(admin)
    model = registry.get(MODEL)
    assert model.priced_as is not None
    assert model.price is not None
    market.says(model.priced_as, THEIRS)
    desk.check()
    last = desk.last()
    assert last is not None
    (found,) = last.rows
    taken = desk.apply([found.row])
    price = registry.get(MODEL).price
    assert price is not None
    assert same_rates(price, replace(THEIRS, extra_rates=model.price.extra_rates))
    assert desk.undo(taken) == 1
    price = registry.get(MODEL).price
    assert price is not None
    assert same_rates(price, model.price)
    told = "SELECT DISTINCT actor FROM audit_log WHERE subject = 'llm_model_prices' AND after ->> 'model_id' = %s AND actor_id = %s"
    assert stack.sql(told, str(model.id), admin.user_id) == [(admin.name,)]

    bare = registry.get("vllm-custom")
    start = AttemptStart("00000000-0000-4000-8000-00000000f00d", 1, bare.model_key, "V", "vllm", "vLLM", "api", model_id=bare.id)
    ledger = Ledger(services.engine, instance_id=services.ledger.instance_id)
    ledger.close(ledger.open(start), Outcome("ok", Usage(1_000, 10)))
    assert bare.model_key in {row.key for row in desk.unpriced().rows}
    filled = desk.set_price(bare.id, Price(input=Decimal(1), output=Decimal(2)), past=True)
    assert filled is not None
    assert (filled.calls, filled.cost_nano, filled.left) == (1, 1_020_000, 0)
    assert bare.model_key not in {row.key for row in desk.unpriced().rows}
    assert verify(services.engine).ok


def test_a_member_takes_nothing(stack: Stack, services: Services) -> None:
    desk = PriceDesk(services, enter(stack, services, "member"), Market())
    for refused in (desk.check, desk.last, desk.unpriced, lambda: desk.apply([])):
        with pytest.raises(NotAllowed):
            refused()
