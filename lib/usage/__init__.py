"""The ledger: every attempt at a provider is a row, opened before the request leaves and closed however it ends."""

from lib.usage.heartbeat import Heartbeat
from lib.usage.ledger import INTERVAL_S, LAPSE_S, Ledger, closed_row
from lib.usage.unrecorded import Unrecorded
from lib.usage.values import (
    Alias,
    Attempt,
    AttemptStart,
    Book,
    ClosedStatus,
    KeyScope,
    Learn,
    OpenAttempt,
    Outcome,
    Source,
    own_key,
    own_number,
)

__all__ = [
    "INTERVAL_S",
    "LAPSE_S",
    "Alias",
    "Attempt",
    "AttemptStart",
    "Book",
    "ClosedStatus",
    "Heartbeat",
    "KeyScope",
    "Learn",
    "Ledger",
    "OpenAttempt",
    "Outcome",
    "Source",
    "Unrecorded",
    "closed_row",
    "own_key",
    "own_number",
]
