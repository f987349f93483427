"""``sample``: made-up calls to look at before there are real ones."""

from __future__ import annotations

import sys

import click

from lib.cli.output import emit, json_option


@click.group()
def sample() -> None:
    """Fill the analytics with made-up calls of models that do not exist, and take them away again."""


@sample.command()
@click.option("--calls", type=int, default=50_000, show_default=True, metavar="N", help="How many calls, retries included.")
@click.option("--days", type=int, default=90, show_default=True, metavar="N", help="Over how many days up to now.")
@click.option("--seed", type=int, default=7, show_default=True, metavar="N", help="Another seed makes up other calls.")
@json_option
def load(calls: int, days: int, seed: int, as_json: bool) -> None:
    """Load sample calls, in place of any that are there; real calls are not touched."""
    from lib.cli.session import session
    from lib.errors import InvalidValue

    try:
        with session() as opened:
            done = opened.services.load_sample(opened.principal, calls, days, seed, _progress)
    except InvalidValue as error:
        if error.field is None:
            raise
        raise click.BadOptionUsage(f"--{error.field}", str(error)) from None
    document = {
        "calls": done.calls,
        "requests": done.requests,
        "replaced": done.replaced,
        "models": done.models,
        "users": done.users,
        "since": done.start.isoformat(),
        "until": done.end.isoformat(),
        "seed": seed,
    }
    instead = f", in place of {done.replaced:,}" if done.replaced else ""
    emit(
        as_json,
        document,
        [
            f"{done.calls:,} sample calls of {done.models} sample models were loaded{instead}, from {done.start:%d %B %Y} on.",
            "They are labelled as a sample everywhere. Take them away with: python -m lib sample clear",
        ],
    )


@sample.command()
@json_option
def clear(as_json: bool) -> None:
    """Take all sample calls and sample models away; real ones are not touched."""
    from lib.cli.session import session

    with session() as opened:
        done = opened.services.clear_sample(opened.principal, _progress)
    nothing = not (done.calls or done.models)
    line = "There is no sample data." if nothing else f"{done.calls:,} sample calls and {done.models} sample models were taken away."
    emit(as_json, {"calls": done.calls, "models": done.models}, [line])


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done:,} of {total:,} calls", err=True, nl=done >= total)
