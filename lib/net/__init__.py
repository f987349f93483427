"""Outbound HTTP: one client for the process, and exchanges over it that end in time and can be cut off from any thread."""

from lib.net.client import LIMITS, TIMEOUT, close_shared_client, new_client, shared_client
from lib.net.exchange import Exchange, within
from lib.net.guard import Guard, OutboundRefused
from lib.net.line import exchanging
from lib.net.stopper import Stopper, pause

__all__ = [
    "LIMITS",
    "TIMEOUT",
    "Exchange",
    "Guard",
    "OutboundRefused",
    "Stopper",
    "close_shared_client",
    "exchanging",
    "new_client",
    "pause",
    "shared_client",
    "within",
]
