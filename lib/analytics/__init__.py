"""Analytics: what was used, what it cost and how fast it was, for one user or for everybody."""

from lib.analytics.calls import Call, CallDetail, call, recent_calls
from lib.analytics.errors import ErrorLine, ErrorsBy, ErrorSeries, ErrorShare, errors_by, errors_series
from lib.analytics.explorer import ALL_CALLS, CallFilters, CallsPage, calls_page, count_calls
from lib.analytics.filters import NO_FILTERS, By, Filters, Status
from lib.analytics.latency import Percentiles, latency_by, latency_percentiles, latency_series
from lib.analytics.memory import remembering
from lib.analytics.numbers import model_numbers
from lib.analytics.problems import Blacklisted, Problem, blacklist, problems
from lib.analytics.ranges import EVERYBODY, PRESETS, Bucket, PresetName, Range, Scope, Step, custom, preset
from lib.analytics.sources import Metric
from lib.analytics.usage import Comparison, Line, Mover, Series, SeriesBy, Share, Totals, movers, usage_by, usage_series, usage_totals

__all__ = [
    "ALL_CALLS",
    "EVERYBODY",
    "NO_FILTERS",
    "PRESETS",
    "Blacklisted",
    "Bucket",
    "By",
    "Call",
    "CallDetail",
    "CallFilters",
    "CallsPage",
    "Comparison",
    "ErrorLine",
    "ErrorSeries",
    "ErrorShare",
    "ErrorsBy",
    "Filters",
    "Line",
    "Metric",
    "Mover",
    "Percentiles",
    "PresetName",
    "Problem",
    "Range",
    "Scope",
    "Series",
    "SeriesBy",
    "Share",
    "Status",
    "Step",
    "Totals",
    "blacklist",
    "call",
    "calls_page",
    "count_calls",
    "custom",
    "errors_by",
    "errors_series",
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
