"""Analytics: what was used, what it cost and how fast it was, for one user or for everybody."""

from lib.analytics.calls import Call, CallDetail, call, recent_calls
from lib.analytics.compatibility import Cell, Cooldown, Matrix, MatrixRow, compatibility_matrix, cooldowns
from lib.analytics.detours import Avoided, FallbackPath, avoided, fallback_paths
from lib.analytics.errors import ErrorLine, ErrorsBy, ErrorSeries, ErrorShare, errors_by, errors_series
from lib.analytics.explorer import ALL_CALLS, CallFilters, CallsPage, calls_page, count_calls
from lib.analytics.filters import NO_FILTERS, By, Filters, Status
from lib.analytics.hint_report import HintReport, ProblemModel, SuccessRate, Suggestion, hint_report
from lib.analytics.labels import key_words
from lib.analytics.latency import Percentiles, latency_by, latency_percentiles, latency_series
from lib.analytics.memory import remembering
from lib.analytics.numbers import model_numbers
from lib.analytics.problems import Blacklisted, Problem, blacklist, problems
from lib.analytics.ranges import EVERYBODY, PRESETS, Bucket, PresetName, Range, Scope, Step, custom, preset
from lib.analytics.sources import Metric
from lib.analytics.timeline import Listed, ProbeMark, Timeline, blacklist_timeline
from lib.analytics.usage import Comparison, Line, Mover, Series, SeriesBy, Share, Totals, movers, usage_by, usage_series, usage_totals

__all__ = [
    "ALL_CALLS",
    "EVERYBODY",
    "NO_FILTERS",
    "PRESETS",
    "Avoided",
    "Blacklisted",
    "Bucket",
    "By",
    "Call",
    "CallDetail",
    "CallFilters",
    "CallsPage",
    "Cell",
    "Comparison",
    "Cooldown",
    "ErrorLine",
    "ErrorSeries",
    "ErrorShare",
    "ErrorsBy",
    "FallbackPath",
    "Filters",
    "HintReport",
    "Line",
    "Listed",
    "Matrix",
    "MatrixRow",
    "Metric",
    "Mover",
    "Percentiles",
    "PresetName",
    "ProbeMark",
    "Problem",
    "ProblemModel",
    "Range",
    "Scope",
    "Series",
    "SeriesBy",
    "Share",
    "Status",
    "Step",
    "SuccessRate",
    "Suggestion",
    "Timeline",
    "Totals",
    "avoided",
    "blacklist",
    "blacklist_timeline",
    "call",
    "calls_page",
    "compatibility_matrix",
    "cooldowns",
    "count_calls",
    "custom",
    "errors_by",
    "errors_series",
    "fallback_paths",
    "hint_report",
    "key_words",
    "latency_by",
    "latency_percentiles",
    "latency_series",
    "model_numbers",
    "movers",
    "preset",
    "problems",
    "recent_calls",
    "remembering",
    "usage_by",
    "usage_series",
    "usage_totals",
]
