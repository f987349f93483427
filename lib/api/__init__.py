"""The HTTP API: its routes, and the guard in front of every request."""

from lib.api.guard import Guard
from lib.api.routes import ROUTES, openapi_document, routes

__all__ = ["ROUTES", "Guard", "openapi_document", "routes"]
