"""``usage``: what was used and what it cost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from lib.cli.output import emit, json_option, table

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from lib.analytics import Range, Totals

_SINCE = re.compile(r"(\d{1,5})([hdw])")
_COUNTS = ("requests", "failed_requests", "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "unpriced")


@click.group()
def usage() -> None:
    """Report requests, tokens and cost."""


@usage.command()
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="WHEN",
    help="Hours, days or weeks back (24h, 30d, 2w), or a first day (2026-01-31).",
)
@click.option(
    "--by",
    type=click.Choice(["model", "provider", "source", "user", "key"]),
    default="model",
    show_default=True,
    help="What each line is about.",
)
@click.option("--timezone", default="UTC", show_default=True, metavar="NAME", help="Where days begin, such as Europe/Berlin.")
@json_option
def summary(since: str, by: Literal["model", "provider", "source", "user", "key"], timezone: str, as_json: bool) -> None:
    """Sum up the calls since WHEN, dearest first."""
    from lib.analytics import Scope, usage_by, usage_totals
    from lib.cli.session import session

    range_ = parse_since(since, datetime.now(UTC), _zone(timezone))
    with session() as opened:
        engine, scope = opened.services.analytics_engine, Scope.of(opened.principal)
        shares = usage_by(engine, by, scope, range_)
        total = usage_totals(engine, scope, range_).current
    document = {
        "since": range_.start.astimezone(range_.tz).isoformat(),
        "until": range_.until.astimezone(range_.tz).isoformat(),
        "by": by,
        "rows": [{"key": share.key, "label": share.label, **_counts(share.totals)} for share in shares],
        "total": _counts(total),
    }
    emit(as_json, document, [f"Since {range_.start.astimezone(range_.tz):%d %B %Y %H:%M} ({timezone})", *_lines(by, shares, total)])


def parse_since(text: str, now: datetime, tz: ZoneInfo) -> Range:
    """Return the range that ``--since`` means: days begin at midnight and include today, hours end now."""
    from lib.analytics import Range, custom
    from lib.errors import InvalidValue

    match = _SINCE.fullmatch(text.strip().lower())
    today = now.astimezone(tz).date()
    try:
        if match is None:
            return custom(datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=tz).date(), today, now, tz)
        count, unit = int(match[1]), match[2]
        if count < 1:
            raise ValueError
        if unit == "h":
            start = now - timedelta(hours=count)
            return Range(start.replace(minute=start.minute // 30 * 30, second=0, microsecond=0), now, tz, "hour", now)
        return custom(today - timedelta(days=count * (7 if unit == "w" else 1) - 1), today, now, tz)
    except InvalidValue as error:
        raise click.UsageError(str(error)) from None
    except (ValueError, OverflowError):
        raise click.UsageError("--since must be like 24h, 30d, 2w or 2026-01-31.") from None


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError("--timezone must be a name such as UTC or Europe/Berlin.") from None


def _counts(totals: Totals) -> dict[str, Any]:
    from lib.cli.amounts import usd_text

    return {name: getattr(totals, name) for name in _COUNTS} | {
        "cost_nano_usd": totals.cost_nano_usd,
        "cost_usd": usd_text(totals.cost_nano_usd),
    }


def _lines(by: str, shares: list[Any], total: Totals) -> list[str]:
    from lib.money import format_usd

    def row(label: str, t: Totals) -> list[str]:
        counts = (t.requests, t.failed_requests, t.input_tokens, t.cache_read_tokens, t.output_tokens)
        return [label, *(f"{count:,}" for count in counts), format_usd(t.cost_nano_usd), f"{t.unpriced:,}"]

    heads = [by.capitalize(), "Requests", "Failed", "Tokens in", "Cached", "Tokens out", "Cost", "Unpriced"]
    return table(heads, [*(row(share.label, share.totals) for share in shares), row("Total", total)])
