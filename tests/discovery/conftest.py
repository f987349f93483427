"""Processes on one database, embedded and on a real Postgres."""

from tests.jobs.conftest import embedded_seeded as embedded_seeded
from tests.jobs.conftest import houses as houses
from tests.jobs.conftest import postgres_seeded as postgres_seeded
