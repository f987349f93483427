"""Where analytics reads from: a connection of its own when ANALYTICS_URL names one."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from lib.logs import get_logger
from lib.settings import Settings
from lib.store.analytics_role import problems
from lib.store.engine import open_engine
from lib.store.rebuild import REBUILD_DUE, is_due


def open_analytics(settings: Settings, engine: Engine, *, origin: str) -> Engine:
    """Return the engine analytics reads with; what is wrong with its user is told in the log, and keeps nothing from starting.

    Whoever only runs a command is not told: ``db status`` says it to those who ask.
    """
    if origin != "cli" and is_due(engine):
        get_logger("analytics").warning("rollups.rebuild_due", reason=REBUILD_DUE)
    if settings.analytics_url is None:
        return engine
    found = open_engine(settings.analytics_url)
    for reason in problems(found) if origin != "cli" else ():
        get_logger("analytics").warning("analytics.connection", reason=reason)
    return found
