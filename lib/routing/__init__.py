"""Routing: which attempts serve a call, what follows a failure, and what is remembered of both."""

from lib.routing.hints import Hints, NoHints, SqlHints
from lib.routing.policy import Deadlines, NextCandidate, NextEndpoint, Retry, Stop, Verdict, decide
from lib.routing.router import OpenAdapter, Router
from lib.routing.toolbox import Function, Toolbox, ToolError
from lib.routing.tools import RoundStarted, ToolAnswered, ToolItem, ToolsDone
from lib.routing.values import Adaptation, Candidate, Change, Item, Known, Lesson, Notice, Ranking, Routed, RoutedCall, Skip

__all__ = [
    "Adaptation",
    "Candidate",
    "Change",
    "Deadlines",
    "Function",
    "Hints",
    "Item",
    "Known",
    "Lesson",
    "NextCandidate",
    "NextEndpoint",
    "NoHints",
    "Notice",
    "OpenAdapter",
    "Ranking",
    "Retry",
    "RoundStarted",
    "Routed",
    "RoutedCall",
    "Router",
    "Skip",
    "SqlHints",
    "Stop",
    "ToolAnswered",
    "ToolError",
    "ToolItem",
    "Toolbox",
    "ToolsDone",
    "Verdict",
    "decide",
]
