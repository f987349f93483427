"""The providers and models that exist only in sample data, as rows: made up, with prices of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lib.pricing import Price
from lib.pricing.prices import price_from_json

Caching = Literal["written", "automatic", "none"]
"""How a provider caches: writes that are paid for and read cheaply, reads that happen by themselves, or not at all."""

PRICE_DETAIL = "sample price"


@dataclass(frozen=True, slots=True)
class SampleProvider:
    """A provider nobody can call."""

    slug: str
    display_name: str
    endpoint: str
    caching: Caching


@dataclass(frozen=True, slots=True)
class SampleModel:
    """A model nobody can call, and how its made-up calls behave.

    ``prices`` hold with the part of the loaded range after which each is in force; none at all makes its calls
    unpriced. ``ttft_ms`` and ``tokens_per_s`` are medians, ``failing`` is the part of first attempts that fail.
    ``reasoning`` is how many reasoning tokens come with one token of answer. ``grows`` is how much more often it is
    chosen at the end of the range than at its beginning, as a part: 1 means twice as often.
    """

    key: str
    provider: str
    display_name: str
    context_window: int
    ttft_ms: int
    tokens_per_s: int
    prices: tuple[tuple[float, Price], ...]
    fallback: str | None = None
    failing: float = 0.015
    reasoning: float = 0.0
    grows: float = 0.0


def _price(input_: str, output: str, *, tiers: tuple[Mapping[str, Any], ...] = (), **rates: str) -> Price:
    known = {"input": input_, "output": output, **rates}
    return price_from_json(known | {"tiers": tiers, "source": "seed", "source_detail": PRICE_DETAIL})


def _always(price: Price) -> tuple[tuple[float, Price], ...]:
    return ((0.0, price),)


PROVIDERS = (
    SampleProvider("sample-northlight", "Northlight (sample)", "messages", "written"),
    SampleProvider("sample-lanternworks", "Lanternworks (sample)", "chat/completions", "automatic"),
    SampleProvider("sample-tidepool", "Tidepool (sample)", "chat/completions", "none"),
    SampleProvider("sample-basalt", "Basalt (sample)", "chat/completions", "automatic"),
    SampleProvider("sample-emberhall", "Emberhall (sample)", "chat/completions", "none"),
)

INCIDENT_PROVIDER = "sample-tidepool"
"""The one that fails for the better part of a working day."""

BLACKLISTED = "sample-ember-classic"
"""The model that its provider stops serving in the middle of the range."""

_LONG = {"above": 200_000, "input": "2.5", "output": "15", "cache_read": "0.625"}

MODELS = (
    SampleModel(
        *("sample-quill-large", "sample-northlight", "Quill Large (sample)", 200_000, 1_150, 62),
        _always(_price("5", "25", cache_read="0.5", cache_write_5m="6.25", cache_write_1h="10")),
        fallback="sample-quill-medium",
        grows=4.5,
    ),
    SampleModel(
        *("sample-quill-medium", "sample-northlight", "Quill Medium (sample)", 200_000, 780, 78),
        _always(_price("3", "15", cache_read="0.3", cache_write_5m="3.75", cache_write_1h="6")),
        fallback="sample-lantern-pro",
        grows=-0.4,
    ),
    SampleModel(
        *("sample-quill-small", "sample-northlight", "Quill Small (sample)", 200_000, 420, 140),
        _always(_price("0.8", "4", cache_read="0.08", cache_write_5m="1", cache_write_1h="1.6")),
        fallback="sample-lantern-mini",
    ),
    SampleModel(
        *("sample-lantern-pro", "sample-lanternworks", "Lantern Pro (sample)", 400_000, 690, 84),
        ((0.0, _price("2.5", "10", cache_read="1.25")), (0.4, _price("2", "8", cache_read="0.5"))),
        fallback="sample-quill-medium",
        failing=0.02,
    ),
    SampleModel(
        *("sample-lantern-mini", "sample-lanternworks", "Lantern Mini (sample)", 400_000, 380, 150),
        _always(_price("0.4", "1.6", cache_read="0.1")),
        fallback="sample-quill-small",
    ),
    SampleModel(
        *("sample-lantern-think", "sample-lanternworks", "Lantern Think (sample)", 200_000, 900, 95),
        _always(_price("1.1", "4.4", cache_read="0.275", reasoning="5.5")),
        fallback="sample-lantern-pro",
        reasoning=2.4,
        grows=1.2,
    ),
    SampleModel(
        *("sample-tide-72b", "sample-tidepool", "Tide 72B (sample)", 131_072, 560, 58),
        _always(_price("0.65", "0.75")),
        fallback="sample-basalt-flash",
        failing=0.03,
    ),
    SampleModel(
        *("sample-tide-9b", "sample-tidepool", "Tide 9B (sample)", 131_072, 240, 170), _always(_price("0.1", "0.125")), failing=0.02
    ),
    SampleModel(
        *("sample-tide-coder", "sample-tidepool", "Tide Coder (sample)", 131_072, 520, 88),
        _always(_price("0.9", "0.9")),
        fallback="sample-quill-small",
        failing=0.025,
    ),
    SampleModel(
        *("sample-basalt-xl", "sample-basalt", "Basalt XL (sample)", 1_000_000, 1_400, 96),
        _always(_price("1.25", "10", tiers=(_LONG,), cache_read="0.3125")),
        fallback="sample-lantern-pro",
        reasoning=0.6,
    ),
    SampleModel(
        *("sample-basalt-flash", "sample-basalt", "Basalt Flash (sample)", 1_000_000, 310, 190),
        _always(_price("0.15", "0.6", cache_read="0.0375")),
        fallback="sample-lantern-mini",
        grows=0.6,
    ),
    SampleModel(
        *("sample-ember-preview", "sample-emberhall", "Ember Preview (sample)", 131_072, 850, 66),
        (),
        fallback="sample-lantern-mini",
        grows=1.5,
    ),
    SampleModel(
        *("sample-ember-classic", "sample-emberhall", "Ember Classic (sample)", 32_768, 700, 44),
        _always(_price("0.5", "1.5")),
        fallback="sample-tide-72b",
        failing=0.04,
    ),
)

PROVIDER_OF: Mapping[str, SampleProvider] = {provider.slug: provider for provider in PROVIDERS}
