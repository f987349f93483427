"""``models prices`` and ``models price``: what models cost, beside the catalogue, and what is set by hand."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lib.pricing import Price
    from lib.services.price_reading import Found, LastCheck

_RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")


def _rate(_context: click.Context, parameter: click.Parameter, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        rate = Decimal(text.removeprefix("$"))
        if not (rate.is_finite() and 0 <= rate <= 1_000_000):
            raise InvalidOperation
    except InvalidOperation:
        raise click.BadParameter(f"{text[:40]} is not a price in US dollars per 1M tokens.", param=parameter) from None
    return rate


@click.command()
@click.argument("refs", metavar="[MODEL...]", nargs=-1)
@click.option("--apply", "applied", is_flag=True, help="Take the catalogue's: of named models, else of all but those set by hand.")
@json_option
def prices(refs: tuple[str, ...], applied: bool, as_json: bool) -> None:
    """Compare prices with the catalogue, of MODELs or of all; nothing is changed unless asked for."""
    from lib.cli.session import session
    from lib.services.price_desk import PriceDesk

    with session() as opened:
        ids = {opened.registry.get(ref).id for ref in refs}
        desk = PriceDesk(opened.services, opened.principal)
        desk.check()
        last = desk.last()
        rows = [found for found in (last.rows if last else ()) if not ids or found.row.subject.model_id in ids]
        taken = [found.row for found in rows if ids or found.row.taken_by_all] if applied else []
        desk.apply(taken)
    keys = [row.subject.key for row in taken]
    emit(as_json, {"counts": dict(last.counts) if last else {}, "models": [_document(f, keys) for f in rows]}, _lines(last, rows, keys))


@click.command()
@click.argument("model")
@click.option("--input", "input", callback=_rate, metavar="USD", help="USD per 1M input tokens; 0 is free.")
@click.option("--output", "output", callback=_rate, metavar="USD", help="USD per 1M output tokens.")
@click.option("--cache-read", "cache_read", callback=_rate, metavar="USD", help="USD per 1M input tokens read from a cache.")
@click.option("--cache-write", "cache_write_5m", callback=_rate, metavar="USD", help="USD per 1M input tokens written to a cache.")
@click.option(
    "--cache-write-hour", "cache_write_1h", callback=_rate, metavar="USD", help="USD per 1M input tokens written to a cache for an hour."
)
@click.option("--reasoning", "reasoning", callback=_rate, metavar="USD", help="USD per 1M reasoning tokens; as output when never given.")
@click.option("--past-calls", is_flag=True, help="Price its calls that have no cost too; a call that has one keeps it.")
@json_option
def price(model: str, past_calls: bool, as_json: bool, **typed: Decimal | None) -> None:
    """Show MODEL's prices by date, or set rates that hold from now on; those not named stay."""
    from dataclasses import replace

    from lib.cli.session import session
    from lib.pricing import Price
    from lib.services.price_desk import PriceDesk

    rates: dict[str, Any] = {name: rate for name, rate in typed.items() if rate is not None}
    filled = None
    with session() as opened:
        row = opened.registry.get(model)
        desk = PriceDesk(opened.services, opened.principal)
        if rates:
            old = replace(row.price or Price(), id=None, model_id=None, valid_from=None, source_detail=None)
            filled = desk.set_price(row.id, replace(old, **rates, source="manual"), past=past_calls)
        elif past_calls:
            filled = desk.price_past(row.id)
        history = opened.registry.prices(row.id)
    document: dict[str, Any] = {"key": row.model_key, "prices": [_price(one) for one in history]}
    lines = [f"{plain(row.display_name)}, in USD per 1M tokens:", *(_line(one) for one in history)]
    if not history:
        lines = [f"{plain(row.display_name)} has no price, so its calls are unpriced."]
    if filled is not None:
        document["past_calls"] = {"priced": filled.calls, "cost_nano_usd": filled.cost_nano, "left": filled.left}
        lines.append(_filled(filled.calls, filled.cost_nano, filled.left))
    emit(as_json, document, lines)


def _document(found: Found, taken: Sequence[str]) -> dict[str, Any]:
    from dataclasses import asdict

    row = found.row
    return {
        "key": row.subject.key,
        "state": row.state,
        "taken": row.subject.key in taken,
        "reference": row.subject.reference,
        "price": _price(row.subject.price),
        "catalogue": _price(row.offered),
        "announced": [_price(one) for one in row.announced],
        "changes": [{"rate": c.label, "before": _text(c.before), "after": _text(c.after), "each": c.each} for c in row.changes],
        "last_30_days": asdict(found.effect) | {"change_nano": found.effect.change_nano},
    }


def _lines(last: LastCheck | None, rows: Sequence[Found], taken: Sequence[str]) -> Iterator[str]:
    from lib.money import format_usd

    counts = last.counts if last else {}
    known = sum(counts.values()) - counts.get("unknown", 0)
    yield f"{known} models are known to the catalogue, {counts.get('unknown', 0)} are not; {len(rows)} differ."
    for found in rows:
        row, effect = found.row, found.effect
        changes = ", ".join(f"{c.label} {_text(c.before) or 'none'} -> {_text(c.after) or 'none'}" for c in row.changes)
        days = "".join(f", from {one.valid_from:%Y-%m-%d}" for one in row.announced if one.valid_from)
        month = ""
        if effect.calls:
            would = effect.would_nano + effect.unpriced_nano
            month = f"; last 30 days {format_usd(effect.cost_nano)}, with the catalogue's {format_usd(would)}"
        done = " [TAKEN]" if row.subject.key in taken else ""
        yield f"  {row.state}: {plain(row.subject.name)} (Key: {row.subject.key}): {changes}{days}{month}{done}"


def _line(one: Price) -> str:
    rates = ", ".join(f"{name.replace('_', ' ')} {_text(getattr(one, name))}" for name in _RATES if getattr(one, name) is not None)
    since = f"{one.valid_from:%Y-%m-%d %H:%M} UTC" if one.valid_from else ""
    return f"  from {since}: {rates or 'no rate'} ({one.source}{f', {plain(one.source_detail)}' if one.source_detail else ''})"


def _filled(calls: int, cost_nano: int, left: int) -> str:
    from lib.money import format_usd

    said = f"{calls:,} calls without a cost were priced: {format_usd(cost_nano)}."
    return said + (f" {left:,} stay unpriced: no price of their time fits them." if left else "")


def _price(one: Price | None) -> dict[str, Any] | None:
    from lib.pricing.prices import price_to_json

    return None if one is None else price_to_json(one)


def _text(rate: Decimal | None) -> str | None:
    return None if rate is None else format(rate.normalize(), "f")
