"""What a job is, and as whom it acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from lib.access import Principal, Role
from lib.services import Services
from lib.settings import Settings

SERVER = Principal("", "Modeldeck", Role.ADMIN)
"""The server itself; it never has a session, so that its store is its own in every mode."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of what is done by itself.

    ``name`` is what its runs are recorded under; it never changes. ``run`` returns the sentence that people read, and
    must end by itself: it is hung up on when the server stops, and after an hour another process may begin it again.
    """

    name: str
    run: Callable[[Services], str]
    every: timedelta
    wanted: Callable[[Settings], bool]
    """Whether the settings leave it switched on."""
