"""``models refresh``: ask providers what they offer, and take it over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, plain

if TYPE_CHECKING:
    from lib.registry.discovery import PlannedModel
    from lib.services.discovery_results import Look, Refreshed

_SHOWN = 20
_FAILED = 1


@click.command()
@click.argument("providers", metavar="[PROVIDER...]", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--yes", is_flag=True, help="Take over a list that looks wrong too, such as one much shorter than before.")
@json_option
def refresh(providers: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool) -> int:
    """Ask PROVIDERs, or all that are connected, for their models: new ones come switched off, those gone become unavailable."""
    from lib.cli.session import session
    from lib.services.discovery import DiscoveryDesk
    from lib.services.discovery_results import Refreshed, would

    def progress(done: int, total: int, name: str) -> None:
        if name:
            click.echo(f"{done} of {total} providers: {plain(name)} answered", err=True)

    with session() as opened:
        desk = DiscoveryDesk(opened.services, opened.principal)
        looks = desk.look_all(providers or None, progress, record=not dry_run)
        done = Refreshed(tuple(would(look, accept=yes) if dry_run else desk.apply(look, accept=yes) for look in looks))
    for error in done.errors:
        click.echo(plain(error), err=True)
    emit(as_json, _document(looks, done, dry_run), _lines(looks, done, dry_run))
    return _FAILED if done.results and done.failed == len(done.results) else 0


def _document(looks: list[Look], done: Refreshed, dry_run: bool) -> dict[str, Any]:
    from lib.services.discovery_results import detail

    rows = [
        {
            **{"provider": result.provider, "name": result.provider_name, "listed": result.listed, **result.counts},
            **{"left_out": dict(result.left_out), "waiting": list(result.waiting)},
            **{"held": result.held, "error": result.error, "not_told": result.not_told},
            "models": [
                {"action": row.action, "key": row.model_key, "upstream_id": row.upstream_id, "sure": row.sure, **detail(row)}
                for row in (look.plan.rows if look.plan else ())
            ],
        }
        for look, result in zip(looks, done.results, strict=True)
    ]
    totals = {"added": done.added, "updated": done.updated, "failed": done.failed, "errors": list(done.errors)}
    return {"dry_run": dry_run, **totals, "providers": rows}


def _lines(looks: list[Look], done: Refreshed, dry_run: bool) -> list[str]:
    from lib.services.discovery_results import left_out

    if not looks:
        return ["No provider is connected. Set a key with: python -m lib keys set PROVIDER"]
    lines: list[str] = []
    for look, result in zip(looks, done.results, strict=True):
        lines.append(plain(" ".join(part for part in (result.named, left_out(result.left_out)) if part)))
        rows = look.plan.rows if look.plan else ()
        lines += [_line(row) for row in rows[:_SHOWN]]
        lines += [f"   and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []
    words = ("would add", "would update") if dry_run else ("added", "updated")
    return [*lines, f"{words[0]}: {done.added}, {words[1]}: {done.updated}, failed: {done.failed}"]


def _line(row: PlannedModel) -> str:
    from lib.services import discovery_words as words

    what = ("new" if row.action == "added" else row.action) + ("" if row.sure else "?")
    told = "; ".join(part for part in (words.changed(row), words.price(row)) if part)
    return plain(f"   {what:<8} {row.name} (Key: {row.model_key})" + (f": {told}" if told else ""))
