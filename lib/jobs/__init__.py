"""Jobs: what the server does by itself from time to time, once for all its processes.

To add one, write a function that takes the services and returns a sentence on what came of it (or raises a
ModeldeckError with the sentence on why not), and give it a row in ``lib/jobs/rows.py``. Its changes are made as
``SERVER``, origin "job". ``last_runs`` tells pages how each job went last.
"""

from lib.jobs.job import SERVER, Job
from lib.jobs.rows import JOBS
from lib.jobs.scheduler import Scheduler, last_runs

__all__ = ["JOBS", "SERVER", "Job", "Scheduler", "last_runs"]
