"""A Modeldeck in use, made up from a seed: keys of several providers, and a month of calls with all that goes wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from lib.access import LOCAL_ADMIN
from lib.chat import Usage
from lib.errors import ProviderError
from lib.pricing import PriceSource
from lib.registry import Model
from lib.services import Services
from lib.store import runs
from lib.store.runs import RunStatus
from lib.usage import AttemptStart, Ledger, Outcome, Source

DAYS, CALLS_A_DAY = 30, 42
KEYS = {
    "anthropic": "sk-ant-made-up-5up3r-n0t-4-r34l-k3y-Zt4Q",
    "openai": "sk-made-up-n0t-4-r34l-k3y-at-all-9Kx2",
    "groq": "gsk_made_up_n0t_4_r34l_k3y_at_all_7Lp0",
    "mistral": "made-up-n0t-4-r34l-k3y-at-all-Q3vn",
    "deepseek": "sk-made-up-n0t-4-r34l-k3y-at-all-44de",
}
HOUR_WEIGHTS = (1, 1, 1, 1, 1, 2, 3, 5, 9, 12, 12, 11, 8, 10, 12, 12, 11, 8, 5, 4, 3, 2, 2, 1)
PEOPLE = (
    (LOCAL_ADMIN.user_id, LOCAL_ADMIN.name),
    *((str(UUID(int=n)), name) for n, name in enumerate(("Ada", "Grace", "Linus", "Mary"), 1)),
)
"""Who calls: the local person, and colleagues who share the Modeldeck."""
SOURCES: tuple[Source, ...] = ("playground", "playground", "api", "api", "api", "cli")


@dataclass(frozen=True)
class Habit:
    """How a model is used: its share of calls, typical tokens, share of input read from cache, and its speed."""

    share: int
    tokens_in: int
    tokens_out: int
    cached: float
    first_ms: int
    tokens_per_s: int
    reasoning: float = 0.0
    fails: float = 0.01
    kind: str = "rate-limit"


HABITS = {
    "claude-sonnet-5-5": Habit(26, 6_800, 620, 0.62, 820, 74, fails=0.02),
    "claude-haiku-4-5-20251001": Habit(18, 2_900, 260, 0.45, 380, 140),
    "gpt-6.1-terra": Habit(17, 5_200, 540, 0.4, 640, 96, reasoning=0.3),
    "gpt-4o-mini": Habit(16, 1_400, 190, 0.2, 320, 118),
    "llama-3.3-70b-versatile": Habit(9, 1_100, 320, 0.0, 160, 310, fails=0.05),
    "mistral-large-4-0": Habit(7, 1_900, 410, 0.0, 450, 82),
    "deepseek-reasoner": Habit(4, 2_200, 1_900, 0.35, 1_900, 41, reasoning=0.7, fails=0.12, kind="timeout"),
    "vllm-custom": Habit(3, 900, 240, 0.0, 110, 66),
}
ERRORS = {
    "rate-limit": ProviderError("Rate limit reached. Try again in 20 s.", kind="rate-limit", status=429),
    "timeout": ProviderError("The provider did not answer in time.", kind="timeout"),
}


def fill(services: Services, *, now: datetime | None = None, seed: int = 7, days: int = DAYS) -> int:
    """Store made-up keys, switch models on, write ``days`` of calls up to ``now``, and return how many."""
    registry = services.registry(LOCAL_ADMIN)
    for slug, key in KEYS.items():
        services.set_key(LOCAL_ADMIN, registry.provider(slug), key, tested=True)
    services.connect(LOCAL_ADMIN, registry.provider("vllm"), "", base_url="http://gpu-box.internal:8000/v1", tested=False)
    models = {key: registry.get(key) for key in HABITS}
    registry.set_active([model.id for model in models.values()], True)
    registry.set_default(models["claude-sonnet-5-5"].id)
    made = 0
    for made, (at, model, attempts) in enumerate(_calls(models, now or datetime.now(UTC), random.Random(seed), days), start=1):
        ledger = Ledger(services.engine, instance_id=services.ledger.instance_id, clock=lambda at=at: at)  # type: ignore[misc]
        start = _start(model, made, random.Random(made).choice(SOURCES))
        for number, outcome in enumerate(attempts, start=1):
            ledger.close(ledger.open(replace(start, attempt=number)), outcome)
    return made


def refreshed(services: Services, *, now: datetime | None = None) -> None:
    """Note of some providers that they were asked for their models three hours ago, one of them in vain."""
    at = (now or datetime.now(UTC)) - timedelta(hours=3)
    told: tuple[tuple[str, RunStatus, str], ...] = (
        ("anthropic", "ok", "10 listed, nothing new."),
        ("openai", "held", "Found 2 new, 1 gone; not applied yet."),
        ("groq", "failed", "Groq could not be reached or failed on its side: HTTP 503. Try again in a moment."),
        ("mistral", "ok", "1 new."),
    )
    for slug, status, sentence in told:
        runs.finish(services.engine, runs.start(services.engine, "models", slug, "Modeldeck", at), status, {"sentence": sentence}, at)


def change_prices(services: Services) -> None:
    """Give some models prices that the catalogue does not have, one of them by hand."""
    registry = services.registry(LOCAL_ADMIN)
    changed: tuple[tuple[str, str, PriceSource], ...] = (
        ("claude-sonnet-5-5", "1.25", "seed"),
        ("deepseek-reasoner", "0.8", "seed"),
        ("gpt-4o-mini", "0.9", "manual"),
    )
    for key, factor, source in changed:
        model = registry.get(key)
        assert model.price is not None
        registry.set_price(model.id, model.price.times(Decimal(factor)).from_source(source))


def _calls(
    models: dict[str, Model], now: datetime, choose: random.Random, days: int
) -> Iterator[tuple[datetime, Model, tuple[Outcome, ...]]]:
    names, shares = list(HABITS), [habit.share for habit in HABITS.values()]
    for day in range(days, -1, -1):
        midnight = (now - timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0)
        busy = CALLS_A_DAY * (0.35 if midnight.weekday() >= 5 else 1) * (1 + 0.6 * (days - day) / days) * choose.uniform(0.8, 1.2)
        hours = sorted(choose.choices(range(24), HOUR_WEIGHTS, k=round(busy)))
        for hour in hours:
            at = midnight + timedelta(hours=hour, seconds=choose.uniform(0, 3_600))
            name = choose.choices(names, shares)[0]
            attempts = _attempts(HABITS[name], choose)
            if at < now:
                yield at, models[name], attempts


def _attempts(habit: Habit, choose: random.Random) -> tuple[Outcome, ...]:
    size = choose.lognormvariate(0, 0.5)
    read = round(habit.tokens_in * size * habit.cached * choose.uniform(0.6, 1.1))
    usage = Usage(
        input=round(habit.tokens_in * size) + 40 + read // 8,
        output=(out := round(habit.tokens_out * choose.lognormvariate(0, 0.6)) + 5),
        cache_read=min(read, round(habit.tokens_in * size)),
        reasoning=round(out * habit.reasoning),
    )
    first = round(habit.first_ms * choose.lognormvariate(0, 0.35))
    took = first + round(1000 * out / habit.tokens_per_s)
    answered = Outcome("ok", usage, ttft_ms=first, latency_ms=took, finish_reason="stop")
    if choose.random() < habit.fails:
        failed = Outcome("error", error=ERRORS[habit.kind], latency_ms=60_000 if habit.kind == "timeout" else choose.randint(150, 400))
        return (failed, answered) if habit.kind == "rate-limit" and choose.random() < 0.6 else (failed,)
    if choose.random() < 0.015:
        return (Outcome("cancelled", replace(usage, output=out // 3, reasoning=0), ttft_ms=first, latency_ms=first + took // 3),)
    return (answered,)


def _start(model: Model, number: int, source: Source) -> AttemptStart:
    who = random.Random(-number).choices(PEOPLE, (5, 4, 3, 2, 1))[0]
    return AttemptStart(
        request_id=str(UUID(int=number)),
        attempt=1,
        model_key=model.model_key,
        model_name=model.display_name,
        provider=model.provider.slug,
        provider_name=model.provider.display_name,
        source=source,
        endpoint="messages" if model.provider.kind == "anthropic" else "chat/completions",
        model_id=model.id,
        provider_id=model.provider.id,
        user_id=who[0],
        user_name=who[1],
        key_scope="system" if model.provider.slug in KEYS else None,
        price=model.price,
    )
