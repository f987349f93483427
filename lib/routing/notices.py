"""What the caller is told while a call finds its way, in sentences."""

from __future__ import annotations

import math

from lib.errors import ProviderError
from lib.routing.cooldown import WORDS
from lib.routing.values import Candidate, Change, Notice, Skip


def skipped(skip: Skip) -> Notice:
    """Say that a candidate was passed over."""
    left = "" if skip.wait is None else f", {span(skip.wait)} left"
    said = {
        "blacklisted": f"Skipped {skip.model_name}: blacklisted ({skip.reason}).",
        "cooling": f"Skipped {skip.model_name} for now: {skip.reason}{left}.",
        "key": f"Skipped {skip.model_name} for now: {skip.reason}{left}.",
        "unusable": f"Skipped {skip.model_name}: {skip.reason}.",
    }
    return Notice("skipped", said[skip.kind], skip.model_key, skip.model_name, skip.reason, skip.wait)


def fell_back(candidate: Candidate, error: ProviderError) -> Notice:
    """Say that the call goes on elsewhere, and when this candidate may be asked again."""
    again = "" if error.retry_after is None else f", retry in {span(error.retry_after)}"
    sentence = f"Fell back from {candidate.model_name}: {WORDS[error.kind]}{again}."
    return Notice("fell-back", sentence, candidate.model_key, candidate.model_name, WORDS[error.kind], error.retry_after)


def waiting(candidate: Candidate, error: ProviderError, seconds: float) -> Notice:
    """Say that the same candidate is asked again after a pause; with no seconds left, that it is asked now."""
    when = f"in {span(seconds)}" if seconds > 0 else "now"
    sentence = f"{candidate.model_name}: {WORDS[error.kind]}; trying again {when}."
    return Notice("waiting", sentence, candidate.model_key, candidate.model_name, WORDS[error.kind], seconds)


def last_resort(skip: Skip) -> Notice:
    """Say that a blacklisted candidate is asked all the same."""
    sentence = f"{skip.model_name} is blacklisted ({skip.reason}); it is tried because nothing else is left."
    return Notice("last-resort", sentence, skip.model_key, skip.model_name, skip.reason)


def other_endpoint(candidate: Candidate, endpoint: str) -> Notice:
    """Say that the provider sent the call to another of its endpoints."""
    sentence = f"{candidate.model_name} is served through {endpoint}; asked there instead."
    return Notice("adapted", sentence, candidate.model_key, candidate.model_name, f"endpoint {endpoint}")


def other_parameter(candidate: Candidate, change: Change) -> Notice:
    """Say that a parameter was sent otherwise than asked."""
    instead = f"sent as {change.to}" if change.to else "left out"
    sentence = f"{candidate.model_name} does not take {change.name}; it was {instead}."
    return Notice("adapted", sentence, candidate.model_key, candidate.model_name, f"{change.name} {instead}")


def span(seconds: float) -> str:
    """Return whole seconds, or minutes where those say it better.

    >>> span(0.2), span(34), span(90), span(600)
    ('1 s', '34 s', '90 s', '10 min')
    """
    whole = max(1, math.ceil(seconds))
    return f"{whole} s" if whole < 120 else f"{math.ceil(whole / 60)} min"
