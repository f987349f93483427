"""Analytics: what was used, what it cost and how fast it was, for one user or for everybody."""

from lib.analytics.calls import Call, CallDetail, call, recent_calls
from lib.analytics.filters import NO_FILTERS, By, Filters, Status
from lib.analytics.latency import Percentiles, latency_by, latency_percentiles, latency_series
from lib.analytics.ranges import EVERYBODY, PRESETS, Bucket, PresetName, Range, Scope, Step, custom, preset
from lib.analytics.sources import Metric
from lib.analytics.usage import Comparison, Line, Mover, Series, SeriesBy, Share, Totals, movers, usage_by, usage_series, usage_totals

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
    "Mover",
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
    "movers",
    "preset",
    "recent_calls",
    "usage_by",
    "usage_series",
    "usage_totals",
]
