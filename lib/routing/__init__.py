"""Routing: which attempts serve a call, what follows a failure, and what is remembered of both."""

from lib.routing.hints import Hints, SqlHints
from lib.routing.policy import NextCandidate, NextEndpoint, Retry, Stop, Verdict, decide
from lib.routing.router import Candidate, OpenAdapter, Routed, RoutedCall, Router

__all__ = [
    "Candidate",
    "Hints",
    "NextCandidate",
    "NextEndpoint",
    "OpenAdapter",
    "Retry",
    "Routed",
    "RoutedCall",
    "Router",
    "SqlHints",
    "Stop",
    "Verdict",
    "decide",
]
