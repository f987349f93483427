"""The jobs, as rows."""

from __future__ import annotations

from datetime import timedelta

from lib.jobs.job import Job
from lib.jobs.prices import check_prices
from lib.jobs.refresh import refresh_models

JOBS: tuple[Job, ...] = (
    Job("refresh-models", refresh_models, timedelta(days=1), lambda settings: settings.refresh_models),
    Job("check-prices", check_prices, timedelta(days=1), lambda settings: settings.check_prices),
)
"""Every job, in the order they run when several are due."""
