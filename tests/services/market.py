"""A running Modeldeck with a price catalogue that the test writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from lib.access import LOCAL_ADMIN
from lib.chat import Usage
from lib.pricing import Price
from lib.pricing.catalogue import CataloguePrice
from lib.registry import Registry
from lib.services import Services, open_services
from lib.services.price_desk import PriceDesk
from lib.settings import load_settings
from lib.usage import AttemptStart, Ledger, Outcome


@dataclass
class Market:
    """What the catalogue says, by reference; ``broken`` is raised instead."""

    prices: dict[str, CataloguePrice] = field(default_factory=dict)
    broken: Exception | None = None
    asked: int = 0

    def __call__(self, references: Sequence[str], at: datetime) -> Mapping[str, CataloguePrice]:
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        return {reference: self.prices[reference] for reference in references if reference in self.prices}

    def says(self, reference: str, price: Price, *upcoming: Price) -> None:
        listed = [replace(p, source="catalogue", source_detail=f"list, {reference}") for p in (price, *upcoming)]
        self.prices[reference] = CataloguePrice(reference, listed[0], tuple(listed[1:]))


class House:
    """The services, their clock, and the catalogue."""

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self.now = datetime(2026, 5, 4, 12, tzinfo=UTC)
        self.market = Market()
        self.services: Services = open_services(load_settings(dict(settings), folder), clock=lambda: self.now)

    @property
    def registry(self) -> Registry:
        return self.services.registry(LOCAL_ADMIN)

    @property
    def desk(self) -> PriceDesk:
        return PriceDesk(self.services, LOCAL_ADMIN, self.market)

    def price(self, key: str, price: Price | None, at: datetime | None = None) -> None:
        """Give a model a price from long ago on, or with None take away what it has."""
        self.registry.set_price(self.registry.get(key).id, price or Price(source_detail="none"), valid_from=at or self.now)

    def call(self, key: str, usage: Usage | None, at: datetime | None = None, *, price: Price | None = None, sample: bool = False) -> None:
        """Make a call a second ago, at the model's present price unless another is given."""
        model = self.registry.get(key)
        start = AttemptStart(
            request_id=str(uuid4()),
            attempt=1,
            model_key=model.model_key,
            model_name=model.display_name,
            provider=model.provider.slug,
            provider_name=model.provider.display_name,
            source="api",
            model_id=model.id,
            provider_id=model.provider.id,
            price=price or model.price,
            is_sample=sample,
        )
        ledger = Ledger(self.services.engine, instance_id=str(uuid4()), clock=lambda: at or self.now - timedelta(seconds=1))
        ledger.close(ledger.open(start), Outcome("ok", usage))
