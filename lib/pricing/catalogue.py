"""The public price catalogue (genai-prices), read without keeping it in the server's memory.

Its data takes about 85 MB and 0.4 s to load, for numbers needed a few times a year. So ``read`` asks a short-lived
process of its own, unless this process has the catalogue loaded already.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.pricing.price import Price, Rates, Tier
from lib.pricing.prices import price_from_json, price_to_json

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, TieredPrices

_RATES: Mapping[str, str] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
}
_EXTRAS: Mapping[str, str] = {
    "web_searches": "web_searches_kcount",
    "storage_searches": "storage_searches_kcount",
    "code_executions": "code_executions_kcount",
    "requests": "requests_kcount",
}
_PROJECT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class CataloguePrice:
    """What the catalogue says of one model.

    ``price`` is in force at the moment asked for; ``upcoming`` are announced prices with their ``valid_from``, in
    order. ``entry`` is the catalogue's own name for what matched, "provider/model"; ``hourly`` is True where the
    provider charges by the hour of the day, in which case ``price`` is the dearest hour's.
    """

    entry: str
    price: Price
    upcoming: tuple[Price, ...] = ()
    context_window: int | None = None
    hourly: bool = False

    def at(self, moment: datetime) -> CataloguePrice:
        """Return the same as of a later moment: an announced price whose day has come is the price then."""
        due = [price for price in self.upcoming if price.valid_from is not None and price.valid_from <= moment]
        if not due:
            return self
        return replace(self, price=replace(due[-1], valid_from=None), upcoming=self.upcoming[len(due) :])


def read(references: Sequence[str], at: datetime) -> dict[str, CataloguePrice]:
    """Return what the catalogue knows of "provider/model" references, by reference; unknown ones are left out."""
    if not references:
        return {}
    if "genai_prices" in sys.modules:
        return look_up(references, at)
    answer = _ask_apart(json.dumps({"at": at.isoformat(), "references": list(references)}))
    if answer is None:
        return look_up(references, at)
    return {reference: from_json(entry) for reference, entry in answer.items()}


def look_up(references: Iterable[str], at: datetime) -> dict[str, CataloguePrice]:
    """Do what ``read`` does in this process, which keeps the catalogue loaded from then on."""
    found = {reference: catalogue_price(*_split(reference), at) for reference in references}
    return {reference: price for reference, price in found.items() if price is not None}


def catalogue_price(provider: str, model_ref: str, at: datetime) -> CataloguePrice | None:
    """Return the catalogue's price of a provider's model, or None when it does not know one.

    ``provider`` is the catalogue's own provider id, such as "anthropic" or "huggingface_together". Loads the
    catalogue into this process.
    """
    import genai_prices
    from genai_prices.data_snapshot import get_snapshot

    try:
        vendor, model = get_snapshot().find_provider_model(model_ref, None, provider, None)
    except LookupError:
        return None
    entry = f"{vendor.id}/{model.id}"
    hourly = _hourly(model)
    detail = f"genai-prices {genai_prices.__version__}, {entry}" + (", dearest hour of the day" if hourly else "")
    price = _dearest([model.get_prices(at), *hourly], detail)
    if price is None:
        return None
    return CataloguePrice(entry, price, () if hourly else _upcoming(model, at, detail), model.context_window, bool(hourly))


def _ask_apart(request: str) -> dict[str, Any] | None:
    """Return what a process of its own answers, None when none can be had."""
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, cwd=_PROJECT, timeout=_TIMEOUT_S, check=True)  # noqa: S603 - no shell, own code
        answer: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return answer


def _split(reference: str) -> tuple[str, str]:
    provider, _, model_ref = reference.partition("/")
    return provider, model_ref


def _conditional(model: ModelInfo) -> Sequence[ConditionalPrice]:
    return model.prices if isinstance(model.prices, list) else ()


def _hourly(model: ModelInfo) -> list[ModelPrice]:
    from genai_prices.types import TimeOfDateConstraint

    return [c.prices for c in _conditional(model) if isinstance(c.constraint, TimeOfDateConstraint)]


def _upcoming(model: ModelInfo, at: datetime, detail: str) -> tuple[Price, ...]:
    from genai_prices.types import StartDateConstraint

    starts = sorted(c.constraint.start_date for c in _conditional(model) if isinstance(c.constraint, StartDateConstraint))
    moments = [datetime.combine(start, time(), UTC) for start in starts]
    return tuple(_price(model.get_prices(moment), detail, moment) for moment in moments if moment > at)


def _dearest(prices: Iterable[ModelPrice], detail: str) -> Price | None:
    known = [price for price in (_price(p, detail) for p in prices) if price.input is not None and price.output is not None]
    return max(known, key=lambda p: (p.output or 0, p.input or 0), default=None)


def _price(source: ModelPrice, detail: str, valid_from: datetime | None = None) -> Price:
    base: dict[str, Any] = {}
    tiers: dict[int, dict[str, Decimal]] = {}
    for name, key in _RATES.items():
        value: Decimal | TieredPrices | None = getattr(source, key)
        if value is None or isinstance(value, Decimal):
            base.update({name: value} if value is not None else {})
            continue
        base[name] = value.base
        for tier in value.tiers:
            tiers.setdefault(tier.start, {})[name] = tier.price
    return Price(
        **base,
        tiers=tuple(Tier(above, Rates(**rates)) for above, rates in sorted(tiers.items())),
        extra_rates={unit: getattr(source, key) / 1000 for unit, key in _EXTRAS.items() if getattr(source, key) is not None},
        source="catalogue",
        source_detail=detail,
        valid_from=valid_from,
    )


def to_json(found: CataloguePrice) -> dict[str, Any]:
    """Return what the catalogue says of a model as plain JSON, rates as text."""
    return {
        "entry": found.entry,
        "price": price_to_json(found.price),
        "upcoming": [price_to_json(price) for price in found.upcoming],
        "context_window": found.context_window,
        "hourly": found.hourly,
    }


def from_json(data: Mapping[str, Any]) -> CataloguePrice:
    """Return what ``to_json`` wrote."""
    return CataloguePrice(
        entry=data["entry"],
        price=price_from_json(data["price"]),
        upcoming=tuple(price_from_json(price) for price in data["upcoming"]),
        context_window=data["context_window"],
        hourly=data["hourly"],
    )


def _main() -> None:
    request = json.load(sys.stdin)
    found = look_up(request["references"], datetime.fromisoformat(request["at"]))
    json.dump({reference: to_json(price) for reference, price in found.items()}, sys.stdout)


if __name__ == "__main__":
    _main()
