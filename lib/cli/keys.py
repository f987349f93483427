"""``keys``: provider keys and the key they are encrypted under."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lib.cli.output import emit, json_option


@click.group()
def keys() -> None:
    """Store, test and remove provider keys; make and rotate the encryption key."""


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List every provider's key: where it comes from and its preview, never the key."""
    from lib.cli.session import session

    with session() as opened:
        providers = opened.registry.providers()
    width = max(len(p.slug) for p in providers) if providers else 0
    emit(
        as_json,
        [_document(p) for p in providers],
        [f"{p.slug.ljust(width)}  {p.key.source}{f'  {p.key.preview}' if p.key.preview else ''}" for p in providers],
    )


@keys.command("set")
@click.argument("provider")
@click.option("--base-url", metavar="URL", help="Also set where the provider is reached, such as your own gateway.")
@click.option("--no-test", is_flag=True, help="Store the key without asking the provider whether it works.")
@json_option
def set_key(provider: str, base_url: str | None, no_test: bool, as_json: bool) -> None:
    """Store PROVIDER's key, read from standard input or a hidden prompt; it is tested with a small real call first."""
    from lib.cli.session import session

    with session() as opened:
        row = opened.registry.provider(provider)
        key = _read_secret(f"{row.display_name} key")
        if not no_test:
            result = opened.services.test_key(opened.principal, row, key, base_url)
            if not result.ok:
                raise click.ClickException(f"The key was not stored. {result.sentence}")
        row = opened.services.connect(opened.principal, row, key, base_url=base_url, tested=not no_test)
    tested = "stored untested" if no_test else "works and is stored"
    emit(
        as_json,
        _document(row) | {"tested": not no_test},
        [f"The {row.display_name} key {row.key.preview or ''} {tested}.".replace("  ", " ")],
    )


@keys.command()
@click.argument("provider")
@json_option
def remove(provider: str, as_json: bool) -> None:
    """Forget PROVIDER's stored key; one from the environment counts again."""
    from lib.cli.session import session

    with session() as opened:
        row = opened.registry.provider(provider)
        if row.key.source not in ("stored", "unreadable"):
            raise click.ClickException(f"{row.display_name} has no stored key.")
        opened.services.remove_key(opened.principal, row)
        row = opened.registry.provider(provider)
    emit(as_json, _document(row), [f"The {row.display_name} key was removed; key now: {row.key.source}."])


@keys.command()
@json_option
def generate(as_json: bool) -> None:
    """Print a new ENCRYPTION_KEY; nothing is stored."""
    from lib.crypto import generate_encryption_key

    key = generate_encryption_key()
    emit(as_json, {"encryption_key": key}, [key])


@keys.command()
@json_option
def rotate(as_json: bool) -> None:
    """Encrypt every stored key again under a new ENCRYPTION_KEY; interrupted, it goes on when run again.

    Where ENCRYPTION_KEY is set, the new key is read from standard input or a hidden prompt; the embedded mode makes it.
    """
    from lib.cli.session import session

    with session() as opened:
        given = opened.services.settings.encryption_key is not None
        new_key = _read_secret("New ENCRYPTION_KEY") if given else None
        result = opened.services.keys.rotate(opened.actor, new_key)
    lines = [f"{result.rewritten:,} stored keys were encrypted again."]
    if given:
        lines.append("Now set ENCRYPTION_KEY to the new key and restart Modeldeck.")
    emit(as_json, {"rewritten": result.rewritten, "unreadable": list(result.unreadable)}, lines)
    if result.unreadable:
        raise click.ClickException(
            f"{len(result.unreadable)} stored keys could not be read and were left as they are; set those keys again."
        )


@keys.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would come of each row, and store nothing.")
@json_option
def import_keys(file: Path, dry_run: bool, as_json: bool) -> None:
    """Bring the keys of FILE, encrypted by an older system, into this one.

    FILE is JSON or CSV with the columns provider, encrypted_value and, where a key is not everyone's, user (an e-mail
    address or id) or model. The old ENCRYPTION_KEY is LEGACY_ENCRYPTION_KEY or, without it, read from standard input or a
    hidden prompt.
    """
    from lib.cli.session import session
    from lib.services.key_import import KeyImport, read_rows

    rows = read_rows(file.read_text(encoding="utf-8-sig"))
    with session() as opened:
        given = opened.services.settings.value("LEGACY_ENCRYPTION_KEY")
        old_key = given.get_secret_value() if given else _read_secret("old ENCRYPTION_KEY")
        done = KeyImport(opened.services, opened.principal).run(rows, old_key, dry_run=dry_run)
    counts = {outcome: sum(row.outcome == outcome for row in done) for outcome in ("imported", "skipped", "failed")}
    would = "would be " if dry_run else ""
    summary = f"{counts['imported']:,} keys {would}imported, {counts['skipped']:,} skipped, {counts['failed']:,} failed."
    emit(as_json, {**counts, "dry_run": dry_run, "rows": [asdict(row) for row in done]}, [*(row.sentence for row in done), summary])
    if counts["failed"]:
        raise click.ClickException("Rows that failed were left out; everything else is as said above.")


def _read_secret(what: str) -> str:
    """Read a secret where no process list, history or screen shows it."""
    if sys.stdin.isatty():
        secret = str(click.prompt(what, hide_input=True, err=True))
    else:
        secret = sys.stdin.read()
    if not secret.strip():
        raise click.UsageError(f"Nothing was given. Pipe the {what} in on standard input, or run this in a terminal.")
    return secret.strip()


def _document(provider: Any) -> dict[str, Any]:
    status = provider.key
    return {
        "provider": provider.slug,
        "name": provider.display_name,
        "source": status.source,
        "preview": status.preview,
        "tested_at": status.tested_at.isoformat() if status.tested_at else None,
    }
