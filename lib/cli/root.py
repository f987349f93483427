"""The root command: whatever goes wrong below it ends in one sentence on stderr and an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from lib.errors import ModeldeckError, SettingsError

PROGRAM = "python -m lib"
FAILED, MISUSED = 1, 2


class Root(click.Group):
    """A group that exits 0, 1 for a failure or 2 for wrong usage or configuration, and never with a traceback."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Run a command line (sys.argv's when none is given) and exit."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal without these characters still gets the line
        extra |= {"prog_name": PROGRAM, "standalone_mode": False}
        try:
            code = super().main(args, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_stdout()
            code = FAILED
        except Exception as error:
            code = _explain(error)
        sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    """Say what went wrong; return the exit code."""
    match error:
        case click.Abort():  # Ctrl-C: the person knows
            return FAILED
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return MISUSED
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else PROGRAM
            click.echo(f"{error.format_message()} See: {where} --help", err=True)
            return MISUSED
        case click.ClickException():
            click.echo(error.format_message(), err=True)
            return FAILED
        case SettingsError():
            click.echo(str(error), err=True)
            return MISUSED
        case ModeldeckError():
            click.echo(str(error), err=True)
            return FAILED
        case _:
            from lib.logs import configure, get_logger, redact

            if not logging.getLogger().handlers:  # it failed before the settings said how to log
                configure("error")
            get_logger("cli").error("cli.failed", exc_info=error)
            detail = redact(" ".join(str(error).split()))[:200]
            click.echo(f"Something went wrong inside Modeldeck ({type(error).__name__}{': ' + detail if detail else ''}).", err=True)
            return FAILED


def _forget_stdout() -> None:
    """Point stdout at nothing: its reader has gone, and the interpreter would complain when it flushes at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, io.UnsupportedOperation):
        sys.stdout = io.StringIO()
