"""Analytics: what was used, what it cost and how fast it was, for one user or for everybody."""

from lib.analytics.calls import Call, CallDetail, call, recent_calls
from lib.analytics.latency import Metric, Percentiles, latency_by, latency_percentiles, latency_series
from lib.analytics.ranges import EVERYBODY, PRESETS, Bucket, PresetName, Range, Scope, Step, custom, preset
from lib.analytics.sources import NO_FILTERS, By, Filters, Status
from lib.analytics.usage import Comparison, Line, Series, SeriesBy, Share, Totals, usage_by, usage_series, usage_totals

__all__ = [
    "EVERYBODY",
    "NO_FILTERS",
    "PRESETS",
    "Bucket",
    "By",
    "Call",
    "CallDetail",
    "Comparison",
    "Filters",
    "Line",
    "Metric",
    "Percentiles",
    "PresetName",
    "Range",
    "Scope",
    "Series",
    "SeriesBy",
    "Share",
    "Status",
    "Step",
    "Totals",
    "call",
    "custom",
    "latency_by",
    "latency_percentiles",
    "latency_series",
    "preset",
    "recent_calls",
    "usage_by",
    "usage_series",
    "usage_totals",
]
