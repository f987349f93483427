"""The daily check of prices against the catalogue; it changes none of them."""

from __future__ import annotations

from lib.jobs.job import SERVER
from lib.services import Services
from lib.services.price_desk import PriceDesk


def check_prices(services: Services) -> str:
    """Compare every price with the catalogue, note what was found, and return the sentence on it."""
    desk = PriceDesk(services, SERVER)
    desk.check()
    last = desk.last()
    counted = last.differing if last else 0
    return f"{counted:,} {'price differs' if counted == 1 else 'prices differ'} from the catalogue; none was changed."
