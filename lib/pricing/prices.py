"""Stored prices: dated rows that are only ever added, read as of a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from lib.errors import InvalidValue
from lib.pricing.price import RATE_NAMES, Price, PriceSource, Rates, Tier
from lib.store.base import Insert, Is, Row, Store

TABLE = "llm_model_prices"
_COLUMNS = tuple(f.name for f in fields(Price))


def prices_at(store: Store, model_ids: Iterable[int], moment: datetime) -> dict[int, Price]:
    """Return the price in force at a moment, by model id; models without one are left out.

    Of the rows dated up to the moment the latest counts, and of several of one date the one added last.
    """
    where = {"model_id": list(model_ids), "valid_from": Is("le", moment)}
    rows = store.select(TABLE, columns=_COLUMNS, where=where, order_by=("valid_from", "id"))
    latest = {row["model_id"]: row for row in rows}
    return {model_id: price_from_row(row) for model_id, row in latest.items()}


def price_at(store: Store, model_id: int, moment: datetime) -> Price | None:
    """Return one model's price in force at a moment, or None."""
    return prices_at(store, [model_id], moment).get(model_id)


def price_history(store: Store, model_id: int) -> list[Price]:
    """Return every price a model ever had or will have, oldest first."""
    return [
        price_from_row(row) for row in store.select(TABLE, columns=_COLUMNS, where={"model_id": model_id}, order_by=("valid_from", "id"))
    ]


def adding(model_id: int, price: Price, valid_from: datetime, created_by: str | None) -> Insert:
    """Return the change that adds a price from a moment on; raise InvalidValue for numbers no price can have."""
    check_price(price)
    return Insert(TABLE, [price_to_row(price) | {"model_id": model_id, "valid_from": valid_from, "created_by": created_by}])


def check_price(price: Price) -> None:
    """Raise InvalidValue, naming the rate, unless every rate is a finite number of at most 1,000,000 and not negative."""
    named = [*price.items(), *price.extra_rates.items()]
    for tier in price.tiers:
        if tier.above < 0:
            raise InvalidValue("A price tier starts at a number of input tokens, 0 or more.", field="tiers")
        named.extend(tier.rates.items())
    for name, rate in named:
        if rate is not None and not (rate.is_finite() and 0 <= rate <= 1_000_000):
            raise InvalidValue(f"The rate {name} must be a number from 0 to 1,000,000 USD, not {rate}.", field=name)


def price_to_row(price: Price) -> dict[str, Any]:
    """Return a price as table columns, without its ids and dates."""
    return {
        **dict(price.items()),
        "extra_rates": {unit: format(rate, "f") for unit, rate in price.extra_rates.items()},
        "tiers": [{"above": tier.above} | _rates_json(tier.rates) for tier in price.tiers],
        "source": price.source,
        "source_detail": price.source_detail,
    }


def price_from_row(row: Row) -> Price:
    """Return the price that a row holds."""
    return Price(
        **{name: row[name] for name in RATE_NAMES},
        tiers=_tiers(row["tiers"]),
        extra_rates={unit: Decimal(rate) for unit, rate in row["extra_rates"].items()},
        source=row["source"],
        source_detail=row["source_detail"],
        valid_from=row["valid_from"],
        id=row["id"],
        model_id=row["model_id"],
    )


def price_to_json(price: Price) -> dict[str, Any]:
    """Return a price as plain JSON with rates as text, so that no digit is lost; ids are left out."""
    rates = {name: None if rate is None else format(rate, "f") for name, rate in price.items()}
    return {**price_to_row(price), **rates, "valid_from": price.valid_from.isoformat() if price.valid_from else None}


def price_from_json(data: Mapping[str, Any]) -> Price:
    """Return the price that ``price_to_json`` wrote, or a person; raise InvalidValue where it makes no sense."""
    try:
        price = Price(
            **_rates(data),
            tiers=_tiers(data.get("tiers", ())),
            extra_rates={str(unit): _decimal(rate) for unit, rate in data.get("extra_rates", {}).items()},
            source=_source(data.get("source", "manual")),
            source_detail=data.get("source_detail"),
            valid_from=datetime.fromisoformat(data["valid_from"]) if data.get("valid_from") else None,
        )
    except (InvalidOperation, ValueError, TypeError, KeyError, AttributeError, StopIteration):
        raise InvalidValue(
            "A price is a set of decimal USD amounts per 1M tokens, such as {input: 3, output: 15}.", field="price"
        ) from None
    check_price(price)
    return price


def _rates_json(rates: Rates) -> dict[str, str]:
    return {name: format(rate, "f") for name, rate in rates.items() if rate is not None}


def _rates(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _decimal(data[name]) for name in RATE_NAMES if data.get(name) is not None}


def _tiers(data: Iterable[Mapping[str, Any]]) -> tuple[Tier, ...]:
    return tuple(Tier(int(tier["above"]), Rates(**_rates(tier))) for tier in data)


def _source(value: Any) -> PriceSource:
    return next(source for source in get_args(PriceSource) if source == value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError("a rate is a number")
    return Decimal(str(value))
