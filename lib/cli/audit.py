"""``audit``: who changed what, and taking it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, plain, table

if TYPE_CHECKING:
    from lib.registry.undo_values import UndoPlan
    from lib.services.audit_desk import Told
    from lib.services.audit_words import Difference

_SUBJECTS = {
    "models": "llm_models",
    "prices": "llm_model_prices",
    "providers": "llm_providers",
    "people": "profiles",
    "keys": "credentials",
    "hints": "model_compatibility_hints",
}


@click.group()
def audit() -> None:
    """See what was changed, by whom and from where, and take it back."""


@audit.command("list")
@click.option("--since", metavar="WHEN", help="Hours, days or weeks back (24h, 30d, 2w), or a first day (2026-01-31).")
@click.option("--who", metavar="NAME", help="Only what this person changed.")
@click.option("--subject", type=click.Choice(list(_SUBJECTS)), help="Only changes of these.")
@click.option("--model", metavar="MODEL", help="Only changes of this model, its prices and its key.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many changes, the newest.")
@json_option
def list_changes(since: str | None, who: str | None, subject: str | None, model: str | None, limit: int, as_json: bool) -> None:
    """List changes, newest first; what was changed together is one change, named by the number of its first entry."""
    from zoneinfo import ZoneInfo

    from lib.cli.session import session
    from lib.cli.usage import parse_since
    from lib.services.audit_desk import AuditDesk
    from lib.store.audit_reading import AuditFilters

    start = parse_since(since, datetime.now(UTC), ZoneInfo("UTC")).start if since else None
    with session() as opened:
        desk = AuditDesk(opened.services, opened.principal)
        about = desk.about_model(opened.registry.get(model).id) if model else ()
        subjects = (_SUBJECTS[subject],) if subject else ()
        filters = AuditFilters(actors=(who,) if who else (), subjects=subjects, since=start, about=about)
        told, _ = desk.changes(filters, limit=limit)
    rows = [(str(one.id), one.at.strftime("%Y-%m-%d %H:%M"), one.origin or "", one.sentence) for one in told]
    width = max((len(row[0]) for row in rows), default=0)
    lines = [plain(f"{number.rjust(width)}  {at}  {origin:<4}  {said}") for number, at, origin, said in rows]
    emit(as_json, [_document(one) for one in told], lines or ["No change was found."])


@audit.command("undo")
@click.argument("entry", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--dry-run", is_flag=True, help="Say what it would do, and change nothing.")
@json_option
def undo_change(entry: int, dry_run: bool, as_json: bool) -> None:
    """Take the change with entry ID back, all that was changed with it, or say why that cannot be."""
    from lib.cli.session import session
    from lib.services.audit_desk import AuditDesk

    with session() as opened:
        desk = AuditDesk(opened.services, opened.principal)
        detail = desk.detail(entry)
        if detail.plan.refusals:
            raise click.ClickException(plain(" ".join(detail.plan.refusals)))
        made = None if dry_run else desk.undo(detail.plan)
    said = (
        f"Would take back: {detail.told.sentence}."
        if dry_run
        else f"Taken back: {detail.told.sentence}. To have it again: audit undo {made}"
    )
    emit(as_json, _planned(detail.plan, detail.would, made), [plain(line) for line in (said, *_lines(detail.would), *detail.plan.notes)])


def _lines(would: tuple[Difference, ...]) -> list[str]:
    rows = [(f"{each.name}: {each.field}" if each.field else each.name, each.before, each.after) for each in would]
    return table(("what", "now", "then"), rows) if rows else []


def _document(one: Told) -> dict[str, Any]:
    return {
        "id": one.id,
        "entries": one.count,
        "at": one.at.isoformat(),
        "who": one.who,
        "from": one.origin,
        "what": one.what,
        "can_be_undone": one.why_not is None,
        "why_not": one.why_not,
    }


def _planned(plan: UndoPlan, would: tuple[Difference, ...], made: int | None) -> dict[str, Any]:
    return {
        "id": plan.entry_id,
        "undone_by": made,
        "changes": [{"name": each.name, "field": each.field, "now": each.before, "then": each.after} for each in would],
        "notes": list(plan.notes),
    }
