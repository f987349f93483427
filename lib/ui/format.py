"""Numbers as people read them, the same on every page."""

from __future__ import annotations

import re
from datetime import datetime

_UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
MISSING = "–"
_MARKUP = re.compile(r"[\\`*_\[\]$<~]")


def count(number: int | None) -> str:
    """Write a count: exact with separators below ten thousand, then three digits and a unit.

    >>> count(9_876), count(12_345), count(1_284_000), count(999_999), count(None)
    ('9,876', '12.3k', '1.28M', '1.00M', '–')
    """
    if number is None:
        return MISSING
    if abs(number) < 10_000:
        return f"{number:,}"
    for size, unit in _UNITS:
        value = number / size
        if abs(value) >= 0.9995:
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
    return f"{number:,}"


def duration(ms: float | None) -> str:
    """Write a duration given in milliseconds.

    >>> duration(412), duration(2_408), duration(64_000), duration(None)
    ('412 ms', '2.41 s', '1 min 4 s', '–')
    """
    if ms is None:
        return MISSING
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_950:
        return f"{ms / 1000:.2f} s" if ms < 9_995 else f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def percent(share: float | None) -> str:
    """Write a share of one as a percentage.

    >>> percent(0.0042), percent(0.5), percent(0), percent(None)
    ('0.42%', '50.0%', '0%', '–')
    """
    if share is None:
        return MISSING
    if share == 0:
        return "0%"
    value = share * 100
    return f"{value:.2f}%" if abs(value) < 1 else f"{value:.1f}%"


def rate(tokens: int | None, ms: float | None) -> str:
    """Write tokens per second over a duration in milliseconds.

    >>> rate(120, 2000), rate(None, 10), rate(5, 0)
    ('60 tokens/s', '–', '–')
    """
    if not tokens or not ms:
        return MISSING
    value = tokens * 1000 / ms
    return f"{value:.0f} tokens/s" if value >= 10 else f"{value:.1f} tokens/s"


def literal(text: str) -> str:
    """Return a text from outside, such as a provider's words, so that Markdown shows it as it is.

    >>> literal("You used $5 of $20 for gpt_4")
    'You used \\\\$5 of \\\\$20 for gpt\\\\_4'
    """
    return _MARKUP.sub(r"\\\g<0>", text)


def moment(at: datetime) -> str:
    """Write a moment, already in the reader's timezone, to the second."""
    return at.strftime("%d %b %Y, %H:%M:%S")
