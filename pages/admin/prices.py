"""Prices: what nobody can price, and where the catalogue says something else."""

from lib.access import Role
from lib.ui.context import guard
from lib.ui.price_view import Prices

page = guard(Role.ADMIN)
prices = Prices(page)
prices.heading()
prices.undo()
prices.unpriced()
prices.differences()
