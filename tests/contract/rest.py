"""A Supabase project for the Store contract: real PostgREST, emptied between tests, asked as a role that no policy stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.checks import TABLES
from lib.store.database import check, upgrade
from lib.store.engine import open_engine
from lib.store.supabase import Project
from lib.store.supabase_sql import statements
from tests.browser.driving import eventually
from tests.stack.stack import Stack, running_stack

DOUBLE = "CREATE FUNCTION public.double(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n * 2'"
SPOIL = """CREATE FUNCTION public.spoil() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  UPDATE llm_providers SET display_name = 'spoilt' WHERE true; RAISE check_violation USING MESSAGE = 'no'; END $$"""


@dataclass(frozen=True)
class Rest:
    """The project, an engine on its database as the server has it, and the token of somebody who may do everything."""

    stack: Stack
    project: Project
    engine: Engine

    def token(self, user_id: str, name: str) -> str:
        """Return a token that passes every policy and still says who asks."""
        return self.stack.keys.token("service_role", sub=user_id, email=name)

    def empty(self) -> None:
        """Take every row away, past the triggers that keep records."""
        with psycopg.connect(_as_superuser(self.stack.database_url), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            names = ", ".join(sorted({*TABLES, "audit_log"}))
            connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE".encode())


@contextmanager
def running_rest() -> Iterator[Rest]:
    """Start a project with today's tables and give every right on them to the role of the tests."""
    with running_stack() as stack:
        engine = open_engine(SecretStr(stack.database_url.replace("postgresql://", "postgresql+psycopg://")))
        if check(engine).state != "ready":
            upgrade(engine)
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            for statement in statements():
                connection.execute(statement.encode())
            connection.execute(f"GRANT ALL ON {', '.join(sorted(TABLES))} TO service_role".encode())
            connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO service_role")
            for made in (DOUBLE, SPOIL):
                connection.execute(made.encode())
            connection.execute("NOTIFY pgrst, 'reload schema'")
        with stack.rest(key=stack.secret_key) as client:
            eventually(lambda: client.post("/rpc/double", json={"n": 1}).status_code == 200, "PostgREST never saw the new functions")
        project = Project(stack.url, stack.publishable_key)
        try:
            yield Rest(stack, project, engine)
        finally:
            project.close()
            engine.dispose()


def _as_superuser(url: str) -> str:
    return url.replace("postgresql://postgres@", "postgresql://supabase_admin@")
