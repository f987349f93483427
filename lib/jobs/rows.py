"""The jobs, as rows."""

from __future__ import annotations

from lib.jobs.job import Job

JOBS: tuple[Job, ...] = ()
"""Every job, in the order they run when several are due.

A row looks like ``Job("check-prices", check_prices, timedelta(days=1), lambda settings: settings.check_prices)``.
"""
