"""``models export`` and ``models import``: the registry as a file."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from lib.cli.output import emit, json_option, plain

if TYPE_CHECKING:
    from lib.registry import ImportPlan


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@json_option
def import_models(file: IO[bytes], dry_run: bool, as_json: bool) -> None:
    """Add or update models from a FILE that export wrote, JSON or CSV (- reads standard input), all or none."""
    from lib.cli.session import session
    from lib.errors import InvalidValue
    from lib.registry.transfer import read

    try:
        source = read(file.read())
    except InvalidValue as error:
        raise click.UsageError(f"{file.name}: {error}") from None
    with session() as opened:
        plan = opened.registry.plan_import(source)
        if not dry_run:
            opened.registry.carry_out_import(plan)
    emit(as_json, _document(plan), _lines(plan) if dry_run else _lines(plan)[:1])


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, allow_dash=True), default="-")
@click.option("--format", "as_format", type=click.Choice(["json", "csv"]), help="By FILE's ending when left out; else json.")
@json_option
def export_models(file: str, as_format: str | None, as_json: bool) -> None:
    """Write providers and models, without any key, as JSON or CSV to FILE or standard output."""
    from lib.cli.session import session
    from lib.registry.transfer_csv import to_csv

    form = as_format or ("csv" if file.lower().endswith(".csv") else "json")
    if as_json and form == "csv" and file == "-":
        raise click.UsageError("Standard output holds one document: give a FILE for the table, or leave --json out.")
    with session() as opened:
        document = opened.registry.export()
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    data = to_csv(document) if form == "csv" else text.encode()
    with click.open_file(file, "wb", atomic=file != "-") as out:
        out.write(data)
    if file != "-":
        count = len(document["models"])
        emit(as_json, {"file": file, "format": form, "models": count}, [f"Wrote {count} models to {file}."])


def _document(plan: ImportPlan) -> dict[str, Any]:
    from dataclasses import asdict

    from lib.registry.differences import pair

    edits = []
    for edit in plan.edits:
        before, after = pair(edit.field, edit.before, edit.after)
        edits.append({"key": edit.key, "field": edit.field, "before": before, "after": after})
    return {**{name: list(keys) for name, keys in asdict(plan.result).items()}, "edits": edits}


def _lines(plan: ImportPlan) -> list[str]:
    from lib.registry.differences import pair, word

    result = plan.result
    counts = {"added": result.added, "updated": result.updated, "unchanged": result.unchanged, "providers": result.providers}
    lines = [", ".join(f"{name}: {len(keys)}" for name, keys in counts.items())]
    lines += [f"+ {item.key}" for item in plan.items if item.there is None]
    return lines + [plain(f"~ {e.key}, {word(e.field)}: {' → '.join(pair(e.field, e.before, e.after))}") for e in plan.edits]
