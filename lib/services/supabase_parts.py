"""What the Supabase mode adds to the services; supabase-py is loaded only where it is used, for it takes its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from lib.credentials import KeyRing
from lib.errors import SettingsError
from lib.settings import Settings
from lib.store.base import Store

if TYPE_CHECKING:
    from lib.access import People
    from lib.access.supabase import SupabaseAccounts
    from lib.access.supabase_admin import SupabaseAdmin
    from lib.store.supabase import Project


@dataclass(frozen=True)
class SupabaseParts:
    """A project, who is signed in to it, and its tables as each of them may use them."""

    project: Project
    accounts: SupabaseAccounts
    admin: SupabaseAdmin
    engine: Engine
    clock: Callable[[], datetime]

    def store(self, session: str, origin: str) -> Store:
        """Return the tables under the token of a session, by its Principal's ``session``."""
        from lib.store.supabase import SupabaseStore

        return SupabaseStore(self.project, partial(self.accounts.access_token, session), origin=origin, clock=self.clock)

    def people(self) -> People:
        """Return the project's people."""
        from lib.access.supabase_people import SupabasePeople

        return SupabasePeople(self.engine, self.clock, self.admin)

    def close(self) -> None:
        """Let go of the project's connections."""
        self.project.close()


def open_supabase(settings: Settings, engine: Engine, keys: KeyRing, clock: Callable[[], datetime]) -> SupabaseParts:
    """Return the parts for the project that the settings name; nothing is asked of it yet."""
    from lib.access.supabase import SupabaseAccounts
    from lib.access.supabase_admin import SupabaseAdmin
    from lib.store.supabase import Project

    url, key, secret = (settings.value(f"SUPABASE_{name}") for name in ("URL", "PUBLISHABLE_KEY", "SECRET_KEY"))
    if url is None or key is None or secret is None:
        raise SettingsError("Set SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY and SUPABASE_SECRET_KEY to use Supabase.")
    project = Project(url.get_secret_value(), key.get_secret_value())
    accounts = SupabaseAccounts(project, engine, keys.vault, clock)
    return SupabaseParts(project, accounts, SupabaseAdmin(project, secret), engine, clock)
