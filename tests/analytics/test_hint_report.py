"""Which models are suggested to fall back on: none that could disappoint, and for each the reasons."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from lib import analytics
from lib.analytics.hint_report import suggest_fallbacks
from lib.credentials import KeyStatus
from lib.pricing import Price
from lib.registry import Model, Provider


def provider(number: int, **values: Any) -> Provider:
    key = KeyStatus("environment") if values.pop("ready", True) else KeyStatus("missing")
    slug = f"p{number}"
    return Provider(number, slug, "openai", slug.upper(), "https://x", None, {}, True, None, 1, key, **values)


def model(
    number: int, at: int = 1, *, price: tuple[int, int] | None = (3, 15), able: str = "tools", ready: bool = True, **values: Any
) -> Model:
    cost = None if price is None else Price(input=Decimal(price[0]), output=Decimal(price[1]))
    given: dict[str, Any] = {
        **{"id": number, "model_key": f"m{number}", "provider": provider(at, ready=ready), "upstream_id": f"m{number}", "vendor": None},
        **{"priced_as": None, "display_name": f"Model {number}", "model_type": "chat", "capabilities": frozenset(able.split())},
        **{"context_window": 1_000, "max_output_tokens": 100, "defaults": {}, "constraints": {}, "settings": {}, "fallbacks": ()},
        **{"is_active": True, "is_available": True, "hidden": False, "is_default": False, "display_order": number, "owner_id": None},
        **{"version": 1, "price": cost, **values},
    }
    return Model(**given)


GOOD = analytics.Totals(attempts=100, ok=99, errors=1)
BAD = analytics.Totals(attempts=100, ok=50, errors=50)


@pytest.mark.parametrize(
    ("other", "totals"),
    [
        (model(2, 2, able="vision"), GOOD),
        (model(2, 2, context_window=999), GOOD),
        (model(2, 2, context_window=None), GOOD),
        (model(2, 2, max_output_tokens=99), GOOD),
        (model(2, 2, model_type="embedding"), GOOD),
        (model(2, 2, is_active=False), GOOD),
        (model(2, 2, is_available=False), GOOD),
        (model(2, 2, hidden=True), GOOD),
        (model(2, 2, ready=False), GOOD),
        (model(2, 2, owner_id="00000000-0000-4000-8000-0000000000aa"), GOOD),
        (model(2, 2, price=(30, 150)), GOOD),
        (model(2, 2, price=(0, 1)), GOOD),
        (model(2, 2, price=None), GOOD),
        (model(2, 2), analytics.Totals(attempts=100, ok=94, errors=6)),
        (model(2, 2), analytics.Totals(attempts=5, ok=5)),
        (model(2, 2), analytics.Totals(attempts=100, ok=10, cancelled=90)),
        (model(2, 2), None),
    ],
)
def test_a_model_that_could_disappoint_is_never_suggested(other: Model, totals: analytics.Totals | None) -> None:
    known = {"m1": BAD} | ({"m2": totals} if totals else {})
    assert suggest_fallbacks([model(1), other], known, set())[0] == []


def test_a_blacklisted_model_is_never_suggested_and_wants_a_fallback_itself() -> None:
    assert suggest_fallbacks([model(1), model(2, 2)], {"m1": BAD, "m2": GOOD}, {("p2", "m2")})[0] == []
    found, without = suggest_fallbacks([model(1), model(2, 2)], {"m2": GOOD}, {("p1", "m1")})
    assert ([(s.model, s.fallback) for s in found], without) == ([("m1", "m2")], [])


def test_a_model_that_works_or_is_switched_off_wants_no_fallback() -> None:
    few = analytics.Totals(attempts=10, ok=1, errors=9)
    for one, totals in ((model(1), GOOD), (model(1), few), (model(1, is_active=False), BAD)):
        assert suggest_fallbacks([one, model(2, 2)], {"m1": totals, "m2": GOOD}, set()) == ([], [])


def test_another_providers_models_come_first_and_each_reason_is_given() -> None:
    perfect = analytics.Totals(attempts=1_000, ok=1_000)
    models = [
        model(1, able="tools vision", fallbacks=("m3",)),
        model(2, 1, able="tools vision"),
        model(3, 2, able="tools vision json", price=(6, 18)),
    ]
    found, _ = suggest_fallbacks(models, {"m1": BAD, "m2": perfect, "m3": GOOD}, set())
    assert [(s.fallback, s.is_set) for s in found] == [("m3", True), ("m2", False)]
    assert found[0].reasons == (
        "It can do all that Model 1 can: tools, vision.",
        "99 of its 100 attempts came through (99.0%).",
        "It costs 1.50 times as much, 3 tokens in to one out.",
        "It is at another provider, P2.",
    )


def test_where_none_fits_it_says_so() -> None:
    assert suggest_fallbacks([model(1)], {"m1": BAD}, set())[1][0][0] == "m1"
    assert suggest_fallbacks([model(1, price=None), model(2, 2)], {"m1": BAD, "m2": GOOD}, set()) == (
        [],
        [("m1", "It has no price to compare others with.")],
    )
