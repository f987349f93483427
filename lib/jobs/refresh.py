"""The daily look at what connected providers offer."""

from __future__ import annotations

from lib.errors import ModeldeckError
from lib.jobs.job import SERVER
from lib.services import Services
from lib.services.discovery import DiscoveryDesk


def refresh_models(services: Services) -> str:
    """Take over what providers list, as far as nobody needs to look at it first; raise when none of them could be asked."""
    done = DiscoveryDesk(services, SERVER).refresh()
    if done.results and done.failed == len(done.results):
        raise ModeldeckError(" ".join(done.errors))
    return done.sentence
