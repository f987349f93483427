"""Sample data: made-up calls of models that exist only here, loaded and taken away as one.

catalog, people   who is called, and by whom      rhythm, failures, cache   when, how it goes wrong, what is cached
calls             the calls made of all that      loading, pace, hints      into the database and out of it
"""

from lib.sample.hints import SampleHint, sample_hints
from lib.sample.loading import MOST_CALLS, MOST_DAYS, Cleared, Desk, Loaded, Progress, clear, has_sample, load, unseen

__all__ = [
    "MOST_CALLS",
    "MOST_DAYS",
    "Cleared",
    "Desk",
    "Loaded",
    "Progress",
    "SampleHint",
    "clear",
    "has_sample",
    "load",
    "sample_hints",
    "unseen",
]
