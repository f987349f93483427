"""What a command works with: the settings, and the services as the person at the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lib import logs
from lib.access import LOCAL_ADMIN, Principal
from lib.registry import Registry
from lib.services import Services, open_services
from lib.settings import Settings, load_settings
from lib.store.base import Actor


@dataclass(frozen=True)
class Session:
    """The services, and who uses them."""

    services: Services
    principal: Principal = LOCAL_ADMIN

    @property
    def registry(self) -> Registry:
        """The model registry under this principal's identity."""
        return self.services.registry(self.principal)

    @property
    def actor(self) -> Actor:
        """How the audit log names this person."""
        return Actor(self.principal.name, self.principal.user_id, "cli")


def read_settings() -> Settings:
    """Read the settings and set up the log: errors only, unless LOG_LEVEL asks for more. Raises SettingsError."""
    settings = load_settings()
    logs.configure(settings.log_level if settings.value("LOG_LEVEL") else "error", secrets=settings.secrets)
    return settings


@contextmanager
def session() -> Iterator[Session]:
    """Open the services for one command and close them after it."""
    services = open_services(read_settings(), origin="cli")
    try:
        yield Session(services)
    finally:
        services.close()
