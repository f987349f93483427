"""A used Modeldeck: what people switched on, pasted and called, written through the ledger as the app writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from lib.access import LOCAL_ADMIN
from lib.chat import Usage
from lib.errors import ProviderError
from lib.pricing import Price
from lib.registry import Model
from lib.services import Services
from lib.usage import AttemptStart, Ledger, OpenAttempt, Outcome

KEY = "sk-ant-stored-0123456789abcdefghijklmnopqrstuvwxyz"
PRICE = Price(input=Decimal("2.5"), output=Decimal(10), cache_read=Decimal("0.25"), source="manual")
DEAD, ALIVE = str(UUID(int=1)), str(UUID(int=2))
REFUSED = ProviderError("Rate limit reached for the organisation. Try again in 20 s.", kind="rate-limit", status=429)
TIMED_OUT = ProviderError("The provider did not answer in time.", kind="timeout")
PRICED, UNPRICED, FREE = "gpt-4.1", "vllm-custom", "demo-chat"
_numbers = iter(range(100, 10_000))


@dataclass(frozen=True)
class Made:
    """A call to write: whose, when, and how each of its attempts ended; None for one that was never closed."""

    model: str
    ago: timedelta
    outcomes: tuple[Outcome | None, ...]
    user_id: str | None = LOCAL_ADMIN.user_id


def _ok(n: int, latency_ms: int, **more: int) -> Outcome:
    usage = Usage(input=1_000 + n, output=100 + n, cache_read=more.get("cache_read", 0), cache_write=0, reasoning=more.get("reasoning", 0))
    return Outcome("ok", usage, ttft_ms=latency_ms // 4, latency_ms=latency_ms, finish_reason="stop")


def _calls() -> Iterator[Made]:
    for day in (1, 2, 3, 5, 9, 20):
        for n in range(6):
            at = timedelta(days=day, minutes=7 * n)
            yield Made(PRICED, at, (_ok(n * day, 900 + 130 * n * day, cache_read=10 * n, reasoning=n),))
    yield Made(PRICED, timedelta(days=1, hours=1), (Outcome("error", error=REFUSED, latency_ms=210), _ok(7, 1_500)))
    yield Made(PRICED, timedelta(days=2, hours=1), (Outcome("error", error=TIMED_OUT, latency_ms=60_000),))
    yield Made(PRICED, timedelta(days=2, hours=2), (Outcome("cancelled", Usage(input=50, output=3), ttft_ms=300, latency_ms=400),))
    yield Made(PRICED, timedelta(days=2, hours=3), (Outcome("cancelled", latency_ms=90),))
    yield Made(UNPRICED, timedelta(days=3, hours=1), (_ok(11, 2_000),))
    yield Made(FREE, timedelta(days=3, hours=2), (_ok(12, 40),), user_id=None)
    yield Made(PRICED, timedelta(days=5, hours=1), (None,))


def fill(services: Services) -> None:
    """Store a key, switch models on and write the calls."""
    registry = services.registry(LOCAL_ADMIN)
    services.set_key(LOCAL_ADMIN, registry.provider("anthropic"), KEY, tested=True)
    registry.set_price(registry.get(PRICED).id, PRICE)
    registry.set_active([registry.get(key).id for key in (PRICED, UNPRICED, "claude-haiku-4-5-20251001")], True)
    now = datetime.now(UTC)
    for made in _calls():
        _write(services, registry.get(made.model), made, now - made.ago)
    services.ledger.mark_interrupted()


def start_a_call(services: Services) -> OpenAttempt:
    """Begin a call that is not closed."""
    model = services.registry(LOCAL_ADMIN).get(FREE)
    return services.ledger.open(_start(model, Made(FREE, timedelta(), ())))


def _write(services: Services, model: Model, made: Made, at: datetime) -> None:
    ledger = Ledger(services.engine, instance_id=DEAD, clock=lambda: at)
    start = _start(model, made)
    for number, outcome in enumerate(made.outcomes, start=1):
        opened = ledger.open(replace(start, attempt=number))
        if outcome is not None:
            ledger.close(opened, outcome)


def _start(model: Model, made: Made) -> AttemptStart:
    return AttemptStart(
        request_id=str(UUID(int=next(_numbers))),
        attempt=1,
        model_key=model.model_key,
        model_name=model.display_name,
        provider=model.provider.slug,
        provider_name=model.provider.display_name,
        source="playground",
        model_id=model.id,
        provider_id=model.provider.id,
        user_id=made.user_id,
        user_name=LOCAL_ADMIN.name if made.user_id else None,
        key_scope=None if model.provider.slug == "demo" else "system",
        price=model.price,
    )
