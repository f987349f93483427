"""The command line, ``python -m lib``: each command imports what it needs only when it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click

from lib.cli.access import access
from lib.cli.audit import audit
from lib.cli.chat import chat
from lib.cli.db import db
from lib.cli.hints import hints
from lib.cli.keys import keys
from lib.cli.models import models
from lib.cli.root import PROGRAM, Root
from lib.cli.sample import sample
from lib.cli.usage import usage

__all__ = ["CommandInfo", "cli", "commands"]


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Modeldeck: models, keys, calls and their cost. Exit codes: 0, 1 for a failure, 2 for wrong usage or configuration."""


for _command in (db, models, chat, usage, hints, keys, access, sample, audit):
    cli.add_command(_command)


@dataclass(frozen=True)
class CommandInfo:
    """A command as documents describe it; ``options`` are its long names, such as --json."""

    name: str
    usage: str
    help: str
    options: tuple[str, ...]


def commands() -> Mapping[str, CommandInfo]:
    """Return every command by its name, such as "models list"."""
    with click.Context(cli, info_name=PROGRAM) as context:
        return {info.name: info for info in _walk(cli, context, ())}


def _walk(command: click.Command, context: click.Context, path: tuple[str, ...]) -> Iterator[CommandInfo]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.commands[name]
            with click.Context(child, info_name=name, parent=context) as inner:
                yield from _walk(child, inner, (*path, name))
        return
    options = tuple(o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--"))
    pieces = " ".join(command.collect_usage_pieces(context))
    yield CommandInfo(" ".join(path), f"{' '.join(path)} {pieces}", command.get_short_help_str(200), options)
