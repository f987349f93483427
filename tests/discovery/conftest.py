"""Processes on one database, embedded and on a real Postgres."""

from tests.jobs.conftest import houses as houses
