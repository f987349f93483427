"""A fresh installation has a current catalogue with right prices, and seeding again harms nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
import sqlalchemy as sa

from lib.access import Principal, Role
from lib.chat import Usage
from lib.errors import NotAllowed
from lib.pricing import Price, cost
from lib.pricing.catalogue import CataloguePrice, look_up
from lib.providers import demo
from lib.providers.catalog import KINDS
from lib.registry.builtin_models import BUILTIN_MODELS, BuiltinModel
from lib.registry.builtin_providers import BUILTIN_PROVIDERS, catalogue_reference
from lib.registry.checks import model_values
from lib.store.schema import audit_log
from tests.pricing.genai import charged_by_the_catalogue
from tests.registry.conftest import NOW, House

NAMED_BY_THE_SEEDS = {
    "matchaai": ["28", "25", "30", "35", "40"],
    "anthropic": [
        "claude-sonnet-4-20250514",
        "claude-3-5-sonnet-20241022",
        "claude-3-opus-20240229",
        "claude-3-haiku-20240307",
        "claude-sonnet-4-5-20250929",
        "claude-opus-4-6",
        "claude-haiku-4-5-20251001",
    ],
    "openai": ["gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "gpt-3.5-turbo"],
    "google": ["gemini-2.0-flash"],
    "deepseek": ["deepseek-reasoner"],
    "huggingface": ["mistralai/Mistral-7B-Instruct-v0.3", "meta-llama/Llama-3.1-8B-Instruct:novita", "HuggingFaceH4/zephyr-7b-beta"],
    "ollama": ["llama3.1", "mistral", "phi3:mini"],
    "vllm": ["default", "mistralai/Mistral-7B-Instruct-v0.3"],
    "azure": ["gpt-4o", "gpt-35-turbo"],
}
MATCHAAI_KEYS = {
    "claude-3-7-sonnet": "28",
    "claude-3-5-sonnet": "25",
    "claude-3-opus-4-1": "30",
    "gemini-2-5-flash-lite": "35",
    "gpt-4o": "40",
}


def test_every_provider_kind_and_every_model_named_is_there(seeded: House) -> None:
    registry = seeded.registry()
    assert {p.kind for p in registry.providers()} == set(KINDS)
    models = registry.models()
    for slug, upstream_ids in NAMED_BY_THE_SEEDS.items():
        assert set(upstream_ids) <= {m.upstream_id for m in models if m.provider.slug == slug}, slug
    assert {m.model_key: m.upstream_id for m in models if m.provider.slug == "matchaai"} == MATCHAAI_KEYS
    assert {"openrouter", "groq", "mistral", "deepseek"} <= {m.provider.slug for m in models}


def test_only_the_demo_models_are_on_and_they_come_last(seeded: House) -> None:
    models = seeded.registry().models()
    on = [m.model_key for m in models if m.is_active]
    assert on == [demo.CHAT, demo.REASONER, demo.RATE_LIMIT, demo.TIMEOUT, demo.TRUNCATED]
    assert on == [m.model_key for m in models[-5:]]
    assert all(m.is_available for m in models) and not any(m.is_default for m in models)
    default = seeded.registry().default()
    assert default is not None and default.model_key == demo.CHAT


def test_keys_are_unique_and_every_row_passes_the_checks_an_admin_meets() -> None:
    assert len({m.key for m in BUILTIN_MODELS}) == len(BUILTIN_MODELS)
    for m in BUILTIN_MODELS:
        model_values({"model_key": m.key, "upstream_id": m.upstream_id, "display_name": m.display_name, "constraints": m.constraints})
        model_values({"capabilities": m.capabilities, "max_output_tokens": m.max_output_tokens, "context_window": m.context_window})
        assert m.provider in {p.slug for p in BUILTIN_PROVIDERS}


@pytest.mark.parametrize("model", [m for m in BUILTIN_MODELS if m.priced_as], ids=lambda m: m.key)
def test_every_price_is_the_catalogues_own(seeded: House, model: BuiltinModel) -> None:
    stored = seeded.registry().get(model.key)
    assert stored.price is not None and stored.price.source == "seed"
    assert (stored.price.source_detail or "").startswith(f"genai-prices {genai_prices.__version__}, ")
    provider, _, reference = (model.priced_as or "").partition("/")
    by_the_hour = "dearest hour" in (stored.price.source_detail or "")
    moments = [NOW.replace(hour=h) for h in range(24)] if by_the_hour else [NOW]
    usages = [Usage(input=1_234, output=567), Usage(input=300_001, output=999)]
    usages += [Usage(input=300_001, output=9, cache_read=77)] if stored.price.cache_read is not None else []
    usages += [Usage(input=9_999, output=9, cache_write=55)] if stored.price.cache_write_5m is not None else []
    usages += [Usage(input=9_999, output=9, cache_write=55, cache_write_1h=33)] if stored.price.cache_write_1h is not None else []
    for usage in usages:
        assert cost(stored.price, usage) == max(charged_by_the_catalogue(provider, reference, usage, moment) for moment in moments)


def test_what_nobody_publishes_a_price_for_is_unpriced_and_the_demos_price_says_it_is_one(seeded: House) -> None:
    models = seeded.registry().models()
    assert {m.provider.slug for m in models if m.price is None} == {"ollama", "vllm", "huggingface"}
    assert {m.price.source_detail for m in models if m.price and m.provider.slug == "demo"} == {"the demo is free"}


def test_announced_prices_are_stored_with_their_dates(house: House) -> None:
    house.now = datetime(2026, 11, 20, tzinfo=UTC)
    registry = house.registry()
    registry.seed()
    today = registry.get("gemini-4-argon")
    assert today.price is not None and today.price.input == Decimal(2)
    house.now = datetime(2026, 12, 1, tzinfo=UTC)
    later = registry.get("gemini-4-argon")
    assert later.price is not None and later.price.input == Decimal(4)
    assert later.price.source == "seed"


def test_seeding_again_writes_nothing_and_asks_no_catalogue(seeded: House) -> None:
    asked: list[Sequence[str]] = []

    def catalogue(references: Sequence[str], _at: datetime) -> dict[str, CataloguePrice]:
        asked.append(references)
        return {}

    registry = seeded.registry(catalogue=catalogue)
    before = registry.revision()
    result = registry.seed()
    assert (result.added, result.priced, result.added_providers) == ((), (), ())
    assert len(result.kept) == len(BUILTIN_MODELS)
    assert asked == [[]]
    assert registry.revision() == before


def test_a_seed_restores_what_is_missing_and_keeps_what_an_admin_changed(seeded: House) -> None:
    registry = seeded.registry()
    changed = registry.get("gpt-4.1")
    registry.update_model(changed.id, display_name="Our GPT", capabilities=["streaming"], max_output_tokens=9)
    registry.set_price(changed.id, Price(input=Decimal(9), output=Decimal(9)))
    registry.set_active([changed.id], True)
    registry.set_provider("groq", is_active=False, base_url="https://proxy.example/v1")
    registry.delete_model(registry.get("claude-opus-4-6").id)
    result = registry.seed()
    assert (result.added, result.priced) == (("claude-opus-4-6",), ("claude-opus-4-6",))
    after = registry.get("gpt-4.1")
    assert (after.display_name, after.capabilities, after.max_output_tokens, after.is_active) == (
        "Our GPT",
        frozenset({"streaming"}),
        9,
        True,
    )
    assert after.price is not None and after.price.input == 9 and len(registry.prices(after.id)) == 2
    assert registry.provider("groq").is_active is False
    keys = [m.model_key for m in registry.models()]
    assert keys == [m.key for m in BUILTIN_MODELS]  # the restored one is back in its place


def test_two_processes_seeding_at_once_end_with_one_set(house: House) -> None:
    other = house.registry()
    raced: list[bool] = []

    def catalogue(references: Sequence[str], at: datetime) -> dict[str, CataloguePrice]:
        if not raced:
            raced.append(True)
            other.seed()  # the other process wins between our look and our write
        return look_up(references, at)

    result = house.registry(catalogue=catalogue).seed()
    assert result.added == ()
    assert len(house.registry().models()) == len(BUILTIN_MODELS)
    assert all(len(house.registry().prices(m.id)) >= 1 for m in house.registry().models() if m.price)


def test_only_an_admin_may_seed_and_the_seed_is_audited(house: House) -> None:
    with pytest.raises(NotAllowed):
        house.registry(principal=Principal("00000000-0000-4000-8000-0000000000aa", "Ann", Role.ANALYST)).seed()
    house.registry().seed()
    with house.engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).where(audit_log.c.action == "llm_models.insert"))
    assert count == len(BUILTIN_MODELS)


@pytest.mark.parametrize(
    ("kind", "upstream_id", "reference"),
    [
        ("openai", "gpt-5", "openai/gpt-5"),
        ("huggingface", "org/model:together", "huggingface_together/org/model"),
        ("huggingface", "org/model", None),
        ("ollama", "llama3.1:8b", None),
        ("demo", "demo-chat", None),
    ],
)
def test_a_catalogue_reference_follows_who_serves_the_model(kind: str, upstream_id: str, reference: str | None) -> None:
    assert catalogue_reference(kind, upstream_id) == reference
