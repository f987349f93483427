"""When a provider says to come back, in every form it is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

CAP = 600.0
"""Seconds: a longer wait asked for is honoured only this far, since nobody waits a day for an answer."""

_DURATION = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m(?!s))?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+(?:\.\d+)?)ms)?", re.IGNORECASE)
_EPOCH = 1e9
"""Seconds: a larger number is no wait but a time."""

_LIMITS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    *(
        (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)
_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])"
_SPAN = rf"((?:\d+(?:\.\d+)?\s*{_UNIT}\s*)+)"
_IN_TEXT = re.compile(
    rf"\b(?:try again|retry|available|wait|reset\w*)(?:\s+(?:again|after|in|for|your request|another))*\s+(?:about\s+)?{_SPAN}", re.I
)
_WORDS = (
    (re.compile(r"\s*(?:milliseconds?)\b", re.I), "ms"),
    (re.compile(r"\s*(?:seconds?|secs?)\b", re.I), "s"),
    (re.compile(r"\s*(?:minutes?|mins?)\b", re.I), "m"),
    (re.compile(r"\s*(?:hours?)\b", re.I), "h"),
    (re.compile(r"\s*(?:days?)\b", re.I), "d"),
)


def retry_after(headers: Mapping[str, str], delays: Iterable[str], text: str, *, now: float) -> float | None:
    """Return the seconds to wait, at most CAP, or None when the provider does not say.

    ``headers`` have lower-case names; ``delays`` are the values of structured fields; ``now`` is epoch seconds,
    used only when a date comes without the response's own Date header.
    """
    if (wait := duration(headers.get("retry-after-ms", ""))) is not None:
        return _capped(wait / 1000)
    if (wait := _header(headers, now)) is not None:
        return _capped(wait)
    for delay in delays:
        if (wait := duration(delay)) is not None:
            return _capped(wait)
    said = _IN_TEXT.search(text)
    return _capped(duration(said[1])) if said else None


def reset_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds until the limits that are used up come back, at most CAP, None when no header tells.

    For answers that say no more than that a limit was hit: rate limits are told as requests and tokens apart, with
    the time of their return as a duration, a date, or seconds or milliseconds since the epoch.
    """
    waits = []
    for remaining, reset in _LIMITS:
        if headers.get(remaining, "").strip() in ("0", "0.0") and (wait := _until(headers.get(reset, ""), headers, now)) is not None:
            waits.append(wait)
    return _capped(max(waits)) if waits else None


def duration(text: str) -> float | None:
    """Return the seconds of "20", "34.4s", "644ms", "9m38.016s" or "5 minutes"; None for anything else."""
    text = text.strip()
    for words, unit in _WORDS:
        text = words.sub(unit, text)
    if re.fullmatch(r"\d{1,15}(?:\.\d*)?", text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    scales = (86400.0, 3600.0, 60.0, 1.0, 0.001)
    return sum(float(part) * scale for part, scale in zip(match.groups(), scales, strict=True) if part)


def _header(headers: Mapping[str, str], now: float) -> float | None:
    value = headers.get("retry-after", "")
    wait = duration(value)
    return _until(value, headers, now) if wait is None else wait


def _until(value: str, headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds of a duration, or until a date or a time of the epoch."""
    wait = duration(value)
    if wait is not None and wait < _EPOCH:
        return wait
    at = _date(value) if wait is None else wait / 1000 if wait > 1000 * _EPOCH else wait
    sent = _date(headers.get("date", ""))
    return None if at is None else max(0.0, at - (now if sent is None else sent))


def _date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _capped(wait: float | None) -> float | None:
    return None if wait is None else min(wait, CAP)
