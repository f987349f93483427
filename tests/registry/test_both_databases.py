"""The registry and its keys work alike on the embedded file and on a real Postgres."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.errors import WrongEncryptionKey
from lib.pricing import Price, price_at
from lib.registry.builtin_models import BUILTIN_MODELS
from lib.store.schema import encryption_keys
from tests.registry.conftest import ACTOR, NOW, House

SECRET = "sk-pasted-0000000000000000"


@pytest.fixture
def house(database_engine: Engine, tmp_path: Path) -> House:
    return House(tmp_path, database_engine)


def test_seed_toggle_default_order_and_price(house: House) -> None:
    registry = house.registry()
    assert len(registry.seed().added) == len(BUILTIN_MODELS)
    assert registry.seed().added == ()
    reasoner, chat = registry.get("demo/demo-reasoner"), registry.get("DEMO CHAT")
    for model in (reasoner, chat, reasoner):
        registry.set_default(model.id)
    assert [m.model_key for m in registry.models() if m.is_default] == ["demo-reasoner"]
    registry.set_active([reasoner.id], False)
    default = registry.default()
    assert default is not None and default.model_key == "demo-chat"
    registry.reorder([chat.id, reasoner.id][::-1])
    assert [m.model_key for m in registry.models(provider="demo")][:2] == ["demo-reasoner", "demo-chat"]
    registry.set_price(
        chat.id, Price(input=Decimal("0.00000001"), output=Decimal("1.0399999999999998")), valid_from=NOW + timedelta(days=1)
    )
    later = price_at(house.store, chat.id, NOW + timedelta(days=1))
    assert later is not None and (later.input, later.output) == (Decimal("0.00000001"), Decimal("1.0399999999999998"))
    before = registry.revision()
    registry.delete_model(chat.id)
    assert registry.revision() != before


def test_paste_use_rotate_and_remove_a_key(house: House) -> None:
    registry = house.registry()
    registry.seed()
    provider, keys = registry.provider("openai"), house.keys({"ENCRYPTION_KEY": "first"})
    keys.set_system_key(provider, SECRET, ACTOR)
    keys.set_system_key(provider, SECRET, ACTOR, tested_at=NOW)
    revision = keys.revision()
    assert keys.status(provider).tested_at == NOW
    assert keys.rotate(ACTOR, "second").rewritten == 1
    assert keys.revision() != revision
    with pytest.raises(WrongEncryptionKey):
        house.keys({"ENCRYPTION_KEY": "first"}).resolve(provider)
    current = house.keys({"ENCRYPTION_KEY": "second"})
    found = current.resolve(provider).api_key
    assert found is not None and found.get_secret_value() == SECRET
    assert current.remove_system_key(provider, ACTOR).source == "missing"
    with house.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(encryption_keys.c.retired_at.is_not(None))) == 1
