"""What is left to set up, as steps a person can follow: by what keeps Modeldeck from its database, or the keys it cannot read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from lib.access import Role
from lib.errors import ModeldeckError, SettingsError, StoreFault, StoreUnavailable
from lib.registry import Provider
from lib.settings import Mode
from lib.store.faults import store_faults
from lib.store.schema import profiles

_PROJECT = Path(__file__).resolve().parents[2]
SETUP_SQL = _PROJECT / "supabase" / "setup.sql"
UPGRADE = "python -m lib db upgrade"
_ADMIN = "python -m lib access grant-admin you@example.com"
_WHERE = (
    "Settings come from the environment, then .env, then .streamlit/secrets.toml. After a change of the environment restart the server."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a sentence, and the commands to run for it in Modeldeck's folder; ``sql`` adds the file to paste instead."""

    sentence: str
    commands: tuple[str, ...] = ()
    sql: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What is not set up and how to get there."""

    title: str
    sentence: str
    steps: tuple[Step, ...] = ()


_POSTGRES = {
    "missing-schema": (
        Step("Create the tables.", (UPGRADE,)),
        Step("Make yourself an admin: it prints a link to set your password by.", (_ADMIN,)),
    ),
    "older-schema": (Step("Bring the tables up to date. What is in them stays.", (UPGRADE,)),),
}
_SUPABASE = {
    "missing-schema": (
        Step(
            "Create the tables with the Supabase CLI; or, in a new project, paste the SQL below into its SQL editor and run it.",
            ("supabase link --project-ref YOUR-PROJECT", "supabase db push"),
            sql=True,
        ),
        Step("Add yourself under Authentication → Users in its dashboard, then make yourself an admin.", (_ADMIN,)),
    ),
    "older-schema": (
        Step(
            "Bring the tables up to date with the Supabase CLI. What is in them stays.",
            ("supabase link --project-ref YOUR-PROJECT", "supabase db push"),
        ),
    ),
}
_STATUS = Step("Look from the command line what Modeldeck sees.", ("python -m lib db status",))
_SETTING = Step(f"Correct DATABASE_URL. {_WHERE}")
_STEPS: Mapping[StoreFault, tuple[Step, ...]] = {
    "unreachable": (Step("Start the database server, or open the way to it."), _SETTING, _STATUS),
    "refused-password": (_SETTING, _STATUS),
    "no-database": (_SETTING, _STATUS),
    "wrong-pooler": (_SETTING, _STATUS),
    "refused-key": (Step(f"Set both keys again. {_WHERE}"),),
    "no-project": (
        Step("Open the project in Supabase's dashboard and restore it when it is paused."),
        Step(f"Otherwise correct SUPABASE_URL. {_WHERE}"),
    ),
    "newer-schema": (Step("Update Modeldeck to the version that made this database, then restart the server."), _STATUS),
    "corrupt": (Step("Stop Modeldeck, put the backup in the file's place, and start it again."), _STATUS),
    "read-only": (Step("Let the user that runs Modeldeck write the file and its folder."), _STATUS),
}
_TITLES: Mapping[StoreFault, str] = {
    "unreachable": "The database does not answer",
    "refused-password": "The database refuses the password",
    "no-database": "There is no such database",
    "wrong-pooler": "The connection string is not the project's",
    "refused-key": "Supabase refuses the keys",
    "no-project": "Supabase does not answer",
    "paused": "The Supabase project is paused",
    "missing-schema": "The tables are missing",
    "older-schema": "The tables are from an older version",
    "newer-schema": "The tables are from a newer version",
    "corrupt": "The database file is damaged",
    "read-only": "The database cannot be written",
    "disk-full": "The disk is full",
    "locked": "Another process holds the database",
    "busy": "Supabase asks for a pause",
    "not-granted": "The database user lacks a right",
    "too-slow": "The database took too long",
}


def task_for(error: ModeldeckError, mode: Mode | None) -> Task:
    """Return what to do about what keeps the services from working; ``mode`` None where the settings do not say."""
    if isinstance(error, StoreUnavailable):
        by_mode = {"postgres": _POSTGRES, "supabase": _SUPABASE}.get(mode or "", {})
        return Task(_TITLES[error.reason], str(error), by_mode.get(error.reason) or _STEPS.get(error.reason, ()))
    if isinstance(error, SettingsError):
        return Task("The settings are incomplete", str(error), (Step(_WHERE),))
    return Task("Modeldeck cannot start", str(error))


def task_for_keys(providers: Sequence[Provider], mode: Mode) -> Task | None:
    """Return what to do about stored keys that cannot be read; None when all can."""
    broken = [provider for provider in providers if provider.key.source == "unreadable"]
    if not broken:
        return None
    names = ", ".join(provider.display_name for provider in broken)
    back = "Put encryption.key back into the data folder" if mode == "embedded" else "Set ENCRYPTION_KEY to the one they were stored under"
    return Task(
        "Stored keys cannot be read",
        f"{broken[0].key.problem} It concerns: {names}.",
        (
            Step(f"{back}, and restart the server. The backups of the database should have it beside them."),
            Step("When it is lost, paste the keys again on the Providers page; what was stored before stays unreadable."),
        ),
    )


def task_for_admin(engine: Engine, mode: Mode) -> Task | None:
    """Return how to make the first admin; None when there is one. Raises StoreUnavailable."""
    anybody = sa.select(profiles.c.user_id).where(profiles.c.role == str(Role.ADMIN), profiles.c.is_active, profiles.c.email.is_not(None))
    with store_faults(), engine.connect() as connection:
        if connection.execute(anybody.limit(1)).first() is not None:
            return None
    steps = (_SUPABASE if mode == "supabase" else _POSTGRES)["missing-schema"]
    return Task(
        "Nobody is an admin yet", "Models, keys and people are an admin's to change. The first one is made on the server.", steps[1:]
    )


def setup_sql() -> str:
    """Return the SQL that sets a new Supabase project up."""
    return SETUP_SQL.read_text(encoding="utf-8")
