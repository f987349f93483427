"""The daily check of prices notes what differs for the Prices page, changes nothing, and can be switched off."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from lib.access import LOCAL_ADMIN
from lib.jobs import JOBS, Scheduler, last_runs
from lib.services.price_desk import PriceDesk
from tests.jobs.conftest import Houses

NAME = "check-prices"
(JOB,) = (job for job in JOBS if job.name == NAME)


def test_once_a_day_prices_are_compared_and_none_is_changed(houses: Houses) -> None:
    services = houses.open(REFRESH_MODELS="off")
    registry = services.registry(LOCAL_ADMIN)
    model = registry.get("gpt-4o-mini")
    assert model.price is not None
    registry.set_price(model.id, replace(model.price, input=Decimal(9), source="seed"))
    scheduler = Scheduler(lambda: services, (JOB,))
    revision = services.revision()
    assert scheduler.look() == [NAME]
    assert last_runs(services)[NAME].sentence == "1 price differs from the catalogue; none was changed."
    last = PriceDesk(services, LOCAL_ADMIN).last()
    assert last is not None
    assert [found.row.subject.key for found in last.rows] == ["gpt-4o-mini"]
    assert (last.at, last.actor) == (houses.clock.now, "Modeldeck")
    assert services.revision() == revision
    houses.clock.on(hours=23)
    assert scheduler.look() == []
    houses.clock.on(hours=1)
    assert scheduler.look() == [NAME]


def test_the_setting_switches_it_off(houses: Houses) -> None:
    services = houses.open(CHECK_PRICES="off")
    assert Scheduler(lambda: services, (JOB,)).look() == []
    assert PriceDesk(services, LOCAL_ADMIN).last() is None
