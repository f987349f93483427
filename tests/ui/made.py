"""Values to draw: models and attempts with everything that does not matter filled in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lib.chat import Usage
from lib.credentials import KeyStatus
from lib.registry import Model, Provider
from lib.usage import Attempt

PROVIDER = Provider(1, "anthropic", "anthropic", "Anthropic", "https://api.anthropic.com/v1", None, {}, True, None, 1, KeyStatus("stored"))
_MODEL = Model(
    id=1,
    model_key="claude",
    provider=PROVIDER,
    upstream_id="claude-upstream",
    vendor="Anthropic",
    priced_as=None,
    display_name="Claude",
    model_type="chat",
    capabilities=frozenset({"streaming", "tools"}),
    context_window=200_000,
    max_output_tokens=None,
    defaults={},
    constraints={},
    settings={},
    fallbacks=(),
    is_active=True,
    is_available=True,
    hidden=False,
    is_default=False,
    display_order=1,
    owner_id=None,
    version=1,
    price=None,
)
_ATTEMPT = Attempt(
    id=1,
    request_id="00000000-0000-4000-8000-0000000000aa",
    attempt=1,
    model_key="claude",
    model_name="Claude",
    provider="anthropic",
    provider_name="Anthropic",
    endpoint="messages",
    status="ok",
    usage=Usage(input=1_200, output=120),
    usage_source="provider",
    cost_nano_usd=27_750,
    price_id=1,
    price_source="catalogue",
    ttft_ms=400,
    latency_ms=2_400,
    error=None,
    finish_reason="stop",
    key_scope="system",
    started_at=datetime(2026, 3, 5, 12, tzinfo=UTC),
)


def model(**values: Any) -> Model:
    """Return a usable model, but for what is said."""
    return replace(_MODEL, **values)


def attempt(**values: Any) -> Attempt:
    """Return an attempt that came through, but for what is said."""
    return replace(_ATTEMPT, **values)
