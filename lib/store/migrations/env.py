"""Alembic's entry: runs the migrations on the connection, and in the transaction, that the caller hands in.

Offline it writes them as SQL for Postgres, which lib.store.supabase_migrations makes files of.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from lib.store.grains import postgres_metadata
from lib.store.schema import PRIVATE, metadata
from lib.store.usage_tables import sqlite_metadata


def run() -> None:
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True, transactional_ddl=False, version_table_schema=PRIVATE)
        context.run_migrations()
        return
    connection: sa.Connection = context.config.attributes["connection"]
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.execute(sa.schema.CreateSchema(PRIVATE, if_not_exists=True))
    context.configure(
        connection=connection,
        target_metadata=[metadata, postgres_metadata if postgres else sqlite_metadata],
        version_table_schema=PRIVATE if postgres else None,
        include_schemas=postgres,
        compare_server_default=True,
        render_as_batch=not postgres,
    )
    context.run_migrations()


run()
