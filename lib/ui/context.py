"""The process's one set of services, and the page's view of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from lib.access import Principal, Role, require
from lib.api.forms import COOKIE
from lib.errors import ModeldeckError, NotAllowed
from lib.registry import Registry
from lib.services import Services, open_services
from lib.settings import Settings, load_settings
from lib.ui import sign_in


class Console:
    """Opens the services on first use and, after a failure, again on the next one; safe between threads."""

    def __init__(self, load: Callable[[], Settings] = load_settings, start: Callable[[Settings], Services] = open_services) -> None:
        self._load = load
        self._start = start
        self._lock = threading.Lock()
        self._services: Services | None = None
        self._begun = 0
        self._failed: tuple[int, ModeldeckError] | None = None

    def services(self) -> Services:
        """Return the services; raises SettingsError or StoreUnavailable with the sentence to show.

        Those who wait while somebody else tries share that try, for a server that does not answer takes seconds to say so.
        """
        services, begun = self._services, self._begun
        if services is not None:
            return services
        with self._lock:
            if self._services is None:
                if self._failed is not None and self._failed[0] > begun:  # a try that began after this one was asked for
                    raise self._failed[1]
                self._begun += 1
                try:
                    self._services = self._start(self._load())
                except ModeldeckError as error:
                    self._failed = self._begun, error
                    raise
            return self._services

    def settings(self) -> Settings:
        """Return the settings, whether or not the services can be opened; raises SettingsError."""
        services = self._services
        return services.settings if services is not None else self._load()

    def close(self) -> None:
        """Stop the services if they were ever opened."""
        with self._lock:
            services, self._services = self._services, None
        if services is not None:
            services.close()


console = Console()


@dataclass(frozen=True)
class Page:
    """What a page works with: the services as one principal, and the reader's timezone."""

    services: Services
    principal: Principal
    timezone: ZoneInfo

    @property
    def registry(self) -> Registry:
        """The model registry under this principal's identity."""
        return self.services.registry(self.principal)


def guard(role: Role) -> Page:
    """Admit the principal to a page, or say why not and stop; every page calls this first."""
    principal = asking()
    if principal is None:  # signed out while the page was open, or a page that runs without the shell
        sign_in.draw()
        st.stop()
    try:
        require(principal, role)
    except NotAllowed as refusal:
        st.error(str(refusal), icon=":material/lock:")
        st.stop()
    return Page(services(), principal, reader_timezone())


def services() -> Services:
    """Return the process's services; raises SettingsError or StoreUnavailable with the sentence to show."""
    return console.services()


def console_settings() -> Settings:
    """Return the settings, whether or not the services work; raises SettingsError."""
    return console.settings()


def asking() -> Principal | None:
    """Return who asks for this page, None when nobody is signed in; a role changed or a session ended counts at once."""
    return services().principal(st.context.cookies.get(COOKIE))


def reader_timezone() -> ZoneInfo:
    """Return the browser's timezone, or UTC where it names none we know."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
